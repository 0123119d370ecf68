//! Sessions whose result only the person's browser brings.

use crate::tree::{Desk, Shape, proof, unavailable};
use proofd::case::{Input, Note, Refused};
use proofd::model::{
    Action, Done, EffectKind, Judgement, Outcome, Phase, Reading, Returned, SessionAction, Void,
};
use proofd::policy::tree::Verb;

fn proving() -> Desk {
    let mut desk = Desk::open(&Shape::default());
    desk.brings = true;
    desk.send_mails();
    desk
}

fn in_session() -> Desk {
    let mut desk = proving();
    desk.press().unwrap();
    desk.start("x1");
    desk
}

fn code() -> Returned {
    Returned::Code { code: "c".to_owned(), issuer: None }
}

fn comes_back(desk: &mut Desk, execution: &str) -> Result<(), Refused> {
    desk.input(Input::Return { execution: execution.to_owned(), returned: code() })
}

/// The provider's answer to an exchange.
fn exchanged(desk: &mut Desk, phase: Phase, decision: Option<Judgement>, void: Option<Void>) {
    let reading = Reading { void, ..desk.reading(phase, decision.map(proof)) };
    desk.answer("read_verification", Outcome::Done(Done::Read { reading }));
}

fn sessions(desk: &Desk) -> usize {
    desk.effects.iter().filter(|effect| **effect == EffectKind::Verify).count()
}

#[test]
fn a_returned_code_is_exchanged_once() {
    let mut desk = in_session();
    assert_eq!(comes_back(&mut desk, "other"), Err(Refused::Stale));
    comes_back(&mut desk, "x1").unwrap();
    let call = desk.due("read_verification").unwrap();
    let Action::Verification { session: SessionAction::Read(read), .. } = &desk.case.calls[&call].action
    else {
        panic!("not a reading")
    };
    assert_eq!((&read.returned, read.returns_by.is_some()), (&Some(code()), true));
    // The same address again, and another press, start nothing while it is exchanged.
    assert_eq!(comes_back(&mut desk, "x1"), Err(Refused::Stale));
    desk.press().unwrap();
    assert_eq!(desk.asked("start_verification"), 1);
    exchanged(&mut desk, Phase::Done, Some(Judgement::Passed), None);
    assert_eq!(desk.case.steps["proof"]["outcome"], "passed");
    assert_eq!(comes_back(&mut desk, "x1"), Err(Refused::NotAwaited));
}

/// A vendor's link is short-lived and works once: each press gets a new one, and only the newest session counts.
#[test]
fn pressing_the_link_replaces_the_session_and_uses_no_try() {
    let mut desk = in_session();
    for execution in ["x2", "x3", "x4", "x5", "x6"] {
        desk.later("2m");
        desk.press().unwrap();
        assert!(desk.proving().session.is_none());
        assert_eq!(comes_back(&mut desk, "x1"), Err(Refused::Stale));
        desk.start(execution);
    }
    assert_eq!((sessions(&desk), desk.proving().sessions, desk.enrolments["jumio"].starts.len()), (1, 1, 1));
    // A quarter of an hour after the first, it is another try; the fourth of a day has to rest.
    for (execution, tries) in [("x7", 2), ("x8", 3)] {
        desk.later("15m");
        desk.press().unwrap();
        desk.start(execution);
        assert_eq!((sessions(&desk), desk.proving().sessions), (tries, u32::try_from(tries).unwrap()));
    }
    desk.later("15m");
    desk.press().unwrap();
    assert_eq!(desk.due("start_verification"), None);
    assert!(desk.proving().rests_until.is_some());
}

