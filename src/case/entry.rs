//! The journal of a case: numbered, in order, never changed.

use serde::{Deserialize, Serialize};

use super::input::{Decision, Operator};
use crate::model::{CallId, Failure, Timestamp};
use crate::policy::tree::LimitedAction;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub number: u64,
    pub at: Timestamp,
    /// The step's path, where the entry belongs to one.
    pub step: Option<String>,
    #[serde(flatten)]
    pub note: Note,
}

/// What happened. Sentences carry no names, addresses or secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Note {
    Opened {
        by: String,
    },
    /// An event joined the open case.
    Joined {
        event: String,
        key: String,
    },
    StepBegan {
        verb: String,
    },
    /// A step's `if` did not hold.
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
        retry_at: Option<Timestamp>,
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
    /// A vendor session ended without a result, and the person may start another.
    SessionEnded {
        execution: String,
    },
    /// A reading was not about the current session or did not carry its reference; it was not used.
    ReadingIgnored {
        execution: String,
    },
    Pressed,
    Hinted,
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
        operator: Operator,
    },
    Held {
        action: LimitedAction,
    },
    Skipped {
        action: LimitedAction,
    },
    Stuck {
        reason: String,
    },
    GraceBegan {
        until: Timestamp,
    },
    Contested,
    /// A contested adverse end stands; its clock runs again.
    Upheld {
        until: Timestamp,
    },
    /// An adverse effect in grace does not happen.
    Undone,
    Destroyed {
        call: CallId,
    },
    Closed {
        result: String,
    },
}
