//! The result of a reload, and its observers.

use std::fmt::Debug;

use crate::model::Timestamp;
use crate::policy::diagnostic::{Diagnostic, Severity};
use crate::policy::{Mode, Revision};

/// The result of the last reload.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub at: Option<Timestamp>,
    /// True if every policy of the tree runs as it is there.
    pub ok: bool,
    /// The hash of the tree.
    pub tree: String,
    pub policies: Vec<PolicyStatus>,
    pub diagnostics: Vec<Diagnostic>,
    /// Why the tree as a whole was rejected.
    pub problem: Option<String>,
    /// Since when there is a problem.
    pub problem_since: Option<Timestamp>,
    /// The diagnostics as text, for a terminal.
    pub rendered: String,
}

#[derive(Debug, Clone)]
pub struct PolicyStatus {
    pub name: String,
    pub title: Option<String>,
    pub mode: Option<Mode>,
    pub revision: Option<Revision>,
    pub state: PolicyState,
    /// Why the tree's revision does not run, if it is good.
    pub why: Vec<String>,
    /// The tree's revision, if it is good and does not run.
    pub waiting: Option<Revision>,
}

/// How the running revision compares with the one in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyState {
    /// The tree's revision runs.
    Active,
    /// The tree's version has errors; the last good one runs.
    KeptLastGood,
    /// The tree's version has errors, and there was no good one.
    Refused,
    /// Good, but held back because another policy is not (`all_or_nothing`).
    KeptBack,
    /// Good, but it can do more harm than the running one: a person has to release it.
    NeedsRelease,
    /// Good, but a person reverted to an older revision, which runs until the files are edited again.
    Reverted,
}

impl PolicyState {
    /// Returns the word for logs, as the API has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::KeptLastGood => "kept_last_good",
            Self::Refused => "refused",
            Self::KeptBack => "kept_back",
            Self::NeedsRelease => "needs_release",
            Self::Reverted => "reverted",
        }
    }
}

/// Counts events for the operators of the daemon.
pub trait Observer: Debug + Send + Sync {
    /// Records the end of a reload.
    fn reloaded(&self, report: &Report, at: Timestamp);
    /// Records that a person's release was refused; `reason` is a word.
    fn release_refused(&self, reason: &'static str);
}

impl Report {
    /// Logs why revisions of the tree do not run.
    pub(super) fn log(&self) {
        for status in self.policies.iter().filter(|status| !status.why.is_empty()) {
            let short = |revision: &Option<Revision>| {
                revision.as_ref().map_or_else(|| "none".to_owned(), |revision| revision.short().to_string())
            };
            tracing::warn!(
                policy = status.name,
                state = status.state.word(),
                revision = short(&status.revision),
                waiting = short(&status.waiting),
                why = status.why.join("; "),
                "the revision in the tree is not active"
            );
        }
        for found in &self.diagnostics {
            match found.severity {
                Severity::Error => {
                    tracing::error!(place = %found.place, code = found.code, "{}", found.message)
                }
                Severity::Warning => {
                    tracing::warn!(place = %found.place, code = found.code, "{}", found.message)
                }
            }
        }
    }
}
