//! Which revision of each policy runs: the tree's, if it is good and nobody has to release it first; else the
//! last good one, or the one that people went back to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;

use crate::model::{Timestamp, Watched};
use crate::policy::effects::{Sheet, added_up, effects, matters, reasons, reasons_to_stay};
use crate::policy::tree::Trigger;
use crate::policy::{Loaded, Mode, Policy, PolicySet, Revision};
use crate::store::{self, Examined, PolicyDeed, PolicyOrder};

use super::foresight::{Edited, Newly, hears_of_passes, verifies};
use super::reload::{PolicyState, PolicyStatus, Tests};
use super::{Active, Engine};

/// What comes back within this time was only being edited, or copied.
const RETURNS: TimeDelta = TimeDelta::hours(1);

/// Edits that were let pass within this time are counted with the next one, and within this time files can be put back
/// to what ran before.
const TOGETHER: TimeDelta = TimeDelta::days(7);

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
    pub(super) fn hold(&mut self, edited: &Edited, why: &[String], newly: Newly, at: Timestamp) {
        let Some(status) = self.statuses.iter_mut().find(|status| status.name == edited.name) else { return };
        if edited.judged {
            return;
        }
        let new: Vec<String> = why.iter().filter(|why| !status.why.contains(why)).cloned().collect();
        let holds = status.state == PolicyState::Active && !new.is_empty();
        // What did happen comes before what can.
        status.why.splice(0..0, new);
        let passes = status.state == PolicyState::Active && !newly.is_empty();
        let Some(after) = edited.after.as_ref().filter(|_| holds || passes) else { return };
        self.orders.push(PolicyOrder {
            policy: edited.name.clone(),
            what: if holds { PolicyDeed::Parked } else { PolicyDeed::Passed },
            revision: after.revision.clone(),
            // If it does not run, what ran last is still known.
            over: edited.before.as_ref().map(|before| before.revision.clone()),
            by: "back-test".to_owned(),
            reason: why.join("; "),
            at,
            newly: if holds { edited.earlier.clone() } else { newly },
            began: edited.began.clone(),
        });
        if holds {
            self.set_back(edited);
        }
    }

    /// What ran runs on.
    pub(super) fn set_back(&mut self, edited: &Edited) {
        let Some(status) = self.statuses.iter_mut().find(|status| status.name == edited.name) else { return };
        let Some(after) = edited.after.clone() else { return };
        let runs = edited.runs.as_ref();
        status.state = PolicyState::NeedsRelease;
        status.waiting = Some(after.revision.clone());
        status.title = runs.map(|policy| policy.title.clone());
        status.mode = runs.map(|policy| policy.mode);
        status.revision = runs.map(|policy| policy.revision.clone());
        self.runs.retain(|policy| policy.name != edited.name);
        self.runs.extend(edited.runs.clone());
        self.waiting.insert(edited.name.clone(), after);
    }
}

/// One policy of the tree, as it is to be judged.
struct Edit<'a> {
    name: &'a str,
    last: Last,
    order: Option<PolicyOrder>,
    /// Nothing ever ran here.
    first: bool,
    /// What the tests of what runs walk, and the tree's.
    tests: (Examined, Examined),
    /// Policies that run and are not in the tree any more.
    gone: Vec<&'a Arc<Policy>>,
}

/// What ran last of a policy.
#[derive(Default)]
struct Last {
    /// It runs, or left the tree a moment ago and runs again while an edit of it waits.
    runs: Option<Arc<Policy>>,
    /// What an edit is compared with.
    known: Option<Arc<Policy>>,
}

