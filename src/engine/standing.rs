//! Which revision of each policy runs: the tree's, if it is good and nobody has to release it first; else the
//! last good one, or the one that people went back to.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Timestamp;
use crate::policy::effects::{Sheet, effects, reachable, reasons};
use crate::policy::tree::LimitedAction;
use crate::policy::{Loaded, Mode, Policy, PolicySet, Revision};
use crate::store::{self, PolicyDeed, PolicyOrder};

use super::foresight::{Edited, hears_of_passes, verifies};
use super::reload::{PolicyState, PolicyStatus};
use super::{Active, Engine};

/// What becomes of one policy.
#[derive(Debug)]
pub(super) struct Standing {
    name: String,
    runs: Option<Arc<Policy>>,
    state: PolicyState,
    why: Vec<String>,
    waiting: Option<Arc<Policy>>,
    /// What is to be remembered of it.
    order: Option<PolicyOrder>,
    /// The past has a say too: what ran, and what is to run.
    edited: Option<Edited>,
}

impl Standing {
    pub fn of(name: &str, runs: Option<Arc<Policy>>, state: PolicyState) -> Self {
        Self { name: name.to_owned(), runs, state, why: Vec::new(), waiting: None, order: None, edited: None }
    }
}

/// What becomes of all of them.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub runs: Vec<Arc<Policy>>,
    pub statuses: Vec<PolicyStatus>,
    pub waiting: BTreeMap<String, Arc<Policy>>,
    pub orders: Vec<PolicyOrder>,
    /// Edits of which the past is asked before they run.
    pub edited: Vec<Edited>,
}

impl Chosen {
    pub fn add(&mut self, standing: Standing) {
        let Standing { name, runs, state, why, waiting, order, edited } = standing;
        self.statuses.push(PolicyStatus {
            name: name.clone(),
            title: runs.as_ref().map(|policy| policy.title.clone()),
            mode: runs.as_ref().map(|policy| policy.mode),
            revision: runs.as_ref().map(|policy| policy.revision.clone()),
            state,
            why,
            waiting: waiting.as_ref().map(|policy| policy.revision.clone()),
        });
        self.runs.extend(runs);
        self.waiting.extend(waiting.map(|policy| (name, policy)));
        self.orders.extend(order);
        self.edited.extend(edited);
    }

    /// What ran goes on, until a person releases the edit.
    pub(super) fn hold(&mut self, edited: &Edited, why: &[String], at: Timestamp) {
        let Some(status) = self.statuses.iter_mut().find(|status| status.name == edited.name) else { return };
        if edited.judged {
            return;
        }
        let new: Vec<String> = why.iter().filter(|why| !status.why.contains(why)).cloned().collect();
        let holds = status.state == PolicyState::Active && !new.is_empty();
        status.why.extend(new);
        let Some(after) = edited.after.clone().filter(|_| holds) else { return };
        self.orders.push(PolicyOrder {
            policy: edited.name.clone(),
            what: PolicyDeed::Parked,
            revision: after.revision.clone(),
            over: None,
            by: "back-test".to_owned(),
            reason: why.join("; "),
            at,
        });
        self.set_back(edited);
    }

    /// What ran runs on.
    pub(super) fn set_back(&mut self, edited: &Edited) {
        let Some(status) = self.statuses.iter_mut().find(|status| status.name == edited.name) else { return };
        let Some(after) = edited.after.clone() else { return };
        let runs = edited.before.as_ref();
        status.state = PolicyState::NeedsRelease;
        status.waiting = Some(after.revision.clone());
        status.title = runs.map(|policy| policy.title.clone());
        status.mode = runs.map(|policy| policy.mode);
        status.revision = runs.map(|policy| policy.revision.clone());
        self.runs.retain(|policy| policy.name != edited.name);
        self.runs.extend(edited.before.clone());
        self.waiting.insert(edited.name.clone(), after);
    }
}

impl Engine {
    /// Goes over everything that the tree declares.
    pub(super) fn choose(
        &self,
        before: &Active,
        loaded: &Loaded,
        keep_back: bool,
    ) -> Result<Chosen, store::Error> {
        // Whoever sets the daemon up means what is in the tree: there is nothing that it could be graver than.
        let first = before.set.policies.is_empty() && self.0.store.active()?.is_empty();
        let mut chosen = Chosen::default();
        for name in &loaded.declared {
            let (old, new) = (before.set.policies.get(name), loaded.set.policies.get(name));
            let order = self.0.store.policy_order(name)?;
            let standing = match (new, old) {
                (Some(new), _) if !keep_back => {
                    let heard = self.others_hear(&before.set, new, old);
                    self.stand(name, old, new, order, first, heard)?
                }
                (Some(new), Some(old)) if new.revision == old.revision => {
                    Standing::of(name, Some(Arc::clone(old)), PolicyState::Active)
                }
                (Some(_), old) => Standing::of(name, old.cloned(), PolicyState::KeptBack),
                (None, old) => self.without(name, old, order),
            };
            chosen.add(standing);
        }
        Ok(chosen)
    }

