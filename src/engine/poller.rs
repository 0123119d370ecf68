//! Reads identity sources. This is the truth; webhooks only save its interval.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;

use crate::connectors::IdentityProvider;
use crate::model::{Failure, Timestamp};

use super::Engine;
use super::backoff;

/// A source that could not be read for this long is in `/readyz`.
const TROUBLE_AFTER: TimeDelta = TimeDelta::minutes(2);

/// Failures in a row after which a place within a round is given up.
const ANEW_AFTER: u32 = 3;

/// Sources of events that cannot be read.
#[derive(Debug, Default)]
pub(super) struct Reading(Mutex<BTreeMap<String, Trouble>>);

#[derive(Debug, Clone)]
struct Trouble {
    since: Timestamp,
    reason: String,
}

impl Reading {
    fn succeeded(&self, source: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(source);
    }

    fn failed(&self, source: &str, now: Timestamp, reason: &str) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = troubles.get(source).map_or(now, |trouble| trouble.since.min(now));
        troubles.insert(source.to_owned(), Trouble { since, reason: reason.to_owned() });
    }

    /// Since when and why sources cannot be read, once that has lasted.
    fn lasting(&self, now: Timestamp) -> Vec<String> {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lasting = troubles.iter().filter(|(_, trouble)| now - trouble.since >= TROUBLE_AFTER);
        let text = |(source, Trouble { since, reason }): (&String, &Trouble)| {
            let since = since.format("%Y-%m-%d %H:%M UTC");
            format!("reading events of {source} fails since {since}: {reason}")
        };
        lasting.map(text).collect()
    }
}

impl Engine {
    pub(super) async fn poll_source(self, name: String, source: Arc<dyn IdentityProvider>) {
        let mut stop = self.stopping();
        let mut failures = 0_u32;
        while !*stop.borrow() {
            let wait = match self.poll_once(&name, source.as_ref()).await {
                Ok(more) => {
                    failures = 0;
                    self.0.reading.succeeded(&name);
                    if more {
                        continue;
                    }
                    source.poll_every()
                }
                Err(failure) => {
                    failures = failures.saturating_add(1);
                    if failures.is_multiple_of(ANEW_AFTER) && failure.retry_after_seconds.is_none() {
                        self.begin_anew(&name, source.as_ref()).await;
                    }
                    self.0.metrics.connector_failed(&name);
                    self.0.reading.failed(&name, self.now(), &failure.reason);
                    tracing::warn!(
                        source = name,
                        failures,
                        reason = failure.reason,
                        "reading the identity provider failed"
                    );
                    backoff::wait(&name, failures, Some(&failure)).max(source.poll_every())
                }
            };
            tokio::select! {
                () = self.0.clock.sleep_until(self.now() + wait) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// One page: its events and the cursor behind them become durable together.
    async fn poll_once(&self, name: &str, source: &dyn IdentityProvider) -> Result<bool, Failure> {
        let unreadable = |error: crate::store::Error| Failure::unavailable(error.to_string());
        let cursor = self.0.store.cursor(name).map_err(unreadable)?;
        let page = source.poll(cursor.as_deref()).await?;
        let moved = page.cursor.filter(|new| Some(new) != cursor.as_ref());
        let cursor = moved.map(|cursor| (name.to_owned(), cursor));
        self.receive(page.events, cursor).await.map_err(unreadable)?;
        self.0.metrics.polled(name, self.now());
        Ok(page.more)
    }

    /// Not every provider says that it is the place which it has forgotten; some fail inside.
    async fn begin_anew(&self, name: &str, source: &dyn IdentityProvider) {
        let Ok(Some(cursor)) = self.0.store.cursor(name) else { return };
        let Some(anew) = source.anew(&cursor) else { return };
        tracing::warn!(source = name, "reading events makes no progress; starting the round again");
        if let Err(error) = self.receive(Vec::new(), Some((name.to_owned(), anew))).await {
            tracing::error!(%error, "storing the position in a source failed");
        }
    }

    /// What does not work at the moment outside of the daemon, in sentences.
    pub fn degraded_says(&self) -> Vec<String> {
        let mut troubles = self.0.reading.lasting(self.now());
        troubles
            .extend(self.0.pauses.down().into_iter().map(|provider| format!("{provider} does not answer")));
        troubles
    }
}
