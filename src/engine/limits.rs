//! How many limited effects each policy has had: rebuilt from the store at start, and the population that
//! shares are of.

use std::sync::{Arc, PoisonError};

use chrono::TimeDelta;

use crate::case::LONGEST_WINDOW;
use crate::connectors::IdentityProvider;
use crate::model::EffectKind;
use crate::model::Timestamp;
use crate::policy::Policy;
use crate::store::{self, Store};

use super::Engine;
use super::backoff;
pub use crate::case::Counters;

/// What was counted before a restart.
pub fn from_store(store: &Store, now: Timestamp) -> Result<Counters, store::Error> {
    let mut counters = Counters::default();
    for (policy, action, at) in store.effects_since(now - LONGEST_WINDOW)? {
        counters.count(&policy, action, at);
    }
    Ok(counters)
}

/// Populations change slowly.
const COUNT_EVERY: TimeDelta = TimeDelta::hours(1);
const TRY_AGAIN: TimeDelta = TimeDelta::minutes(1);

impl Engine {
    /// When a policy may have another effect of a kind that is used up, as far as is known.
    pub(super) fn free_at(&self, policy: &Policy, action: EffectKind) -> Option<Timestamp> {
        let counters = self.0.limits.lock().unwrap_or_else(PoisonError::into_inner);
        counters.free_at(policy, action, self.now())
    }

    /// Counts people for limits that are a share of them.
    pub(super) async fn count_people(self, name: String, source: Arc<dyn IdentityProvider>) {
        let mut stop = self.stopping();
        while !*stop.borrow() {
            let wait = match source.population_size().await {
                Ok(population) => {
                    self.0.limits.lock().unwrap_or_else(PoisonError::into_inner).populated(&name, population);
                    COUNT_EVERY
                }
                Err(failure) => {
                    tracing::debug!(reason = failure.reason, "counting people failed");
                    backoff::wait("people", 0, Some(&failure)).max(TRY_AGAIN)
                }
            };
            tokio::select! {
                () = self.0.clock.sleep_until(self.now() + wait) => {}
                _ = stop.changed() => {}
            }
        }
    }
}
