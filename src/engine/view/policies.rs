//! How policies stand, diagnostics, sweeps.

use super::all;
use crate::api::diagnostics::{Diagnostic, Place, Severity};
use crate::api::policies::{LastReload, Mode, PolicyState, PolicyStatus};
use crate::api::sweeps::SweepRun;
use crate::engine::reload;
use crate::policy::{codes, diagnostic, tree};
use crate::store;

impl From<tree::Mode> for Mode {
    fn from(mode: tree::Mode) -> Self {
        match mode {
            tree::Mode::Enforce => Self::Enforce,
            tree::Mode::Shadow => Self::Shadow,
            tree::Mode::Disabled => Self::Disabled,
        }
    }
}

impl From<reload::PolicyState> for PolicyState {
    fn from(state: reload::PolicyState) -> Self {
        match state {
            reload::PolicyState::Active => Self::Active,
            reload::PolicyState::KeptLastGood => Self::KeptLastGood,
            reload::PolicyState::Refused => Self::Refused,
            reload::PolicyState::KeptBack => Self::KeptBack,
            reload::PolicyState::NeedsRelease => Self::NeedsRelease,
            reload::PolicyState::Reverted => Self::Reverted,
        }
    }
}

impl From<&reload::PolicyStatus> for PolicyStatus {
    fn from(status: &reload::PolicyStatus) -> Self {
        let reload::PolicyStatus { name, title, mode, revision, state, why, waiting } = status;
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

impl From<&reload::Report> for LastReload {
    fn from(report: &reload::Report) -> Self {
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

impl From<store::SweepRun> for SweepRun {
    fn from(run: store::SweepRun) -> Self {
        let store::SweepRun {
            nominal,
            revision,
            shadow,
            began,
            ended,
            end,
            picked,
            position,
            looked_at,
            due,
            opened,
            would_open,
            left,
            skipped,
            not_noted,
        } = run;
        Self {
            nominal,
            revision: revision.0,
            shadow,
            began,
            ended,
            end,
            picked,
            position,
            looked_at,
            due,
            opened,
            would_open,
            left,
            skipped,
            not_noted,
        }
    }
}
