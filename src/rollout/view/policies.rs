//! The status of policies, and diagnostics.

use crate::api::all;
use crate::api::diagnostics::{Diagnostic, Place, Severity};
use crate::api::policies::{Covered, LastReload, Mode, PolicyState, PolicyStatus};
use crate::policy::{codes, diagnostic, tree};
use crate::rollout::report;
use crate::store::Examined;

impl From<tree::Mode> for Mode {
    fn from(mode: tree::Mode) -> Self {
        match mode {
            tree::Mode::Enforce => Self::Enforce,
            tree::Mode::Shadow => Self::Shadow,
            tree::Mode::Disabled => Self::Disabled,
        }
    }
}

impl From<report::PolicyState> for PolicyState {
    fn from(state: report::PolicyState) -> Self {
        match state {
            report::PolicyState::Active => Self::Active,
            report::PolicyState::KeptLastGood => Self::KeptLastGood,
            report::PolicyState::Refused => Self::Refused,
            report::PolicyState::KeptBack => Self::KeptBack,
            report::PolicyState::NeedsRelease => Self::NeedsRelease,
            report::PolicyState::Reverted => Self::Reverted,
        }
    }
}

impl From<&report::PolicyStatus> for PolicyStatus {
    fn from(status: &report::PolicyStatus) -> Self {
        let report::PolicyStatus { name, title, mode, revision, state, why, waiting } = status;
        Self {
            name: name.clone(),
            title: title.clone(),
            mode: mode.map(Mode::from),
            revision: revision.as_ref().map(|revision| revision.0.clone()),
            state: (*state).into(),
            why: why.clone(),
            waiting: waiting.as_ref().map(|revision| revision.0.clone()),
        }
    }
}

impl From<&Examined> for Covered {
    fn from(examined: &Examined) -> Self {
        let Examined { tests, walked, not_walked } = examined;
        Self { tests: *tests, walked: all(walked.clone()), not_walked: all(not_walked.clone()) }
    }
}

impl From<&report::Report> for LastReload {
    fn from(report: &report::Report) -> Self {
        Self {
            at: report.at,
            ok: report.ok,
            tree: report.tree.clone(),
            problem: report.problem.clone(),
            diagnostics: all(&report.diagnostics),
        }
    }
}

impl From<&diagnostic::Diagnostic> for Diagnostic {
    fn from(found: &diagnostic::Diagnostic) -> Self {
        let diagnostic::Diagnostic { place, severity, code, message, help, policy } = found;
        let diagnostic::Place { file, line, column, length } = place;
        Self {
            place: Place { file: file.clone(), line: *line, column: *column, length: *length },
            severity: match severity {
                diagnostic::Severity::Error => Severity::Error,
                diagnostic::Severity::Warning => Severity::Warning,
            },
            code: codes::number(code).to_owned(),
            word: (*code).to_owned(),
            message: message.clone(),
            help: help.clone(),
            policy: policy.clone(),
        }
    }
}
