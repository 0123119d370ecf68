//! Wakes cases whose time has come. What is due lies in the store's index, so nothing sleeps with a case.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use futures::StreamExt as _;

use crate::case::Input;
use crate::model::{CaseId, Timestamp};

use super::Engine;
use super::cases::{ApplyError, earlier};
use super::pauses::{Beat, Time};

/// A case that cannot be woken is left alone for this long at most.
const LONGEST_REST: TimeDelta = TimeDelta::seconds(30);

/// Cases woken in one look at the index.
const AT_ONCE: usize = 64;

impl Engine {
    pub(super) async fn wake_cases(self) {
        let mut applied = self.0.store.cases_applied();
        let mut stop = self.stopping();
        // A case that cannot be woken stays first in the index; it must not keep the loop busy, nor hide
        // the cases behind it.
        let mut resting: BTreeMap<CaseId, Timestamp> = BTreeMap::new();
        let mut quiet_until = None;
        let mut beat = Beat::default();
        // Marks that tell an event seen twice are kept for weeks, not for ever.
        let mut forget_at = self.now() + TimeDelta::hours(1);
        while !*stop.borrow() {
            applied.mark_unchanged();
            let now = self.now();
            match beat.look(now, self.0.clock.steady()) {
                Time::Fine => {}
                Time::Suspect => {
                    tracing::warn!("the clock jumped forward; deadlines wait until it is stable");
                    let soon = Some(now + TimeDelta::seconds(10));
                    self.0.health.waker_alive(now);
                    self.until(soon, &mut applied, &mut stop).await;
                    continue;
                }
                Time::SetBack(by) => {
                    if let Err(error) = self.set_back(by).await {
                        tracing::error!(%error, "moving back deadlines failed");
                    }
                }
                Time::Skipped(pause) => {
                    if let Err(error) = self.paused(pause).await {
                        tracing::error!(%error, "storing a pause failed");
                    }
                }
            }
            self.0.health.waker_alive(now);
            if forget_at <= now {
                forget_at = now + TimeDelta::days(1);
                let pruned = self.0.store.prune(now).await;
                if let Err(error) = pruned.and_then(|()| self.0.requests.recount()) {
                    tracing::error!(%error, "removing the marks of old events failed");
                }
            }
            // A rest that began while the clock was wrong is over too.
            resting.retain(|_, until| *until > now && *until <= now + LONGEST_REST);
            let next = match self.0.store.due_cases(now, AT_ONCE + resting.len()) {
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
            let heartbeat = Some(now + TimeDelta::seconds(10));
            let next = match quiet_until.take() {
                Some(quiet) => Some(quiet),
                None => earlier(next, heartbeat),
            };
            self.until(next, &mut applied, &mut stop).await;
        }
    }

    /// Those that could not be woken rest for a while.
    async fn wake_all(&self, due: Vec<CaseId>, resting: &mut BTreeMap<CaseId, Timestamp>) {
        let mut woken = futures::stream::iter(due)
            .map(|id| async { (self.apply(&id, Input::Wake).await, id) })
            .buffer_unordered(8);
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
