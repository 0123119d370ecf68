//! The verbs: their objects, the keys beside them, and which of them this version executes.

use std::fmt;

use serde::{Serialize, Serializer};

use super::kind::{Key, Kind, NameKind, Names, Shape};
use crate::model::{EffectKind, EffectShape, Nature, Repeat};
use crate::policy::choices::HTTP_METHODS;
use crate::policy::outcome::{ProofOutcome, RequestOutcome};
use crate::policy::schema;
use crate::policy::source::{self, Node};

/// The verbs of the language: the effects of the table, and verbs that wait, decide, branch or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    Effect(EffectKind),
    Review,
    Wait,
    Run,
    Act,
    Do,
    RetryFrom,
    Close,
}

impl Rule {
    /// Returns the verb as policies write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Effect(kind) => kind.word(),
            Self::Review => "review",
            Self::Wait => "wait",
            Self::Run => "run",
            Self::Act => "act",
            Self::Do => "do",
            Self::RetryFrom => "retry_from",
            Self::Close => "close",
        }
    }

    /// Returns the nature of the effect, if the verb is one.
    pub fn nature(self) -> Option<Nature> {
        self.effect().map(EffectKind::nature)
    }

    /// Reports whether it takes something from a person.
    pub fn takes(self) -> bool {
        self.nature().is_some_and(Nature::takes)
    }

    /// Reports whether it gives access, or a value that other systems treat as access.
    pub fn gives(self) -> bool {
        self.nature().is_some_and(Nature::gives)
    }

    /// Reports whether it withholds access, or requests proof.
    pub fn protects(self) -> bool {
        self.nature().is_some_and(Nature::protects)
    }

    /// Returns the effect, which `limits` counts.
    pub const fn effect(self) -> Option<EffectKind> {
        match self {
            Self::Effect(kind) => Some(kind),
            Self::Review | Self::Wait | Self::Run | Self::Act | Self::Do | Self::RetryFrom | Self::Close => {
                None
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// How one verb is written.
#[derive(Debug)]
pub struct VerbRule {
    pub verb: Rule,
    /// The verb with its object, its description, and whether it is executed.
    pub key: Key,
    /// Keys beside it, besides those that every step may have.
    pub beside: &'static [Key],
    pub outcomes: Outcomes,
    /// True if no step comes after it.
    pub ends: bool,
}

impl VerbRule {
    /// Returns the effect, which `limits` counts.
    pub fn effect(&self) -> Option<EffectKind> {
        self.verb.effect()
    }
}

/// The outcomes of a verb, if it branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcomes {
    None,
    Fixed(&'static [&'static str]),
    /// The declared decisions, and `overdue`.
    Decisions,
    /// The names in `returns`.
    Returns,
    /// `happened` and `timed_out` for an event, no outcomes for a time.
    Wait,
    /// `ok` and `failed`, if `outcomes` is given.
    Optional(&'static [&'static str]),
}

const SPAN: Kind = Kind::Span { zero: false };
const TEMPLATE_NAME: Key =
    Key::must("template", Kind::Name, "Template: a directory of shared/templates.").of(NameKind::Template);
const RECIPIENT: Kind = Kind::Text;

/// Keys beside every verb.
pub const STEP_KEYS: &[Key] = &[
    Key::may("id", Kind::Name, "Name of the step for clauses and `retry_from`.").gives(NameKind::Step),
    Key::may("if", Kind::Condition, "Condition; the step is skipped if it is false."),
    Key::may("retry", Kind::Shape(&RETRY), "Retry rule for the calls of this step."),
    Key::may("outcomes", Kind::MapOf(&Kind::Steps), "Steps for each outcome; all outcomes are required."),
];

pub static RETRY: Shape = Shape {
    what: "a retry rule",
    keys: &[
        Key::must("attempts", Kind::Integer { least: 1, most: 100 }, "Maximum number of attempts."),
        Key::must("first", SPAN, "Delay after the first failure; it doubles after each."),
        Key::must("longest", SPAN, "Longest delay between two attempts."),
    ],
};

static INVITE: Shape = Shape { what: "an invitation", keys: &[TEMPLATE_NAME] };

static REMINDER: Shape = Shape {
    what: "a reminder",
    keys: &[
        Key::must("after", SPAN, "Counted from the start of the step."),
        TEMPLATE_NAME,
        Key::may("also", Kind::OneOrMany(&RECIPIENT), "Recipients besides the person.")
            .naming(Names::Recipient),
    ],
};

const COMPARED: Kind = Kind::List(&Kind::OneOf(&schema::COMPARED));

