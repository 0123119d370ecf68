//! The keys of the files: policy.yaml, shared/blocks.yaml, verifications.yaml, people.yaml.

use super::kind::{Key, Kind, Names, Shape, Thing};
use super::tests::TESTS;
use crate::model::{EffectKind, Method};

const SPAN: Kind = Kind::Span { zero: false };
const FORMAT: Key = Key::must("format", Kind::Integer { least: 1, most: 1 }, "The format's number: 1.");

/// What a file of a tree holds, by its path. None: it is no YAML that is read.
pub fn shape_of(path: &str) -> Option<&'static Shape> {
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["verifications.yaml"] => Some(&VERIFICATIONS),
        ["people.yaml"] => Some(&PEOPLE),
        ["shared", "blocks.yaml"] => Some(&BLOCKS),
        ["shared", ..] => None,
        [_, "policy.yaml"] => Some(&POLICY),
        [_, "tests.yaml"] => Some(&TESTS),
        _ => None,
    }
}

pub static POLICY: Shape = Shape {
    what: "a policy",
    keys: &[
        FORMAT,
        Key::must("policy", Kind::Name, "The policy's name, unique in the tree.").gives(Thing::Policy),
        Key::must("title", Kind::Text, "What the desk sees."),
        Key::must("owner", Kind::Owner, "Who hears about stuck cases.").naming(Names::Owner),
        Key::may("language", Kind::Text, "Language of mails where the person's is not known (BCP 47)."),
        Key::must("mode", Kind::OneOf(&["enforce", "shadow", "disabled"]), "Whether the policy acts."),
        Key::must("subject", Kind::OneOf(&["registration", "user", "applicant"]), "What a case is about."),
        Key::may(
            "source",
            Kind::OneOrMany(&Kind::Name),
            "Identity providers whose people it is about, by their names in `proofd.yaml`; all by default.",
        )
        .of(Thing::Source),
        Key::must("when", Kind::List(&Kind::Trigger), "How cases start."),
        Key::may("if", Kind::Condition, "A case opens only if this holds."),
        Key::may(
            "if_already_open",
            Kind::OneOf(&["attach", "restart", "cancel", "open_another"]),
            "What an event does to an open case; attach by default.",
        ),
        Key::may("case_key", Kind::Template, "What makes two open cases different."),
        Key::may("cancel_when", Kind::List(&Kind::Event), "Events that end the case from outside."),
        Key::may("as_long_as", Kind::Condition, "Checked again before every step that changes something."),
        Key::may("settings", Kind::MapOf(&Kind::Any), "Numbers and lists that are tuned without logic.")
            .gives(Thing::Setting),
        Key::may("limits", Kind::List(&Kind::Shape(&LIMIT)), "At most so many effects in a time."),
        Key::may("keep", Kind::Shape(&KEEP), "How long things are kept after the close."),
        Key::must("steps", Kind::Steps, "What is done, in order."),
        Key::may("blocks", Kind::MapOf(&Kind::Steps), "Named step lists for `do`.").gives(Thing::Block),
    ],
};

static LIMIT: Shape = Shape {
    what: "a limit",
    keys: &[
        Key::must("action", Kind::OneOf(EffectKind::WORDS), "The verb that is counted."),
        Key::must("at_most", Kind::Amount, "How many, or which share."),
        Key::may("of", Kind::OneOf(&["users"]), "The population of a share."),
        Key::must("per", SPAN, "The window."),
        Key::must(
            "when_exceeded",
            Kind::OneOf(&["ask", "skip"]),
            "Wait until an administrator releases the effect, or skip it.",
        ),
    ],
};

static KEEP: Shape = Shape {
    what: "a retention rule",
    keys: &[
        Key::may("case", SPAN, "How long the case is kept; 2y by default."),
        Key::may("evidence", SPAN, "How long the evidence is kept; 30d by default."),
    ],
};

