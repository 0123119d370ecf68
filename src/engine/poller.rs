//! Reads identity sources. Polling is authoritative; webhooks only shorten its delay.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use tokio::sync::watch;

use crate::connectors::IdentityProvider;
use crate::model::{Clock, Failure, Timestamp};
use crate::store::{self, Store};

use super::backoff;
use super::inbox::Inbox;
use super::metrics::Metrics;

/// Time after which `/readyz` reports a source that cannot be read.
const TROUBLE_AFTER: TimeDelta = TimeDelta::minutes(2);

/// Failures in a row after which the position within a round is abandoned.
const ANEW_AFTER: u32 = 3;

/// Event sources that cannot be read.
#[derive(Debug, Default)]
struct Reading(Mutex<BTreeMap<String, Trouble>>);

/// What the sources report for a person to repair.
#[derive(Debug, Default)]
struct Alarms(Mutex<BTreeMap<String, Vec<String>>>);

impl Alarms {
    fn report(&self, source: &str, alarms: Vec<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(source.to_owned(), alarms);
    }

    fn all(&self) -> Vec<String> {
        let alarms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        alarms
            .iter()
            .flat_map(|(source, each)| each.iter().map(move |one| format!("{source}: {one}")))
            .collect()
    }
}

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

    /// Returns the sources that have been unreadable for a while, with the start and the reason.
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

/// A handle on the polling of sources. Clones share the list of unreadable sources.
#[derive(Debug, Clone)]
pub struct Poller {
    inbox: Inbox,
    store: Store,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    reading: Arc<Reading>,
    alarms: Arc<Alarms>,
}

impl Poller {
    pub(super) fn new(inbox: Inbox, store: Store, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self { inbox, store, clock, metrics, reading: Arc::default(), alarms: Arc::default() }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs the loop that reads one source.
    pub(super) async fn poll_source(
        self,
        name: String,
        source: Arc<dyn IdentityProvider>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut failures = 0_u32;
        while !*stop.borrow() {
            let polled = self.poll_once(&name, source.as_ref()).await;
            let alarms = source.alarms();
            self.metrics.alarmed(&name, alarms.len());
            self.alarms.report(&name, alarms);
            let wait = match polled {
                Ok(more) => {
                    failures = 0;
                    self.reading.succeeded(&name);
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
                    self.metrics.connector_failed(&name);
                    self.reading.failed(&name, self.now(), &failure.reason);
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
                () = self.clock.sleep_until(self.now() + wait) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Reads one page. Its events and the cursor after it become durable together.
    async fn poll_once(&self, name: &str, source: &dyn IdentityProvider) -> Result<bool, Failure> {
        let unreadable = |error: store::Error| Failure::unavailable(error.to_string());
        let cursor = self.store.cursor(name).map_err(unreadable)?;
        let page = source.poll(cursor.as_deref()).await?;
        let moved = page.cursor.filter(|new| Some(new) != cursor.as_ref());
        let cursor = moved.map(|cursor| (name.to_owned(), cursor));
        self.inbox.receive(page.events, cursor).await.map_err(unreadable)?;
        self.metrics.polled(name, self.now());
        Ok(page.more)
    }

    /// Starts the round again. Not every provider reports an expired position; some return an internal error.
    async fn begin_anew(&self, name: &str, source: &dyn IdentityProvider) {
        let Ok(Some(cursor)) = self.store.cursor(name) else { return };
        let Some(anew) = source.anew(&cursor) else { return };
        tracing::warn!(source = name, "reading events makes no progress; starting the round again");
        if let Err(error) = self.inbox.receive(Vec::new(), Some((name.to_owned(), anew))).await {
            tracing::error!(%error, "storing the position in a source failed");
        }
    }

    /// Returns a sentence for each source that has been unreadable for a while, and for each alarm of a source.
    pub fn troubles(&self) -> Vec<String> {
        let mut troubles = self.reading.lasting(self.clock.now());
        troubles.extend(self.alarms.all());
        troubles
    }
}
