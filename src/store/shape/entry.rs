//! Shapes of entries in a case's journal.

use super::table::{choice, record};
use crate::case::{Decision, Entry, Held, Note, Operator, RefusedDecision};
use crate::model::{CallId, CaseId, EffectKind, Failure, Timestamp, Void};
use crate::policy::Revision;

record! { "entry": Entry {
    "number" => number: u64,
    "at" => at: Timestamp,
    "step" => step: Option<String>,
    "note" => note: Note,
} }

choice! { "note": Note {
    "opened" => Opened { "by" => by: String },
    "clock_set_back" => ClockSetBack { "seconds" => seconds: i64 },
    "joined" => Joined { "event" => event: String, "key" => key: String },
    "step_began" => StepBegan { "verb" => verb: String },
    "step_skipped" => StepSkipped { "clause" => clause: String },
    "step_ended" => StepEnded { "outcome" => outcome: String, "reasons" => reasons: Vec<String> },
    "call_asked" => CallAsked { "call" => call: CallId, "action" => action: String },
    "attempt_began" => AttemptBegan { "call" => call: CallId, "attempt" => attempt: u32 },
    "attempt_failed" => AttemptFailed {
        "call" => call: CallId,
        "attempt" => attempt: u32,
        "failure" => failure: Failure,
        "retry_at" => retry_at: Option<Timestamp>,
    },
    "attempt_lost" => AttemptLost { "call" => call: CallId, "attempt" => attempt: u32 },
    "call_done" => CallDone { "call" => call: CallId, "detail" => detail: String },
    "session_started" => SessionStarted { "execution" => execution: String, "attempt" => attempt: u32 },
    "session_ended" => SessionEnded { "execution" => execution: String },
    "session_void" => SessionVoid { "execution" => execution: String, "why" => why: Void },
    "reading_ignored" => ReadingIgnored { "execution" => execution: String },
    "agreed" => Agreed { "text" => text: String },
    "pressed" => Pressed,
    "hinted" => Hinted,
    "returned" => Returned,
    "reminders_skipped" => RemindersSkipped { "count" => count: u32 },
    "decided" => Decided { "decision" => decision: Decision, "complete" => complete: bool },
    "escalated" => Escalated { "queue" => queue: String },
    "ordered" => Ordered { "operator" => operator: Operator },
    "migrated" => Migrated {
        "from" => from: Revision,
        "to" => to: Revision,
        "by" => by: String,
        "reason" => reason: String,
    },
    "held" => Held { "action" => action: EffectKind },
    "skipped" => Skipped { "action" => action: EffectKind },
    "hold_placed" => HoldPlaced { "held" => held: Held },
    "hold_lifted" => HoldLifted { "held" => held: Held, "stays" => stays: bool },
    "paused" => Paused { "seconds" => seconds: i64 },
    "no_sink" => NoSink { "kind" => kind: String },
    "fell_back" => FellBack { "verification" => verification: String },
    "reused" => Reused { "case" => case: String },
    "start_rests" => StartRests { "until" => until: Timestamp },
    "document_seen_before" => DocumentSeenBefore { "cases" => cases: Vec<CaseId> },
    "late_decision" => LateDecision { "decision" => decision: Decision },
    "decision_refused" => DecisionRefused { "refused" => refused: RefusedDecision },
    "stuck" => Stuck { "reason" => reason: String },
    "grace_began" => GraceBegan { "until" => until: Timestamp },
    "contested" => Contested,
    "upheld" => Upheld { "until" => until: Timestamp },
    "undone" => Undone,
    "destroyed" => Destroyed { "call" => call: CallId },
    "closed" => Closed { "result" => result: String },
} }
