//! How far sweeps are: a state for each, the people that a run under way has picked, and when a sweep first
//! saw people about whom nothing is known.

use std::collections::BTreeMap;

use serde::Serialize;

use super::keys::{Key, Kind};
use super::state::Draft;
use super::{Error, Store};
use crate::model::Timestamp;
use crate::policy::Revision;

/// How far a sweep is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepState {
    /// Such as `quarterly/1`.
    pub schedule: String,
    /// The timetable as it reads. With another one it is a new sweep, which has missed nothing.
    pub timetable: String,
    /// False: its policy is disabled or gone. When it comes back it has missed nothing either.
    pub awake: bool,
    /// Nominal times up to this one are dealt with: run, or left out, or before the sweep was there.
    pub settled: Timestamp,
    /// The run under way.
    pub run: Option<SweepRun>,
}

/// What a commit says of sweeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SweepChange {
    State(SweepState),
    /// A run of a schedule ended.
    Ended {
        schedule: String,
        run: SweepRun,
    },
    Part(SweepPart),
    FirstSeen(FirstSeen),
}

/// One run of a sweep, for its nominal time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SweepRun {
    pub nominal: Timestamp,
    /// Of the policy when it began.
    pub revision: Revision,
    /// Opens no case; counts what it would have opened.
    pub shadow: bool,
    pub began: Timestamp,
    pub ended: Option<Timestamp>,
    /// How it ended: `done`, `missed` or why it was stopped.
    pub end: Option<String>,
    /// People that were picked; none while the population is looked at, which begins anew after a stop.
    pub picked: Option<u32>,
    /// So many of them were dealt with.
    pub position: u32,
    /// People of the population.
    pub looked_at: u64,
    /// Of them due, and without an open case.
    pub due: u64,
    pub opened: u32,
    /// In shadow: cases that would have opened.
    pub would_open: u32,
    /// Due, and left for the next run by `at_most`.
    pub left: u64,
    /// Why others got no case.
    pub skipped: BTreeMap<String, u64>,
    /// Of them left out by a clause or an error, and only counted: a run keeps what it said to so many.
    pub not_noted: u64,
}

impl SweepRun {
    pub fn new(nominal: Timestamp, revision: Revision, shadow: bool, began: Timestamp) -> Self {
        Self {
            nominal,
            revision,
            shadow,
            began,
            ended: None,
            end: None,
            picked: None,
            position: 0,
            looked_at: 0,
            due: 0,
            opened: 0,
            would_open: 0,
            left: 0,
            skipped: BTreeMap::new(),
            not_noted: 0,
        }
    }
}

/// A person whose date is not known was seen; the first time counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstSeen {
    pub policy: String,
    /// Remembered apart: when a policy leaves shadow, its spread begins then.
    pub shadow: bool,
    pub person: String,
    /// The nominal time of the run.
    pub at: Timestamp,
}

/// A part of the people that a run has picked, most overdue first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepPart {
    pub schedule: String,
    pub number: u32,
    /// Nobody: the part is removed.
    pub people: Vec<String>,
}

fn state(schedule: &str) -> Vec<u8> {
    Key::new(Kind::Sweep).text(schedule).end()
}

fn past(schedule: &str) -> Key {
    Key::new(Kind::SweepPast).text(schedule)
}

fn part(schedule: &str, number: u32) -> Vec<u8> {
    Key::new(Kind::SweepPart).text(schedule).number(number.into()).end()
}

fn first_seen(policy: &str, shadow: bool, person: &str) -> Vec<u8> {
    Key::new(Kind::FirstSeen).text(policy).byte(shadow.into()).text(person).end()
}

pub(super) fn apply(draft: &mut Draft<'_>, change: &SweepChange) -> Result<(), Error> {
    match change {
        SweepChange::State(sweep) => draft.put(state(&sweep.schedule), sweep),
        SweepChange::Ended { schedule, run } => {
            draft.put(past(schedule).time_descending(run.nominal).end(), run)
        }
        SweepChange::Part(picked) => {
            let key = part(&picked.schedule, picked.number);
            if picked.people.is_empty() {
                draft.remove(key);
                return Ok(());
            }
            draft.put(key, picked)
        }
        SweepChange::FirstSeen(seen) => {
            let key = first_seen(&seen.policy, seen.shadow, &seen.person);
            match draft.get::<Timestamp>(&key)? {
                Some(_) => Ok(()),
                None => draft.put(key, &seen.at),
            }
        }
    }
}

impl Store {
    /// How far a sweep is; none, if it was never there.
    pub fn sweep(&self, schedule: &str) -> Result<Option<SweepState>, Error> {
        self.state().value(&state(schedule))
    }

    /// Every sweep that ever was there, by schedule.
    pub fn sweeps(&self) -> Result<BTreeMap<String, SweepState>, Error> {
        let prefix = Key::new(Kind::Sweep).end();
        let sweeps: Vec<SweepState> = self.some(&prefix, &prefix, usize::MAX)?;
        Ok(sweeps.into_iter().map(|sweep| (sweep.schedule.clone(), sweep)).collect())
    }

    /// The last runs of a sweep, newest first.
    pub fn sweep_runs(&self, schedule: &str, limit: usize) -> Result<Vec<SweepRun>, Error> {
        let prefix = past(schedule).end();
        self.some(&prefix, &prefix, limit)
    }

    /// A part of the people that a sweep's run has picked.
    pub fn sweep_part(&self, schedule: &str, number: u32) -> Result<Vec<String>, Error> {
        let found: Option<SweepPart> = self.state().value(&part(schedule, number))?;
        Ok(found.map(|part| part.people).unwrap_or_default())
    }

    /// The numbers of all parts that are kept of a sweep.
    pub fn sweep_parts(&self, schedule: &str) -> Result<Vec<u32>, Error> {
        let prefix = Key::new(Kind::SweepPart).text(schedule).end();
        let parts: Vec<SweepPart> = self.some(&prefix, &prefix, usize::MAX)?;
        Ok(parts.into_iter().map(|part| part.number).collect())
    }

    /// When the policy's sweeps first saw a person about whom nothing was known.
    pub fn first_seen(&self, policy: &str, shadow: bool, person: &str) -> Result<Option<Timestamp>, Error> {
        self.state().value(&first_seen(policy, shadow, person))
    }
}
