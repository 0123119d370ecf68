//! Schedules over the population.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::policies::Mode;

/// A sweep with its next time and its last runs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SweepLine {
    /// Such as `quarterly/1`.
    pub schedule: String,
    pub policy: String,
    pub mode: Mode,
    /// In words.
    pub timetable: String,
    /// New cases that one run opens at most.
    pub at_most: Option<u32>,
    /// Null: the policy is disabled, or the time never comes again.
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
    /// Of the policy when the run began.
    pub revision: String,
    /// Opens no case; counts what it would have opened.
    pub shadow: bool,
    pub began: DateTime<Utc>,
    pub ended: Option<DateTime<Utc>>,
    /// How it ended: `done`, `missed` or why it was stopped.
    pub end: Option<String>,
    /// People that were picked; null while the population is looked at.
    pub picked: Option<u32>,
    /// How many of them were dealt with.
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
    /// Of them only counted: a run keeps the reasons of so many.
    pub not_noted: u64,
}
