//! Reads identity sources. This is the truth; webhooks only save its interval.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;

use crate::connectors::IdentitySource;
use crate::model::{Failure, Timestamp};

use super::Engine;
use super::backoff;

/// A source that could not be read for this long is in `/readyz`.
const TROUBLE_AFTER: TimeDelta = TimeDelta::minutes(2);

/// Failures in a row after which a place within a round is given up.
const ANEW_AFTER: u32 = 3;

/// Whether the source of events can be read.
#[derive(Debug, Default)]
pub(super) struct Reading(Mutex<Option<Trouble>>);

#[derive(Debug, Clone)]
struct Trouble {
    since: Timestamp,
    reason: String,
}

impl Reading {
    fn succeeded(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn failed(&self, now: Timestamp, reason: &str) {
        let mut trouble = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = trouble.as_ref().map_or(now, |trouble| trouble.since.min(now));
        *trouble = Some(Trouble { since, reason: reason.to_owned() });
    }

    /// Since when and why it cannot be read, once that has lasted.
    fn says(&self, now: Timestamp, source: &str) -> Option<String> {
        let trouble = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let Trouble { since, reason } = trouble;
        let since_text = since.format("%Y-%m-%d %H:%M UTC");
        (now - since >= TROUBLE_AFTER)
            .then(|| format!("events of {source} cannot be read since {since_text}: {reason}"))
    }
}

impl Engine {
    pub(super) async fn poll_source(self, source: Arc<dyn IdentitySource>) {
        let mut stop = self.stopping();
        let mut failures = 0_u32;
        while !*stop.borrow() {
            let wait = match self.poll_once(source.as_ref()).await {
                Ok(more) => {
                    failures = 0;
                    self.0.reading.succeeded();
                    if more {
                        continue;
                    }
                    self.0.settings.poll_identity
                }
                Err(failure) => {
                    failures = failures.saturating_add(1);
                    if failures.is_multiple_of(ANEW_AFTER) && failure.retry_after_seconds.is_none() {
                        self.begin_anew(source.as_ref()).await;
                    }
                    self.0.metrics.connector_failed(source.name());
                    self.0.reading.failed(self.now(), &failure.reason);
                    tracing::warn!(
                        source = source.name(),
                        failures,
                        reason = failure.reason,
                        "the identity provider cannot be read"
                    );
                    backoff::wait(source.name(), failures, Some(&failure)).max(self.0.settings.poll_identity)
                }
            };
            tokio::select! {
                () = self.0.clock.sleep_until(self.now() + wait) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// One page: its events and the cursor behind them become durable together.
    async fn poll_once(&self, source: &dyn IdentitySource) -> Result<bool, Failure> {
        let unreadable = |error: crate::store::Error| Failure::unavailable(error.to_string());
        let cursor = self.0.store.cursor(source.name()).map_err(unreadable)?;
        let page = source.poll(cursor.as_deref()).await?;
        let moved = page.cursor.filter(|new| Some(new) != cursor.as_ref());
        let cursor = moved.map(|cursor| (source.name().to_owned(), cursor));
        self.receive(page.events, cursor).await.map_err(unreadable)?;
        self.0.metrics.polled(source.name(), self.now());
        Ok(page.more)
    }

    /// Not every provider says that it is the place which it has forgotten; some fail inside.
    async fn begin_anew(&self, source: &dyn IdentitySource) {
        let Ok(Some(cursor)) = self.0.store.cursor(source.name()) else { return };
        let Some(anew) = source.anew(&cursor) else { return };
        tracing::warn!(source = source.name(), "reading does not get past a place; the round begins anew");
        if let Err(error) = self.receive(Vec::new(), Some((source.name().to_owned(), anew))).await {
            tracing::error!(%error, "the position in a source could not be kept");
        }
    }

    /// What does not work at the moment outside of the daemon, in sentences.
    pub fn degraded_says(&self) -> Vec<String> {
        let source = self.0.connectors.source.as_ref();
        let reading = source.and_then(|source| self.0.reading.says(self.now(), source.name()));
        let down = self.0.pauses.down().into_iter().map(|provider| format!("{provider} does not answer"));
        reading.into_iter().chain(down).collect()
    }
}