impl Engine {
    /// Goes over everything that the tree declares.
    pub(super) fn choose(
        &self,
        before: &Active,
        loaded: &Loaded,
        tests: &Tests,
        keep_back: bool,
    ) -> Result<Chosen, store::Error> {
        // Whoever sets the daemon up means what is in the tree: there is nothing that it could be graver than.
        let first = before.set.policies.is_empty() && self.0.store.active()?.is_empty();
        let left = before.set.policies.values().filter(|old| !loaded.declared.contains(&old.name));
        let left: Vec<_> = left.collect();
        let mut chosen = Chosen::default();
        for name in &loaded.declared {
            let order = self.0.store.policy_order(name)?;
            let last = self.last(name, before.set.policies.get(name), order.as_ref())?;
            let of = |tests: &Tests| tests.get(name).cloned().unwrap_or_default();
            let (tests, gone) = ((of(&before.tests), of(tests)), left.clone());
            let standing = match loaded.set.policies.get(name) {
                Some(new) if !keep_back => {
                    self.stand(new, Edit { name, last, order, first, tests, gone }, &before.set)
                }
                Some(new) if last.runs.as_ref().is_some_and(|old| new.revision == old.revision) => {
                    Standing::of(name, last.runs, PolicyState::Active)
                }
                Some(_) => Standing::of(name, last.runs, PolicyState::KeptBack),
                None => self.without(name, last.runs, order),
            };
            chosen.add(standing);
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
        let revision = self.ran_last(name, order)?;
        let (store, known) = (&self.0.store, &self.0.settings.known);
        // One that does not load any more says nothing.
        let policy = revision.and_then(|revision| self.0.revisions.get(name, &revision, store, known).ok());
        let just_left = gone.is_some_and(|order| self.now() - order.at < RETURNS);
        Ok(Last { runs: policy.clone().filter(|_| just_left), known: policy })
    }

    /// The revision that ran last of a policy that does not run.
    pub(super) fn ran_last(
        &self,
        name: &str,
        order: Option<&PolicyOrder>,
    ) -> Result<Option<Revision>, store::Error> {
        let said = order.and_then(|order| match order.what {
            PolicyDeed::Gone => Some(order.revision.clone()),
            PolicyDeed::Edited | PolicyDeed::Returned | PolicyDeed::Dropped => Some(order.revision.clone()),
            PolicyDeed::Parked | PolicyDeed::Passed | PolicyDeed::Superseded => order.over.clone(),
            PolicyDeed::Released | PolicyDeed::Reverted => None,
        });
        if said.is_some() {
            return Ok(said);
        }
        Ok(self.0.store.revisions(name)?.pop().map(|stored| stored.revision))
    }

    /// The tree's version is good.
    fn stand(&self, new: &Arc<Policy>, edit: Edit<'_>, running: &PolicySet) -> Standing {
        let Edit { name, last, order, first, tests, gone } = edit;
        let mut standing = Standing::of(name, Some(Arc::clone(new)), PolicyState::Active);
        if let Some(order) = order.as_ref().filter(|order| self.goes_back(order, new, last.runs.as_deref())) {
            let back = PolicyOrder { what: PolicyDeed::Returned, over: None, ..order.clone() };
            let (revision, by) = (new.revision.clone(), "edit".to_owned());
            let reason = "the files were put back to what ran before".to_owned();
            standing.order = Some(PolicyOrder { revision, by, reason, at: self.now(), ..back });
            return standing;
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
            at: self.now(),
            newly: BTreeMap::new(),
            began: began.clone(),
        };
        let was = |what: PolicyDeed| order.as_ref().filter(|order| order.what == what);
        if let Some(order) = was(PolicyDeed::Reverted) {
            if order.over.as_ref() == Some(&new.revision) {
                return self.reverted(name, last.runs, Arc::clone(new), order);
            }
            standing.order = Some(superseded("the files were edited after the revert"));
        }
        let released = was(PolicyDeed::Released).is_some_and(|order| order.revision == new.revision);
        if !released && was(PolicyDeed::Released).is_some() {
            standing.order = Some(superseded("the files were edited after the release"));
        }
        // A folder that was gone for a moment, or for a month, comes back as what it was.
        let parked = was(PolicyDeed::Parked).filter(|order| order.revision == new.revision).cloned();
        let same =
            last.known.as_ref().is_some_and(|known| known.revision == new.revision) && parked.is_none();
        let watched = &self.0.settings.park;
        if first || same || released || watched.is_empty() {
            return standing;
        }
        let mut why = why(last.known.as_deref(), new, &gone, watched);
        why.extend(self.added_up(&began, new, &why));
        why.extend(tests.0.less_in(&tests.1).filter(|_| acts(new)));
        // Edits that follow one another within days count together: many small ones are a large one.
        let earlier = order.as_ref().filter(|order| self.now() - order.at < TOGETHER);
        let earlier = earlier.map(|order| order.newly.clone()).unwrap_or_default();
        if acts(new) || self.others_hear(running, new, last.known.as_ref()) {
            standing.edited = Some(Edited {
                runs: last.runs.clone(),
                earlier,
                began,
                judged: parked.is_some(),
                judge: true,
                ..Edited::new(name, last.known, Some(Arc::clone(new)))
            });
        }
        // What the past said once stands until a person says otherwise, whatever became of the past since.
        why.extend(parked.map(|order| order.reason));
        if !why.is_empty() {
            standing.runs = last.runs;
            standing.state = PolicyState::NeedsRelease;
            standing.why = why;
            standing.waiting = Some(Arc::clone(new));
        }
        standing
    }

    /// What edits that nobody had to release change together: each of many is small.
    fn added_up(&self, began: &Option<Revision>, new: &Policy, why: &[String]) -> Vec<String> {
        let (store, known) = (&self.0.store, &self.0.settings.known);
        let base = began.as_ref().filter(|base| **base != new.revision);
        // One that does not load any more says nothing.
        let base = base.and_then(|base| self.0.revisions.get(&new.name, base, store, known).ok());
        let Some(base) = base else { return Vec::new() };
        let all = added_up(&effects(&base), &effects(new), &self.0.settings.park);
        let fresh = all.into_iter().filter(|one| !why.contains(one));
        fresh
            .map(|one| format!("together with the edits since revision {} {one}", base.revision.short()))
            .collect()
    }

    /// Policies that run and are not in the tree any more. One whose successor waits runs until that does:
    /// what was renamed would otherwise stand still.
    pub(super) fn let_go(&self, chosen: &mut Chosen, before: &Active, declared: &[String], keep_back: bool) {
        let gone = before.set.policies.values().filter(|old| !declared.contains(&old.name));
        for old in gone {
            let newcomer = |name: &&String| {
                let waits = chosen.statuses.iter().any(|one| one.name == **name && one.revision.is_none());
                waits && chosen.waiting.get(*name).is_some_and(|new| succeeds(new, old))
            };
            let newcomer = chosen.waiting.keys().find(newcomer).cloned();
            let why = newcomer.map(|new| {
                format!("is not in the tree and runs until {new}, which may be it by another name, is released or gone")
            });
            if keep_back || why.is_some() {
                // That a policy is gone from the tree is an edit like any other.
                let kept = Standing::of(&old.name, Some(Arc::clone(old)), PolicyState::KeptBack);
                chosen.add(Standing { why: why.into_iter().collect(), ..kept });
                continue;
            }
            let stays = self.stays(old, chosen, before);
            if !stays.is_empty() {
                let kept = Standing::of(&old.name, Some(Arc::clone(old)), PolicyState::NeedsRelease);
                chosen.add(Standing { why: stays, ..kept });
                continue;
            }
            let (policy, revision) = (old.name.clone(), old.revision.clone());
            let (by, reason) = ("edit".to_owned(), "the tree has no such policy any more".to_owned());
            let (what, over) = (PolicyDeed::Gone, None);
            let (at, newly) = (self.now(), BTreeMap::new());
            let known = self.0.store.policy_order(&old.name).ok().flatten();
            let began = known.as_ref().and_then(PolicyOrder::base).or(Some(&old.revision)).cloned();
            chosen.orders.push(PolicyOrder { policy, what, revision, over, by, reason, at, newly, began });
        }
    }

    /// Why a policy that is not in the tree any more runs until a person releases that.
    fn stays(&self, old: &Policy, chosen: &Chosen, before: &Active) -> Vec<String> {
        let watched = &self.0.settings.park;
        let order = self.0.store.policy_order(&old.name).ok().flatten();
        let dropped =
            order.is_some_and(|order| order.what == PolicyDeed::Dropped && order.revision == old.revision);
        // What stands in its place was released, or protects as well.
        let replaces = |new: &&Arc<Policy>| {
            let fresh = before.set.policies.get(&new.name).is_none_or(|was| was.revision != new.revision);
            let order = self.0.store.policy_order(&new.name).ok().flatten();
            let released = order
                .is_some_and(|order| order.what == PolicyDeed::Released && order.revision == new.revision);
            let as_well = || reasons(Some(&effects(old)), &effects(new), watched).is_empty();
            fresh && succeeds(new, old) && (released || as_well())
        };
        if dropped || chosen.runs.iter().any(|new| replaces(&new)) {
            return Vec::new();
        }
        let why = reasons_to_stay(&effects(old), watched);
        why.into_iter()
            .map(|why| format!("is not in the tree any more and runs until that is released: it {why}"))
            .collect()
    }

    /// Whether the files are as they were before the edit that runs. Only one step back, and not for long: what was put
    /// back once, or gone back from by a revert, is judged like any other edit.
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
            && self.now() - order.at < TOGETHER
    }

