//! Chooses the active revision of each policy: the tree's, if it is good and needs no release; else the last good one,
//! or the target of a revert. Reads the store and changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::model::{Timestamp, Watched};
use crate::policy::effects::{Sheet, added_up, effects, matters, reasons};
use crate::policy::{Loaded, Mode, Policy, PolicySet, Revision};
use crate::store::{self, Examined, PolicyDeed, PolicyOrder, Store};

use super::active::Active;
use super::choice::{ActiveRevision, Chosen};
use super::compiled::Revisions;
use super::edited::{Edited, reacts_to_passes, succeeds, verifies};
use super::load::Tests;
use super::report::PolicyState;

/// A policy that returns within this time was only being edited or copied.
const RETURNS: TimeDelta = TimeDelta::hours(1);

/// Edits that passed within this time are added to the next one. Within the same time, files can be restored to the
/// previous revision.
pub(super) const TOGETHER: TimeDelta = TimeDelta::days(7);

/// One policy of the tree, for the choice.
struct Edit<'a> {
    name: &'a str,
    last: Last,
    order: Option<PolicyOrder>,
    /// No policy ever ran here.
    first: bool,
    /// What the tests of the running policy cover, and those of the tree's.
    tests: (Examined, Examined),
    /// Policies that run and are no longer in the tree.
    gone: Vec<&'a Arc<Policy>>,
}

/// The last revision of a policy that ran.
#[derive(Default)]
struct Last {
    /// The running revision, or one that just left the tree and runs again while an edit of it waits.
    runs: Option<Arc<Policy>>,
    /// The revision that an edit is compared with.
    known: Option<Arc<Policy>>,
}

/// The inputs of a choice, at one time.
#[derive(Debug)]
pub(super) struct Chooser<'a> {
    pub store: &'a Store,
    pub revisions: &'a Revisions,
    /// Effects for which an edit can be parked.
    pub watched: &'a [Watched],
    pub now: Timestamp,
}

