//! Performs due calls, lane by lane: journals the attempt, performs it, passes the outcome to the case.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::case::{Case, Input, Links, still_held};
use crate::connectors::Connectors;
use crate::model::{Action, Call, CaseId, Clock, Done, Failure, Lane, Outcome, Target, Timestamp};
use crate::store::{self, Store};

use super::cases::{ApplyError, Cases};
use super::clock::Ahead;
use super::metrics::Metrics;
use super::outages::Outages;
use super::waiting::{earlier, until};

/// Most calls of a lane in progress at the same time.
fn width(lane: Lane) -> usize {
    match lane {
        Lane::VerificationRead | Lane::Identity => 8,
        Lane::Mail | Lane::VerificationStart | Lane::Provisioning | Lane::Request | Lane::Emit => 4,
    }
}

/// Delay before a call that could not begin is tried again.
const REST: TimeDelta = TimeDelta::seconds(30);

/// Longest delay of an attempt, except by a policy. A later time was planned while the clock was wrong.
const LATEST_ATTEMPT: TimeDelta = TimeDelta::minutes(75);
/// Most planned calls that are checked at once.
const LOOKED_AT: usize = 1_000;

/// Calls in progress, and calls that could not begin and rest.
#[derive(Debug, Default)]
struct InHand {
    calls: Mutex<BTreeMap<(CaseId, u32), Option<Timestamp>>>,
}

impl InHand {
    /// Returns the number of calls in progress or at rest. Removes expired rests: a call that its case no longer needs
    /// is forgotten.
    fn count(&self, now: Timestamp) -> usize {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        // A rest that began while the clock was wrong is over too.
        calls.retain(|_, rests_until| rests_until.is_none_or(|until| until > now && until <= now + REST));
        calls.len()
    }

    fn take(&self, call: &(CaseId, u32)) -> bool {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.contains_key(call) {
            return false;
        }
        calls.insert(call.clone(), None);
        true
    }

    fn done(&self, call: &(CaseId, u32), rest_until: Option<Timestamp>) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        match rest_until {
            Some(until) => calls.insert(call.clone(), Some(until)),
            None => calls.remove(call),
        };
    }

    fn resting(&self) -> Option<Timestamp> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.values().flatten().min().copied()
    }
}

/// A call in progress. Dropping it releases the call; after a panic the call rests.
struct Hand {
    in_hand: Arc<InHand>,
    call: (CaseId, u32),
    rest_until: Option<Timestamp>,
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.in_hand.done(&self.call, self.rest_until);
    }
}

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
    pub(super) stop: watch::Receiver<bool>,
}