    /// What ran before an edit that nobody has to release is remembered, so that the files can be put back.
    pub(super) fn note_edits(&self, chosen: &mut Chosen, before: &Active) {
        let mut orders = Vec::new();
        for policy in &chosen.runs {
            let Some(old) = before.set.policies.get(&policy.name) else { continue };
            let known = self.0.store.policy_order(&policy.name).ok().flatten();
            // A release says it already, and a revert says what it is.
            let said = known.as_ref().is_some_and(|order| order.revision == policy.revision);
            let says = chosen.orders.iter().any(|order| order.policy == policy.name);
            if old.revision == policy.revision || said || says {
                continue;
            }
            let began = known.as_ref().and_then(PolicyOrder::base).or(Some(&old.revision)).cloned();
            let earlier = known.filter(|order| self.now() - order.at < TOGETHER);
            orders.push(PolicyOrder {
                policy: policy.name.clone(),
                what: PolicyDeed::Edited,
                revision: policy.revision.clone(),
                over: Some(old.revision.clone()),
                by: "edit".to_owned(),
                reason: "the files were edited".to_owned(),
                at: self.now(),
                newly: earlier.map(|order| order.newly).unwrap_or_default(),
                began,
            });
        }
        chosen.orders.extend(orders);
    }

    /// Whether another policy, by what it hears of this one's verifications, can do what the past is asked about.
    fn others_hear(&self, running: &PolicySet, new: &Policy, old: Option<&Arc<Policy>>) -> bool {
        let others = running.policies.values().filter(|other| other.name != new.name);
        let mut hearing = others.filter(|other| hears_of_passes(other));
        let tells = |policy: &Policy| policy.mode == Mode::Enforce && verifies(policy);
        (tells(new) || old.is_some_and(|old| tells(old))) && hearing.any(|other| acts(other))
    }