impl Chooser<'_> {
    /// Chooses for every policy that the tree declares.
    pub fn choose(
        &self,
        before: &Active,
        loaded: &Loaded,
        tests: &Tests,
        keep_back: bool,
    ) -> Result<Chosen, store::Error> {
        // At first setup, the administrator intends what is in the tree: there is no earlier revision to compare with.
        let first = before.set.policies.is_empty() && self.store.active()?.is_empty();
        let left = before.set.policies.values().filter(|old| !loaded.declared.contains(&old.name));
        let left: Vec<_> = left.collect();
        let mut chosen = Chosen::default();
        for name in &loaded.declared {
            let order = self.store.policy_order(name)?;
            let last = self.last(name, before.set.policies.get(name), order.as_ref())?;
            let of = |tests: &Tests| tests.get(name).cloned().unwrap_or_default();
            let (tests, gone) = ((of(&before.tests), of(tests)), left.clone());
            let revision = match loaded.set.policies.get(name) {
                Some(new) if !keep_back => {
                    self.stand(new, Edit { name, last, order, first, tests, gone }, &before.set)
                }
                Some(new) if last.runs.as_ref().is_some_and(|old| new.revision == old.revision) => {
                    ActiveRevision::of(name, last.runs, PolicyState::Active)
                }
                Some(_) => ActiveRevision::of(name, last.runs, PolicyState::KeptBack),
                None => self.without(name, last.runs, order),
            };
            chosen.add(revision);
        }
        Ok(chosen)
    }

    fn last(
        &self,
        name: &str,
        running: Option<&Arc<Policy>>,
        order: Option<&PolicyOrder>,
    ) -> Result<Last, store::Error> {
        if let Some(running) = running {
            return Ok(Last { runs: Some(Arc::clone(running)), known: Some(Arc::clone(running)) });
        }
        let gone = order.filter(|order| order.what == PolicyDeed::Gone);
        let revision = self.revisions.ran_last(name, order)?;
        // An unloadable revision cannot be compared.
        let policy = revision.and_then(|revision| self.revisions.get(name, &revision).ok());
        let just_left = gone.is_some_and(|order| self.now - order.at < RETURNS);
        Ok(Last { runs: policy.clone().filter(|_| just_left), known: policy })
    }

    /// Chooses for a good version in the tree.
    fn stand(&self, new: &Arc<Policy>, edit: Edit<'_>, running: &PolicySet) -> ActiveRevision {
        let Edit { name, last, order, first, tests, gone } = edit;
        let mut chosen = ActiveRevision::of(name, Some(Arc::clone(new)), PolicyState::Active);
        if let Some(order) = order.as_ref().filter(|order| self.goes_back(order, new, last.runs.as_deref())) {
            let back = PolicyOrder { what: PolicyDeed::Returned, over: None, ..order.clone() };
            let (revision, by) = (new.revision.clone(), "edit".to_owned());
            let reason = "the files were put back to what ran before".to_owned();
            chosen.order = Some(PolicyOrder { revision, by, reason, at: self.now, ..back });
            return chosen;
        }
        let runs_now = last.runs.as_ref().map(|policy| policy.revision.clone());
        let began = order.as_ref().and_then(PolicyOrder::base).or(runs_now.as_ref()).cloned();
        let superseded = |reason: &str| PolicyOrder {
            policy: name.to_owned(),
            what: PolicyDeed::Superseded,
            revision: new.revision.clone(),
            over: runs_now.clone(),
            by: "edit".to_owned(),
            reason: reason.to_owned(),
            at: self.now,
            newly: BTreeMap::new(),
            began: began.clone(),
        };
        let was = |what: PolicyDeed| order.as_ref().filter(|order| order.what == what);
        if let Some(order) = was(PolicyDeed::Reverted) {
            if order.over.as_ref() == Some(&new.revision) {
                return self.reverted(name, last.runs, Arc::clone(new), order);
            }
            chosen.order = Some(superseded("the files were edited after the revert"));
        }
        let released = was(PolicyDeed::Released).is_some_and(|order| order.revision == new.revision);
        if !released && was(PolicyDeed::Released).is_some() {
            chosen.order = Some(superseded("the files were edited after the release"));
        }
        // A folder that returns, after a moment or a month, has the state that it had.
        let parked = was(PolicyDeed::Parked).filter(|order| order.revision == new.revision).cloned();
        let same =
            last.known.as_ref().is_some_and(|known| known.revision == new.revision) && parked.is_none();
        let watched = self.watched;
        if first || same || released || watched.is_empty() {
            return chosen;
        }
        let mut why = why(last.known.as_deref(), new, &gone, watched);
        why.extend(self.added_up(&began, new, &why));
        why.extend(tests.0.less_in(&tests.1).filter(|_| acts(new)));
        // Edits within a few days count together: many small edits make a large one.
        let earlier = order.as_ref().filter(|order| self.now - order.at < TOGETHER);
        let earlier = earlier.map(|order| order.newly.clone()).unwrap_or_default();
        if acts(new) || self.others_react(running, new, last.known.as_ref()) {
            chosen.edited = Some(Edited {
                runs: last.runs.clone(),
                earlier,
                began,
                judged: parked.is_some(),
                judge: true,
                ..Edited::new(name, last.known, Some(Arc::clone(new)))
            });
        }
        // A back-test that parked the revision holds until a person releases it, whatever was recorded since.
        why.extend(parked.map(|order| order.reason));
        if !why.is_empty() {
            chosen.runs = last.runs;
            chosen.state = PolicyState::NeedsRelease;
            chosen.why = why;
            chosen.waiting = Some(Arc::clone(new));
        }
        chosen
    }

    /// Returns what edits that needed no release change together: each alone may be small.
    fn added_up(&self, began: &Option<Revision>, new: &Policy, why: &[String]) -> Vec<String> {
        let base = began.as_ref().filter(|base| **base != new.revision);
        // An unloadable revision cannot be compared.
        let base = base.and_then(|base| self.revisions.get(&new.name, base).ok());
        let Some(base) = base else { return Vec::new() };
        let all = added_up(&effects(&base), &effects(new), self.watched);
        let fresh = all.into_iter().filter(|one| !why.contains(one));
        fresh
            .map(|one| format!("together with the edits since revision {} {one}", base.revision.short()))
            .collect()
    }

    /// Returns whether the files are as they were before the running edit. Only one step back, and only for a limited
    /// time: what was restored once, or left by a revert, is checked like any other edit.
    fn goes_back(&self, order: &PolicyOrder, new: &Policy, runs: Option<&Policy>) -> bool {
        let edit = match order.what {
            PolicyDeed::Released | PolicyDeed::Passed | PolicyDeed::Superseded | PolicyDeed::Edited => true,
            PolicyDeed::Reverted
            | PolicyDeed::Parked
            | PolicyDeed::Gone
            | PolicyDeed::Returned
            | PolicyDeed::Dropped => false,
        };
        edit && order.over.as_ref() == Some(&new.revision)
            && runs.is_some_and(|runs| runs.revision == order.revision)
            && self.now - order.at < TOGETHER
    }

    /// Returns whether another policy that reacts to this one's verifications can have effects that require a
    /// back-test.
    fn others_react(&self, running: &PolicySet, new: &Policy, old: Option<&Arc<Policy>>) -> bool {
        let others = running.policies.values().filter(|other| other.name != new.name);
        let mut reacting = others.filter(|other| reacts_to_passes(other));
        let emits_passes = |policy: &Policy| policy.mode == Mode::Enforce && verifies(policy);
        (emits_passes(new) || old.is_some_and(|old| emits_passes(old))) && reacting.any(|other| acts(other))
    }

    /// Chooses after a revert whose files are unchanged since.
    fn reverted(
        &self,
        name: &str,
        old: Option<Arc<Policy>>,
        new: Arc<Policy>,
        order: &PolicyOrder,
    ) -> ActiveRevision {
        let mut why = vec![describe(order)];
        let runs = match self.revisions.get(name, &order.revision) {
            Ok(policy) => Some(policy),
            Err(error) => {
                why.push(error.to_string());
                old
            }
        };
        let chosen = ActiveRevision::of(name, runs, PolicyState::Reverted);
        ActiveRevision { why, waiting: Some(new), ..chosen }
    }

    /// Chooses for a tree version with errors. A revert still applies.
    fn without(&self, name: &str, old: Option<Arc<Policy>>, order: Option<PolicyOrder>) -> ActiveRevision {
        let Some(order) = order.filter(|order| order.what == PolicyDeed::Reverted) else {
            let state = if old.is_some() { PolicyState::KeptLastGood } else { PolicyState::Refused };
            return ActiveRevision::of(name, old, state);
        };
        let runs = self.revisions.get(name, &order.revision).ok().or(old);
        ActiveRevision {
            why: vec![describe(&order)],
            ..ActiveRevision::of(name, runs, PolicyState::KeptLastGood)
        }
    }
}

/// Returns whether a policy can have effects for which an edit can be parked.
fn acts(policy: &Policy) -> bool {
    policy.mode == Mode::Enforce && matters(policy)
}

/// Returns why an edit is parked, from the files alone. A new policy in the place of one that left the tree is also
/// compared with that one.
fn why(last: Option<&Policy>, new: &Policy, gone: &[&Arc<Policy>], watched: &[Watched]) -> Vec<String> {
    let (sheet, after): (Option<Sheet>, Sheet) = (last.map(effects), effects(new));
    let mut why = reasons(sheet.as_ref(), &after, watched);
    for old in gone.iter().filter(|old| last.is_none() && succeeds(new, old)) {
        let less = reasons(Some(&effects(old)), &after, watched);
        why.extend(less.iter().map(|less| format!("replaces {} and {less}", old.name)));
    }
    why
}

fn describe(order: &PolicyOrder) -> String {
    format!(
        "{} reverted to {} at {}: {}; the next edit of the policy's files ends this",
        order.by,
        order.revision.short(),
        order.at.format("%Y-%m-%d %H:%M UTC"),
        order.reason
    )
}
