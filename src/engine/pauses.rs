//! When somebody could not answer through no fault of theirs: a provider that does not answer, a daemon that
//! was not running, a clock that jumped. Cases give back what was lost.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;

use crate::case::Input;
use crate::model::{Action, FailureKind, Outcome, Pause, Timestamp};
use crate::store::{self, CaseFilter, Commit, Store};

use super::Engine;
use super::backoff;
use super::cases::ApplyError;

/// A provider is down after this many failures in a row, over at least this long. One lost packet is
/// no outage.
const FAILURES: u32 = 3;
const FAILING_FOR: TimeDelta = TimeDelta::minutes(2);
/// While a provider is down, how often it is looked whether it is back.
const PROBE_EVERY: TimeDelta = TimeDelta::seconds(60);
/// How often the daemon writes down that it runs.
const BEAT_EVERY: TimeDelta = TimeDelta::minutes(5);
/// Cases read at once.
const AT_ONCE: usize = 256;
/// A stop shorter than this costs nobody their time. Longer than a beat, whose age it is measured by.
const SHORT_STOP: TimeDelta = TimeDelta::minutes(15);
/// Longer ago than any deadline.
const REMEMBER: TimeDelta = TimeDelta::days(400);
/// The wall clock may differ by this much from what really passed.
const JUMP: TimeDelta = TimeDelta::minutes(5);
/// A jump counts once the clock has gone on quietly for this long.
const QUIET: Duration = Duration::from_secs(120);

const BEAT: &str = "proofd:alive";

#[derive(Debug, Default)]
pub(super) struct Pauses(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    known: Vec<Pause>,
    /// Providers that failed lately: since when, and how often.
    failing: BTreeMap<String, (Timestamp, u32)>,
    /// Systems that asked not to be asked until then.
    asked_to_wait: BTreeMap<String, Timestamp>,
}

