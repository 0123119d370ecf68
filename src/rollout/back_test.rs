//! Back-tests: what edits would have done with recorded events.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;

use crate::case::intake::Modes;
use crate::model::{Clock, Verdict};
use crate::policy::{Policy, PolicySet, Revision};
use crate::store::page::{CaseThen, ConsumedThen, Page, SaidThen};
use crate::store::{self, Store};
use crate::trial::Terms;
use crate::trial::past::{
    Beside, Changed, Consumed, Gatherer, Interest, Noted, Past, PolicyPast, back_test, beside,
};

use super::back_tested::{BackTests, OnProgress, Progress, Span, Wanted};
use super::compiled::Revisions;
use super::edited::{Edited, reacting};

/// Most events of one back-test; of more, the newest are used.
const MOST_EVENTS: usize = 150_000;
/// More transitions than the cases of one person take.
const MOST_TURNS: u64 = 20_000;

/// A handle on back-tests. Clones share one lock: a back-test uses all cores.
#[derive(Debug, Clone)]
pub struct BackTester(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    revisions: Revisions,
    terms: Terms,
    look_back: TimeDelta,
    turn: tokio::sync::Mutex<()>,
}

impl BackTester {
    /// `terms`: the settings with which decisions were recorded. Modes apply and limits do not: the effects that a
    /// limit would have stopped must show.
    pub(super) fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        revisions: Revisions,
        terms: Terms,
        look_back: TimeDelta,
    ) -> Self {
        let terms = Terms { modes: Modes::AsWritten, unlimited: true, most_turns: MOST_TURNS, ..terms };
        let turn = tokio::sync::Mutex::default();
        Self(Arc::new(Inner { store, clock, revisions, terms, look_back, turn }))
    }

    /// Waits until no other back-test runs.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.turn.lock().await
    }

    /// Returns `None` if another back-test runs.
    pub(super) fn try_turn(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        self.0.turn.try_lock().ok()
    }

    /// Replays recorded events with the current and the new policies. It takes a while and blocks. `running`: all
    /// running policies, some of which may react to verifications of edited ones.
    pub fn run(
        &self,
        edited: &[Edited],
        running: &PolicySet,
        on_progress: &OnProgress,
        wanted: &Wanted,
    ) -> Result<BackTests, store::Error> {
        let reacting = reacting(edited, running);
        let walked = [edited, &reacting].concat();
        let past = self.past(&walked, on_progress, wanted)?;
        let side = |of: fn(&Edited) -> &Option<Arc<Policy>>| {
            Arc::new(PolicySet::new(walked.iter().filter_map(|edited| of(edited).clone())))
        };
        let (running, next) = (side(|edited| &edited.before), side(|edited| &edited.after));
        let of = past.people.len();
        let done = |done: usize| on_progress(Progress::Walking { done, of });
        let mut policies = back_test(&past, &running, &next, &self.0.terms, &done, wanted);
        if !wanted() {
            return Err(store::Error::Closed);
        }
        let span = Span::of(&past);
        let heard_by: Vec<PolicyPast> = policies
            .extract_if(.., |past| reacting.iter().any(|hearer| hearer.name == past.policy))
            .filter(|past| past.different > 0)
            .collect();
        for past in &mut policies {
            if edited.iter().any(|edited| edited.name == past.policy && edited.verifies()) {
                past.heard_by.clone_from(&heard_by);
            }
        }
        let policies = policies.into_iter().map(|past| (past.policy.clone(), Arc::new(past))).collect();
        Ok(BackTests { span, policies })
    }

    /// Replays recorded events with a policy as if it were enforced, next to the policies that ran. Newest people
    /// first, up to a bound. It takes a while and blocks.
    pub fn beside(
        &self,
        policy: &Arc<Policy>,
        people: usize,
        wanted: &Wanted,
    ) -> Result<(Span, Vec<Beside>), store::Error> {
        // As a new policy: answers of people in cases of every policy count.
        let edited = Edited::new(&policy.name, None, Some(Arc::clone(policy)));
        let past = self.past(&[edited], &|_| {}, wanted)?;
        let found = beside(&past, policy, &self.0.terms, people, wanted);
        if wanted() { Ok((Span::of(&past), found)) } else { Err(store::Error::Closed) }
    }

    /// The settings that all decisions share, as they are for recorded ones.
    pub fn terms(&self) -> &Terms {
        &self.0.terms
    }

    /// Reads the recorded events and cases that matter to these policies.
    pub fn past(
        &self,
        edited: &[Edited],
        on_progress: &OnProgress,
        wanted: &Wanted,
    ) -> Result<Past, store::Error> {
        let now = self.0.clock.now();
        let since = now - self.0.look_back.max(TimeDelta::hours(1));
        let running = PolicySet::new(edited.iter().filter_map(|edited| edited.before.clone()));
        let next: Vec<_> = edited.iter().filter_map(|edited| edited.after.clone()).collect();
        let others_answer = edited.iter().any(|edited| edited.before.is_none());
        let interest = Interest::new(since, running, &next, others_answer);
        let compiled = Compiled { revisions: &self.0.revisions, policies: Mutex::new(HashMap::new()) };
        let (mut gatherer, mut records) = (Gatherer::new(&interest), 0);
        self.0.store.history(&|commit| picked(&interest, &compiled, commit), &mut |noted: Vec<Noted>| {
            noted.into_iter().for_each(|noted| gatherer.take(noted));
            records += 1;
            if records % 4_096 == 0 {
                on_progress(Progress::Reading { records });
            }
            gatherer.cut_to(MOST_EVENTS);
            wanted()
        })?;
        Ok(gatherer.gathered(now, MOST_EVENTS))
    }
}