#[test]
fn a_browser_that_never_returns_expires_as_silence() {
    let mut desk = in_session();
    desk.later("15m");
    desk.input(Input::Wake).unwrap();
    desk.read(Phase::Expired, None);
    assert!(desk.proving().session.is_none());
    assert_eq!(desk.notes(|note| matches!(note, Note::SessionEnded { .. })), 1);
    desk.press().unwrap();
    desk.start("x2");
    desk.later("14d");
    desk.input(Input::Wake).unwrap();
    desk.read(Phase::Waiting, None);
    assert_eq!(desk.case.steps["proof"]["outcome"], "no_response");
}

/// A result that is void proves nothing, and costs the person nothing of the day's sessions.
#[test]
fn a_void_result_uses_no_try() {
    let mut desk = in_session();
    for round in 2..=8 {
        comes_back(&mut desk, &format!("x{}", round - 1)).unwrap();
        exchanged(&mut desk, Phase::Expired, None, Some(Void::Nonce));
        assert_eq!(desk.case.state_word(), "waiting", "{round}");
        assert_eq!(desk.enrolments["jumio"].starts.len(), 0);
        desk.press().unwrap();
        desk.start(&format!("x{round}"));
    }
    assert_eq!(desk.notes(|note| matches!(note, Note::SessionVoid { why: Void::Nonce, .. })), 7);
    // So many indicate a problem: people look.
    comes_back(&mut desk, "x8").unwrap();
    exchanged(&mut desk, Phase::Expired, None, Some(Void::Nonce));
    assert_eq!(desk.case.steps["proof"]["outcome"], "warning");
    assert_eq!(desk.case.steps["proof"]["reasons"][0], "too_many_attempts");
}

/// The daemon dies between the exchange and its commit: the code is used, and the result is lost.
#[test]
fn a_lost_code_exchange_is_repeated_and_never_passes() {
    let mut desk = in_session();
    comes_back(&mut desk, "x1").unwrap();
    let (call, attempt) = desk.begin("read_verification");
    desk.input(Input::Lost { call, attempt }).unwrap();
    desk.later("1m");
    exchanged(&mut desk, Phase::Expired, None, Some(Void::Code));
    assert_eq!((desk.case.state_word(), desk.enrolments["jumio"].starts.len()), ("waiting", 0));
    desk.press().unwrap();
    desk.start("x2");
    comes_back(&mut desk, "x2").unwrap();
    exchanged(&mut desk, Phase::Done, Some(Judgement::Passed), None);
    assert_eq!(desk.case.steps["proof"]["outcome"], "passed");
}

#[test]
fn the_deadline_waits_for_an_exchange_in_progress() {
    let mut desk = in_session();
    desk.later("13d");
    desk.press().unwrap();
    desk.start("x2");
    desk.later("23h");
    desk.press().unwrap();
    desk.start("x3");
    comes_back(&mut desk, "x3").unwrap();
    desk.answer("read_verification", unavailable());
    desk.later("1h");
    desk.input(Input::Wake).unwrap();
    assert_eq!(desk.case.state_word(), "waiting");
    exchanged(&mut desk, Phase::Done, Some(Judgement::Passed), None);
    assert_eq!(desk.case.steps["proof"]["outcome"], "passed");
}

/// Only a provider that must be told what to verify gets registered values.
#[test]
fn registered_values_are_sent_only_to_providers_that_need_them() {
    for told in [false, true] {
        let mut desk = proving();
        desk.told.extend(told.then(|| "jumio".to_owned()));
        for step in &mut desk.policy.steps {
            if let Verb::Verify(verify) = &mut step.verb {
                verify.compare = vec!["first_name".to_owned(), "unknown".to_owned()];
            }
        }
        desk.press().unwrap();
        let call = desk.due("start_verification").unwrap();
        let Action::Verification { session: SessionAction::Start(start), .. } =
            &desk.case.calls[&call].action
        else {
            panic!("not a start")
        };
        let (require, registered) = if told { (1, 1) } else { (0, 0) };
        assert_eq!((start.require.len(), start.registered.len()), (require, registered), "{start:?}");
        assert!(!format!("{start:?}").contains("Ada"), "{start:?}");
    }
}
