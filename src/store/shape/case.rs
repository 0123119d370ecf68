//! Shapes of cases and their states.

use std::collections::BTreeMap;

use super::table::{choice, record, words, wrapped};
use crate::case::state::{Acting, Assignee};
use crate::case::{
    Case, Decision, EarlierEvent, Echo, Held, Hold, InGrace, Pending, Placed, Purpose, RecordedEvent,
    Reviewing, State, Stretch, Stuck, Verifying, Waiting, Whose,
};
use crate::model::{
    Action, Actor, CaseId, EffectKind, Event, EventType, Fields, Forgotten, Session, Subject, Timestamp,
};
use crate::policy::Revision;
use crate::policy::tree::{Effect, Resolved, StepIndex};

wrapped!(StepIndex(u32));

record! { "case": Case {
    "id" => id: CaseId,
    "policy" => policy: String,
    "revision" => revision: Revision,
    "key" => key: String,
    "subject" => subject: Subject,
    "event" => event: Option<Event>,
    "opened_at" => opened_at: Timestamp,
    "state" => state: State,
    "steps" => steps: Fields,
    "calls" => calls: BTreeMap<u32, Pending>,
    "next_call" => next_call: u32,
    "next_entry" => next_entry: u64,
    "retries" => retries: BTreeMap<StepIndex, u32>,
    "attempts" => attempts: u32,
    "links" => links: u32,
    "contests" => contests: u32,
    "doomed" => pending_adverse: Option<InGrace>,
    "settled" => settled: Vec<EffectKind>,
    "sessions" => sessions: BTreeMap<String, String>,
    "result" => result: Option<String>,
    "closed_at" => closed_at: Option<Timestamp>,
    "seen" => seen: Option<Subject>,
    "seen_at" => seen_at: Option<Timestamp>,
    "holds" => holds: Vec<Hold>,
    "acting" => acting: Option<Acting>,
    "compared" => compared: BTreeMap<String, String>,
    "released" => released: Option<StepIndex>,
    "refusals" => refusals: u32,
    "echoes" => echoes: Vec<Echo>,
    "stretch" => stretch: Option<Stretch>,
    "redacted" => redacted: Option<Forgotten>,
} }

record! { "stretch": Stretch {
    "since" => since: Timestamp,
    "events" => events: Vec<EarlierEvent>,
} }

record! { "overheard": EarlierEvent {
    "key" => key: String,
    "kind" => kind: EventType,
    "also" => also: Vec<EventType>,
} }

choice! { "state": State {
    "calling" => Calling { "step" => step: StepIndex, "call" => call: u32 },
    "proving" => Verifying(it: Verifying),
    "reviewing" => Reviewing(it: Reviewing),
    "waiting" => Waiting(it: Waiting),
    "held" => Held {
        "step" => step: StepIndex,
        "action" => action: EffectKind,
        "since" => since: Timestamp,
        "asked" => asked: Option<Box<Verifying>>,
    },
    "stuck" => Stuck(it: Stuck),
    "grace" => Grace(it: InGrace),
    "closed" => Closed,
} }

record! { "proving": Verifying {
    "step" => step: StepIndex,
    "started_at" => started_at: Timestamp,
    "deadline" => deadline: Timestamp,
    "reminded" => reminded: u32,
    "remind_at" => remind_at: Option<Timestamp>,
    "link" => link: u32,
    "session" => session: Option<Session>,
    "poll_at" => poll_at: Option<Timestamp>,
    "polls" => polls: u32,
    "captured_at" => captured_at: Option<Timestamp>,
    "unclear" => unclear: bool,
    "start" => start: Option<u32>,
    "read" => read: Option<u32>,
    "wanted" => wanted: bool,
    "locale" => locale: Option<String>,
    "late_until" => late_until: Option<Timestamp>,
    "sessions" => sessions: u32,
    "fell_back" => fell_back: bool,
    "anew" => anew: bool,
    "rests_until" => rests_until: Option<Timestamp>,
    "try_until" => try_until: Option<Timestamp>,
    "fair_until" => fair_until: Timestamp,
} }

