//! One policy before and after an edit, as a back-test and the edit gate look at it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::EventType;
use crate::policy::tree::{Trigger, Verb};
use crate::policy::{Policy, PolicySet, Revision};

/// Effect to the people whom edits would have newly met.
pub type Newly = BTreeMap<String, usize>;

/// One policy before and after an edit; none: it is not there.
#[derive(Debug, Clone)]
pub struct Edited {
    pub name: String,
    pub before: Option<Arc<Policy>>,
    pub after: Option<Arc<Policy>>,
    /// What runs while the edit waits: mostly what was before.
    pub runs: Option<Arc<Policy>>,
    /// What the edits just before it would have done, which were let pass.
    pub earlier: Newly,
    /// The revision from which small changes are added up.
    pub began: Option<Revision>,
    /// A back-test parked it before; that stands.
    pub judged: bool,
    /// It waits for a back-test. The others only belong to the same edit.
    pub judge: bool,
}

impl Edited {
    pub fn new(name: &str, before: Option<Arc<Policy>>, after: Option<Arc<Policy>>) -> Self {
        let (runs, earlier) = (before.clone(), Newly::new());
        let began = None;
        Self { name: name.to_owned(), runs, before, after, earlier, began, judged: false, judge: false }
    }

    /// Whether others may hear of its verifications.
    pub(super) fn verifies(&self) -> bool {
        self.before.iter().chain(&self.after).any(|policy| verifies(policy))
    }
}

pub(super) fn verifies(policy: &Policy) -> bool {
    policy.steps.iter().any(|step| matches!(step.verb, Verb::Verify(_)))
}

/// Whether it acts on verifications of other policies.
pub(super) fn hears_of_passes(policy: &Policy) -> bool {
    policy.hears().any(|kind| kind.as_str() == EventType::VERIFICATION_PASSED)
}

/// Policies that nobody edits and that hear of what edited ones verify. They are walked with them.
pub(super) fn hearers(edited: &[Edited], running: &PolicySet) -> Vec<Edited> {
    if !edited.iter().any(Edited::verifies) {
        return Vec::new();
    }
    let others = running.policies.values().filter(|policy| edited.iter().all(|one| one.name != policy.name));
    let hearers = others.filter(|policy| hears_of_passes(policy));
    hearers.map(|policy| Edited::new(&policy.name, Some(policy.clone()), Some(policy.clone()))).collect()
}

/// Policies that are not the same in both. One with mistakes is not looked at: what runs of it goes on.
/// `chosen`: those of which more is known, such as what ran before they left the tree.
pub(super) fn differing(
    running: &BTreeMap<String, Arc<Policy>>,
    next: &BTreeMap<String, Arc<Policy>>,
    declared: &[String],
    chosen: &[Edited],
) -> Vec<Edited> {
    let names: BTreeSet<&String> = running.keys().chain(next.keys()).collect();
    let edited = |name: &String| {
        let (before, after) = (running.get(name).cloned(), next.get(name).cloned());
        let same = match (&before, &after) {
            (Some(before), Some(after)) => before.revision == after.revision,
            (_, None) => declared.contains(name),
            (None, Some(_)) => false,
        };
        let known = || chosen.iter().find(|edited| edited.name == *name).cloned();
        (!same).then(|| known().unwrap_or_else(|| Edited::new(name, before, after)))
    };
    names.into_iter().filter_map(edited).collect()
}

/// Whether one may be the other by another name: about the same people, on the same occasions.
pub(super) fn succeeds(new: &Policy, old: &Policy) -> bool {
    let occasions = |policy: &Policy| -> BTreeSet<String> {
        let of = |trigger: &Trigger| match trigger {
            Trigger::Event(kind) => kind.to_string(),
            Trigger::Sweep(_) => "sweep".to_owned(),
            Trigger::Manual => "manual".to_owned(),
        };
        policy.when.iter().map(of).collect()
    };
    new.subject == old.subject && !occasions(new).is_disjoint(&occasions(old))
}
