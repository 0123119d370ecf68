//! The calls of a lane that are in progress or rest, by the system that performs them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;

use crate::case::Urgency;
use crate::connectors::Connectors;
use crate::model::{CaseId, Clock, Lane, Target, Timestamp};

use super::width::{Ended, Shares, Spacing, Width};

/// Delay before a call that could not begin is tried again.
pub(super) const REST: TimeDelta = TimeDelta::seconds(30);

/// Most calls in progress to a system with a declared limit: it bounds memory and connections.
const MOST_DECLARED: u32 = 256;

/// Most calls in progress to a system without a declared limit. A mail server gets a connection for each.
const fn most(lane: Lane) -> u32 {
    match lane {
        Lane::Mail => 16,
        Lane::Identity | Lane::Provisioning => 32,
        Lane::VerificationStart | Lane::VerificationRead | Lane::Request | Lane::Emit => 64,
    }
}

/// The calls per second that a system allows, if it is declared, and the name under which its requests are counted. A
/// system that is called in two lanes has one limit. `system`: its unique name.
fn declared(connectors: &Connectors, lane: Lane, system: &str) -> Option<(String, f64)> {
    let pace = || Some(connectors.verification.get(system)?.pace());
    let named = |(name, per_second): (&String, &f64), target: Target<'_>| {
        (target.to_string() == system).then(|| (format!("system {name}"), *per_second))
    };
    let limits = &connectors.limits;
    match lane {
        Lane::VerificationStart => Some((format!("start {system}"), pace()?.starts_per_second)),
        Lane::VerificationRead => Some((format!("read {system}"), pace()?.reads_per_second)),
        // A provider's own client keeps its limits: they are counted for the whole account.
        Lane::Identity => None,
        Lane::Mail => Some(("mail".to_owned(), limits.mail?)),
        Lane::Provisioning => limits.systems.iter().find_map(|one| named(one, Target::System(one.0))),
        Lane::Request => limits.systems.iter().find_map(|one| named(one, Target::Endpoint(one.0))),
        Lane::Emit => limits
            .sinks
            .get_key_value(system.strip_prefix("sink ")?)
            .map(|(name, per_second)| (format!("sink {name}"), *per_second)),
    }
}

/// The times of requests to systems with a declared limit, over all lanes.
#[derive(Debug, Default)]
pub struct Meters(Mutex<BTreeMap<String, Spacing>>);

impl Meters {
    /// Reserves the time of a request. `ahead`: requests that may have reserved one.
    fn reserve(&self, (name, per_second): &(String, f64), now: Timestamp, ahead: usize) -> Timestamp {
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = i32::try_from(ahead).unwrap_or(i32::MAX);
        let meter = meters.entry(name.clone()).or_insert_with(|| Spacing::new(*per_second));
        meter.reserve(now, ahead)
    }
}

/// The calls to one system.
#[derive(Debug)]
struct Line {
    width: Width,
    shares: Shares,
    /// The times of begins. Requests have their own: a commit between them must not bunch them.
    begins: Option<Spacing>,
    declared: Option<(String, f64)>,
    in_progress: usize,
    /// In progress or at rest.
    held: usize,
    begun: u64,
}

#[derive(Debug, Default)]
struct State {
    lines: BTreeMap<Arc<str>, Line>,
    /// With the end of their rest; `None`: in progress.
    calls: BTreeMap<(CaseId, u32), (Arc<str>, Option<Timestamp>)>,
}

/// The systems of a lane. A handle for the lane's loop and its calls.
#[derive(Debug)]
pub(super) struct Lines {
    lane: Lane,
    connectors: Connectors,
    clock: Arc<dyn Clock>,
    meters: Arc<Meters>,
    state: Mutex<State>,
}