static VERIFY: Shape = Shape {
    what: "a verification",
    keys: &[
        Key::must("workflow", Kind::Name, "A name from verifications.yaml.").of(NameKind::Verification),
        Key::must("answer_within", SPAN, "Deadline of the person, from the start of the step."),
        Key::may("invite", Kind::Shape(&INVITE), "Mail with the link; proof-invite by default."),
        Key::may("remind", Kind::List(&Kind::Shape(&REMINDER)), "Mails before the deadline."),
        Key::may("compare", COMPARED, "Registered fields that must match the document."),
        Key::may("optional", COMPARED, "Fields of `compare` that may be missing in the registration."),
        Key::may("reuse_within", SPAN, "Reuse a pass of any policy that is not older than this."),
        Key::may("retry", Kind::Shape(&RETRY), "Retry rule for calls to the provider."),
    ],
};

static DECISION: Shape = Shape {
    what: "a decision",
    keys: &[Key::must("reason", Kind::OneOf(&["required", "optional"]), "Whether a reason is required.")],
};

static ESCALATE: Shape = Shape {
    what: "an escalation",
    keys: &[
        Key::must("after", SPAN, "Counted from the start of the step."),
        Key::must("queue", Kind::Name, "Queue that gets the review then.").of(NameKind::Queue),
    ],
};

static REVIEW: Shape = Shape {
    what: "a review",
    keys: &[
        Key::must("queue", Kind::Name, "A queue from people.yaml.").of(NameKind::Queue),
        Key::must("decisions", Kind::MapOf(&Kind::Shape(&DECISION)), "Decisions; each is an outcome."),
        Key::must("answer_within", SPAN, "Deadline of the reviewers."),
        Key::may("show", Kind::List(&Kind::Text), "Paths of values to show to the reviewer.")
            .naming(Names::Path),
        Key::may("people", Kind::Integer { least: 1, most: 5 }, "Number of different people who must agree."),
        Key::may(
            "never",
            Kind::List(&Kind::OneOf(&["subject", "manager", "sponsor", "event.actor"])),
            "People who may not decide.",
        ),
        Key::may("escalate", Kind::Shape(&ESCALATE), "Second queue after a time."),
    ],
};

static WAIT: Shape = Shape {
    what: "a wait",
    keys: &[
        Key::may("for", Kind::Event, "The event that ends the wait."),
        Key::may("until", Kind::Template, "The time that ends the wait."),
        Key::may("answer_within", SPAN, "Maximum wait, with `for`."),
    ],
};

static NOTIFY: Shape = Shape {
    what: "a notice",
    keys: &[
        Key::must("to", Kind::OneOrMany(&RECIPIENT), "subject, manager, or team:<name>.")
            .naming(Names::Recipient),
        TEMPLATE_NAME,
        Key::may(
            "via",
            Kind::OneOrMany(&Kind::OneOf(&["email", "sms", "call", "chat"])),
            "Channel; mail by default.",
        ),
        Key::may("urgent", Kind::Boolean, "Marks the mail as urgent."),
    ],
};

const GRACE: Key = Key::may(
    "grace",
    Kind::Span { zero: true },
    "Grace: the effect happens after this time \
    and can be undone until then.",
);
const BECAUSE: Key = Key::may("because", Kind::Text, "Why there is no grace.");
const RETURNS: Key = Key::must("returns", Kind::List(&Kind::Name), "The names that the function may return.");
const IN: Key = Key::must("in", Kind::Name, "A target system of proofd.yaml.").of(NameKind::System);
const ATTRIBUTES: Key = Key::must("attributes", Kind::MapOf(&Kind::Any), "Attributes with their values.");

/// Returns the rule of an effect's verb: its object, the keys beside it, its outcomes.
const fn effect(kind: EffectKind) -> VerbRule {
    let row = kind.row();
    let subject = Kind::OneOf(row.subject_words);
    let (object, beside, outcomes): (Kind, &'static [Key], Outcomes) = match row.shape {
        EffectShape::Verify => (Kind::Shape(&VERIFY), &[], Outcomes::Fixed(ProofOutcome::WORDS)),
        EffectShape::Notify => (Kind::Shape(&NOTIFY), &[], Outcomes::None),
        EffectShape::Reject | EffectShape::Delete => (subject, &[GRACE, BECAUSE], Outcomes::None),
        EffectShape::Suspend => (subject, &[END_SESSIONS], Outcomes::None),
        EffectShape::Approve | EffectShape::Reinstate | EffectShape::Account(_) | EffectShape::Invite => {
            (subject, &[], Outcomes::None)
        }
        EffectShape::Role(_) => (Kind::Template, &[], Outcomes::None),
        EffectShape::Set => (Kind::MapOf(&Kind::Any), &[], Outcomes::None),
        EffectShape::CreateUser => (subject, &[IN, ATTRIBUTES], Outcomes::None),
        EffectShape::UpdateUser => (subject, &[IN, MATCH, ATTRIBUTES], Outcomes::None),
        EffectShape::Call => (Kind::Name, REQUEST, Outcomes::Optional(RequestOutcome::WORDS)),
        EffectShape::Emit => (Kind::Text, &[DATA], Outcomes::None),
    };
    let key = Key::may(row.word, object, row.doc);
    let key = if matches!(row.shape, EffectShape::Call) { key.of(NameKind::Endpoint) } else { key };
    VerbRule { verb: Rule::Effect(kind), key, beside, outcomes, ends: false }
}

