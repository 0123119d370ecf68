//! Plans: what activating another tree would do.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::diagnostics::Diagnostic;
use super::effects::Diff;
use super::migrations::MigrationLine;
use super::past::PolicyPast;
use super::policies::PolicyState;

/// A policy tree.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// Path to text.
    pub files: BTreeMap<String, String>,
}

/// One line of the answer. The last one is the plan or the problem.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanLine {
    Progress(Progress),
    Plan(Box<Plan>),
    /// The reason for a missing plan.
    Problem(String),
}

/// How far the plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Progress {
    /// Another plan is made first.
    Waiting,
    /// The journal is read; the number of records so far.
    Reading { records: usize },
    /// People of the record that are done.
    Walking { done: usize, of: usize },
}

/// What activating a tree would do.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    pub at: DateTime<Utc>,
    /// The hash of the tree.
    pub tree: String,
    /// Everything in it would run at once.
    pub ok: bool,
    pub diagnostics: Vec<Diagnostic>,
    /// The diagnostics as a terminal shows them.
    pub text: String,
    pub tests: Vec<TestsOf>,
    /// What the back-test went through; null: no policy differs.
    pub past: Option<PastSpan>,
    pub policies: Vec<PolicyPlan>,
}

/// The tests of one policy.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TestsOf {
    pub policy: String,
    pub passed: usize,
    pub failed: usize,
    /// How many tests the active revision has.
    pub before: usize,
}

/// The record that a back-test went through.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct PastSpan {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub events: usize,
    pub cases: usize,
    pub people: usize,
    /// Older events were left out.
    pub cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TreeChange {
    Added,
    Edited,
    Removed,
}

impl TreeChange {
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Edited => "edited",
            Self::Removed => "removed",
        }
    }
}

/// One policy that differs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyPlan {
    pub policy: String,
    pub change: TreeChange,
    pub from: Option<String>,
    pub to: Option<String>,
    /// Its projected state; null: it is not in the tree.
    pub state: Option<PolicyState>,
    pub why: Vec<String>,
    pub effects: Diff,
    pub effects_text: String,
    /// A unified diff of its files.
    pub files: String,
    pub past: Option<PolicyPast>,
    pub open_cases: OpenCases,
    pub sweeps: Vec<SweepAhead>,
}

/// Open cases. They keep their revision until they are migrated.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct OpenCases {
    pub open: usize,
    /// There are more cases than were checked.
    pub more: bool,
    /// Cases by step.
    pub steps: BTreeMap<String, usize>,
    /// How many could be moved to the new revision.
    pub can_move: usize,
    /// How many of them would be overdue.
    pub overdue: usize,
    /// Why others cannot be moved.
    pub cannot_move: BTreeMap<String, usize>,
    pub items: Vec<MigrationLine>,
}

/// The next run of a sweep.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SweepAhead {
    pub schedule: String,
    pub next: Option<DateTime<Utc>>,
    pub at_most: Option<u32>,
    /// How many people its last run selected.
    pub last_picked: Option<u32>,
}
