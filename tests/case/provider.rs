//! A provider with late, unusual or unknown answers: they count neither as a person's delay nor as a failure.

use crate::tree::{Desk, Shape, proof, span, unavailable};
use proofd::case::{Input, Note, waiting_for};
use proofd::model::{Judgement, Phase};
use proofd::policy::tree::Retry;
use serde_json::json;

fn in_session(shape: &Shape) -> Desk {
    let mut desk = Desk::open(shape);
    desk.send_mails();
    desk.press().unwrap();
    desk.start("x1");
    desk
}

fn read(desk: &mut Desk, phase: Phase) {
    desk.later("1h");
    desk.input(Input::Wake).unwrap();
    desk.read(phase, None);
}

fn waits_for_provider(desk: &Desk) -> bool {
    waiting_for(&desk.case, &desk.policy).contains("provider")
}

/// Reminders depend on whose turn the last reading reports: the person's or the provider's.
#[test]
fn reminders_are_sent_only_while_the_person_must_act() {
    for (phase, provider) in [
        (Phase::Waiting, false),
        (Phase::Capturing, false),
        (Phase::Processing, true),
        (Phase::Unclear, true),
    ] {
        let mut desk = in_session(&Shape::default());
        read(&mut desk, phase);
        assert_eq!(waits_for_provider(&desk), provider, "{phase:?}");
        let mails = desk.asked("mail");
        desk.later("2d");
        desk.input(Input::Wake).unwrap();
        assert_eq!(desk.asked("mail") == mails, provider, "{phase:?}");
        let skipped = desk.notes(|note| matches!(note, Note::RemindersSkipped { .. }));
        assert_eq!(skipped, usize::from(provider), "{phase:?}");
    }
}

#[test]
fn a_failed_read_does_not_count_as_the_persons_delay() {
    let mut desk = in_session(&Shape::default());
    assert!(!waits_for_provider(&desk));
    desk.later("1m");
    desk.input(Input::Wake).unwrap();
    desk.answer("read_verification", unavailable());
    assert!(waits_for_provider(&desk), "{}", waiting_for(&desk.case, &desk.policy));
    desk.later("1m");
    desk.read(Phase::Waiting, None);
    assert!(!waits_for_provider(&desk));
}

#[test]
fn reminders_continue_after_a_failed_capture() {
    let mut desk = in_session(&Shape::default());
    read(&mut desk, Phase::Processing);
    desk.later("2d");
    desk.input(Input::Wake).unwrap();
    desk.read(Phase::Expired, None);
    let mails = desk.asked("mail");
    desk.later("6d");
    desk.input(Input::Wake).unwrap();
    assert_eq!(desk.asked("mail"), mails + 1);
}

/// An unclear state is read again until the deadline and for one more day; then a review opens.
#[test]
fn an_unclear_state_does_not_expire_as_silence() {
    let mut desk = in_session(&Shape::default());
    read(&mut desk, Phase::Unclear);
    desk.later("14d");
    desk.input(Input::Wake).unwrap();
    desk.read(Phase::Unclear, None);
    assert_eq!(desk.case.state_word(), "waiting");
    desk.later("2d");
    desk.input(Input::Wake).unwrap();
    assert_eq!(desk.case.steps["proof"]["outcome"], "unavailable");
    assert_eq!(desk.case.state_word(), "in_review");
}

/// A run that is temporarily missing is read again; one that stays missing ends the step after its retries.
#[test]
fn a_missing_run_is_read_again_then_ends_the_step() {
    let retry = Some(Retry { attempts: 3, first: span("30s"), longest: span("1m") });
    for (missing, outcome) in [(1, "passed"), (2, "passed"), (3, "unavailable")] {
        let mut desk = in_session(&Shape { retry, ..Shape::default() });
        desk.later("1m");
        desk.input(Input::Wake).unwrap();
        for _ in 0..missing {
            desk.answer("read_verification", unavailable());
            desk.later("2m");
        }
        if missing < 3 {
            desk.read(Phase::Done, Some(proof(Judgement::Passed)));
        }
        assert_eq!(desk.case.steps["proof"]["outcome"], outcome, "{missing}");
    }
}

/// The run's decision, checks besides liveness, required checks; outcome and reasons.
type Row<'a> = (Judgement, &'a [(&'a str, Judgement)], &'a [&'a str], &'a str, &'a [&'a str]);

#[test]
fn unknown_words_of_a_newer_api_are_tolerated() {
    use Judgement::{Passed, Rejected, Unknown, Warning};
    let table: [Row<'_>; 7] = [
        (Passed, &[("deviceRisk", Unknown)], &["liveness"], "passed", &[]),
        (Passed, &[("deviceRisk", Warning)], &["liveness"], "passed", &[]),
        (Passed, &[("similarity", Unknown)], &["similarity"], "warning", &["unknown_decision:similarity"]),
        (Passed, &[], &["similarity"], "warning", &["required_check_missing:similarity"]),
        (
            Passed,
            &[("similarity", Unknown), ("dataChecks", Rejected)],
            &["similarity", "dataChecks"],
            "warning",
            &["unknown_decision:similarity", "required_check_missing:dataChecks"],
        ),
        (Unknown, &[], &["liveness"], "warning", &["unknown_decision"]),
        (Unknown, &[("similarity", Rejected)], &[], "warning", &["unknown_decision"]),
    ];
    for (decision, checks, require, outcome, reasons) in table {
        let require: Vec<String> = require.iter().map(|name| (*name).to_owned()).collect();
        let mut desk = in_session(&Shape { require, ..Shape::default() });
        desk.later("1m");
        desk.input(Input::Wake).unwrap();
        let mut proof = proof(decision);
        proof.reasons.clear();
        proof.checks.extend(checks.iter().map(|(name, judgement)| ((*name).to_owned(), *judgement)));
        desk.read(Phase::Done, Some(proof));
        let step = &desk.case.steps["proof"];
        assert_eq!((&step["outcome"], &step["reasons"]), (&json!(outcome), &json!(reasons)), "{checks:?}");
    }
}