impl Lines {
    pub fn new(lane: Lane, connectors: Connectors, clock: Arc<dyn Clock>, meters: Arc<Meters>) -> Arc<Self> {
        Arc::new(Self { lane, connectors, clock, meters, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends rests that are over, and returns when the next one ends. A call that its case no longer needs is forgotten.
    pub fn wake_rested(&self, now: Timestamp) -> Option<Timestamp> {
        let mut state = self.lock();
        let State { lines, calls } = &mut *state;
        // A rest that began while the clock was wrong is over too.
        calls.retain(|_, (system, rests_until)| {
            let stays = rests_until.is_none_or(|until| until > now && until <= now + REST);
            if !stays && let Some(line) = lines.get_mut(system) {
                line.held = line.held.saturating_sub(1);
            }
            stays
        });
        calls.values().filter_map(|(_, until)| *until).min()
    }

    /// Returns how many calls to a system may begin now, and how many are in hand. The latter may come first in the
    /// index; they must not hide the calls behind them.
    pub fn room(&self, system: &str) -> (usize, usize) {
        let mut state = self.lock();
        let line = state.line(self, system).1;
        (line.width.calls().saturating_sub(line.in_progress), line.held)
    }

    pub fn has(&self, call: &(CaseId, u32)) -> bool {
        self.lock().calls.contains_key(call)
    }

    /// Takes the place of the next call among those that wait, each class's earliest first. An error is the time from
    /// which a call may begin; `None`: there is no call or no place.
    pub fn take(
        self: &Arc<Self>,
        system: &str,
        waiting: &mut [Vec<(CaseId, u32)>; Urgency::ALL.len()],
        now: Timestamp,
    ) -> Result<Option<Hand>, Timestamp> {
        let mut state = self.lock();
        let (system, line) = state.line(self, system);
        if line.in_progress >= line.width.calls() || waiting.iter().all(Vec::is_empty) {
            return Ok(None);
        }
        if let Some(at) = line.begins.as_ref().and_then(|begins| begins.next(now, 0)) {
            return Err(at);
        }
        let waits = waiting.each_ref().map(|class| !class.is_empty());
        let Some(class) = line.shares.choose(waits).and_then(|place| waiting.get_mut(place)) else {
            return Ok(None);
        };
        let call = class.remove(0);
        if let Some(begins) = &mut line.begins {
            begins.reserve(now, 0);
        }
        line.in_progress += 1;
        line.held += 1;
        line.begun += 1;
        let full = line.in_progress >= line.width.calls();
        let number = line.begun;
        state.calls.insert(call.clone(), (Arc::clone(&system), None));
        let lines = Arc::clone(self);
        Ok(Some(Hand {
            lines,
            call,
            system,
            number,
            full,
            began: now,
            requested: None,
            answered: None,
            refused: false,
            rest_until: None,
        }))
    }
}

impl State {
    fn line(&mut self, of: &Lines, system: &str) -> (Arc<str>, &mut Line) {
        let system = match self.lines.get_key_value(system) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::from(system),
        };
        let line = self.lines.entry(Arc::clone(&system)).or_insert_with(|| {
            let declared = declared(&of.connectors, of.lane, &system);
            let per_second = declared.as_ref().map(|(_, per_second)| *per_second);
            let most = if per_second.is_some() { MOST_DECLARED } else { most(of.lane) };
            Line {
                width: Width::new(per_second, most),
                shares: Shares::default(),
                begins: per_second.map(Spacing::new),
                declared,
                in_progress: 0,
                held: 0,
                begun: 0,
            }
        });
        (system, line)
    }
}

/// A call in progress. Dropping it gives its place back; a call with a rest begins again only afterwards.
#[derive(Debug)]
pub(super) struct Hand {
    lines: Arc<Lines>,
    pub call: (CaseId, u32),
    pub system: Arc<str>,
    number: u64,
    /// It took the last place.
    full: bool,
    began: Timestamp,
    requested: Option<Timestamp>,
    answered: Option<Timestamp>,
    refused: bool,
    pub rest_until: Option<Timestamp>,
}

impl Hand {
    pub fn lane(&self) -> Lane {
        self.lines.lane
    }

    /// Reserves the time of the request and waits for it.
    pub async fn request(&mut self) {
        let now = self.lines.clock.now();
        let at = {
            let state = self.lines.lock();
            let line = state.lines.get(&self.system);
            line.and_then(|line| {
                Some(self.lines.meters.reserve(line.declared.as_ref()?, now, line.in_progress))
            })
        };
        if let Some(at) = at.filter(|at| *at > now) {
            self.lines.clock.sleep_until(at).await;
        }
        self.requested = Some(self.lines.clock.now());
    }

    /// Records the answer. `refused`: the system was busy or not available.
    pub fn answered(&mut self, refused: bool) {
        self.answered = Some(self.lines.clock.now());
        self.refused = refused;
    }
}

fn seconds(from: Timestamp, until: Timestamp) -> f64 {
    (until - from).as_seconds_f64().max(0.0)
}

impl Drop for Hand {
    fn drop(&mut self) {
        let now = self.lines.clock.now();
        let mut state = self.lines.lock();
        let State { lines, calls } = &mut *state;
        let rests = match self.rest_until {
            Some(until) => calls.insert(self.call.clone(), (Arc::clone(&self.system), Some(until))).is_some(),
            None => calls.remove(&self.call).is_none(),
        };
        let Some(line) = lines.get_mut(&self.system) else { return };
        let full = self.full || line.in_progress >= line.width.calls();
        line.in_progress = line.in_progress.saturating_sub(1);
        if !rests {
            line.held = line.held.saturating_sub(1);
        }
        let answered = self.requested.zip(self.answered).map(|(from, until)| seconds(from, until));
        let (number, refused) = (self.number, self.refused);
        let ended = Ended { number, answered, refused, lasted: seconds(self.began, now), full };
        if answered.is_some() {
            line.width.ended(ended, line.begun);
        }
    }
}
