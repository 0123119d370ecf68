//! Decides who may release a parked revision, where that must be a person other than the author of the edit (`reload:
//! {release: other_person}`).
//!
//! Only an edit that a reload of the API finds has a known author: the caller. The author of files that the daemon
//! finds by itself is unknown, so two persons must release such an edit. At least one of them is not its author. This
//! is kept in memory. After a restart no author is known and no release counts, which requires more persons, never
//! fewer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Actor;
use crate::policy::Revision;

use super::active::Active;
use super::report::{PolicyState, PolicyStatus};

/// The author and the releases of each waiting edit, by its policy. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Pushes(Arc<Mutex<BTreeMap<String, Push>>>);

#[derive(Debug)]
struct Push {
    revision: Revision,
    by: Option<Actor>,
    released: Vec<Actor>,
}

/// The result of a release.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// The revision runs; these persons released it.
    Done(Vec<Actor>),
    /// Another person is needed.
    Counted,
    Refused {
        word: &'static str,
        reason: String,
    },
}

impl Push {
    fn release(&mut self, by: &Actor) -> Release {
        let refused = |word, reason: &str| Release::Refused { word, reason: format!("{} {reason}", by.name) };
        if by.person.is_none() {
            let reason = "has no person; `reload: {release: other_person}` needs a token with `person`";
            return refused("person_required", reason);
        }
        match &self.by {
            Some(author) if author.same(by) => {
                refused("same_person", "pushed this edit; another person must release it")
            }
            Some(_) => Release::Done(vec![by.clone()]),
            None if self.released.iter().any(|other| other.same(by)) => refused(
                "same_person",
                "has released this revision already; another person must release it \
                    too",
            ),
            None => {
                self.released.push(by.clone());
                if self.released.len() < 2 { Release::Counted } else { Release::Done(self.released.clone()) }
            }
        }
    }
}

/// Returns edits that wait for a release: a revision by its policy, or the running revision of one that was removed
/// from the tree.
pub(super) fn parked(active: &Active) -> BTreeMap<String, Revision> {
    let waiting = active.report.policies.iter().filter(|status| status.state == PolicyState::NeedsRelease);
    let edit = |status: &PolicyStatus| {
        let revision = status.waiting.clone().or_else(|| status.revision.clone());
        Some((status.name.clone(), revision?))
    };
    waiting.filter_map(edit).collect()
}

impl Pushes {
    /// Records the edits that wait since a reload, and the caller of the reload.
    pub fn note(&self, before: &Active, after: &Active, by: Option<&Actor>) {
        let mut pushes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, after) = (parked(before), parked(after));
        pushes.retain(|name, push| after.get(name) == Some(&push.revision));
        for (name, revision) in after.into_iter().filter(|(name, edit)| before.get(name) != Some(edit)) {
            let by = by.filter(|by| by.person.is_some()).cloned();
            pushes.insert(name, Push { revision, by, released: Vec::new() });
        }
    }

    /// Records a release of a revision and returns its result.
    pub fn release(&self, name: &str, revision: &Revision, by: &Actor) -> Release {
        let mut pushes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = || Push { revision: revision.clone(), by: None, released: Vec::new() };
        let push = pushes.entry(name.to_owned()).or_insert_with(unknown);
        if push.revision != *revision {
            *push = unknown();
        }
        push.release(by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_author_of_an_edit_cannot_release_it() {
        let dana = Actor { name: "dana-1".to_owned(), ..Actor::person("dana", [""; 0]) };
        let other_token = Actor { name: "dana-2".to_owned(), ..Actor::person("DANA", [""; 0]) };
        let devi = Actor::person("devi", [""; 0]);
        let without_person = Actor::named("ci");
        let done = |by: &[&Actor]| Release::Done(by.iter().map(|by| (*by).clone()).collect());
        for (author, releases) in [
            (
                Some(&dana),
                vec![
                    (&dana, "same_person"),
                    (&other_token, "same_person"),
                    (&without_person, "person_required"),
                ],
            ),
            (Some(&dana), vec![(&devi, "done")]),
            (
                None,
                vec![
                    (&dana, "counted"),
                    (&dana, "same_person"),
                    (&other_token, "same_person"),
                    (&devi, "both"),
                ],
            ),
            (None, vec![(&without_person, "person_required"), (&devi, "counted")]),
        ] {
            let revision = Revision("r".to_owned());
            let mut push = Push { revision, by: author.cloned(), released: Vec::new() };
            for (by, expected) in releases {
                match (push.release(by), expected) {
                    (Release::Refused { word, .. }, expected) => assert_eq!(word, expected, "{by:?}"),
                    (Release::Counted, expected) => assert_eq!(expected, "counted"),
                    (release, "done") => assert_eq!(release, done(&[by])),
                    (release, _) => assert_eq!(release, done(&[&dana, &devi])),
                }
            }
        }
    }
}
