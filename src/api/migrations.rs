//! Migrations of open cases to another revision of their policy.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::bounds::Reason;
use super::cases::SubjectLine;
use crate::model::{CaseId, CaseState};

#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MigrateQuery {
    /// Shows the step to which the case would move, without moving it.
    pub preview: bool,
}

/// To which revision open cases would move.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TableQuery {
    /// The first digits of a revision, or `running`, `waiting` or `last`; `waiting` by default.
    pub to: Option<String>,
}

/// Migration of a case.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Migrate {
    /// The first digits of a revision, or `running`.
    #[serde(default = "running")]
    pub to: String,
    /// Required, unless it is a preview.
    #[serde(default)]
    pub reason: Option<Reason>,
}

fn running() -> String {
    "running".to_owned()
}

/// Preview or result of one migration.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MigrationLine {
    pub case: CaseId,
    pub policy: String,
    pub subject: SubjectLine,
    pub state: CaseState,
    pub can: bool,
    pub why_not: Option<String>,
    /// It was moved.
    pub done: bool,
    /// The step's path now; in a plan only where the case can move.
    pub step_now: Option<String>,
    pub due_now: Option<DateTime<Utc>>,
    /// The case's revision; null where it cannot move.
    pub from: Option<String>,
    pub to: Option<String>,
    pub step_then: Option<String>,
    pub due_then: Option<DateTime<Utc>>,
    /// When the next reminder is sent.
    pub remind_then: Option<DateTime<Utc>>,
    pub escalate_then: Option<DateTime<Utc>>,
    /// What is overdue: `deadline`, `reminder`, `escalation`.
    pub overdue: Vec<String>,
    /// What is lost or starts again.
    pub notes: Vec<String>,
}
