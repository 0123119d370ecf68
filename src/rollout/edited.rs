//! One policy before and after an edit, for back-tests and the edit gate.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::EventType;
use crate::policy::tree::{Trigger, Verb};
use crate::policy::{Policy, PolicySet, Revision};

/// The number of people whom edits would newly affect, by effect.
pub type Newly = BTreeMap<String, usize>;

/// One policy before and after an edit; `None`: it does not exist.
#[derive(Debug, Clone)]
pub struct Edited {
    pub name: String,
    pub before: Option<Arc<Policy>>,
    pub after: Option<Arc<Policy>>,
    /// The revision that runs while the edit waits, usually `before`.
    pub runs: Option<Arc<Policy>>,
    /// The people whom preceding edits that passed would have affected.
    pub earlier: Newly,
    /// The revision from which small changes are added up.
    pub began: Option<Revision>,
    /// A back-test parked it before, and that result holds.
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

    /// Returns whether other policies may react to its verifications.
    pub(super) fn verifies(&self) -> bool {
        self.before.iter().chain(&self.after).any(|policy| verifies(policy))
    }
}

pub(super) fn verifies(policy: &Policy) -> bool {
    policy.steps.iter().any(|step| matches!(step.verb, Verb::Verify(_)))
}

/// Returns whether it reacts to verifications of other policies.
pub(super) fn reacts_to_passes(policy: &Policy) -> bool {
    policy.reacts_to().any(|kind| kind.as_str() == EventType::VERIFICATION_PASSED)
}

/// Returns unedited policies that react to verifications of edited ones. A back-test includes them.
pub(super) fn reacting(edited: &[Edited], running: &PolicySet) -> Vec<Edited> {
    if !edited.iter().any(Edited::verifies) {
        return Vec::new();
    }
    let others = running.policies.values().filter(|policy| edited.iter().all(|one| one.name != policy.name));
    let reacting = others.filter(|policy| reacts_to_passes(policy));
    reacting.map(|policy| Edited::new(&policy.name, Some(policy.clone()), Some(policy.clone()))).collect()
}

/// Returns policies that differ between the two sets. A policy with errors is left out: its running revision stays.
/// `chosen`: edits with more information, such as the revision before a policy left the tree.
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

/// Returns whether one may be the other under a new name: same kind of subject, same triggers.
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
