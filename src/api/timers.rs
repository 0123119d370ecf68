//! Timers ahead: what open cases do by themselves in the next days.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::bounds::Limit;
use super::cases::SubjectLine;
use crate::model::{CaseId, EffectKind};

/// How many days ahead.
pub type DayLimit = Limit<90>;

#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TimerQuery {
    /// 30 by default.
    #[param(inline)]
    pub days: Option<DayLimit>,
    /// Only this policy.
    pub policy: Option<String>,
}

/// Timers of open cases, earliest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TimersAhead {
    pub until: DateTime<Utc>,
    /// By day (UTC), policy and kind.
    pub days: Vec<TimerDay>,
    /// The earliest ones.
    pub items: Vec<TimerLine>,
    /// Always null: the list is not paged.
    pub next: Option<String>,
    /// There are more cases than were read; the days after the last one read are incomplete.
    pub more: bool,
}

/// Timers of one kind on one day.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TimerDay {
    pub day: NaiveDate,
    pub policy: String,
    pub kind: TimerKind,
    /// The effect at the end of a grace.
    pub effect: Option<EffectKind>,
    pub count: usize,
}

/// One timer of a case.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TimerLine {
    pub at: DateTime<Utc>,
    pub case: CaseId,
    pub policy: String,
    pub subject: SubjectLine,
    pub kind: TimerKind,
    pub effect: Option<EffectKind>,
}

/// What happens then, unless somebody does something before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimerKind {
    /// The person gets a reminder.
    Reminder,
    /// The time for the person's answer ends.
    NoAnswer,
    /// A review goes to another queue.
    Escalation,
    /// The time for a review ends.
    Overdue,
    /// The time for an event ends, or the time that the case waits for comes.
    WaitEnds,
    /// The grace of an adverse effect ends: it happens.
    GraceEnds,
}
