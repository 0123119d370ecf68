//! The keys of `tests.yaml`.

use super::kind::{Key, Kind, NameKind, Names, Shape};
use crate::model::{CaseState, Order};

const SPAN: Kind = Kind::Span { zero: false };
const TEXTS: Kind = Kind::List(&Kind::Text);
const FIELDS: Kind = Kind::MapOf(&Kind::Any);

pub static TESTS: Shape = Shape {
    what: "a file of policy tests",
    keys: &[
        Key::may("format", Kind::Integer { least: 1, most: 1 }, "Format version: 1."),
        Key::must("tests_for", Kind::Name, "Name of the policy in this directory.").of(NameKind::Policy),
        Key::must("tests", Kind::List(&Kind::Shape(&TEST)), "Tests."),
    ],
};

static TEST: Shape = Shape {
    what: "a test",
    keys: &[
        Key::must("name", Kind::Text, "What the test shows, as a sentence."),
        Key::may("clock", Kind::Moment, "Start time; Monday 2026-01-05T09:00:00Z by default."),
        Key::may("given", Kind::Shape(&GIVEN), "The person and the surrounding data."),
        Key::must("play", Kind::List(&Kind::Shape(&MOVE)), "Moves and expectations, in order."),
    ],
};

static GIVEN: Shape = Shape {
    what: "what is given",
    keys: &[
        Key::may("registration", FIELDS, "Fields that differ from an ordinary registration."),
        Key::may("user", FIELDS, "Fields that differ from an ordinary account."),
        Key::may("applicant", FIELDS, "Fields that differ from an ordinary applicant."),
        Key::may("passed", Kind::MapOf(&SPAN), "Verifications passed earlier, and how long ago.")
            .of(NameKind::Verification),
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

static MOVE: Shape = Shape {
    what: "a line of `play`",
    keys: &[
        Key::may("send", Kind::Event, "An event about the person arrives."),
        Key::may("with", FIELDS, "Fields of the event that is sent."),
        Key::may("start", Kind::OneOf(&["manual", "sweep"]), "A case is opened by hand, or a sweep runs."),
        Key::may("advance", SPAN, "Advances the clock; everything that falls due happens."),
        Key::may(
            "expect",
            Kind::Shape(&EXPECT),
            "Expected state now, and expected effects since the last `expect`.",
        ),
        Key::may("answer", FIELDS, "Result of a `verify` step: its id with the outcome, and what was found.")
            .of(NameKind::Step),
        Key::may(
            "press",
            Kind::Name,
            "The person presses the button of a `verify` step, or objects \
            (`contest`).",
        )
        .of(NameKind::Step),
        Key::may(
            "decide",
            FIELDS,
            "Decision of a `review` step, or about an objection (`contest`); with `by`, `reason`, \
                `refused: true`.",
        )
        .of(NameKind::Step),
        Key::may("order", Kind::OneOf(Order::WORDS), "An operator's order."),
        Key::may("provider", FIELDS, "A provider, endpoint or system with `down` or `up`; and `for`."),
        Key::may("change", FIELDS, "Changes fields of the person at the identity provider."),
    ],
};

static EXPECT: Shape = Shape {
    what: "an expectation",
    keys: &[
        Key::may("opened", Kind::Boolean, "Whether a case opened."),
        Key::may("cases", Kind::Integer { least: 0, most: 1_000 }, "Number of cases opened so far."),
        Key::may("waiting_at", Kind::Name, "Id of the step where the case waits.").of(NameKind::Step),
        Key::may("state", Kind::OneOf(CaseState::WORDS), "State of the case."),
        Key::may(
            "sent",
            TEXTS,
            "Templates of the mails sent, in order; `name to manager` names the \
            recipient.",
        )
        .naming(Names::Mail),
        Key::may("did", TEXTS, "Effects so far, in order, such as `delete registration`."),
        Key::may("destroyed", TEXTS, "Subjects that were rejected or deleted after grace."),
        Key::may("grace", Kind::Span { zero: true }, "Grace of the last effect."),
        Key::may("closed", Kind::Name, "Result of the case; also of a case in grace."),
        Key::may("holds", TEXTS, "Holds of the case: `account`, `role Payments admin`."),
        Key::may("person", FIELDS, "Fields of the person at the identity provider."),
    ],
};

#[cfg(test)]
mod unit {
    use std::collections::BTreeSet;

    use super::{EXPECT, GIVEN, MOVE, Shape};
    use crate::model::SubjectKind;
    use crate::policy::tests::{ExpectKey, MoveKey};

    fn check(shape: &Shape, words: &[&str], others: &[&str]) {
        let keys: BTreeSet<_> = shape.keys.iter().map(|key| key.name).collect();
        assert_eq!(keys, words.iter().chain(others).copied().collect(), "{}", shape.what);
    }

    #[test]
    fn the_keys_of_a_test_are_those_that_the_loader_reads() {
        check(&MOVE, MoveKey::WORDS, &["with"]);
        check(&EXPECT, ExpectKey::WORDS, &[]);
        check(&GIVEN, SubjectKind::WORDS, &["passed", "answers"]);
    }
}