impl Pauses {
    pub fn from_store(store: &Store, now: Timestamp) -> Result<Self, store::Error> {
        let known = store.pauses_since(now - REMEMBER)?;
        Ok(Self(Mutex::new(Inner { known, ..Inner::default() })))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that ends in the future was written by a clock that was wrong, and holds nobody up.
    pub fn known(&self, now: Timestamp) -> Vec<Pause> {
        let mut known = self.lock().known.clone();
        known.retain(|pause| pause.until.is_none_or(|until| until <= now + JUMP));
        known
    }

    /// Those that ended in what is now the future.
    fn in_the_future(&self, now: Timestamp) -> Vec<Pause> {
        let mut known = self.lock().known.clone();
        known.retain(|pause| pause.until.is_some_and(|until| until > now));
        known
    }

    /// Providers that are down now.
    pub fn down(&self) -> Vec<String> {
        self.lock()
            .known
            .iter()
            .filter(|pause| pause.until.is_none() && !pause.who.starts_with(Pause::REVISION))
            .map(|pause| pause.who.clone())
            .collect()
    }

    /// Revisions with which cases could not go on, as far as was known.
    pub fn of_revisions(&self) -> Vec<Pause> {
        let mut open = self.lock().known.clone();
        open.retain(|pause| pause.until.is_none() && pause.who.starts_with(Pause::REVISION));
        open
    }

    /// A provider answered, or did not. What has to be written down, if anything begins or ends with it.
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

    /// Until when a system asked not to be asked. Nobody asks to wait for longer than two hours: a time behind
    /// that was written while the clock was wrong.
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

/// Compares the wall clock with one that cannot be set.
#[derive(Debug, Default)]
pub(super) struct Beat {
    last: Option<(Timestamp, Duration)>,
    suspect: Option<Suspect>,
}

#[derive(Debug)]
struct Suspect {
    from: Timestamp,
    jumped: TimeDelta,
    quiet_since: Duration,
}

/// What is to be made of the time.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Time {
    Fine,
    /// It jumped; nothing whose time has come happens until that is sure.
    Suspect,
    /// It was ahead by this much and was set back.
    SetBack(TimeDelta),
    /// It really is that late: the machine slept, or its clock was wrong before.
    Skipped(Pause),
}

impl Beat {
    pub fn look(&mut self, wall: Timestamp, steady: Option<Duration>) -> Time {
        let Some(steady) = steady else { return Time::Fine };
        let Some((last_wall, last_steady)) = self.last.replace((wall, steady)) else { return Time::Fine };
        let passed = TimeDelta::from_std(steady.saturating_sub(last_steady)).unwrap_or(TimeDelta::zero());
        let drift = (wall - last_wall) - passed;
        match &mut self.suspect {
            None if drift > JUMP => {
                self.suspect = Some(Suspect { from: last_wall, jumped: drift, quiet_since: steady });
                Time::Suspect
            }
            None if drift < -JUMP => Time::SetBack(-drift),
            None => Time::Fine,
            Some(suspect) if drift.abs() > JUMP => {
                suspect.jumped += drift;
                suspect.quiet_since = steady;
                let jumped = suspect.jumped;
                if jumped > JUMP {
                    return Time::Suspect;
                }
                // Set back to where it was, or further: it was wrong in between, and before.
                self.suspect = None;
                if jumped < -JUMP { Time::SetBack(-jumped) } else { Time::Fine }
            }
            Some(suspect) if steady.saturating_sub(suspect.quiet_since) < QUIET => Time::Suspect,
            Some(suspect) => {
                let until = suspect.from + suspect.jumped;
                let pause = Pause { who: Pause::DAEMON.to_owned(), from: suspect.from, until: Some(until) };
                self.suspect = None;
                Time::Skipped(pause)
            }
        }
    }
}

impl Engine {
    /// At the start: whether the daemon was away for long.
    pub(super) async fn note_absence(&self) -> Result<(), store::Error> {
        if self.0.clock.steady().is_none() {
            // A rehearsal's clock runs as it is told; a stop of it says nothing.
            return Ok(());
        }
        let now = self.now();
        let last = self.0.store.cursor(BEAT)?.and_then(|at| at.parse::<Timestamp>().ok());
        if let Some(from) = last.filter(|last| now - *last > SHORT_STOP) {
            tracing::warn!(
                minutes = (now - from).num_minutes(),
                "the daemon was down; deadlines are extended by that time"
            );
            self.paused(Pause { who: Pause::DAEMON.to_owned(), from, until: Some(now) }).await?;
        }
        if let Some(ahead) = last.map(|last| last - now).filter(|ahead| *ahead > JUMP) {
            self.set_back(ahead).await?;
        }
        self.beat().await
    }

    async fn beat(&self) -> Result<(), store::Error> {
        let cursors = [(BEAT.to_owned(), self.now().to_rfc3339())].into();
        self.0.store.commit(Commit { cursors, ..Commit::default() }).await.map(|_| ())
    }

