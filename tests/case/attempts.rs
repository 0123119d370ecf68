//! Timing of retries: after an outage of any length, after a wait that the other system requests, after a wrong
//! clock, and not before a system can find what it created.

use chrono::TimeDelta;
use proofd::case::{Input, OpenedBy, Refused, State};
use proofd::model::{Done, Failure, Judgement, Outcome, Phase, SubjectKind, Timestamp};
use proofd::policy::tree::Retry;
use serde_json::json;

use crate::tree::written::{person, policy};
use crate::tree::{Desk, Shape, proof, span};

fn outage() -> Outcome {
    Outcome::Failed(Failure::outage("no connection"))
}

/// When the only waiting call is tried again.
fn due(desk: &Desk) -> Timestamp {
    desk.case.calls.values().find(|call| call.begun.is_none()).unwrap().due
}

fn in_session(retry: Option<Retry>) -> Desk {
    let mut desk = Desk::open(&Shape { retry, ..Shape::default() });
    desk.send_mails();
    desk.press().unwrap();
    desk.start("x1");
    desk.later("1m");
    desk.input(Input::Wake).unwrap();
    desk
}

/// Fails every attempt at its planned time until `length` has passed; returns the number of attempts.
fn down_for(desk: &mut Desk, word: &str, length: TimeDelta) -> u32 {
    let (end, mut attempts) = (desk.now + length, 0);
    while due(desk) < end {
        desk.now = due(desk).max(desk.now);
        desk.answer(word, outage());
        attempts += 1;
    }
    attempts
}

#[test]
fn a_long_outage_opens_no_review() {
    let mut desk = in_session(None);
    let attempts = down_for(&mut desk, "read_verification", TimeDelta::days(9));
    assert!(attempts > 100, "{attempts}");
    assert_eq!(desk.case.state_word(), "waiting");
    desk.now = due(&desk);
    desk.read(Phase::Done, Some(proof(Judgement::Passed)));
    assert_eq!(desk.case.steps["proof"]["outcome"], "passed");
    // The call for the effect also waits for its own provider.
    down_for(&mut desk, "approve", TimeDelta::days(30));
    assert_eq!(desk.case.state_word(), "running");
    let why = proofd::case::waiting_for(&desk.case, &desk.policy);
    assert!(why.contains("no connection"), "{why}");
}

#[test]
fn a_start_without_a_reachable_vendor_waits_for_the_person() {
    let mut desk = Desk::open(&Shape::default());
    desk.send_mails();
    desk.press().unwrap();
    down_for(&mut desk, "start_verification", TimeDelta::days(5));
    desk.now = due(&desk);
    desk.start("x1");
    assert!(desk.proving().session.is_some());
}

/// Retries still end if the failure concerns one call only, or if the policy sets a bound.
#[test]
fn attempts_are_bounded_for_call_failures_and_by_policy() {
    let mut desk = in_session(None);
    let unreadable = || Outcome::Failed(Failure::unavailable("not understood"));
    let mut attempts = 0;
    while matches!(desk.case.state, State::Verifying(_)) {
        desk.now = due(&desk).max(desk.now);
        desk.answer("read_verification", unreadable());
        attempts += 1;
    }
    assert_eq!((attempts, desk.case.state_word()), (100, "in_review"));

    let retry = Some(Retry { attempts: 3, first: span("30s"), longest: span("1m") });
    let mut desk = in_session(retry);
    for _ in 0..3 {
        desk.answer("read_verification", outage());
        desk.later("2m");
    }
    assert_eq!(desk.case.steps["proof"]["outcome"], "unavailable");
}

/// The clock is days ahead when an attempt fails, and is then corrected.
#[test]
fn an_attempt_planned_under_a_wrong_clock_runs_at_once() {
    let mut desk = Desk::open(&Shape::default());
    let now = desk.now;
    let call = *desk.case.calls.keys().next().unwrap();
    assert_eq!(desk.input(Input::Misplanned { call }), Err(Refused::NotAwaited), "it is due");
    desk.now = now + TimeDelta::days(40);
    desk.answer("mail", outage());
    desk.now = now;
    assert_eq!(desk.input(Input::Attempt { call }), Err(Refused::NotAwaited));
    desk.input(Input::Misplanned { call }).unwrap();
    desk.send_mails();
    assert!(desk.case.calls.is_empty());
}

#[test]
fn a_regularly_planned_wait_is_kept() {
    let retry = Some(Retry { attempts: 9, first: span("5h"), longest: span("5h") });
    let mut desk = Desk::open(&Shape { retry, ..Shape::default() });
    let call = *desk.case.calls.keys().next().unwrap();
    desk.answer("mail", outage());
    assert!(due(&desk) >= desk.now + TimeDelta::hours(5));
    assert_eq!(desk.input(Input::Misplanned { call }), Err(Refused::NotAwaited));
}

fn makes_an_account() -> Desk {
    let written = json!({"subject": "applicant", "when": [{"event": "custom.hire"}],
        "steps": [{"create_user": "applicant", "in": "hris", "attributes": {"userName": "ada"}}, {"close": "made"}]});
    let by = OpenedBy::Hand { by: "olga".into(), reason: "r".into(), nonce: "1".into() };
    let subject = person(SubjectKind::Applicant, &json!({}));
    Desk::with(policy(&written), subject, by, |desk| {
        desk.consistency.insert("hris".to_owned(), TimeDelta::minutes(10));
    })
}

/// A delayed search result must not be read as "the account was not created".
#[test]
fn a_doubtful_account_is_searched_for_after_the_consistency_delay() {
    let mut desk = makes_an_account();
    desk.answer("create_user", outage());
    assert!(due(&desk) - desk.now >= TimeDelta::minutes(10), "after a lost answer");

    let mut desk = makes_an_account();
    let (call, attempt) = desk.begin("create_user");
    desk.input(Input::Lost { call, attempt }).unwrap();
    assert!(due(&desk) - desk.now >= TimeDelta::minutes(10), "after a stop of the daemon");
    assert!(desk.case.calls[&call].in_doubt);
    desk.later("10m");
    desk.answer("create_user", Outcome::Done(Done::Created { id: None, already: true }));
    assert_eq!(desk.result(), Some("made"));
}

/// The step began at the correct time; only its next recheck was planned while the clock was ahead.
#[test]
fn a_recheck_planned_under_a_wrong_clock_runs_at_once() {
    let mut desk = in_session(None);
    let (now, deadline) = (desk.now, desk.proving().deadline);
    desk.now = now + TimeDelta::days(4);
    desk.read(Phase::Waiting, None);
    desk.now = now;
    desk.input(Input::SetBack { seconds: 4 * 86_400 }).unwrap();
    assert_eq!((desk.proving().poll_at, desk.proving().deadline), (Some(now), deadline));
    assert_eq!(desk.input(Input::SetBack { seconds: 4 * 86_400 }), Err(Refused::Stale), "once");
}
