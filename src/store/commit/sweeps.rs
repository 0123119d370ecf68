//! Sweep data in commits.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::Timestamp;
use crate::policy::Revision;

/// The progress of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepState {
    /// For example `quarterly/1`.
    pub schedule: String,
    /// The timetable text. A changed timetable makes a new sweep without missed runs.
    pub timetable: String,
    /// False: its policy is disabled or removed. A restored sweep has no missed runs either.
    pub awake: bool,
    /// Nominal times up to this one are settled: run, skipped, or before the sweep existed.
    pub settled: Timestamp,
    /// The run in progress.
    pub run: Option<SweepRun>,
}

/// A change to sweep data.
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
    /// The policy's revision when the run began.
    pub revision: Revision,
    /// A shadow run opens no case and counts the cases that it would have opened.
    pub shadow: bool,
    pub began: Timestamp,
    pub ended: Option<Timestamp>,
    /// How it ended: `done`, `missed` or why it was stopped.
    pub end: Option<String>,
    /// Number of selected people; `None` while the population is read, which restarts after an interruption.
    pub picked: Option<u32>,
    /// Number of selected people that were processed.
    pub position: u32,
    /// People in the population.
    pub looked_at: u64,
    /// People that are due and have no open case.
    pub due: u64,
    pub opened: u32,
    /// In shadow: cases that would have opened.
    pub would_open: u32,
    /// Due people left for the next run by `at_most`.
    pub left: u64,
    /// Why other people got no case, with counts.
    pub skipped: BTreeMap<String, u64>,
    /// People excluded by a clause or an error that are only counted: a run records a bounded number of verdicts.
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

/// The first time that a sweep saw a person with an unknown date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstSeen {
    pub policy: String,
    /// Stored separately: a policy that leaves shadow starts its spread then.
    pub shadow: bool,
    pub person: String,
    /// The nominal time of the run.
    pub at: Timestamp,
}

/// A part of the people that a run selected, most overdue first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepPart {
    pub schedule: String,
    pub number: u32,
    /// Empty: the part is removed.
    pub people: Vec<String>,
}
