//! What became of a look at the tree, and who is told.

use std::fmt::Debug;

use crate::model::Timestamp;
use crate::policy::diagnostic::{Diagnostic, Severity};
use crate::policy::{Mode, Revision};

/// What became of the last look at the tree.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub at: Option<Timestamp>,
    /// Everything in the tree is what runs.
    pub ok: bool,
    /// The hash of the tree that was looked at.
    pub tree: String,
    pub policies: Vec<PolicyStatus>,
    pub diagnostics: Vec<Diagnostic>,
    /// Why the tree as a whole could not be taken.
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
    /// Why the tree's revision does not run, where it is good.
    pub why: Vec<String>,
    /// The tree's revision, where it is good and does not run.
    pub waiting: Option<Revision>,
}

/// How what runs compares with what is in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyState {
    /// What is in the tree runs.
    Active,
    /// The tree's version has errors; the last good one runs.
    KeptLastGood,
    /// The tree's version has errors and there was no good one.
    Refused,
    /// Good, but kept back because another policy is not (`all_or_nothing`).
    KeptBack,
    /// Good, but it can do more harm than what runs: a person has to release it.
    NeedsRelease,
    /// Good, but people went back to an older revision, which runs until the files are edited again.
    Reverted,
}

/// Counts what happens, for whoever operates the daemon.
pub trait Observer: Debug + Send + Sync {
    /// A look at the tree ended.
    fn reloaded(&self, report: &Report, at: Timestamp);
    /// A person's release was refused; `reason` is a word.
    fn release_refused(&self, reason: &'static str);
}

impl Report {
    /// Logs why what is in the tree does not run.
    pub(super) fn log(&self) {
        for status in self.policies.iter().filter(|status| !status.why.is_empty()) {
            tracing::warn!(policy = status.name, state = ?status.state, waiting = ?status.waiting,
                why = status.why.join("; "), "the revision in the tree is not active");
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