    /// People went back to an older revision, and the files are as they were then.
    fn reverted(
        &self,
        name: &str,
        old: Option<Arc<Policy>>,
        new: Arc<Policy>,
        order: &PolicyOrder,
    ) -> Standing {
        let (store, known) = (&self.0.store, &self.0.settings.known);
        let mut why = vec![said(order)];
        let runs = match self.0.revisions.get(name, &order.revision, store, known) {
            Ok(policy) => Some(policy),
            Err(error) => {
                why.push(error.to_string());
                old
            }
        };
        let standing = Standing::of(name, runs, PolicyState::Reverted);
        Standing { why, waiting: Some(new), ..standing }
    }

    /// The tree's version has errors. A revert is obeyed all the same.
    fn without(&self, name: &str, old: Option<Arc<Policy>>, order: Option<PolicyOrder>) -> Standing {
        let Some(order) = order.filter(|order| order.what == PolicyDeed::Reverted) else {
            let state = if old.is_some() { PolicyState::KeptLastGood } else { PolicyState::Refused };
            return Standing::of(name, old, state);
        };
        let (store, known) = (&self.0.store, &self.0.settings.known);
        let runs = self.0.revisions.get(name, &order.revision, store, known).ok().or(old);
        Standing { why: vec![said(&order)], ..Standing::of(name, runs, PolicyState::KeptLastGood) }
    }
}

/// Whether a policy does anything for which an edit can wait.
fn acts(policy: &Policy) -> bool {
    policy.mode == Mode::Enforce && matters(policy)
}

/// Why an edit waits, from the files alone. A policy that is new in the place of one that left the tree is compared with
/// that one too.
fn why(last: Option<&Policy>, new: &Policy, gone: &[&Arc<Policy>], watched: &[Watched]) -> Vec<String> {
    let (sheet, after): (Option<Sheet>, Sheet) = (last.map(effects), effects(new));
    let mut why = reasons(sheet.as_ref(), &after, watched);
    for old in gone.iter().filter(|old| last.is_none() && succeeds(new, old)) {
        let less = reasons(Some(&effects(old)), &after, watched);
        why.extend(less.iter().map(|less| format!("replaces {} and {less}", old.name)));
    }
    why
}

/// Whether one may be the other by another name: about the same people, on the same occasions.
fn succeeds(new: &Policy, old: &Policy) -> bool {
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

fn said(order: &PolicyOrder) -> String {
    format!(
        "{} went back to {} at {}: {}; the next edit of the policy's files ends this",
        order.by,
        order.revision.short(),
        order.at.format("%Y-%m-%d %H:%M UTC"),
        order.reason
    )
}