record! { "waiting": Waiting {
    "step" => step: StepIndex,
    "started_at" => started_at: Timestamp,
    "event" => event: Option<EventType>,
    "until" => until: Timestamp,
    "fair_until" => fair_until: Timestamp,
} }

record! { "acting": Acting {
    "step" => step: StepIndex,
    "left" => left: Vec<Effect<Resolved>>,
} }

record! { "echo": Echo {
    "call" => call: u32,
    "kinds" => kinds: Vec<String>,
    "role" => role: Option<String>,
    "from" => from: Timestamp,
    "until" => until: Option<Timestamp>,
    "silent" => silent: bool,
    "heard" => heard: Vec<RecordedEvent>,
} }

record! { "heard_as": RecordedEvent {
    "key" => key: String,
    "kind" => kind: String,
    "name" => name: String,
} }

record! { "assignee": Assignee {
    "by" => by: Actor,
    "until" => until: Timestamp,
} }

record! { "reviewing": Reviewing {
    "step" => step: StepIndex,
    "started_at" => started_at: Timestamp,
    "deadline" => deadline: Timestamp,
    "queue" => queue: String,
    "escalate_at" => escalate_at: Option<Timestamp>,
    "given" => given: Vec<Decision>,
    "assignee" => assignee: Option<Assignee>,
    "fair_until" => fair_until: Timestamp,
} }

record! { "stuck": Stuck {
    "step" => step: StepIndex,
    "since" => since: Timestamp,
    "reason" => reason: String,
    "call" => call: Option<u32>,
    "parked" => parked: Vec<(u32, Pending)>,
    "interrupted" => interrupted: Option<Box<State>>,
} }

record! { "in_grace": InGrace {
    "step" => step: StepIndex,
    "action" => action: Action,
    "until" => until: Timestamp,
    "contested_at" => contested_at: Option<Timestamp>,
    "link" => link: u32,
    "call" => call: Option<u32>,
    "fair_until" => fair_until: Timestamp,
    "blocks" => blocks: bool,
} }

record! { "pending": Pending {
    "action" => action: Action,
    "purpose" => purpose: Purpose,
    "due" => due: Timestamp,
    "attempt" => attempt: u32,
    "begun" => begun: Option<Timestamp>,
    "in_doubt" => in_doubt: bool,
    "asked_at" => asked_at: Timestamp,
    "forgiven" => forgiven: u32,
    "outages" => outages: u32,
    "last_failure" => last_failure: Option<String>,
} }

words! { "purpose": Purpose {
    "step" => Step,
    "invite" => Invite,
    "reminder" => Reminder,
    "start" => Start,
    "read" => Read,
    "ensure_invited" => EnsureInvited,
    "destroy" => Destroy,
    "look" => Look,
    "lift" => Lift,
    "page" => Page,
    "uphold" => Uphold,
    "owner_notice" => OwnerNotice,
} }

record! { "hold": Hold {
    "what" => what: Held,
    "since" => since: Timestamp,
    "before" => before: Option<String>,
    "whose" => whose: Whose,
    "told" => told: Option<(Timestamp, Whose)>,
    "granted_at" => granted_at: Option<Timestamp>,
    "read_at" => read_at: Option<Timestamp>,
    "lifting" => lifting: bool,
    "placed" => placed: Placed,
} }

words! { "whose": Whose {
    "ours" => Ours,
    "presumed" => Presumed,
    "theirs" => Theirs,
    "unknown" => Unknown,
} }

words! { "placed": Placed {
    "asked" => Asked,
    "tried" => Tried,
    "known" => Known,
} }

choice! { "held": Held {
    "account" => Account,
    "role" => Role(it: String),
} }
