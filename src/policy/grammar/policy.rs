//! The keys of the files: `policy.yaml`, `shared/blocks.yaml`, `verifications.yaml`, `people.yaml`.

use super::kind::{Key, Kind, NameKind, Names, Shape};
use super::tests::TESTS;
use crate::model::{EffectKind, Method, SubjectKind};
use crate::policy::choices::{DAYS, IfAlreadyOpen, IfEmpty, IfMissed, Mode, WhenExceeded};

const SPAN: Kind = Kind::Span { zero: false };

const FORMAT: Key = Key::must("format", Kind::Integer { least: 1, most: 1 }, "Format version: 1.");

/// Returns the shape of a file in a tree, by its path. None: the path is not a YAML file that is read.
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
        Key::must("policy", Kind::Name, "Name of the policy, unique in the tree.").gives(NameKind::Policy),
        Key::must("title", Kind::Text, "Title that reviewers see."),
        Key::must("owner", Kind::Owner, "Mail address or team that is notified of stuck cases.")
            .naming(Names::Owner),
        Key::may("language", Kind::Text, "Language of mails if the person's is unknown (BCP 47)."),
        Key::must(
            "mode",
            Kind::OneOf(Mode::WORDS),
            "Whether the policy has effects: \
            enforce, shadow or disabled.",
        ),
        Key::must("subject", Kind::OneOf(SubjectKind::WORDS), "Kind of subject of a case."),
        Key::may(
            "source",
            Kind::OneOrMany(&Kind::Name),
            "Identity providers whose people the policy covers, by their names in `proofd.yaml`; all by \
                default.",
        )
        .of(NameKind::Source),
        Key::must("when", Kind::List(&Kind::Trigger), "Triggers that open a case."),
        Key::may("if", Kind::Condition, "Condition for opening a case."),
        Key::may(
            "if_already_open",
            Kind::OneOf(IfAlreadyOpen::WORDS),
            "What a trigger does while a case is open; attach by default.",
        ),
        Key::may("case_key", Kind::Template, "Key that makes two open cases of one person different."),
        Key::may("cancel_when", Kind::List(&Kind::Event), "Events that cancel the case."),
        Key::may(
            "as_long_as",
            Kind::Condition,
            "Condition that is checked again before every effect; the \
            case closes when it is false.",
        ),
        Key::may("settings", Kind::MapOf(&Kind::Any), "Values that clauses, texts and scripts read.")
            .gives(NameKind::Setting),
        Key::may("limits", Kind::List(&Kind::Shape(&LIMIT)), "Maximum number of effects in a time."),
        Key::may("keep", Kind::Shape(&KEEP), "Retention times after the case closes."),
        Key::must("steps", Kind::Steps, "Steps, in order."),
        Key::may("blocks", Kind::MapOf(&Kind::Steps), "Named step lists for `do`.").gives(NameKind::Block),
    ],
};

