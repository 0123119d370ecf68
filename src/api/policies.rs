//! Policies: active revisions, orders about revisions, and reloads.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::bounds::Reason;
use super::diagnostics::Diagnostic;
use super::effects::{Diff, Sheet};
pub use super::mode::Mode;
use super::past::PolicyPast;

/// How what runs compares with the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicyState {
    /// The tree's revision runs.
    Active,
    /// The tree's version has errors; the last good one runs.
    KeptLastGood,
    /// The tree's version has errors and there was no good one.
    Refused,
    /// Good, but kept back because another policy is not (`all_or_nothing`).
    KeptBack,
    /// Good, but it can do more harm than what runs: a person has to release it.
    NeedsRelease,
    /// Good, but people went back to an older revision.
    Reverted,
    /// Not in the tree any more; its open cases continue.
    Gone,
}

impl PolicyState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::KeptLastGood => "kept_last_good",
            Self::Refused => "refused",
            Self::KeptBack => "kept_back",
            Self::NeedsRelease => "needs_release",
            Self::Reverted => "reverted",
            Self::Gone => "gone",
        }
    }
}

/// One policy of the list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyLine {
    #[serde(flatten)]
    pub status: PolicyStatus,
    /// What an operator should know.
    pub notes: Vec<String>,
    /// `owner` of the revision that runs.
    #[serde(default)]
    pub owner: Option<String>,
    #[serde(default)]
    pub open_cases: u64,
    /// Number of tests of the revision that runs, all of which passed.
    #[serde(default)]
    pub tests: usize,
    /// When its newest case opened.
    #[serde(default)]
    pub last_opened_at: Option<DateTime<Utc>>,
}

/// The state of a policy.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyStatus {
    pub name: String,
    /// Of the revision that runs; null: none does.
    pub title: Option<String>,
    pub mode: Option<Mode>,
    pub revision: Option<String>,
    pub state: PolicyState,
    /// Why the tree's revision does not run, where it is good.
    pub why: Vec<String>,
    /// The tree's revision, where it is good and does not run.
    pub waiting: Option<String>,
}

/// Every policy, and the last reload.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyList {
    pub items: Vec<PolicyLine>,
    /// Always null: the list is not paged.
    pub next: Option<String>,
    pub last_reload: LastReload,
}

/// What the last reload found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LastReload {
    pub at: Option<DateTime<Utc>>,
    /// The whole tree is active.
    pub ok: bool,
    /// The hash of the tree.
    pub tree: String,
    /// Why the tree as a whole could not be loaded.
    pub problem: Option<String>,
    pub diagnostics: Vec<Diagnostic>,
}

/// A reload with its result.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Reload {
    #[serde(flatten)]
    pub reload: LastReload,
    /// Since when the tree as a whole cannot be taken.
    pub problem_since: Option<DateTime<Utc>>,
    /// The diagnostics as a terminal shows them.
    pub text: String,
    pub policies: Vec<PolicyLine>,
}

/// A revision of a policy.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RevisionLine {
    pub revision: String,
    /// It runs.
    pub active: bool,
    /// When it first ran.
    pub at: DateTime<Utc>,
    pub files: Vec<String>,
}

/// What a revision can do, and what it is made of.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RevisionSheet {
    pub policy: String,
    pub revision: String,
    /// The state of the policy; null: it no longer runs.
    pub status: Option<PolicyStatus>,
    /// New cases open with this revision.
    pub runs: bool,
    pub effects: Sheet,
    pub files: Vec<String>,
    /// The effects as a terminal shows them.
    pub text: String,
    /// What an operator should know.
    pub notes: Vec<String>,
    /// The back-test of a revision that waits for a release.
    pub foreseen: Option<PolicyPast>,
    /// What its tests cover; null: it neither runs nor is parked.
    #[serde(default)]
    pub tests: Option<Covered>,
}

/// Tests of a revision, all of which passed, and the branches that they walk: a step and its outcome.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Covered {
    pub tests: usize,
    pub walked: Vec<String>,
    pub not_walked: Vec<String>,
}

/// Two revisions, by their first digits, or `running`, `waiting` or `last`.
#[derive(Debug, Clone, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DiffQuery {
    /// `running` by default.
    #[serde(default)]
    pub from: Option<String>,
    /// `waiting` by default.
    #[serde(default)]
    pub to: Option<String>,
}

/// What differs between two revisions.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RevisionDiff {
    pub policy: String,
    pub from: String,
    pub to: String,
    pub effects: Diff,
    /// The effects as a terminal shows them.
    pub text: String,
    /// A unified diff of the files.
    pub files: String,
}

/// Releases a parked revision.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub reason: Reason,
    /// The first digits of the revision that was looked at; another one is not released.
    #[serde(default)]
    pub revision: Option<String>,
}

/// Rejects a parked revision: the running one stays until the files of the policy are edited again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    pub reason: Reason,
    /// The first digits of the revision that was looked at; another one is not rejected.
    #[serde(default)]
    pub revision: Option<String>,
}

/// Goes back to an older revision.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Revert {
    pub reason: Reason,
    /// Its first digits.
    pub revision: String,
}
