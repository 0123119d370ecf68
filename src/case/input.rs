//! All inputs of a case, as one closed enum, and all reasons for refusing them.

use serde::{Deserialize, Serialize};

pub use crate::model::Order;
use crate::model::{Actor, Event, Outcome, Returned, Subject, Timestamp};

/// The opening of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    pub subject: Subject,
    pub by: OpenedBy,
    /// Distinguishes cases that were open for the same key one after the other.
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every case is opened by an event; there is no small one to save on"
)]
pub enum OpenedBy {
    Event(Event),
    /// A person, with a display name and a reason; `nonce` distinguishes two starts.
    Hand {
        by: String,
        reason: String,
        nonce: String,
    },
    /// A sweep selected the person. Schedule, person and nominal time identify a firing, which prevents a second one.
    Sweep {
        schedule: String,
        nominal: Timestamp,
    },
}

/// A press of the button on a person's page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Press {
    /// The number in their link.
    pub link: u32,
    pub locale: Option<String>,
    /// The version of the text about their data that they agreed to.
    pub agreed: Option<String>,
}

/// An input of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// An event that the policy names in `when` (joins) or `cancel_when` (ends).
    Event(Event),
    /// An attempt of a call is about to begin; it may act only after this is on disk.
    Attempt {
        call: u32,
    },
    /// A call's next attempt is planned beyond the longest possible wait.
    Misplanned {
        call: u32,
    },
    /// An attempt ended.
    Outcome {
        call: u32,
        attempt: u32,
        outcome: Outcome,
    },
    /// An attempt's end is unknown: the daemon stopped during it.
    Lost {
        call: u32,
        attempt: u32,
    },
    /// `wake_at` is reached.
    Wake,
    /// The person pressed the button of their page.
    Press(Press),
    /// The person objects to an adverse end.
    Contest {
        link: u32,
    },
    /// The vendor reports a possible change.
    Hint {
        execution: String,
    },
    /// The person's browser came back from the vendor with what the result is exchanged for.
    Return {
        execution: String,
        returned: Returned,
    },
    /// The clock was ahead by this much and was set back: times planned by it move back too.
    SetBack {
        seconds: i64,
    },
    Decision(Decision),
    /// A refused decision; only the journal changes.
    RefusedDecision(RefusedDecision),
    Operator(Operator),
}

/// A person's decision in a review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub decision: String,
    pub reason: Option<String>,
    #[serde(flatten)]
    pub by: Actor,
    pub at: Timestamp,
}

/// A refused decision, for the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusedDecision {
    pub decision: String,
    #[serde(flatten)]
    pub by: Actor,
    /// A word of `Refused::word`.
    pub reason: String,
}

impl Decision {
    pub fn refused(self, why: &Refused) -> RefusedDecision {
        RefusedDecision { decision: self.decision, by: self.by, reason: why.word().to_owned() }
    }
}

/// An operator's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operator {
    pub order: Order,
    #[serde(flatten)]
    pub by: Actor,
    pub reason: String,
}

/// Why an input changes nothing. Journaled where it matters, never a crash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the case is closed")]
    Closed,
    #[error("something newer happened first")]
    Stale,
    #[error("the case is not waiting for this")]
    NotAwaited,
    #[error("the link is no longer valid")]
    DeadLink,
    #[error("{decision} is not allowed now; allowed: {}", allowed.join(", "))]
    NotAllowed { decision: String, allowed: Vec<String> },
    #[error("a reason is required")]
    ReasonRequired,
    #[error("{by} may not decide this case: {rule}")]
    MayNotDecide { by: String, rule: String },
    #[error("{by} has decided already; another person must decide")]
    SamePerson { by: String },
    #[error("{by} is not a member of the team {team}, which decides this")]
    NotInTeam { by: String, team: String },
    #[error(
        "the token {by} has no person, and this review compares persons; add `person` to the token in \
            proofd.yaml"
    )]
    PersonRequired { by: String },
    #[error("{by} has claimed this review until {}", until.format("%H:%M UTC"))]
    Taken { by: String, until: Timestamp },
    #[error("the case has another policy or revision")]
    WrongPolicy,
}

impl Refused {
    /// Returns a word for logs, metrics and the journal. It names no person.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Stale => "stale",
            Self::NotAwaited => "not_awaited",
            Self::DeadLink => "dead_link",
            Self::NotAllowed { .. } => "not_allowed",
            Self::ReasonRequired => "reason_required",
            Self::MayNotDecide { .. } => "may_not_decide",
            Self::SamePerson { .. } => "same_person",
            Self::NotInTeam { .. } => "not_in_team",
            Self::PersonRequired { .. } => "person_required",
            Self::Taken { .. } => "taken",
            Self::WrongPolicy => "wrong_policy",
        }
    }
}
