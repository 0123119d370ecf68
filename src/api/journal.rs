//! The journal of a case.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::bounds::{EntryCursor, EntryLimit};
use super::holds::HoldTarget;
use crate::model::{Actor, CallId, CaseId, EffectKind, Failure, Void};

/// Which entries to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JournalPage {
    #[param(inline)]
    pub cursor: Option<EntryCursor>,
    /// 200 by default.
    #[param(inline)]
    pub limit: Option<EntryLimit>,
}

/// An entry: numbered, in order, never changed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    pub number: u64,
    pub at: DateTime<Utc>,
    /// The step's path, where the entry belongs to one.
    pub step: Option<String>,
    #[serde(flatten)]
    pub note: Note,
}

/// What happened. Sentences carry no names, addresses or secrets.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Note {
    Opened {
        by: String,
    },
    /// The clock was set back; deadlines moved back.
    ClockSetBack {
        seconds: i64,
    },
    /// An event joined the open case.
    Joined {
        event: String,
        key: String,
    },
    StepBegan {
        verb: String,
    },
    /// A step was skipped: its `if` is false.
    StepSkipped {
        clause: String,
    },
    StepEnded {
        outcome: String,
        reasons: Vec<String>,
    },
    CallAsked {
        call: CallId,
        action: String,
    },
    AttemptBegan {
        call: CallId,
        attempt: u32,
    },
    AttemptFailed {
        call: CallId,
        attempt: u32,
        failure: Failure,
        retry_at: Option<DateTime<Utc>>,
    },
    AttemptLost {
        call: CallId,
        attempt: u32,
    },
    CallDone {
        call: CallId,
        detail: String,
    },
    SessionStarted {
        execution: String,
        attempt: u32,
    },
    /// A vendor session ended without a result; the person may start another.
    SessionEnded {
        execution: String,
    },
    /// A vendor session ended without a result, which is no try of the person.
    SessionVoid {
        execution: String,
        why: Void,
    },
    /// A result did not belong to the current session and was ignored.
    ReadingIgnored {
        execution: String,
    },
    /// The person agreed to the text of this version before the vendor started.
    Agreed {
        text: String,
    },
    Pressed,
    Hinted,
    /// The person came back from the vendor.
    Returned,
    RemindersSkipped {
        count: u32,
    },
    Decided {
        decision: Decision,
        complete: bool,
    },
    Escalated {
        queue: String,
    },
    Ordered {
        operator: Ordered,
    },
    /// The case continues by another revision of its policy.
    Migrated {
        from: String,
        to: String,
        by: String,
        reason: String,
    },
    /// A limit stopped an effect.
    OverLimit {
        action: EffectKind,
    },
    Skipped {
        action: EffectKind,
    },
    HoldPlaced {
        held: HoldTarget,
    },
    /// `stays`: another case or administrator still holds it.
    HoldLifted {
        held: HoldTarget,
        stays: bool,
    },
    /// Deadlines were extended by an outage.
    Paused {
        seconds: i64,
    },
    /// No sink is configured for an event.
    NoSink {
        kind: String,
    },
    /// Another verification is used: nothing is enrolled for the first.
    FellBack {
        verification: String,
    },
    /// A recent pass was reused.
    Reused {
        case: String,
    },
    /// The person reached the daily maximum of sessions.
    StartRests {
        until: DateTime<Utc>,
    },
    /// Another person showed this document in these cases.
    DocumentSeenBefore {
        cases: Vec<CaseId>,
    },
    /// A decision after the close.
    LateDecision {
        decision: Decision,
    },
    /// A refused decision. Only the first ones of a case are recorded.
    DecisionRefused {
        refused: RefusedDecision,
    },
    Stuck {
        reason: String,
    },
    GraceBegan {
        until: DateTime<Utc>,
    },
    Contested,
    /// An objection was rejected; the grace continues.
    Upheld {
        until: DateTime<Utc>,
    },
    /// An adverse effect in grace was undone.
    Undone,
    Destroyed {
        call: CallId,
    },
    Closed {
        result: String,
    },
}

/// A person's decision.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    pub decision: String,
    pub reason: Option<String>,
    #[serde(flatten)]
    pub by: Actor,
    pub at: DateTime<Utc>,
}

/// A decision that was refused.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RefusedDecision {
    pub decision: String,
    #[serde(flatten)]
    pub by: Actor,
    /// Why, as a word.
    pub reason: String,
}

/// An operator's order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Ordered {
    pub order: OrderWord,
    #[serde(flatten)]
    pub by: Actor,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderWord {
    Retry,
    Cancel,
    Release,
    Drop,
    Undo,
    Remind,
    Claim,
    ReleaseClaim,
    Lift,
}