const END_SESSIONS: Key =
    Key::may(EffectKind::EndSessions.word(), Kind::Boolean, "Whether to end open sessions too.");
const MATCH: Key = Key::must("match", Kind::Any, "Attributes that find the account.");
const DATA: Key = Key::may("data", Kind::MapOf(&Kind::Any), "Data of the event.");
const REQUEST: &[Key] = &[
    Key::may("method", Kind::OneOf(HTTP_METHODS), "HTTP method."),
    Key::may("path", Kind::Template, "Path appended to the endpoint's address."),
    Key::may("body", Kind::Any, "Body, with `${...}`."),
    Key::may(
        "idempotency",
        Kind::OneOf(Repeat::WORDS),
        "Why repeating the call is safe: an \
        idempotency key, the request itself (natural), or not at all (none).",
    ),
    Key::may("returns", Kind::List(&Kind::Name), "Names that the answer may branch on."),
];
const MAY: Key = Key::must("may", Kind::List(&Kind::Name), "The verbs that the function may return.");
const AT_MOST: Key =
    Key::must("at_most", Kind::Integer { least: 1, most: 10 }, "Maximum number of attempts.");
const OR_ELSE: Key = Key::must("or_else", Kind::Steps, "Steps to take when the attempts are used up.");

/// The verbs that are not effects.
static OTHERS: &[VerbRule] = &[
    VerbRule {
        verb: Rule::Review,
        key: Key::may(Rule::Review.word(), Kind::Shape(&REVIEW), "Asks people to decide."),
        beside: &[],
        outcomes: Outcomes::Decisions,
        ends: false,
    },
    VerbRule {
        verb: Rule::Wait,
        key: Key::may(Rule::Wait.word(), Kind::Shape(&WAIT), "Waits for an event or a time."),
        beside: &[],
        outcomes: Outcomes::Wait,
        ends: false,
    },
    VerbRule {
        verb: Rule::Run,
        key: Key::may(
            Rule::Run.word(),
            Kind::FunctionCall,
            "Calls a pure function that returns one of `returns`.",
        )
        .of(NameKind::Function),
        beside: &[RETURNS],
        outcomes: Outcomes::Returns,
        ends: false,
    },
    VerbRule {
        verb: Rule::Act,
        key: Key::may(Rule::Act.word(), Kind::FunctionCall, "Calls a pure function that returns actions.")
            .of(NameKind::Function),
        beside: &[MAY],
        outcomes: Outcomes::None,
        ends: false,
    },
    VerbRule {
        verb: Rule::Do,
        key: Key::may(Rule::Do.word(), Kind::Name, "Continues with a named block; does not return.")
            .of(NameKind::Block),
        beside: &[],
        outcomes: Outcomes::None,
        ends: true,
    },
    VerbRule {
        verb: Rule::RetryFrom,
        key: Key::may(Rule::RetryFrom.word(), Kind::Name, "Goes back to an earlier step.").of(NameKind::Step),
        beside: &[AT_MOST, OR_ELSE],
        outcomes: Outcomes::None,
        ends: true,
    },
    VerbRule {
        verb: Rule::Close,
        key: Key::may(Rule::Close.word(), Kind::Name, "Closes the case with this result."),
        beside: &[],
        outcomes: Outcomes::None,
        ends: true,
    },
];

static EFFECTS: [VerbRule; EffectKind::ALL.len()] = {
    let mut rules = [const { effect(EffectKind::ALL[0]) }; EffectKind::ALL.len()];
    let mut at = 0;
    while at < rules.len() {
        rules[at] = effect(EffectKind::ALL[at]);
        at += 1;
    }
    rules
};

/// Returns every verb of the language.
pub fn verbs() -> impl Iterator<Item = &'static VerbRule> {
    EFFECTS.iter().chain(OTHERS)
}

/// Values that this version executes, for a key of which only some values are executed.
pub const EXECUTED_CHANNELS: &[&str] = &["email", "call"];

/// Returns the rule of a verb.
pub fn verb(name: &str) -> Option<&'static VerbRule> {
    verbs().find(|rule| rule.key.name == name)
}

/// Returns the verb of a step: the key that is not beside another verb (`end_sessions` can be beside `suspend`).
pub fn step_verb(step: &Node) -> Option<(&source::Key, &Node, &'static VerbRule)> {
    let verbs = || {
        step.map().unwrap_or_default().iter().filter_map(|(key, value)| Some((key, value, verb(&key.name)?)))
    };
    let beside = |name: &str| verbs().any(|(_, _, rule)| rule.beside.iter().any(|key| key.name == name));
    verbs().find(|(key, _, _)| !beside(&key.name)).or_else(|| verbs().next())
}
