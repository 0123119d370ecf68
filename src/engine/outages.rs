//! Outages: a provider does not answer, the daemon was not running, or the clock jumped. Cases are credited the time
//! that people lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use tokio::sync::watch;

use crate::api::providers::ProviderKind;
use crate::connectors::Connectors;
use crate::model::{Action, Clock, FailureKind, Outcome, Pause, Timestamp};
use crate::store::{self, Commit, Store};

use super::backoff;
use super::jumps::JUMP;
use super::metrics::Metrics;

/// A provider is down after this many failures in a row, over at least this long. One lost packet is no outage.
const FAILURES: u32 = 3;
const FAILING_FOR: TimeDelta = TimeDelta::minutes(2);
/// Interval at which a provider that is down is probed.
const PROBE_EVERY: TimeDelta = TimeDelta::seconds(60);
/// Interval at which the daemon records that it runs.
const BEAT_EVERY: TimeDelta = TimeDelta::minutes(5);
/// Longest stop that is not credited. Longer than a beat, whose age measures it.
const SHORT_STOP: TimeDelta = TimeDelta::minutes(15);
/// How long outages are kept: longer than any deadline.
const REMEMBER: TimeDelta = TimeDelta::days(400);
const BEAT: &str = "proofd:alive";

/// A handle on outages. Clones share the recorded outages.
#[derive(Debug, Clone)]
pub struct Outages(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    connectors: Connectors,
    metrics: Arc<Metrics>,
    known: Known,
}

/// The recorded outages.
#[derive(Debug, Default)]
struct Known(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    known: Vec<Pause>,
    /// Providers that failed recently: since when, and how often.
    failing: BTreeMap<String, (Timestamp, u32)>,
    /// Systems that requested a pause, with its end.
    asked_to_wait: BTreeMap<String, Timestamp>,
}

impl Known {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the outages. Leaves out those that end in the future: a wrong clock wrote them.
    pub fn known(&self, now: Timestamp) -> Vec<Pause> {
        let mut known = self.lock().known.clone();
        known.retain(|pause| pause.until.is_none_or(|until| until <= now + JUMP));
        known
    }

    /// Returns the outages that end in what is now the future.
    fn in_the_future(&self, now: Timestamp) -> Vec<Pause> {
        let mut known = self.lock().known.clone();
        known.retain(|pause| pause.until.is_some_and(|until| until > now));
        known
    }

    /// Returns the providers that are down now.
    pub fn down(&self) -> Vec<String> {
        self.lock()
            .known
            .iter()
            .filter(|pause| pause.until.is_none() && !pause.who.starts_with(Pause::REVISION))
            .map(|pause| pause.who.clone())
            .collect()
    }

    /// Returns the open outages of revisions that cases could not continue with.
    pub fn of_revisions(&self) -> Vec<Pause> {
        let mut open = self.lock().known.clone();
        open.retain(|pause| pause.until.is_none() && pause.who.starts_with(Pause::REVISION));
        open
    }

    /// Records whether a provider answered. Returns the outage to store, if one begins or ends.
    fn heard(&self, provider: &str, answered: bool, now: Timestamp) -> Option<Pause> {
        let mut inner = self.lock();
        let open = inner.known.iter().position(|pause| pause.who == provider && pause.until.is_none());
        if answered {
            inner.failing.remove(provider);
            let pause = inner.known.get_mut(open?)?;
            pause.until = Some(now);
            return Some(pause.clone());
        }
        let (since, failures) = inner.failing.entry(provider.to_owned()).or_insert((now, 0));
        *failures += 1;
        let (since, failures) = (*since, *failures);
        if open.is_some() || failures < FAILURES || now - since < FAILING_FOR {
            return None;
        }
        let pause = Pause { who: provider.to_owned(), from: since, until: None };
        inner.known.push(pause.clone());
        Some(pause)
    }

