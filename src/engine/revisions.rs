//! People look at revisions of a policy, release one that was parked, and go back to an older one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::api::policies::{RevisionDiff, RevisionSheet};
use crate::model::Actor;
use crate::policy::effects::{diff, effects};
use crate::policy::{Policy, Revision};
use crate::store::{self, Commit, PolicyDeed, PolicyOrder};

use super::Engine;
use super::cases::{ApplyError, to_its_end};
use super::reload::PolicyStatus;
use super::requests::About;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoRevision {
    #[error("there is no such policy")]
    NoPolicy,
    /// What was asked for is not there, or cannot be done now.
    #[error("{0}")]
    No(String),
    #[error("{0}")]
    Store(#[from] store::Error),
}

/// A policy that the tree has no more, and whose open cases go on.
#[derive(Debug)]
pub struct Gone {
    pub name: String,
    /// The newest one that ran.
    pub revision: Option<Revision>,
    pub open_cases: u64,
}

impl Engine {
    /// A revision by the first digits of its name, or `running` or `waiting`; or `last`: what runs, or ran last.
    pub fn policy_at(&self, name: &str, which: &str) -> Result<Arc<Policy>, NoRevision> {
        let active = self.active();
        let (running, waiting) = (active.set.policies.get(name), active.waiting.get(name));
        let stored: BTreeSet<Revision> =
            self.0.store.revisions(name)?.into_iter().map(|stored| stored.revision).collect();
        if running.is_none() && waiting.is_none() && stored.is_empty() {
            return Err(NoRevision::NoPolicy);
        }
        match which {
            "running" => {
                return running.cloned().ok_or_else(|| {
                    no(&format!(
                        "policy {name} does not run now; proofd policy show {name} shows the revision that ran last"
                    ))
                });
            }
            "waiting" => return waiting.cloned().ok_or_else(|| no("no revision waits for a release")),
            "last" => {
                let last =
                    || self.last_revision(name)?.ok_or_else(|| no(&format!("policy {name} never ran")));
                return running.cloned().map_or_else(|| self.loaded(name, &last()?), Ok);
            }
            _ => {}
        }
        let at_hand = running.into_iter().chain(waiting).find(|policy| matches(&policy.revision, which));
        let mut found = stored.into_iter().filter(|revision| matches(revision, which));
        match (found.next(), found.next(), at_hand) {
            (None, _, Some(policy)) => Ok(Arc::clone(policy)),
            (None, _, None) => Err(no(&format!("policy {name} has no revision {which}"))),
            (Some(_), Some(_), _) => {
                Err(no(&format!("several revisions begin with {which}; say more of it")))
            }
            (Some(revision), None, _) => self.loaded(name, &revision),
        }
    }

    /// A stored revision, to be looked at or to run.
    fn loaded(&self, name: &str, revision: &Revision) -> Result<Arc<Policy>, NoRevision> {
        let (store, known) = (&self.0.store, &self.0.settings.known);
        match self.0.revisions.get(name, revision, store, known) {
            Err(ApplyError::Revision(_)) => Err(no(&self.unusable(name, revision)?.says)),
            found => found.map_err(|error| no(&error.to_string())),
        }
    }

    /// The revision that ran last.
    fn last_revision(&self, name: &str) -> Result<Option<Revision>, store::Error> {
        self.ran_last(name, self.0.store.policy_order(name)?.as_ref())
    }

    /// Policies that the tree has no more, and whose open cases go on.
    pub fn gone_policies(&self) -> Result<Vec<Gone>, store::Error> {
        let active = self.active();
        let mut open: BTreeMap<String, u64> = BTreeMap::new();
        for ((policy, _), count) in self.counts()? {
            *open.entry(policy).or_default() += count;
        }
        let there = |name: &str| active.report.policies.iter().any(|status| status.name == name);
        let gone = open.into_iter().filter(|(name, count)| *count > 0 && !there(name));
        gone.map(|(name, open_cases)| Ok(Gone { revision: self.last_revision(&name)?, name, open_cases }))
            .collect()
    }

    /// How a policy that does not run comes back.
    fn way_back(&self, name: &str) -> Result<Vec<String>, store::Error> {
        let active = self.active();
        let in_tree = active.report.policies.iter().any(|status| status.name == name);
        if in_tree || active.set.policies.contains_key(name) {
            return Ok(Vec::new());
        }
        let open =
            self.counts()?.iter().filter(|((policy, _), _)| policy == name).map(|(_, count)| count).sum();
        Ok(vec![format!(
            "the policy is gone from the tree: it opens no cases, {} go on. To bring it back, put these files back \
             into the tree and run proofd policy reload; an older revision is then reached with proofd policy revert",
            open_cases(open)
        )])
    }

    pub fn revision_sheet(&self, name: &str, which: &str) -> Result<RevisionSheet, NoRevision> {
        let policy = self.policy_at(name, which)?;
        let active = self.active();
        let effects = effects(&policy);
        Ok(RevisionSheet {
            policy: name.to_owned(),
            revision: policy.revision.0.clone(),
            status: active.report.policies.iter().find(|status| status.name == name).map(Into::into),
            runs: active.set.policies.get(name).is_some_and(|runs| runs.revision == policy.revision),
            text: effects.to_string(),
            notes: self.way_back(name)?,
            effects: effects.into(),
            files: policy.files.0.keys().cloned().collect(),
            foreseen: active
                .foreseen
                .get(name)
                .filter(|seen| seen.revision == policy.revision)
                .map(|seen| seen.past.as_ref().into()),
        })
    }

    pub fn revision_diff(&self, name: &str, from: &str, to: &str) -> Result<RevisionDiff, NoRevision> {
        let (from, to) = (self.policy_at(name, from)?, self.policy_at(name, to)?);
        let effects = diff(Some(&effects(&from)), Some(&effects(&to)));
        Ok(RevisionDiff {
            policy: name.to_owned(),
            from: from.revision.0.clone(),
            to: to.revision.0.clone(),
            text: effects.to_string(),
            effects: effects.into(),
            files: files(Some(&from), Some(&to)),
        })
    }

    /// A parked revision runs from now on. `revision`: the one that was looked at; another is not released.
    pub async fn release_policy(
        &self,
        name: &str,
        revision: Option<&str>,
        by: Actor,
        reason: String,
    ) -> Result<RevisionSheet, NoRevision> {
        let active = self.active();
        let parked = |status: &&PolicyStatus| status.state == super::PolicyState::NeedsRelease;
        let status = active.report.policies.iter().find(|status| status.name == name);
        let status = status.ok_or(NoRevision::NoPolicy)?;
        if let Some(runs) = status.revision.clone().filter(|_| parked(&status) && status.waiting.is_none()) {
            return self.drop_policy(name, runs, revision, by, reason).await;
        }
        let waiting = Some(status).filter(parked).and_then(|status| status.waiting.clone());
        let waiting = waiting.ok_or_else(|| no(&format!("no revision of {name} waits for a release")))?;
        if revision.is_some_and(|looked_at| !matches(&waiting, looked_at)) {
            let short = waiting.short();
            return Err(no(&format!(
                "the files were edited meanwhile: revision {short} waits now; look at it first"
            )));
        }
        let by = self.released_by(name, &waiting, &by)?;
        let what = PolicyDeed::Released;
        let earlier = self.0.store.policy_order(name)?;
        self.ordered(PolicyOrder {
            policy: name.to_owned(),
            what,
            revision: waiting,
            // What the files can be put back to.
            over: status.revision.clone(),
            by,
            reason,
            at: self.now(),
            newly: BTreeMap::new(),
            began: earlier.as_ref().and_then(PolicyOrder::base).or(status.revision.as_ref()).cloned(),
        })
        .await?;
        self.revision_sheet(name, "running")
    }

    /// A policy that is not in the tree any more stops: it opens no cases, and its open cases go on.
    async fn drop_policy(
        &self,
        name: &str,
        runs: Revision,
        revision: Option<&str>,
        by: Actor,
        reason: String,
    ) -> Result<RevisionSheet, NoRevision> {
        if revision.is_some_and(|looked_at| !matches(&runs, looked_at)) {
            let short = runs.short();
            return Err(no(&format!("the policy is not in the tree any more; revision {short} would stop")));
        }
        let by = self.released_by(name, &runs, &by)?;
        let (policy, what, over, at) = (name.to_owned(), PolicyDeed::Dropped, None, self.now());
        let (revision, newly) = (runs, BTreeMap::new());
        self.ordered(PolicyOrder { policy, what, revision, over, by, reason, at, newly, began: None })
            .await?;
        self.revision_sheet(name, "last")
    }

    /// An older revision runs in the place of the tree's, until the files of the policy are edited again.
    pub async fn revert_policy(
        &self,
        name: &str,
        to: &str,
        by: Actor,
        reason: String,
    ) -> Result<RevisionSheet, NoRevision> {
        let active = self.active();
        let status = active.report.policies.iter().find(|status| status.name == name).ok_or_else(|| {
            no(&format!(
                "the tree has no policy {name} any more; put its folder back into the tree (proofd policy show {name} \
                 lists its files), run proofd policy reload, and then go back to a revision"
            ))
        })?;
        let target = self.policy_at(name, to)?;
        let ran = self.0.store.revisions(name)?.iter().any(|stored| stored.revision == target.revision);
        if !ran {
            return Err(no("this revision never ran; proofd policy release lets it run"));
        }
        if status.revision.as_ref() == Some(&target.revision) {
            return Err(no("this revision runs already"));
        }
        // Back to what the tree has is the end of a revert, and nothing to revert to.
        let tree = status.waiting.clone().or_else(|| status.revision.clone());
        let ends = tree.as_ref() == Some(&target.revision);
        let by = match self.is_parked(name, &target.revision) {
            true => self.released_by(name, &target.revision, &by)?,
            false => by.name,
        };
        let (what, over) = if ends { (PolicyDeed::Released, None) } else { (PolicyDeed::Reverted, tree) };
        let (policy, revision, at) = (name.to_owned(), target.revision.clone(), self.now());
        let (newly, began) = (BTreeMap::new(), None);
        self.ordered(PolicyOrder { policy, what, revision, over, by, reason, at, newly, began }).await?;
        self.revision_sheet(name, "running")
    }

    /// On disk first; the next look at the tree obeys.
    async fn ordered(&self, order: PolicyOrder) -> Result<(), NoRevision> {
        tracing::warn!(policy = order.policy, what = ?order.what, revision = order.revision.short(), by = order.by,
            "policy order");
        let requests = self.mark(About::Policy(order.policy.clone()));
        self.0.store.commit(Commit { policy_orders: vec![order], requests, ..Commit::default() }).await?;
        // Whoever ordered it may go away; it is obeyed all the same.
        let engine = self.clone();
        to_its_end(async move { engine.reload_aside(true).await }).await;
        Ok(())
    }
}

fn no(why: &str) -> NoRevision {
    NoRevision::No(why.to_owned())
}

fn open_cases(count: u64) -> String {
    if count == 1 { "1 open case".to_owned() } else { format!("{count} open cases") }
}

/// Enough of a revision's name to mean it.
fn matches(revision: &Revision, start: &str) -> bool {
    start.len() >= 4 && revision.0.starts_with(start)
}

pub(super) fn files(from: Option<&Policy>, to: Option<&Policy>) -> String {
    let text = |policy: Option<&Policy>, path: &str| {
        let bytes = policy.and_then(|policy| policy.files.get(path));
        bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    };
    let paths: BTreeSet<&String> =
        from.into_iter().chain(to).flat_map(|policy| policy.files.0.keys()).collect();
    let mut shown = String::new();
    for path in paths {
        if let Some(to) = to.filter(|to| to.files.get(path).is_none()) {
            // A diff would say that the file is gone; it may well be there, for others.
            let _ = writeln!(
                shown,
                "{path}: {} does not use it any more, whether it is still in the tree or not",
                to.name
            );
            continue;
        }
        let (old, new) = (text(from, path), text(to, path));
        if old != new {
            let lines = similar::TextDiff::from_lines(&old, &new);
            let _ =
                write!(shown, "{}", lines.unified_diff().header(&format!("a/{path}"), &format!("b/{path}")));
        }
    }
    shown
}
