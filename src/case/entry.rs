//! The journal of a case: numbered, in order, immutable.

use serde::{Deserialize, Serialize};

use super::input::{Decision, Operator, RefusedDecision};
use super::state::Held;
use crate::model::{CallId, CaseId, EffectKind, Failure, Timestamp, Void};
use crate::policy::Revision;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub number: u64,
    pub at: Timestamp,
    /// The step's path, if the entry belongs to one.
    pub step: Option<String>,
    #[serde(flatten)]
    pub note: Note,
}

/// What happened. Sentences contain no names, addresses or secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Note {
    Opened {
        by: String,
    },
    /// The clock had been ahead; the times planned by it moved back.
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
    /// A vendor session ended without a result; the person may start another.
    SessionEnded {
        execution: String,
    },
    /// A vendor session ended without a result, which is no try of the person.
    SessionVoid {
        execution: String,
        why: Void,
    },
    /// A reading did not belong to the current session or lacked its reference; it was discarded.
    ReadingIgnored {
        execution: String,
    },
    /// The person agreed to a text about the processing of their data, before the vendor started.
    Agreed {
        text: String,
    },
    Pressed,
    Hinted,
    /// The person's browser came back from the vendor with something to exchange for the result.
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
        operator: Operator,
    },
    /// The case moved to another revision of its policy.
    Migrated {
        from: Revision,
        to: Revision,
        by: String,
        reason: String,
    },
    Held {
        action: EffectKind,
    },
    Skipped {
        action: EffectKind,
    },
    HoldPlaced {
        held: Held,
    },
    /// `stays`: the hold ended without effect, because of another case or a change from elsewhere.
    HoldLifted {
        held: Held,
        stays: bool,
    },
    /// Outage credit: time that a person could not use was given back.
    Paused {
        seconds: i64,
    },
    /// No sink is configured for an event; it was not sent.
    NoSink {
        kind: String,
    },
    /// The fallback verification is used: nothing is enrolled for the first.
    FellBack {
        verification: String,
    },
    /// A recent pass counts; the person does not verify again.
    Reused {
        case: String,
    },
    /// The person has started the maximum of sessions in a day.
    StartRests {
        until: Timestamp,
    },
    /// Another person showed the document before, in these cases.
    DocumentSeenBefore {
        cases: Vec<CaseId>,
    },
    /// A decision after the end. It changes nothing.
    LateDecision {
        decision: Decision,
    },
    /// A refused decision, and why. Only the first ones of a case are recorded.
    DecisionRefused {
        refused: RefusedDecision,
    },
    Stuck {
        reason: String,
    },
    GraceBegan {
        until: Timestamp,
    },
    Contested,
    /// A contested adverse end was upheld; its clock runs again.
    Upheld {
        until: Timestamp,
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

impl Note {
    /// Returns a word for logs. Text from people and their identities stay in the journal.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Joined { .. } => "joined",
            Self::StepBegan { .. } => "step_began",
            Self::StepSkipped { .. } => "step_skipped",
            Self::StepEnded { .. } => "step_ended",
            Self::CallAsked { .. } => "call_asked",
            Self::AttemptBegan { .. } => "attempt_began",
            Self::AttemptFailed { .. } => "attempt_failed",
            Self::AttemptLost { .. } => "attempt_lost",
            Self::CallDone { .. } => "call_done",
            Self::SessionStarted { .. } => "session_started",
            Self::SessionEnded { .. } => "session_ended",
            Self::SessionVoid { .. } => "session_void",
            Self::ReadingIgnored { .. } => "reading_ignored",
            Self::Returned => "returned",
            Self::Agreed { .. } => "agreed",
            Self::Pressed => "pressed",
            Self::Hinted => "hinted",
            Self::RemindersSkipped { .. } => "reminders_skipped",
            Self::Decided { .. } => "decided",
            Self::Escalated { .. } => "escalated",
            Self::Ordered { .. } => "ordered",
            Self::Migrated { .. } => "migrated",
            Self::Held { .. } => "over_limit",
            Self::Skipped { .. } => "skipped",
            Self::HoldPlaced { .. } => "hold_placed",
            Self::HoldLifted { .. } => "hold_lifted",
            Self::Paused { .. } => "paused",
            Self::ClockSetBack { .. } => "clock_set_back",
            Self::NoSink { .. } => "no_sink",
            Self::FellBack { .. } => "fell_back",
            Self::Reused { .. } => "reused",
            Self::StartRests { .. } => "start_rests",
            Self::DocumentSeenBefore { .. } => "document_seen_before",
            Self::LateDecision { .. } => "late_decision",
            Self::DecisionRefused { .. } => "decision_refused",
            Self::Stuck { .. } => "stuck",
            Self::GraceBegan { .. } => "grace_began",
            Self::Contested => "contested",
            Self::Upheld { .. } => "upheld",
            Self::Undone => "undone",
            Self::Destroyed { .. } => "destroyed",
            Self::Closed { .. } => "closed",
        }
    }
}
