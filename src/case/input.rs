//! Everything that can happen to a case, as one closed enum, and every way in which it is refused.

use serde::{Deserialize, Serialize};

use crate::model::{Actor, Event, Outcome, Subject, Timestamp};

/// What opens a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    pub subject: Subject,
    pub by: OpenedBy,
    /// Differs between cases that were open for the same key one after the other.
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
    /// A person, with a name that may be shown and a reason; `nonce` tells two starts apart.
    Hand {
        by: String,
        reason: String,
        nonce: String,
    },
    /// A sweep found the person due. Schedule, person and nominal time are the identity of a firing, so
    /// that none happens twice.
    Sweep {
        schedule: String,
        nominal: Timestamp,
    },
}

/// The mouths of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Something happened that the policy names in `when` (joins) or `cancel_when` (ends).
    Event(Event),
    /// An attempt of a call is about to begin; only after this is on disk may it act.
    Attempt {
        call: u32,
    },
    /// A call's next attempt is planned for much later than calls are.
    Misplanned {
        call: u32,
    },
    /// An attempt ended.
    Outcome {
        call: u32,
        attempt: u32,
        outcome: Outcome,
    },
    /// An attempt's end will never be known: the daemon stopped meanwhile.
    Lost {
        call: u32,
        attempt: u32,
    },
    /// `wake_at` has come.
    Wake,
    /// The person pressed the button of their page. `link` is the number in their link.
    Press {
        link: u32,
        locale: Option<String>,
    },
    /// The person contests an adverse end.
    Contest {
        link: u32,
    },
    /// The vendor says that something may have changed.
    Hint {
        execution: String,
    },
    /// The clock was ahead by this much and was set back: what was planned by it moves back too.
    SetBack {
        seconds: i64,
    },
    Decision(Decision),
    /// A decision was refused; only the journal changes.
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

/// A decision that was refused, for the journal.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// A stuck case tries again.
    Retry,
    /// The case ends as `cancelled`; nothing more is done.
    Cancel,
    /// A held effect happens.
    Release,
    /// A held effect does not happen and the case ends as `dropped`.
    Drop,
    /// An effect in grace does not happen; the case ends as `undone`.
    Undo,
    /// The reminder goes out now.
    Remind,
    /// Claim a review; nobody else can decide it until the claim ends.
    Claim,
    /// Release the claim of a review.
    ReleaseClaim,
    /// What the case holds against the person is lifted, also after its end.
    Lift,
}

impl Order {
    pub fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Release => "release",
            Self::Drop => "drop",
            Self::Undo => "undo",
            Self::Remind => "remind",
            Self::Claim => "claim",
            Self::ReleaseClaim => "release_claim",
            Self::Lift => "lift",
        }
    }
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
    /// A word for logs, metrics and the journal. It names no person.
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