impl Outbox {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs the loop of one lane. On a stop it begins no call and waits for the calls in progress.
    pub(super) async fn work(self, lane: Lane) {
        let mut applied = self.store.cases_applied();
        let mut stop = self.stop.clone();
        let in_hand = Arc::new(InHand::default());
        let mut attempts = JoinSet::new();
        let pace = Arc::new(Pace::default());
        let mut ahead = Ahead::default();
        while !*stop.borrow() {
            applied.mark_unchanged();
            while attempts.try_join_next().is_some() {}
            let now = self.now();
            if ahead.is_due(now) {
                self.hasten_misplanned(lane, now).await;
            }
            let free = width(lane).saturating_sub(attempts.len());
            if free == 0 {
                // All workers are busy: due calls wait until one ends.
                tokio::select! {
                    Some(_) = attempts.join_next() => {}
                    _ = stop.changed() => {}
                }
                continue;
            }
            let mut began = false;
            // Calls in progress or at rest may come first in the index; they must not hide the calls behind them.
            let look = width(lane) * 4 + in_hand.count(now);
            let next = match self.store.due_calls(lane, now, look) {
                Ok((due, next)) => {
                    for call in due.into_iter().filter(|call| in_hand.take(call)).take(free) {
                        began = true;
                        attempts.spawn(self.clone().attempt(call, Arc::clone(&in_hand), Arc::clone(&pace)));
                    }
                    next
                }
                Err(error) => {
                    tracing::error!(%error, "reading due calls failed");
                    Some(now + TimeDelta::seconds(30))
                }
            };
            if began {
                continue;
            }
            let next = earlier(next, in_hand.resting().map(|at| at.max(now + TimeDelta::seconds(1))));
            let next = earlier(next, Some(ahead.next(now)));
            tokio::select! {
                () = until(&*self.clock, next, &mut applied, &mut stop) => {}
                Some(_) = attempts.join_next() => {}
            }
        }
        while attempts.join_next().await.is_some() {}
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

    async fn attempt(self, (id, number): (CaseId, u32), in_hand: Arc<InHand>, pace: Arc<Pace>) {
        let rest_until = Some(self.now() + REST);
        let mut hand = Hand { in_hand, call: (id.clone(), number), rest_until };
        // Several cases may hold one account. Effects on it run one at a time, from the begin, at which a case reads
        // the holds of the others, to the end.
        let wanted = self.store.case(&id).ok().flatten().and_then(|case| case.calls.get(&number).cloned());
        if let Some(pending) = &wanted {
            pace.wait(&self, pending.action.target()).await;
            if *self.stop.borrow() {
                return;
            }
        }
        if let Some(pending) = &wanted
            && let Some(until) = self.outages.asked_to_wait(&pending.action.target().to_string())
        {
            // A rest is short: a clock that is set back delays no call.
            hand.rest_until = rest_until.map(|rest| rest.min(until));
            return;
        }
        let _one_at_a_time = match wanted.as_ref().and_then(|pending| pending.action.hold()) {
            Some(change) => Some(self.cases.locks().account(&change.snapshot.subject.person()).await),
            None => None,
        };
        match self.begin(&id, number).await {
            Ok(Some(call)) => {
                self.perform(&id, call).await;
                hand.rest_until = None;
            }
            Ok(None) => hand.rest_until = None,
            Err(error) => tracing::error!(case = %id, call = number, %error, "starting a call failed"),
        }
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

    async fn perform(&self, id: &CaseId, call: Call) {
        let (number, attempt, word) = (call.attempt.call.number, call.attempt.number, call.action.word());
        let mut outcome = match self.still_held(id, &call.action) {
            Ok(true) => Outcome::Done(Done::Kept),
            Ok(false) => self.connectors.perform(&call).await,
            Err(error) => {
                tracing::error!(case = %id, action = word, %error, "reading holds failed; no hold is lifted");
                Outcome::Failed(Failure::unavailable("reading the holds of other cases failed"))
            }
        };
        outcome.seal(self.links.fingerprints());
        self.metrics.performed(word, &outcome);
        self.outages.heard_of(&call.action, &outcome).await;
        if let Outcome::Failed(failure) = &outcome {
            tracing::warn!(case = %id, action = word, attempt, reason = failure.reason, "a call failed");
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
        let Some(case) = self.store.case(id)? else { return Ok(false) };
        Ok(still_held(&case, &self.cases.others_holds(&case.subject, Some(id))?, action))
    }
}

fn call(case: &Case, number: u32) -> Option<Call> {
    case.calls.get(&number)?.begun?;
    case.call(number)
}

/// Spaces the calls of a lane to each rate-limited provider. The queue itself is durable: it is the due calls.
#[derive(Debug, Default)]
struct Pace {
    next: Mutex<BTreeMap<String, Timestamp>>,
}

impl Pace {
    /// Waits until a call to `target` may be made.
    async fn wait(&self, outbox: &Outbox, target: Target<'_>) {
        let pace = |name: &str| Some(outbox.connectors.verification.get(name)?.pace());
        let per_second = match target {
            Target::VerificationStart(name) => pace(name).map(|pace| pace.starts_per_second),
            Target::VerificationRead(name) => pace(name).map(|pace| pace.reads_per_second),
            Target::Mail
            | Target::Identity(_)
            | Target::System(_)
            | Target::Endpoint(_)
            | Target::Sink(_) => None,
        };
        let Some(per_second) = per_second else { return };
        let at = self.turn(target.name(), per_second, outbox.now(), width(target.lane()));
        if at > outbox.now() {
            let mut stop = outbox.stop.clone();
            tokio::select! {
                () = outbox.clock.sleep_until(at) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// Returns when the next call to a provider may be made, and reserves it; the following one comes a gap later.
    fn turn(&self, provider: &str, per_second: f64, now: Timestamp, waiting: usize) -> Timestamp {
        #[expect(clippy::cast_possible_truncation, reason = "a second in microseconds")]
        let gap = TimeDelta::microseconds((1_000_000.0 / per_second.max(0.001)) as i64);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back must not block the lane for that time.
        let latest = now + gap * i32::try_from(waiting).unwrap_or(i32::MAX);
        let at = match next.get(provider).copied() {
            Some(next) if next <= latest => next.max(now),
            Some(_) => now + gap,
            None => now,
        };
        next.insert(provider.to_owned(), at + gap);
        at
    }
}
