//! Wakes due cases. Due times are in the store's index: no task sleeps with a case.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use futures::StreamExt as _;
use tokio::sync::watch;

use crate::case::Input;
use crate::model::{CaseId, Clock, Timestamp};
use crate::store::{self, CaseFilter, Requests, Store};

use super::bells::Bells;
use super::cases::{ApplyError, Cases};
use super::health::Health;
use super::jumps::{Beat, Time};
use super::metrics::Metrics;
use super::outages::Outages;
use super::waiting::earlier;

/// Longest rest of a case that cannot be woken.
const LONGEST_REST: TimeDelta = TimeDelta::seconds(30);

/// Cases woken in one read of the index.
const AT_ONCE: usize = 64;

/// Interval at which expired entries are removed: what expires in it is removed in a fraction of a second.
const FORGET_EVERY: TimeDelta = TimeDelta::minutes(15);

/// Cases read at once.
const MOVED_AT_ONCE: usize = 256;

/// A handle on the times of cases.
#[derive(Debug, Clone)]
pub struct Timers {
    pub(super) cases: Cases,
    pub(super) outages: Outages,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) requests: Requests,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) bells: Arc<Bells>,
}

impl Timers {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Moves times back after the clock was ahead and was set back. This concerns outages that end in what is now the
    /// future, and the times of cases that were changed meanwhile. The mark of the wrong time stays until that is done:
    /// after a stop in between, the next start does it.
    pub(super) async fn set_back(&self, by: TimeDelta) -> Result<(), store::Error> {
        let minutes = by.num_minutes();
        tracing::warn!(minutes, "the clock was ahead and was set back; its deadlines are moved back");
        self.metrics.set_back();
        self.outages.set_back(by).await?;
        let open = CaseFilter { open: Some(true), ..CaseFilter::default() };
        let (mut cursor, mut moved) = (None, 0_usize);
        loop {
            let (cases, next) = self.store.cases(&open, cursor.as_deref(), MOVED_AT_ONCE)?;
            for case in cases {
                match self.cases.apply(&case.id, Input::SetBack { seconds: by.num_seconds() }).await {
                    Ok(_) => moved += 1,
                    Err(ApplyError::Refused(_) | ApplyError::NoCase) => {}
                    Err(error) => {
                        tracing::error!(case = %case.id, %error, "moving back the deadlines of a case failed");
                    }
                }
            }
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        tracing::warn!(cases = moved, "moved deadlines back");
        self.outages.beat().await
    }

    /// Runs the loop that wakes cases.
    pub(super) async fn wake_cases(self, mut stop: watch::Receiver<bool>) {
        // A case that cannot be woken stays first in the index; it must not keep the loop busy, nor hide the cases
        // behind it.
        let mut resting: BTreeMap<CaseId, Timestamp> = BTreeMap::new();
        let mut quiet_until = None;
        let mut beat = Beat::default();
        // Marks that identify repeated events are kept for weeks, not forever.
        let mut forget_at = self.now() + TimeDelta::hours(1);
        while !*stop.borrow() {
            self.bells.look();
            let now = self.now();
            match beat.look(now, self.clock.steady()) {
                Time::Fine => {}
                Time::Suspect => {
                    tracing::warn!("the clock jumped forward; deadlines wait until it is stable");
                    self.health.waker_alive(now);
                    self.sleep(now + TimeDelta::seconds(10), &mut stop).await;
                    continue;
                }
                Time::SetBack(by) => {
                    if let Err(error) = self.set_back(by).await {
                        tracing::error!(%error, "moving back deadlines failed");
                    }
                }
                Time::Skipped(pause) => {
                    if let Err(error) = self.outages.keep(pause).await {
                        tracing::error!(%error, "storing a pause failed");
                    }
                }
            }
            self.health.waker_alive(now);
            if forget_at <= now {
                forget_at = now + FORGET_EVERY;
                let pruned = self.store.prune(now).await;
                if let Err(error) = pruned.and_then(|()| self.requests.recount()) {
                    tracing::error!(%error, "removing the marks of old events failed");
                }
            }
            // A rest that began while the clock was wrong is over too.
            resting.retain(|_, until| *until > now && *until <= now + LONGEST_REST);
            let next = match self.store.due_cases(now, AT_ONCE + resting.len()) {
                Ok((mut due, next)) => {
                    due.retain(|id| !resting.contains_key(id));
                    if due.is_empty() {
                        earlier(next, resting.values().min().copied())
                    } else {
                        self.wake_all(due, &mut resting).await;
                        continue;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "reading due cases failed");
                    quiet_until = Some(now + TimeDelta::seconds(30));
                    None
                }
            };
            let heartbeat = now + TimeDelta::seconds(10);
            let next = quiet_until.take().unwrap_or_else(|| next.map_or(heartbeat, |at| at.min(heartbeat)));
            self.sleep(next, &mut stop).await;
        }
    }

    /// Waits until a time, an earlier due time of a case, or a stop.
    async fn sleep(&self, until: Timestamp, stop: &mut watch::Receiver<bool>) {
        self.bells.plan(until);
        tokio::select! {
            () = self.clock.sleep_until(until) => {}
            () = self.bells.waker() => {}
            _ = stop.changed() => {}
        }
    }

    /// Wakes due cases. Cases that could not be woken rest for a while.
    async fn wake_all(&self, due: Vec<CaseId>, resting: &mut BTreeMap<CaseId, Timestamp>) {
        let mut woken = futures::stream::iter(due)
            .map(|id| async { (self.cases.apply(&id, Input::Wake).await, id) })
            .buffer_unordered(AT_ONCE);
        while let Some((result, id)) = woken.next().await {
            match result {
                Ok(_) => {}
                // The index was older than the case, or the clock was set back.
                Err(ApplyError::Refused(_) | ApplyError::NoCase) => {
                    resting.insert(id, self.now() + TimeDelta::seconds(5));
                }
                Err(error) => {
                    tracing::error!(case = %id, %error, "continuing a due case failed");
                    resting.insert(id, self.now() + LONGEST_REST);
                }
            }
        }
    }
}
