//! Counts the limited effects of each policy, rebuilt from the store at start, and the population to which relative
//! limits refer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use tokio::sync::watch;

use crate::case::{Counters, LONGEST_WINDOW};
use crate::connectors::IdentityProvider;
use crate::model::{Clock, EffectKind, Timestamp};
use crate::policy::Policy;
use crate::store::{self, Store};

use super::backoff;

/// Populations change slowly.
const COUNT_EVERY: TimeDelta = TimeDelta::hours(1);
const TRY_AGAIN: TimeDelta = TimeDelta::minutes(1);

/// A handle on the counters. Clones share them.
#[derive(Debug, Clone)]
pub struct Limits {
    clock: Arc<dyn Clock>,
    counters: Arc<Mutex<Counters>>,
}

impl Limits {
    /// Counts the stored effects of the longest window.
    pub(super) fn open(store: &Store, clock: Arc<dyn Clock>) -> Result<Self, store::Error> {
        let mut counters = Counters::default();
        for (policy, action, at) in store.effects_since(clock.now() - LONGEST_WINDOW)? {
            counters.count(&policy, action, at);
        }
        Ok(Self { clock, counters: Arc::new(Mutex::new(counters)) })
    }

    /// Locks the counters, from reading a limit to counting against it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when a policy may have another effect of an exhausted kind, if known.
    pub fn free_at(&self, policy: &Policy, action: EffectKind) -> Option<Timestamp> {
        self.lock().free_at(policy, action, self.clock.now())
    }

    /// Runs the loop that counts people, for limits that are a share of them.
    pub(super) async fn count_people(
        self,
        name: String,
        source: Arc<dyn IdentityProvider>,
        mut stop: watch::Receiver<bool>,
    ) {
        while !*stop.borrow() {
            let wait = match source.population_size().await {
                Ok(population) => {
                    self.lock().populated(&name, population);
                    COUNT_EVERY
                }
                Err(failure) => {
                    tracing::debug!(reason = failure.reason, "counting people failed");
                    backoff::wait("people", 0, Some(&failure)).max(TRY_AGAIN)
                }
            };
            tokio::select! {
                () = self.clock.sleep_until(self.clock.now() + wait) => {}
                _ = stop.changed() => {}
            }
        }
    }
}
