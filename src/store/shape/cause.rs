//! Shapes of a decision's inputs: the cause and the facts.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{choice, record, words};
use crate::case::{
    Cause, Decision, Facts, Hold, Input, Mover, OpenedBy, Opening, Operator, Order, Press, Recorded,
    RefusedDecision,
};
use crate::model::{
    Actor, DocumentUse, EffectKind, Enrolment, Event, Outcome, Pause, Returned, Subject, Timestamp,
};

record! { "recorded": Recorded {
    "cause" => cause: Cause,
    "facts" => facts: Facts,
} }

choice! { "cause": Cause {
    "opening" => Opening(it: Opening),
    "input" => Input(it: Input),
    "migration" => Migration(it: Mover),
} }

record! { "facts": Facts {
    "now" => now: Timestamp,
    "over_limit" => over_limit: BTreeSet<EffectKind>,
    "enrolments" => enrolments: BTreeMap<String, Enrolment>,
    "documents" => documents: Vec<DocumentUse>,
    "others" => others: Vec<Hold>,
    "pauses" => pauses: Vec<Pause>,
    "under" => under: String,
} }

record! { "opening": Opening {
    "subject" => subject: Subject,
    "by" => by: OpenedBy,
    "key" => key: String,
} }

choice! { "opened_by": OpenedBy {
    "event" => Event(it: Event),
    "hand" => Hand { "by" => by: String, "reason" => reason: String, "nonce" => nonce: String },
    "sweep" => Sweep { "schedule" => schedule: String, "nominal" => nominal: Timestamp },
} }

record! { "press": Press {
    "link" => link: u32,
    "locale" => locale: Option<String>,
    "agreed" => agreed: Option<String>,
} }

choice! { "input": Input {
    "event" => Event(it: Event),
    "attempt" => Attempt { "call" => call: u32 },
    "misplanned" => Misplanned { "call" => call: u32 },
    "outcome" => Outcome { "call" => call: u32, "attempt" => attempt: u32, "outcome" => outcome: Outcome },
    "lost" => Lost { "call" => call: u32, "attempt" => attempt: u32 },
    "wake" => Wake,
    "press" => Press(it: Press),
    "contest" => Contest { "link" => link: u32 },
    "hint" => Hint { "execution" => execution: String },
    "return" => Return { "execution" => execution: String, "returned" => returned: Returned },
    "set_back" => SetBack { "seconds" => seconds: i64 },
    "decision" => Decision(it: Decision),
    "refused_decision" => RefusedDecision(it: RefusedDecision),
    "operator" => Operator(it: Operator),
} }

record! { "decision": Decision {
    "decision" => decision: String,
    "reason" => reason: Option<String>,
    "by" => by: Actor,
    "at" => at: Timestamp,
} }

record! { "refused_decision": RefusedDecision {
    "decision" => decision: String,
    "by" => by: Actor,
    "reason" => reason: String,
} }

record! { "operator": Operator {
    "order" => order: Order,
    "by" => by: Actor,
    "reason" => reason: String,
} }

words! { "order": Order {
    "retry" => Retry,
    "cancel" => Cancel,
    "release" => Release,
    "drop" => Drop,
    "undo" => Undo,
    "remind" => Remind,
    "take" => Claim,
    "give_back" => ReleaseClaim,
    "lift" => Lift,
} }

record! { "mover": Mover {
    "by" => by: String,
    "reason" => reason: String,
} }