    /// The tree's version is good.
    fn stand(
        &self,
        name: &str,
        old: Option<&Arc<Policy>>,
        new: &Arc<Policy>,
        order: Option<PolicyOrder>,
        first: bool,
        heard: bool,
    ) -> Result<Standing, store::Error> {
        let mut standing = Standing::of(name, Some(Arc::clone(new)), PolicyState::Active);
        if let Some(order) = order.as_ref().filter(|order| order.what == PolicyDeed::Reverted) {
            if order.over.as_ref() == Some(&new.revision) {
                return Ok(self.reverted(name, old, Arc::clone(new), order));
            }
            let (at, by) = (self.now(), "edit".to_owned());
            let reason = "the files were edited after the revert".to_owned();
            let (what, revision, over) = (PolicyDeed::Superseded, new.revision.clone(), None);
            standing.order =
                Some(PolicyOrder { policy: name.to_owned(), what, revision, over, by, reason, at });
        }
        let said_before = order.clone();
        let released =
            order.is_some_and(|order| order.what == PolicyDeed::Released && order.revision == new.revision);
        let same = old.is_some_and(|old| old.revision == new.revision);
        if first || same || released {
            return Ok(standing);
        }
        let (before, mut why) = match self.reasons_to_park(name, old, new)? {
            Parked::NotAsked => return Ok(standing),
            Parked::Asked { before, why } => (before, why),
        };
        // What the past said once stands until a person says otherwise, whatever became of the past since.
        let parked =
            said_before.filter(|order| order.what == PolicyDeed::Parked && order.revision == new.revision);
        if heard || can(new, &self.0.settings.park) {
            let (name, after, judged) = (name.to_owned(), Some(Arc::clone(new)), parked.is_some());
            standing.edited = Some(Edited { name, before, after, judged, judge: true });
        }
        why.extend(parked.map(|order| order.reason));
        if !why.is_empty() {
            standing.runs = old.cloned();
            standing.state = PolicyState::NeedsRelease;
            standing.why = why;
            standing.waiting = Some(Arc::clone(new));
        }
        Ok(standing)
    }

    /// Whether another policy, by what it hears of this one's verifications, can do what the past is asked about.
    fn others_hear(&self, running: &PolicySet, new: &Policy, old: Option<&Arc<Policy>>) -> bool {
        let others = running.policies.values().filter(|other| other.name != new.name);
        let mut hearing = others.filter(|other| hears_of_passes(other));
        let tells = |policy: &Policy| policy.mode == Mode::Enforce && verifies(policy);
        (tells(new) || old.is_some_and(|old| tells(old)))
            && hearing.any(|other| can(other, &self.0.settings.park))
    }

    /// Why a person must release a revision before it runs, as far as the files tell.
    fn reasons_to_park(
        &self,
        name: &str,
        old: Option<&Arc<Policy>>,
        new: &Policy,
    ) -> Result<Parked, store::Error> {
        let verbs = &self.0.settings.park;
        if verbs.is_empty() {
            return Ok(Parked::NotAsked);
        }
        let after = effects(new);
        let before = match old {
            Some(old) => Some(Arc::clone(old)),
            // A folder that was gone for a moment, or for a month, comes back as what it was.
            None => match self.last_ran(name, &new.revision)? {
                Ran::This => return Ok(Parked::NotAsked),
                Ran::Other(policy) => Some(policy),
                Ran::Never => None,
            },
        };
        let sheet: Option<Sheet> = before.as_deref().map(effects);
        let why = reasons(sheet.as_ref(), &after, verbs);
        Ok(Parked::Asked { before: before.filter(|_| old.is_some()), why })
    }

    fn last_ran(&self, name: &str, revision: &Revision) -> Result<Ran, store::Error> {
        let stored = self.0.store.revisions(name)?;
        if stored.iter().any(|stored| stored.revision == *revision) {
            return Ok(Ran::This);
        }
        let Some(newest) = stored.last() else { return Ok(Ran::Never) };
        let (store, known) = (&self.0.store, &self.0.settings.known);
        // One that does not load any more says nothing.
        let policy = self.0.revisions.get(name, &newest.revision, store, known);
        Ok(policy.map_or(Ran::Never, Ran::Other))
    }

    /// People went back to an older revision, and the files are as they were then.
    fn reverted(
        &self,
        name: &str,
        old: Option<&Arc<Policy>>,
        new: Arc<Policy>,
        order: &PolicyOrder,
    ) -> Standing {
        let (store, known) = (&self.0.store, &self.0.settings.known);
        let mut why = vec![said(order)];
        let runs = match self.0.revisions.get(name, &order.revision, store, known) {
            Ok(policy) => Some(policy),
            Err(error) => {
                why.push(error.to_string());
                old.cloned()
            }
        };
        let standing = Standing::of(name, runs, PolicyState::Reverted);
        Standing { why, waiting: Some(new), ..standing }
    }

    /// The tree's version has errors. A revert is obeyed all the same.
    fn without(&self, name: &str, old: Option<&Arc<Policy>>, order: Option<PolicyOrder>) -> Standing {
        let Some(order) = order.filter(|order| order.what == PolicyDeed::Reverted) else {
            let state = if old.is_some() { PolicyState::KeptLastGood } else { PolicyState::Refused };
            return Standing::of(name, old.cloned(), state);
        };
        let (store, known) = (&self.0.store, &self.0.settings.known);
        let runs = self.0.revisions.get(name, &order.revision, store, known).ok().or_else(|| old.cloned());
        Standing { why: vec![said(&order)], ..Standing::of(name, runs, PolicyState::KeptLastGood) }
    }
}

enum Parked {
    NotAsked,
    /// With what runs now.
    Asked {
        before: Option<Arc<Policy>>,
        why: Vec<String>,
    },
}

/// Whether a policy does any of this.
fn can(policy: &Policy, verbs: &[LimitedAction]) -> bool {
    policy.mode == Mode::Enforce
        && reachable(policy, policy.first).iter().any(|action| verbs.contains(action))
}

/// What ran of a policy that does not run now.
enum Ran {
    This,
    Other(Arc<Policy>),
    Never,
}

fn said(order: &PolicyOrder) -> String {
    format!(
        "{} went back to {} at {}: {}; the next edit of the policy's files ends this",
        order.by,
        order.revision.short(),
        order.at.format("%Y-%m-%d %H:%M UTC"),
        order.reason
    )
}