    /// The clock was ahead and was set back. What was planned by it moves back: pauses that it saw end in what
    /// is now the future, and the times of cases that were looked at meanwhile. Until that is done the mark of
    /// the wrong time stays, so that a stop in between has the next start do it.
    pub(super) async fn set_back(&self, by: TimeDelta) -> Result<(), store::Error> {
        let now = self.now();
        let minutes = by.num_minutes();
        tracing::warn!(minutes, "the clock was ahead and was set back; its deadlines are moved back");
        self.0.metrics.set_back();
        for pause in self.0.pauses.in_the_future(now) {
            let until = pause.until.map(|until| (until - by).max(pause.from));
            self.paused(Pause { until, ..pause }).await?;
        }
        let open = CaseFilter { open: Some(true), ..CaseFilter::default() };
        let (mut cursor, mut moved) = (None, 0_usize);
        loop {
            let (cases, next) = self.0.store.cases(&open, cursor.as_deref(), AT_ONCE)?;
            for case in cases {
                match self.apply(&case.id, Input::SetBack { seconds: by.num_seconds() }).await {
                    Ok(_) => moved += 1,
                    Err(ApplyError::Refused(_) | ApplyError::NoCase) => {}
                    Err(error) => {
                        tracing::error!(case = %case.id, %error, "moving back the deadlines of a case failed")
                    }
                }
            }
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        tracing::warn!(cases = moved, "moved deadlines back");
        self.beat().await
    }

    pub(super) async fn paused(&self, pause: Pause) -> Result<(), store::Error> {
        self.0.pauses.add(pause.clone());
        self.0.store.commit(Commit { pauses: vec![pause], ..Commit::default() }).await.map(|_| ())
    }

    /// What a call tells about the system that it went to.
    pub(super) async fn heard_of(&self, action: &Action, outcome: &Outcome) {
        // A wait that is asked for one record concerns that record alone.
        if let Outcome::Failed(failure) = outcome
            && failure.outage
            && failure.retry_after_seconds.is_some()
        {
            let system = action.target().to_string();
            let until = self.now() + backoff::wait(&system, 0, Some(failure));
            self.0.pauses.lock().asked_to_wait.insert(system, until);
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
        let Some(pause) = self.0.pauses.heard(provider, answered, self.now()) else { return };
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

    /// Writes down now and then that the daemon runs, and looks whether a provider that was down is back.
    pub(super) async fn keep_time(self) {
        let mut stop = self.stopping();
        let mut beat_at = self.now() + BEAT_EVERY;
        while !*stop.borrow() {
            let wake = beat_at.min(self.now() + PROBE_EVERY);
            tokio::select! {
                () = self.0.clock.sleep_until(wake) => {}
                _ = stop.changed() => break,
            }
            for provider in self.0.pauses.down() {
                let Some(connector) = self.0.connectors.verification.get(&provider) else { continue };
                if self.0.pauses.asked_to_wait(&provider, self.now()).is_some() {
                    continue;
                }
                let well = connector.examine().await.iter().all(|finding| finding.ok);
                self.heard(&provider, well).await;
            }
            if self.now() >= beat_at {
                beat_at = self.now() + BEAT_EVERY;
                self.beat_or_say().await;
            }
        }
        // After an orderly end it is known to the second since when nobody was here.
        self.beat_or_say().await;
    }

    async fn beat_or_say(&self) {
        if let Err(error) = self.beat().await {
            tracing::error!(%error, "storing the time failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    #[test]
    fn a_provider_is_down_after_failures_over_a_while_and_back_at_its_first_answer() {
        let pauses = Pauses::default();
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

    #[test]
    fn a_clock_that_jumps_is_not_believed_at_once() {
        let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
        let skipped = |from, until| {
            Time::Skipped(Pause { who: Pause::DAEMON.to_owned(), from: at(from), until: Some(at(until)) })
        };
        // Wall minute, steady minute, what is made of it.
        for (name, rows) in [
            ("quiet", vec![(0, 0, Time::Fine), (10, 10, Time::Fine), (14, 10, Time::Fine)]),
            (
                "a machine that slept",
                vec![
                    (0, 0, Time::Fine),
                    (500, 1, Time::Suspect),
                    (501, 2, Time::Suspect),
                    (503, 4, skipped(0, 499)),
                    (504, 5, Time::Fine),
                ],
            ),
            (
                "a clock that was wrong for a moment",
                vec![
                    (0, 0, Time::Fine),
                    (5_000_000, 1, Time::Suspect),
                    (2, 2, Time::Fine),
                    (9, 9, Time::Fine),
                ],
            ),
            (
                "a clock that was set back",
                vec![
                    (900, 0, Time::Fine),
                    (1, 1, Time::SetBack(TimeDelta::minutes(900))),
                    (2, 2, Time::Fine),
                    (498, 3, Time::Suspect),
                    (4, 4, Time::Fine),
                ],
            ),
            (
                "a clock that jumped and was set back further",
                vec![
                    (900, 0, Time::Fine),
                    (1_000, 1, Time::Suspect),
                    (2, 2, Time::SetBack(TimeDelta::minutes(900))),
                ],
            ),
        ] {
            let mut beat = Beat::default();
            for (wall, steady, expected) in rows {
                assert_eq!(beat.look(at(wall), minutes(steady)), expected, "{name} at {wall}");
            }
        }
        assert_eq!(Beat::default().look(at(0), None), Time::Fine);
    }
}
