//! The keys of tests.yaml.

use super::kind::{Key, Kind, Names, Shape, Thing};

const SPAN: Kind = Kind::Span { zero: false };
const TEXTS: Kind = Kind::List(&Kind::Text);
const FIELDS: Kind = Kind::MapOf(&Kind::Any);

pub static TESTS: Shape = Shape {
    what: "a file of policy tests",
    keys: &[
        Key::may("format", Kind::Integer { least: 1, most: 1 }, "The format's number: 1."),
        Key::must("tests_for", Kind::Name, "The policy of this folder.").of(Thing::Policy),
        Key::must("tests", Kind::List(&Kind::Shape(&TEST)), "What is played, one after the other."),
    ],
};

static TEST: Shape = Shape {
    what: "a test",
    keys: &[
        Key::must("name", Kind::Text, "What it shows, as a sentence."),
        Key::may("clock", Kind::Moment, "When it begins; Monday 2026-01-05T09:00:00Z by default."),
        Key::may("given", Kind::Shape(&GIVEN), "The person, and the world around them."),
        Key::must("play", Kind::List(&Kind::Shape(&MOVE)), "What happens, and what is expected then."),
    ],
};

static GIVEN: Shape = Shape {
    what: "what is given",
    keys: &[
        Key::may("registration", FIELDS, "Fields that differ from an ordinary registration."),
        Key::may("user", FIELDS, "Fields that differ from an ordinary account."),
        Key::may("applicant", FIELDS, "Fields that differ from an ordinary applicant."),
        Key::may("passed", Kind::MapOf(&SPAN), "Verifications passed earlier, and how long ago.")
            .of(Thing::Verification),
        Key::may("answers", Kind::MapOf(&Kind::Shape(&ANSWERED)), "What endpoints answer; 200 by default."),
    ],
};

static ANSWERED: Shape = Shape {
    what: "an endpoint's answer",
    keys: &[
        Key::may("status", Kind::Integer { least: 100, most: 599 }, "The HTTP status; 200 by default."),
        Key::may("body", Kind::Any, "The body."),
    ],
};

/// Of these a line of `play` has exactly one.
pub const MOVES: &[&str] =
    &["send", "start", "advance", "expect", "answer", "press", "decide", "order", "provider", "change"];

static MOVE: Shape = Shape {
    what: "a line of `play`",
    keys: &[
        Key::may("send", Kind::Event, "An event about the person arrives."),
        Key::may("with", FIELDS, "Fields of the event that is sent."),
        Key::may("start", Kind::OneOf(&["manual", "sweep"]), "A case is opened by hand, or a sweep runs."),
        Key::may("advance", SPAN, "Time passes, and everything happens that falls due in it."),
        Key::may(
            "expect",
            Kind::Shape(&EXPECT),
            "What is so now, and what happened since the last `expect`.",
        ),
        Key::may(
            "answer",
            FIELDS,
            "The person does a `verify` step: its id with the outcome, and what was found.",
        )
        .of(Thing::Step),
        Key::may("press", Kind::Name, "The person presses the button of a `verify` step, or of `contest`.")
            .of(Thing::Step),
        Key::may(
            "decide",
            FIELDS,
            "A `review` step's id, or `contest`, with the decision; and `by`, `reason`, `refused: true`.",
        )
        .of(Thing::Step),
        Key::may(
            "order",
            Kind::OneOf(&[
                "retry",
                "cancel",
                "release",
                "drop",
                "undo",
                "remind",
                "claim",
                "release_claim",
                "lift",
            ]),
            "An operator's order.",
        ),
        Key::may("provider", FIELDS, "A provider, endpoint or system with `down` or `up`; and `for`."),
        Key::may("change", FIELDS, "Somebody changes the person at the identity provider."),
    ],
};

static EXPECT: Shape = Shape {
    what: "an expectation",
    keys: &[
        Key::may("opened", Kind::Boolean, "Whether a case opened at all."),
        Key::may("cases", Kind::Integer { least: 0, most: 1_000 }, "How many cases opened so far."),
        Key::may("waiting_at", Kind::Name, "The id of the step that the case waits at.").of(Thing::Step),
        Key::may(
            "state",
            Kind::OneOf(&["running", "waiting", "in_review", "over_limit", "stuck", "in_grace", "closed"]),
            "The state of the case.",
        ),
        Key::may("sent", TEXTS, "Templates of the mails sent, in order; `name to manager` says to whom.")
            .naming(Names::Mail),
        Key::may("did", TEXTS, "Effects whose step was reached, in order, such as `delete registration`."),
        Key::may("destroyed", TEXTS, "What was really rejected or deleted."),
        Key::may("grace", Kind::Span { zero: true }, "How long the last effect can be undone."),
        Key::may("closed", Kind::Name, "The result; a case in grace has it already."),
        Key::may("holds", TEXTS, "What the case holds: `account`, `role Payments admin`."),
        Key::may("person", FIELDS, "Fields of the person at the identity provider."),
    ],
};
