//! Back-tests: what a revision would have done with the recorded events.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Name;
use crate::model::{CaseId, EffectKind, SubjectRef};

/// The back-test of one policy. `before`: the revision that runs; `after`: the other one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyPast {
    pub policy: String,
    /// Cases that open.
    pub cases: Counts,
    /// The record has no event to which either revision reacts: the impact of the edit is unknown.
    pub silent: bool,
    /// Effects that differ, and adverse effects.
    pub effects: Vec<EffectCounts>,
    /// Paid sessions at providers.
    pub verifications: Ranges,
    /// For 1, 7 and 30 days, as far as the record is that long: the counts of the quietest and the busiest such time.
    pub coming: Vec<Coming>,
    /// Cases that end differently or have other effects.
    pub different: usize,
    /// Cases with an unknown result under the other revision.
    pub unknown: usize,
    /// Openings that the other revision could not decide.
    pub undecided: usize,
    pub undecided_because: Option<String>,
    /// People whose cases do not end.
    pub endless: usize,
    /// Sweeps that may select other people; the record does not contain them.
    #[serde(default)]
    pub sweeps: Vec<String>,
    /// Unedited policies that react to its verifications and would act differently.
    #[serde(default)]
    #[schema(no_recursion)]
    pub heard_by: Vec<PolicyPast>,
    /// People with a different case, newest first; bounded.
    pub items: Vec<Differs>,
}

/// Two counts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    pub before: usize,
    pub after: usize,
}

/// Two ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ranges {
    pub before: Range,
    pub after: Range,
}

/// As many as are known, and as many as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Range {
    pub least: usize,
    pub most: usize,
}

/// One kind of effect.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EffectCounts {
    pub what: EffectKind,
    #[serde(flatten)]
    pub times: Ranges,
    /// People concerned only with the other revision.
    pub newly: Range,
}

/// Forecast for a number of days.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Coming {
    pub days: u32,
    /// The effect's word, or `paid_verification`.
    pub what: String,
    #[serde(flatten)]
    pub times: Ranges,
}

/// One case that differs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Differs {
    pub subject: SubjectRef,
    pub name: Name,
    pub opened_at: DateTime<Utc>,
    /// Null: no case opens.
    pub before: Option<PastCase>,
    pub after: Option<PastCase>,
}

/// One case, up to the end of the record.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PastCase {
    pub case: CaseId,
    pub policy: String,
    pub subject: SubjectRef,
    pub name: Name,
    pub opened_at: DateTime<Utc>,
    /// What opened it: an event's type, `manual` or a sweep.
    pub opened_by: String,
    #[serde(flatten)]
    pub end: PastEnd,
    /// Effects, in order.
    pub did: Vec<PastEffect>,
    /// Sessions at a provider.
    pub sessions: usize,
    /// Possible further effects if the result is unknown.
    #[serde(default)]
    pub may: BTreeSet<EffectKind>,
    /// The person's record was assumed to be unchanged.
    #[serde(default)]
    pub assumed: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PastEffect {
    pub what: EffectKind,
    pub at: DateTime<Utc>,
}

/// How a case ends.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum PastEnd {
    Closed {
        result: String,
    },
    /// An adverse effect is in grace.
    InGrace {
        result: String,
    },
    /// At the end of the record it is still open.
    Open {
        state: String,
        step: String,
    },
    /// It is not known how it continues after a step.
    Unknown {
        step: String,
        because: String,
    },
}

impl PastEnd {
    pub fn words(&self) -> String {
        match self {
            Self::Closed { result } => result.clone(),
            Self::InGrace { result } => format!("{result}, in grace"),
            Self::Open { state, step } => format!("{} at {step}", state.replace('_', " ")),
            Self::Unknown { step, because } => format!("not known after {step}: {because}"),
        }
    }
}