pub static SWEEP: Shape = Shape {
    what: "a sweep",
    keys: &[
        Key::must("over", Kind::OneOf(&["users"]), "The population."),
        Key::may("where", Kind::Condition, "Who of them."),
        Key::may("due", Kind::Shape(&DUE), "When a person is due."),
        Key::may("run", Kind::OneOf(&["hourly", "daily", "weekly", "monthly"]), "How often."),
        Key::may("on", Kind::Label, "Which day: `mon` of a week, 1 to 31 or `last` of a month."),
        Key::may("at", Kind::Time, "The time of day; of an hourly run the minute."),
        Key::may("timezone", Kind::Timezone, "The zone of the clock; UTC for hourly runs and cron lines."),
        Key::may("cron", Kind::Text, "A cron line instead of run, on and at."),
        Key::may("spread", SPAN, "Moves each person's due date by a stable part of this time."),
        Key::may(
            "at_most",
            Kind::Integer { least: 1, most: 1_000_000 },
            "New cases in one run; the rest waits for the next.",
        ),
        Key::may("if_missed", Kind::OneOf(&["run_once", "skip"]), "After downtime; run_once by default."),
    ],
};

static DUE: Shape = Shape {
    what: "a due date",
    keys: &[
        Key::must("field", Kind::Text, "The field that holds the last time."),
        Key::must("plus", SPAN, "How long after it."),
        Key::may("if_empty", Kind::OneOf(&["now", "never"]), "What an empty field means; never by default."),
    ],
};

/// The three ways a case can start.
pub static TRIGGER: Shape = Shape {
    what: "a trigger",
    keys: &[
        Key::may("event", Kind::Event, "An event opens a case."),
        Key::may("manual", Kind::True, "A person may open a case by hand."),
        Key::may("sweep", Kind::Shape(&SWEEP), "A schedule over a population opens cases."),
    ],
};

pub static BLOCKS: Shape = Shape {
    what: "shared blocks",
    keys: &[
        FORMAT,
        Key::must("blocks", Kind::MapOf(&Kind::Steps), "Named step lists for `do`.").gives(Thing::Block),
    ],
};

pub static VERIFICATIONS: Shape = Shape {
    what: "verification names",
    keys: &[
        FORMAT,
        Key::must("verifications", Kind::MapOf(&Kind::Shape(&VERIFICATION)), "Names for provider workflows.")
            .gives(Thing::Verification),
    ],
};

pub static VERIFICATION: Shape = Shape {
    what: "a verification",
    keys: &[
        Key::must("provider", Kind::Name, "A provider that proofd.yaml configures.").of(Thing::Provider),
        Key::must("workflow", Kind::Label, "The provider's name or number of the workflow."),
        Key::must("method", Kind::OneOf(&Method::WORDS), "How a person proves it."),
        Key::must("require", Kind::List(&Kind::Text), "Capabilities that must themselves have passed."),
        Key::may("fallback", Kind::Name, "Another verification, where nothing is enrolled.")
            .of(Thing::Verification),
    ],
};

pub static PEOPLE: Shape = Shape {
    what: "people",
    keys: &[
        FORMAT,
        Key::must("teams", Kind::MapOf(&Kind::Shape(&TEAM)), "Teams and their mail addresses.")
            .gives(Thing::Team),
        Key::may("queues", Kind::MapOf(&Kind::Shape(&QUEUE)), "Review queues.").gives(Thing::Queue),
        Key::may("calendars", Kind::MapOf(&Kind::Shape(&CALENDAR)), "When people work.")
            .gives(Thing::Calendar),
    ],
};

pub static TEAM: Shape = Shape {
    what: "a team",
    keys: &[
        Key::must("mail", Kind::Mail, "Where the team is reached."),
        Key::may("call", Kind::Name, "An endpoint of proofd.yaml for urgent notices.").of(Thing::Endpoint),
    ],
};

pub static QUEUE: Shape = Shape {
    what: "a queue",
    keys: &[
        Key::must("team", Kind::Name, "The team to notify.").of(Thing::Team),
        Key::may("calendar", Kind::Name, "The calendar that business days are counted in.")
            .of(Thing::Calendar),
    ],
};

pub static CALENDAR: Shape = Shape {
    what: "a calendar",
    keys: &[
        Key::must("timezone", Kind::Timezone, "The zone of the hours."),
        Key::must(
            "workdays",
            Kind::List(&Kind::OneOf(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"])),
            "The days of work.",
        ),
        Key::must(
            "hours",
            Kind::Hours,
            "From when to when people work. A business day that begins outside counts from the next opening.",
        ),
    ],
};