/// Returns the relevant parts of a commit, in their order.
fn picked(interest: &Interest, compiled: &Compiled<'_>, commit: Page) -> Vec<Noted> {
    let mut noted = Vec::new();
    for changed in commit.cases {
        let CaseThen { case, ended, effects, recorded: Some(recorded) } = changed else {
            continue;
        };
        let wanted = interest.wants(&case.policy) && interest.is_recent(recorded.facts.now);
        let policy = if wanted { compiled.get(&case.policy, &case.revision) } else { None };
        let (case, ended, effects) = (&case, ended.as_deref(), effects.as_slice());
        noted.extend(interest.changed(Changed { case, ended, effects, recorded, policy: policy.as_deref() }));
    }
    noted.extend(commit.received.into_iter().filter_map(|event| interest.received(event)));
    for consumed in commit.consumed {
        let own = consumed.verdicts.iter().any(|said| said.verdict == Verdict::OwnChange);
        let asked =
            consumed.verdicts.iter().map(|said| (said.policy.clone(), said.revision.clone())).collect();
        let ConsumedThen { key, at, people, .. } = consumed;
        noted.push(interest.consumed(Consumed { key, at, own, asked, people }));
    }
    for asked in commit.asked {
        let SaidThen { policy, would_open } = asked.said;
        noted.extend(would_open.and_then(|recorded| interest.watched(policy, *recorded)));
    }
    noted.extend(commit.pauses.into_iter().map(Interest::paused));
    noted
}

/// The revisions that recorded cases followed.
struct Compiled<'a> {
    revisions: &'a Revisions,
    policies: Mutex<HashMap<Revision, Option<Arc<Policy>>>>,
}

impl Compiled<'_> {
    fn get(&self, name: &str, revision: &Revision) -> Option<Arc<Policy>> {
        let mut policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = policies.get(revision) {
            return policy.clone();
        }
        // Kept apart from the revisions of open cases, which stay compiled.
        let policy = self.revisions.peek(name, revision).ok();
        policies.insert(revision.clone(), policy.clone());
        policy
    }
}
