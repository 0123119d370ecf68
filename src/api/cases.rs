//! Cases: lists, one case, orders, and effects over limit.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::de::{self, IntoDeserializer as _};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Name;
use super::bounds::{CaseCursor, CaseLimit, Reason};
use super::holds::Hold;
use super::journal::{Decision, OrderWord};
use crate::model::{CaseId, CaseState, EffectKind, Fields, SubjectKind, SubjectRef};

/// One line of a case list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CaseLine {
    pub id: CaseId,
    pub policy: String,
    pub revision: String,
    pub subject: SubjectLine,
    pub state: CaseState,
    /// What the case waits for, in plain words.
    pub waiting_for: String,
    /// The step's path.
    pub step: Option<String>,
    /// Result of the case: the word of its `close`.
    pub result: Option<String>,
    pub opened_at: DateTime<Utc>,
    pub due_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    /// Verification sessions started.
    pub attempts: u32,
    /// The claimer of the review.
    pub assignee: Option<String>,
    /// The queue of the review.
    pub queue: Option<String>,
    /// Why the case cannot continue, and what to do.
    pub trouble: Option<String>,
}

/// The person of a case.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SubjectLine {
    /// The person's identity provider; empty for an applicant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    #[serde(rename = "type")]
    pub kind: SubjectKind,
    pub id: String,
    pub name: Name,
}

/// A case with all details.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CaseSheet {
    #[serde(flatten)]
    pub line: CaseLine,
    /// Results of finished steps by step id. `document` is null without the role `raw_identity`.
    #[schema(value_type = Object)]
    pub steps: Fields,
    /// Calls that have not ended.
    pub calls: Vec<CallLine>,
    /// Decisions that are allowed now.
    pub decisions_allowed: Vec<String>,
    /// The decisions that are allowed now, with what each needs.
    pub decisions: Vec<DecisionLine>,
    /// Why the caller may not decide now; null: they may, or nothing is to decide.
    pub may_not_decide: Option<String>,
    /// Orders that the state allows now.
    pub orders_allowed: Vec<OrderWord>,
    /// The rules of the review that is awaited.
    pub review: Option<ReviewSheet>,
    /// What happens by itself if nobody acts, soonest first.
    pub upcoming: Vec<Upcoming>,
    /// What the identity provider has about the person: names, mail address and other fields of the form. Null without a
    /// role that decides or operates.
    #[schema(value_type = Option<Object>)]
    pub registered: Option<Fields>,
    /// Decisions so far, where several people must agree.
    pub decisions_given: Vec<Decision>,
    /// What happens next if nobody acts, earliest first; empty if only a person can continue the case.
    pub coming: Vec<ComingLine>,
    pub stuck_because: Option<String>,
    /// What the case holds against the person.
    pub holds: Vec<Hold>,
    /// Other records with the person's mail address, of any identity provider, from all cases. Only shown: nothing is
    /// decided by it.
    pub same_mailbox: Vec<SubjectRef>,
}

/// A review that is awaited.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReviewSheet {
    /// The team of the queue.
    pub team: Option<String>,
    pub claimed_until: Option<DateTime<Utc>>,
}

/// A decision that is allowed now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DecisionLine {
    pub decision: String,
    pub reason_required: bool,
    /// How many different people must agree.
    pub people: u32,
    /// Where it leads: the steps until one waits or the case closes.
    pub then: Vec<String>,
}

/// Something that happens at a time unless somebody acts before.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ComingLine {
    pub at: DateTime<Utc>,
    /// A sentence.
    pub what: String,
}

/// Something that happens at a time if nobody acts before.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Upcoming {
    pub at: DateTime<Utc>,
    pub what: String,
    /// What follows from it, in order.
    pub then: Vec<String>,
}

/// A call that has not ended.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CallLine {
    pub id: String,
    pub action: String,
    pub due_at: DateTime<Utc>,
    pub attempts: u32,
    /// An attempt is in progress.
    pub under_way: bool,
}

/// Which cases to list. Filters narrow each other.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CaseQuery {
    pub policy: Option<String>,
    /// A subject's id.
    pub subject: Option<String>,
    #[param(inline)]
    pub state: Option<StateFilter>,
    /// Result of closed cases.
    pub outcome: Option<String>,
    /// Beginning of a word of the name, of the mail address, the user name, or of an id: the subject's, the case's, or an
    /// execution or account id at the vendor. Case and accents do not matter.
    pub text: Option<String>,
    /// The queue of a review.
    pub queue: Option<String>,
    /// The claimer of the review; empty: unclaimed reviews.
    pub assignee: Option<String>,
    /// An execution id or account id at the vendor.
    pub vendor: Option<String>,
    #[param(inline)]
    pub cursor: Option<CaseCursor>,
    /// 50 by default.
    #[param(inline)]
    pub limit: Option<CaseLimit>,
}

/// The words that the filters of a list accept, besides the states.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Filters {
    /// Active policies.
    pub policies: Vec<String>,
    pub queues: Vec<String>,
    /// Results with which cases of the active policies can close.
    pub outcomes: Vec<String>,
}

/// A state, or `open` for every state but `closed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateFilter {
    Open,
    Running,
    Waiting,
    InReview,
    InGrace,
    /// Also `held`, the former name.
    #[serde(alias = "held")]
    OverLimit,
    Stuck,
    Closed,
}

impl FromStr for StateFilter {
    type Err = de::value::Error;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::deserialize(word.into_deserializer())
    }
}

impl StateFilter {
    /// Returns the one state of the filter; `None`: every state of open cases.
    pub fn state(self) -> Option<CaseState> {
        match self {
            Self::Open => None,
            Self::Running => Some(CaseState::Running),
            Self::Waiting => Some(CaseState::Waiting),
            Self::InReview => Some(CaseState::InReview),
            Self::InGrace => Some(CaseState::InGrace),
            Self::OverLimit => Some(CaseState::OverLimit),
            Self::Stuck => Some(CaseState::Stuck),
            Self::Closed => Some(CaseState::Closed),
        }
    }
}

/// A page of a list of cases.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CasePage {
    #[param(inline)]
    pub cursor: Option<CaseCursor>,
    /// 50 by default.
    #[param(inline)]
    pub limit: Option<CaseLimit>,
}

/// Opens a case by hand.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartCase {
    /// A policy with `manual: true` under `when`.
    pub policy: String,
    pub subject: SubjectRef,
    pub reason: Reason,
}

/// The case that was opened.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Started {
    pub id: CaseId,
}

/// A decision in a review, or about an objection.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// One of the case's `decisions_allowed`.
    pub decision: String,
    /// Some decisions require one.
    #[serde(default)]
    pub reason: Option<String>,
}

/// An order with its reason.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reasoned {
    pub reason: Reason,
}

/// An order that needs no reason.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MayReason {
    #[serde(default)]
    pub reason: String,
}

/// An effect that a limit stopped.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OverLimitLine {
    /// The case's id.
    pub id: CaseId,
    pub policy: String,
    pub action: EffectKind,
    pub subject: SubjectLine,
    pub since: DateTime<Utc>,
}