static LIMIT: Shape = Shape {
    what: "a limit",
    keys: &[
        Key::must("action", Kind::OneOf(EffectKind::WORDS), "The effect to count."),
        Key::must("at_most", Kind::Amount, "Maximum: a number, or a percentage."),
        Key::may("of", Kind::OneOf(&["users"]), "Population of a percentage."),
        Key::must("per", SPAN, "Length of the time window."),
        Key::must(
            "when_exceeded",
            Kind::OneOf(WhenExceeded::WORDS),
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
        Key::may("where", Kind::Condition, "Condition that selects people."),
        Key::may("due", Kind::Shape(&DUE), "When a person is due."),
        Key::may("run", Kind::OneOf(&["hourly", "daily", "weekly", "monthly"]), "Interval."),
        Key::may("on", Kind::Label, "Day of the run: `mon` to `sun`, 1 to 31, or `last`."),
        Key::may("at", Kind::Time, "Time of day; for an hourly run the minute."),
        Key::may("timezone", Kind::Timezone, "Time zone; UTC by default for hourly runs and cron lines."),
        Key::may("cron", Kind::Text, "Cron line, instead of run, on and at."),
        Key::may("spread", SPAN, "Spreads due dates over this time; each person's share is stable."),
        Key::may(
            "at_most",
            Kind::Integer { least: 1, most: 1_000_000 },
            "Maximum number of new cases in one run; the others wait for the next run.",
        ),
        Key::may(
            "if_missed",
            Kind::OneOf(IfMissed::WORDS),
            "What to do about runs missed during \
            downtime; run_once by default.",
        ),
    ],
};

static DUE: Shape = Shape {
    what: "a due date",
    keys: &[
        Key::must("field", Kind::Text, "Field with the time to count from."),
        Key::must("plus", SPAN, "Time after the field."),
        Key::may("if_empty", Kind::OneOf(IfEmpty::WORDS), "What an empty field means; never by default."),
    ],
};

/// The three ways a case can start.
pub static TRIGGER: Shape = Shape {
    what: "a trigger",
    keys: &[
        Key::may("event", Kind::Event, "An event opens a case."),
        Key::may("manual", Kind::True, "An operator may open a case by hand."),
        Key::may("sweep", Kind::Shape(&SWEEP), "A schedule over a population opens cases."),
    ],
};

pub static BLOCKS: Shape = Shape {
    what: "shared blocks",
    keys: &[
        FORMAT,
        Key::must("blocks", Kind::MapOf(&Kind::Steps), "Named step lists for `do`.").gives(NameKind::Block),
    ],
};

pub static VERIFICATIONS: Shape = Shape {
    what: "verification names",
    keys: &[
        FORMAT,
        Key::must("verifications", Kind::MapOf(&Kind::Shape(&VERIFICATION)), "Names for provider workflows.")
            .gives(NameKind::Verification),
    ],
};

pub static VERIFICATION: Shape = Shape {
    what: "a verification",
    keys: &[
        Key::must("provider", Kind::Name, "A provider of proofd.yaml.").of(NameKind::Provider),
        Key::must("workflow", Kind::Label, "Name or number of the workflow at the provider."),
        Key::must("method", Kind::OneOf(Method::WORDS), "Verification method."),
        Key::must("require", Kind::List(&Kind::Text), "Capabilities that must have passed."),
        Key::may("fallback", Kind::Name, "Verification to use if nothing is enrolled.")
            .of(NameKind::Verification),
    ],
};

pub static PEOPLE: Shape = Shape {
    what: "people",
    keys: &[
        FORMAT,
        Key::must("teams", Kind::MapOf(&Kind::Shape(&TEAM)), "Teams and their mail addresses.")
            .gives(NameKind::Team),
        Key::may("queues", Kind::MapOf(&Kind::Shape(&QUEUE)), "Review queues.").gives(NameKind::Queue),
        Key::may("calendars", Kind::MapOf(&Kind::Shape(&CALENDAR)), "Working hours.")
            .gives(NameKind::Calendar),
    ],
};

pub static TEAM: Shape = Shape {
    what: "a team",
    keys: &[
        Key::must("mail", Kind::Mail, "Mail address of the team."),
        Key::may("call", Kind::Name, "Endpoint of proofd.yaml for urgent notices.").of(NameKind::Endpoint),
    ],
};

pub static QUEUE: Shape = Shape {
    what: "a queue",
    keys: &[
        Key::must("team", Kind::Name, "Team that decides and is notified.").of(NameKind::Team),
        Key::may("calendar", Kind::Name, "Calendar for business days.").of(NameKind::Calendar),
    ],
};

pub static CALENDAR: Shape = Shape {
    what: "a calendar",
    keys: &[
        Key::must("timezone", Kind::Timezone, "Time zone of the hours."),
        Key::must("workdays", Kind::List(&Kind::OneOf(&DAYS)), "Working days."),
        Key::must(
            "hours",
            Kind::Hours,
            "Working hours. A business day that starts outside them counts from the next opening.",
        ),
    ],
};