    /// Returns until when a system requested a pause. No system requests more than two hours: a later time was recorded
    /// while the clock was wrong.
    pub fn asked_to_wait(&self, system: &str, now: Timestamp) -> Option<Timestamp> {
        let asked = self.lock().asked_to_wait.get(system).copied();
        asked.filter(|until| *until > now && *until <= now + TimeDelta::hours(2))
    }

    fn add(&self, pause: Pause) {
        let mut inner = self.lock();
        inner.known.retain(|other| other.who != pause.who || other.from != pause.from);
        inner.known.push(pause);
    }
}

impl Outages {
    pub(super) fn open(
        store: Store,
        clock: Arc<dyn Clock>,
        connectors: Connectors,
        metrics: Arc<Metrics>,
    ) -> Result<Self, store::Error> {
        let known = store.pauses_since(clock.now() - REMEMBER)?;
        let known = Known(Mutex::new(State { known, ..State::default() }));
        Ok(Self(Arc::new(Inner { store, clock, connectors, metrics, known })))
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Returns the recorded outages.
    pub fn known(&self) -> Vec<Pause> {
        self.0.known.known(self.now())
    }

    /// Returns the names of the providers.
    pub fn providers(&self) -> Vec<(String, ProviderKind)> {
        let Connectors { identity, verification, .. } = &self.0.connectors;
        let identity = identity.keys().map(|name| (name.clone(), ProviderKind::Identity));
        let verification = verification.keys().map(|name| (name.clone(), ProviderKind::Verification));
        identity.chain(verification).collect()
    }

    /// Returns the providers that are down now.
    pub fn down(&self) -> Vec<String> {
        self.0.known.down()
    }

    /// Returns the open outages of revisions that cases could not continue with.
    pub fn of_revisions(&self) -> Vec<Pause> {
        self.0.known.of_revisions()
    }

    /// Returns until when a system requested a pause.
    pub fn asked_to_wait(&self, system: &str) -> Option<Timestamp> {
        self.0.known.asked_to_wait(system, self.now())
    }

    /// Stores an outage.
    pub async fn keep(&self, pause: Pause) -> Result<(), store::Error> {
        self.0.known.add(pause.clone());
        self.0.store.commit(Commit { pauses: vec![pause], ..Commit::default() }).await
    }

    /// Stores the begin of an outage.
    pub(super) async fn begin(&self, who: String) -> Result<(), store::Error> {
        self.keep(Pause { who, from: self.now(), until: None }).await
    }

    /// Stores the end of an outage.
    pub(super) async fn end(&self, pause: Pause) -> Result<(), store::Error> {
        self.keep(Pause { until: Some(self.now()), ..pause }).await
    }

    /// Records at start the time in which the daemon did not run, if it was long. Returns by how much the clock was
    /// ahead when the daemon stopped, if it was.
    pub(super) async fn note_absence(&self) -> Result<Option<TimeDelta>, store::Error> {
        if self.0.clock.steady().is_none() {
            // A simulated clock is set by its user; a stop of it means nothing.
            return Ok(None);
        }
        let now = self.now();
        let last = self.0.store.cursor(BEAT)?.and_then(|at| at.parse::<Timestamp>().ok());
        if let Some(from) = last.filter(|last| now - *last > SHORT_STOP) {
            tracing::warn!(
                minutes = (now - from).num_minutes(),
                "the daemon was down; deadlines are extended by that time"
            );
            self.keep(Pause { who: Pause::DAEMON.to_owned(), from, until: Some(now) }).await?;
        }
        Ok(last.map(|last| last - now).filter(|ahead| *ahead > JUMP))
    }

    /// Records that the daemon runs.
    pub(super) async fn beat(&self) -> Result<(), store::Error> {
        if self.0.clock.steady().is_none() {
            return Ok(());
        }
        self.0.write_beat().await
    }

    /// Moves the end of outages earlier after the clock was set back, if they end in what is now the future.
    pub(super) async fn set_back(&self, by: TimeDelta) -> Result<(), store::Error> {
        for pause in self.0.known.in_the_future(self.now()) {
            let until = pause.until.map(|until| (until - by).max(pause.from));
            self.keep(Pause { until, ..pause }).await?;
        }
        Ok(())
    }

    /// Records what the outcome of a call shows about the system that it went to.
    pub async fn heard_of(&self, action: &Action, outcome: &Outcome) {
        // A pause that is requested for one record concerns that record alone.
        if let Outcome::Failed(failure) = outcome
            && failure.outage
            && failure.retry_after_seconds.is_some()
        {
            let system = action.target().to_string();
            let until = self.now() + backoff::wait(&system, 0, Some(failure));
            self.0.known.lock().asked_to_wait.insert(system, until);
        }
        let Action::Verification { provider, .. } = action else { return };
        // A refusal is an answer too.
        let unavailable = match outcome {
            Outcome::Failed(failure) if failure.kind == FailureKind::Unavailable => Some(failure),
            Outcome::Failed(_) | Outcome::Done(_) => None,
        };
        self.heard(provider, unavailable.is_none()).await;
    }

    async fn heard(&self, provider: &str, answered: bool) {
        let Some(pause) = self.0.known.heard(provider, answered, self.now()) else { return };
        match pause.until {
            None => {
                tracing::warn!(provider, "the provider is down; deadlines that depend on it are paused")
            }
            Some(_) => tracing::info!(provider, "the provider is up again; deadlines continue"),
        }
        self.0.metrics.provider_down(provider, pause.until.is_none());
        if let Err(error) = self.0.store.commit(Commit { pauses: vec![pause], ..Commit::default() }).await {
            tracing::error!(%error, "storing a pause failed");
        }
    }

    /// Runs the loop that records that the daemon runs and probes providers that are down.
    pub(super) async fn keep_time(self, mut stop: watch::Receiver<bool>) {
        let mut beat_at = self.now() + BEAT_EVERY;
        while !*stop.borrow() {
            let wake = beat_at.min(self.now() + PROBE_EVERY);
            tokio::select! {
                () = self.0.clock.sleep_until(wake) => {}
                _ = stop.changed() => break,
            }
            for provider in self.down() {
                let Some(connector) = self.0.connectors.verification.get(&provider) else { continue };
                if self.asked_to_wait(&provider).is_some() {
                    continue;
                }
                let well = connector.examine().await.iter().all(|finding| finding.ok);
                self.heard(&provider, well).await;
            }
            if self.now() >= beat_at {
                beat_at = self.now() + BEAT_EVERY;
                self.beat_or_log().await;
            }
        }
        // After an orderly stop, the begin of the absence is known to the second.
        self.beat_or_log().await;
    }

    async fn beat_or_log(&self) {
        if let Err(error) = self.0.write_beat().await {
            tracing::error!(%error, "storing the time failed");
        }
    }
}

impl Inner {
    async fn write_beat(&self) -> Result<(), store::Error> {
        let cursors = [(BEAT.to_owned(), self.clock.now().to_rfc3339())].into();
        self.store.commit(Commit { cursors, ..Commit::default() }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    #[test]
    fn an_outage_starts_after_lasting_failures_and_ends_with_a_success() {
        let pauses = Known::default();
        for (minute, answered, begins_or_ends) in [
            (0, false, None),
            (1, false, None),
            (3, false, Some(None)),
            (4, false, None),
            (60, true, Some(Some(60))),
            (61, true, None),
            (62, false, None),
            (63, true, None),
            (65, false, None),
            (66, false, None),
        ] {
            let heard = pauses.heard("vendor", answered, at(minute));
            let expected = begins_or_ends.map(|until: Option<i64>| Pause {
                who: "vendor".to_owned(),
                from: at(0),
                until: until.map(at),
            });
            assert_eq!(heard, expected, "minute {minute}");
        }
        assert!(pauses.down().is_empty());
    }
}
