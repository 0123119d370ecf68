//! Sweeps: schedules over the population.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::mode::Mode;

/// A sweep with its next time and its last runs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SweepLine {
    /// Such as `quarterly/1`.
    pub schedule: String,
    pub policy: String,
    pub mode: Mode,
    /// The schedule in words.
    pub timetable: String,
    /// New cases that one run opens at most.
    pub at_most: Option<u32>,
    /// Time of the next run; null: the policy is disabled, or there is none.
    pub next: Option<DateTime<Utc>>,
    /// The run under way.
    pub run: Option<SweepRun>,
    /// Newest first.
    pub past: Vec<SweepRun>,
}

/// One run of a sweep, for its nominal time.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SweepRun {
    pub nominal: DateTime<Utc>,
    /// Revision of the policy at the start of the run.
    pub revision: String,
    /// Opens no case; counts what it would have opened.
    pub shadow: bool,
    pub began: DateTime<Utc>,
    pub ended: Option<DateTime<Utc>>,
    /// Result: `done`, `missed` or why it stopped.
    pub end: Option<String>,
    /// Selected people; null during the selection.
    pub picked: Option<u32>,
    /// How many of them are processed.
    pub position: u32,
    /// People of the population.
    pub looked_at: u64,
    /// People who are due and have no open case.
    pub due: u64,
    pub opened: u32,
    /// In shadow: cases that would have opened.
    pub would_open: u32,
    /// Due, and left for the next run by `at_most`.
    pub left: u64,
    /// Why others were skipped.
    pub skipped: BTreeMap<String, u64>,
    /// Skipped people without a recorded reason.
    pub not_noted: u64,
}
