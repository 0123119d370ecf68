//! What a commit says of sweeps.

use std::collections::BTreeMap;

use serde::Serialize;

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
