//! Performs due calls, lane by lane: journals the attempt, performs it, passes the outcome to the case. `lines` decides
//! how many calls a system gets at once, and which come first.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::case::{Case, Input, Links, Urgency, still_held};
use crate::connectors::Connectors;
use crate::model::{Action, Call, CaseId, Clock, Done, Failure, FailureKind, Lane, Outcome, Timestamp};
use crate::store::{self, Queue, Store};

use super::bells::Bells;
use super::cases::{ApplyError, Cases};
use super::clock::Ahead;
use super::lines::{Hand, Lines, Meters, REST};
use super::metrics::Metrics;
use super::outages::Outages;
use super::waiting::earlier;

/// Longest delay of an attempt, except by a policy. A later time was planned while the clock was wrong.
const LATEST_ATTEMPT: TimeDelta = TimeDelta::minutes(75);
/// Most planned calls that are checked at once.
const LOOKED_AT: usize = 1_000;

/// A handle on the outbox: the calls that cases request.
#[derive(Debug, Clone)]
pub struct Outbox {
    pub(super) cases: Cases,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) connectors: Connectors,
    pub(super) links: Links,
    pub(super) outages: Outages,
    pub(super) metrics: Arc<Metrics>,
    pub(super) bells: Arc<Bells>,
    pub(super) meters: Arc<Meters>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Outbox {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs the loop of one lane. On a stop it begins no call and waits for the calls in progress.
    pub(super) async fn work(self, lane: Lane) {
        let mut stop = self.stop.clone();
        let mut attempts = JoinSet::new();
        let lines =
            Lines::new(lane, self.connectors.clone(), Arc::clone(&self.clock), Arc::clone(&self.meters));
        let mut ahead = Ahead::default();
        while !*stop.borrow() {
            while attempts.try_join_next().is_some() {}
            let now = self.now();
            if ahead.is_due(now) {
                self.hasten_misplanned(lane, now).await;
            }
            let rested = lines.wake_rested(now).map(|at| at.max(now + TimeDelta::seconds(1)));
            let next = match self.begin_due(lane, now, &lines, &mut attempts) {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(%error, "reading due calls failed");
                    Some(now + REST)
                }
            };
            let next = earlier(earlier(next, rested), Some(ahead.next(now))).unwrap_or(now + REST);
            tokio::select! {
                () = self.clock.sleep_until(next) => {}
                () = self.bells.lane(lane).notified() => {}
                Some(_) = attempts.join_next() => {}
                _ = stop.changed() => {}
            }
        }
        while attempts.join_next().await.is_some() {}
    }

    /// Begins the due calls of a lane for which there is a place. Returns when the next one is due.
    fn begin_due(
        &self,
        lane: Lane,
        now: Timestamp,
        lines: &Arc<Lines>,
        attempts: &mut JoinSet<()>,
    ) -> Result<Option<Timestamp>, store::Error> {
        let queues = self.store.queues(lane)?;
        let mut next = None;
        for queues in queues.chunk_by(|one, other| one.system == other.system) {
            let Some(system) = queues.first().map(|queue| queue.system.as_str()) else { continue };
            if let Some(until) = self.outages.asked_to_wait(system) {
                // A rest is short: a clock that is set back delays no call.
                next = earlier(next, Some(until.min(now + REST)));
                continue;
            }
            let (free, held) = lines.room(system);
            // Without a place, the end of a call wakes the loop.
            if free > 0 {
                next = earlier(next, self.begin_at(queues, now, (free, held), lines, attempts)?);
            }
        }
        Ok(next)
    }

    /// Begins due calls to one system.
    fn begin_at(
        &self,
        queues: &[Queue],
        now: Timestamp,
        (free, held): (usize, usize),
        lines: &Arc<Lines>,
        attempts: &mut JoinSet<()>,
    ) -> Result<Option<Timestamp>, store::Error> {
        let mut waiting: [Vec<(CaseId, u32)>; Urgency::ALL.len()] = Default::default();
        let mut next = None;
        for queue in queues {
            let (mut due, later) = self.store.due_in(queue, now, free + held)?;
            due.retain(|call| !lines.has(call));
            next = earlier(next, later.filter(|at| *at > now));
            if let Some(class) = waiting.iter_mut().zip(Urgency::ALL).find(|(_, one)| *one == queue.urgency) {
                *class.0 = due;
            }
        }
        let Some(system) = queues.first().map(|queue| queue.system.as_str()) else { return Ok(next) };
        loop {
            match lines.take(system, &mut waiting, now) {
                Ok(Some(hand)) => drop(attempts.spawn(Box::pin(self.clone().attempt(hand)))),
                Ok(None) => return Ok(next),
                Err(at) => return Ok(earlier(next, Some(at))),
            }
        }
    }

    /// Corrects calls whose next attempt was planned while the clock was days ahead: their cases compute the due time.
    async fn hasten_misplanned(&self, lane: Lane, now: Timestamp) {
        let planned = match self.store.calls_after(lane, now + LATEST_ATTEMPT, LOOKED_AT) {
            Ok(planned) => planned,
            Err(error) => return tracing::error!(%error, "reading planned calls failed"),
        };
        for (case, call) in planned {
            match self.cases.apply(&case, Input::Misplanned { call }).await {
                Ok(_) | Err(ApplyError::Refused(_) | ApplyError::NoCase) => {}
                Err(error) => tracing::error!(%case, call, %error, "rescheduling a call failed"),
            }
        }
    }

    async fn attempt(self, mut hand: Hand) {
        // After a panic the call rests.
        hand.rest_until = Some(self.now() + REST);
        let (id, number) = hand.call.clone();
        // Several cases may hold one account. Effects on it run one at a time, from the begin, at which a case reads
        // the holds of the others, to the end.
        let held = match self.held(&id, number, hand.lane()) {
            Ok(held) => held,
            Err(error) => return tracing::error!(case = %id, call = number, %error, "starting a call failed"),
        };
        let _one_at_a_time = match held {
            Some(account) => Some(self.cases.locks().account(&account).await),
            None => None,
        };
        match self.begin(&id, number).await {
            Ok(Some(call)) => {
                self.perform(&id, call, &mut hand).await;
                hand.rest_until = None;
            }
            Ok(None) => hand.rest_until = None,
            Err(error) => tracing::error!(case = %id, call = number, %error, "starting a call failed"),
        }
    }

    /// Returns the account on which a call places or lifts a hold. Only calls to identity providers do.
    fn held(&self, id: &CaseId, number: u32, lane: Lane) -> Result<Option<String>, store::Error> {
        if lane != Lane::Identity {
            return Ok(None);
        }
        let case = self.store.shared_case(id)?;
        let pending = case.as_ref().and_then(|case| case.calls.get(&number));
        let change = pending.and_then(|pending| pending.action.hold());
        Ok(change.map(|change| change.snapshot.subject.person()))
    }

    /// Makes the attempt durable. Only the returned call may be performed.
    async fn begin(&self, id: &CaseId, number: u32) -> Result<Option<Call>, ApplyError> {
        match self.cases.apply(id, Input::Attempt { call: number }).await {
            Ok(case) => Ok(call(&case, number)),
            // Superseded: the case no longer needs the call.
            Err(ApplyError::Refused(_) | ApplyError::NoCase) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn perform(&self, id: &CaseId, call: Call, hand: &mut Hand) {
        let (number, attempt, word) = (call.attempt.call.number, call.attempt.number, call.action.word());
        let begun = Instant::now();
        let connector = call.action.target().to_string();
        let mut outcome = match self.still_held(id, &call.action) {
            Ok(true) => Outcome::Done(Done::Kept),
            Ok(false) => {
                hand.request().await;
                let outcome = self.connectors.perform(&call).await;
                hand.answered(is_refusal(&outcome));
                outcome
            }
            Err(error) => {
                tracing::error!(case = %id, action = word, %error, "reading holds failed; no hold is lifted");
                Outcome::Failed(Failure::unavailable("reading the holds of other cases failed"))
            }
        };
        outcome.seal(self.links.fingerprints());
        self.metrics.performed(connector, word, &outcome, begun.elapsed());
        self.outages.heard_of(&call.action, &outcome).await;
        if let Outcome::Failed(failure) = &outcome {
            tracing::warn!(case = %id, action = word, attempt, connector = call.action.target().to_string(),
                reason = failure.reason, "a call failed");
        }
        // The outcome of a performed effect must not be lost while the daemon runs.
        loop {
            let input = Input::Outcome { call: number, attempt, outcome: outcome.clone() };
            match self.cases.apply(id, input).await {
                Ok(_) | Err(ApplyError::Refused(_) | ApplyError::NoCase) => return,
                Err(error) => {
                    tracing::error!(case = %id, action = word, %error, "storing an outcome failed; retrying");
                    self.clock.sleep_until(self.now() + TimeDelta::seconds(5)).await;
                    if *self.stop.borrow() {
                        return;
                    }
                }
            }
        }
    }

    /// Returns whether another case also holds the target that is to be freed, or this case holds it again.
    fn still_held(&self, id: &CaseId, action: &Action) -> Result<bool, store::Error> {
        if action.hold().is_none_or(|change| change.places) {
            return Ok(false);
        }
        let Some(case) = self.store.shared_case(id)? else { return Ok(false) };
        Ok(still_held(&case, &self.cases.others_holds(&case.subject, Some(id))?, action))
    }
}

fn call(case: &Case, number: u32) -> Option<Call> {
    case.calls.get(&number)?.begun?;
    case.call(number)
}

/// Returns whether an outcome shows that a system is busy or not available.
fn is_refusal(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed(failure) => failure.outage && failure.kind == FailureKind::Unavailable,
        Outcome::Done(_) => false,
    }
}
