//! A case from its opening to its end: one scenario per rule with a visible effect.

use std::collections::BTreeSet;

use crate::tree::{Desk, Shape, event, proof, span, unavailable};
use proofd::case::{Input, Note, Order, Press, Refused, State};
use proofd::model::{Action, Done, EffectKind, Failure, Judgement, Outcome, Phase, SessionAction};
use proofd::policy::tree::Retry;

fn proving() -> Desk {
    let mut desk = Desk::open(&Shape::default());
    desk.send_mails();
    desk
}

fn in_session() -> Desk {
    let mut desk = proving();
    desk.press().unwrap();
    desk.start("x1");
    desk
}

fn judged(judgement: Judgement) -> Desk {
    let mut desk = in_session();
    desk.later("1m");
    desk.input(Input::Wake).unwrap();
    desk.read(Phase::Done, Some(proof(judgement)));
    desk
}

fn in_grace() -> Desk {
    let mut desk = judged(Judgement::Rejected);
    desk.send_mails();
    assert_eq!((desk.case.state_word(), desk.result()), ("in_grace", Some("rejected")));
    desk
}

#[test]
fn a_pass_is_approved_and_invited() {
    let mut desk = judged(Judgement::Passed);
    desk.answer("approve", Outcome::Done(Done::Approved { already: false, invited_at: None }));
    assert_eq!(desk.case.state_word(), "running", "the invitation is not sure yet");
    assert_eq!(desk.due("ensure_invited"), None, "the provider gets time to do it");
    desk.later("2m");
    desk.answer("ensure_invited", Outcome::Done(Done::Invited { already: true }));
    assert_eq!(desk.result(), Some("approved"));
    assert_eq!(desk.case.steps["proof"]["outcome"], "passed");
    assert_eq!(desk.effects, [EffectKind::Verify, EffectKind::Approve]);
}

#[test]
fn an_invitation_with_a_date_is_not_sent_again() {
    let mut desk = judged(Judgement::Passed);
    let invited_at = Some(desk.now);
    desk.answer("approve", Outcome::Done(Done::Approved { already: false, invited_at }));
    assert_eq!((desk.result(), desk.asked("ensure_invited")), (Some("approved"), 0));
}

#[test]
fn a_failed_required_check_gives_a_warning() {
    let shape = Shape { require: vec!["liveness".to_owned(), "similarity".to_owned()], ..Shape::default() };
    let mut desk = Desk::open(&shape);
    desk.send_mails();
    desk.press().unwrap();
    desk.start("x1");
    desk.later("1m");
    desk.input(Input::Wake).unwrap();
    desk.read(Phase::Done, Some(proof(Judgement::Passed)));
    assert_eq!(desk.case.state_word(), "in_review");
    let reasons = desk.case.steps["proof"]["reasons"].as_array().unwrap();
    assert!(reasons.iter().any(|reason| reason == "required_check_missing:similarity"), "{reasons:?}");
}

#[test]
fn a_rejected_registration_is_deleted_after_grace() {
    let mut desk = in_grace();
    desk.pass("6d");
    assert_eq!(desk.asked("delete"), 0);
    desk.pass("1d");
    desk.answer("delete", Outcome::Done(Done::Deleted { already: false }));
    assert_eq!((desk.case.state_word(), desk.result()), ("closed", Some("rejected")));
}

#[test]
fn silence_gets_reminders_then_expires() {
    let mut desk = proving();
    desk.pass("13d");
    // Two reminders, and the last reminder to two people.
    assert_eq!(desk.asked("mail"), 1 + 2 + 2);
    desk.pass("1d");
    assert_eq!((desk.case.state_word(), desk.result()), ("in_grace", Some("expired")));
    assert_eq!(desk.case.steps["proof"]["outcome"], "no_response");
}

#[test]
fn only_the_newest_missed_reminder_is_sent() {
    let mut desk = proving();
    desk.later("8d");
    desk.input(Input::Wake).unwrap();
    assert_eq!(desk.asked("mail"), 2);
    assert_eq!(desk.notes(|note| matches!(note, Note::RemindersSkipped { count: 1 })), 1);
}

#[test]
fn a_session_of_a_lost_start_is_never_used() {
    let mut desk = proving();
    desk.press().unwrap();
    let (call, attempt) = desk.begin("start_verification");
    let reference = |desk: &Desk, call: u32| match &desk.case.calls[&call].action {
        Action::Verification { session: SessionAction::Start(start), .. } => start.reference.clone(),
        other => panic!("{other:?}"),
    };
    let first = reference(&desk, call);
    desk.input(Input::Lost { call, attempt }).unwrap();
    let (again, _) = desk.begin("start_verification");
    assert_ne!(first, reference(&desk, again));
    let late = Outcome::Failed(Failure::refused("late"));
    assert_eq!(desk.input(Input::Outcome { call, attempt, outcome: late }), Err(Refused::Stale));
}

#[test]
fn an_expired_session_is_replaced_while_the_page_is_open() {
    let mut desk = in_session();
    desk.press().unwrap();
    desk.read(Phase::Expired, None);
    desk.start("x2");
    assert_eq!(desk.proving().session.as_ref().unwrap().execution, "x2");
    assert_eq!(desk.case.attempts, 2);
    // Without a waiting person, the session is only dropped.
    desk.later("1m");
    desk.input(Input::Wake).unwrap();
    desk.read(Phase::Done, Some(proof(Judgement::NotExecuted)));
    assert!(desk.proving().session.is_none());
    assert_eq!(desk.asked("start_verification"), 2);
}

#[test]
fn a_result_of_another_session_is_never_used() {
    type Forge = fn(&mut proofd::model::Reading);
    let forgeries: [(&str, Forge); 4] = [
        ("execution", |reading| reading.execution = "other".to_owned()),
        ("account", |reading| reading.account = "other".to_owned()),
        ("reference", |reading| reading.reference = Some("other".to_owned())),
        ("no reference", |reading| reading.reference = None),
    ];
    for (what, forge) in forgeries {
        let mut desk = in_session();
        desk.input(Input::Hint { execution: "x1".to_owned() }).unwrap();
        let mut reading = desk.reading(Phase::Done, Some(proof(Judgement::Passed)));
        forge(&mut reading);
        desk.answer("read_verification", Outcome::Done(Done::Read { reading }));
        assert_eq!(desk.case.state_word(), "waiting", "{what}");
        assert_eq!(desk.notes(|note| matches!(note, Note::ReadingIgnored { .. })), 1, "{what}");
    }
    let hint = Input::Hint { execution: "other".to_owned() };
    assert_eq!(in_session().input(hint), Err(Refused::Stale));
}

#[test]
fn a_result_before_the_deadline_prevents_expiry() {
    let mut desk = in_session();
    desk.later("14d");
    desk.input(Input::Wake).unwrap();
    assert_eq!(desk.case.state_word(), "waiting", "the session is read first");
    desk.read(Phase::Processing, None);
    assert_eq!(desk.press(), Err(Refused::NotAwaited));
    desk.later("1m");
    desk.input(Input::Wake).unwrap();
    desk.read(Phase::Done, Some(proof(Judgement::Passed)));
    assert_eq!(desk.case.state_word(), "running");

    let mut desk = in_session();
    desk.later("14d");
    desk.input(Input::Wake).unwrap();
    desk.read(Phase::Capturing, None);
    assert_eq!(desk.case.steps["proof"]["outcome"], "no_response");
}

#[test]
fn an_unreadable_provider_does_not_expire_as_silence() {
    let retry = Some(Retry { attempts: 3, first: span("30s"), longest: span("1m") });
    let mut desk = Desk::open(&Shape { retry, ..Shape::default() });
    desk.send_mails();
    desk.press().unwrap();
    desk.start("x1");
    desk.later("14d");
    desk.input(Input::Wake).unwrap();
    for _ in 0..3 {
        desk.answer("read_verification", unavailable());
        desk.later("2m");
    }
    assert_eq!(desk.case.steps["proof"]["outcome"], "unavailable");
    assert_eq!(desk.case.state_word(), "in_review");
}

#[test]
fn a_person_without_an_invitation_does_not_expire() {
    let mut desk = Desk::open(&Shape::default());
    desk.answer("mail", unavailable());
    desk.later("14d");
    desk.input(Input::Wake).unwrap();
    assert_eq!(desk.case.state_word(), "stuck");
    desk.order(Order::Retry).unwrap();
    assert_eq!(desk.case.due_at(), Some(desk.now + span("14d").elapsed().unwrap()));
}

#[test]
fn a_failed_template_makes_the_case_stuck_and_mails_the_owner() {
    let mut desk = Desk::open(&Shape { invite: "missing", ..Shape::default() });
    assert_eq!(desk.case.state_word(), "stuck");
    let Some(Action::Mail { message }) = desk.case.calls.values().map(|call| call.action.clone()).next()
    else {
        panic!("nobody was told")
    };
    assert_eq!(message.to.email, "owner@example.com");
    assert!(!message.text.contains("Ada") && !message.text.contains("partner.test"));
    desk.order(Order::Retry).unwrap();
    assert_eq!(desk.case.state_word(), "stuck", "the template is still missing");
    desk.order(Order::Cancel).unwrap();
    assert_eq!(desk.result(), Some("cancelled"));
}

#[test]
fn a_refused_approval_makes_the_case_stuck_until_retry() {
    let mut desk = judged(Judgement::Passed);
    desk.answer("approve", Outcome::Failed(Failure::changed("somebody rejected it")));
    assert_eq!(desk.case.state_word(), "stuck");
    assert_eq!(desk.due("approve"), None, "parked, not in the outbox");
    desk.later("1d");
    desk.order(Order::Retry).unwrap();
    let now = desk.now;
    desk.answer("approve", Outcome::Done(Done::Approved { already: false, invited_at: Some(now) }));
    assert_eq!(desk.result(), Some("approved"));
}

#[test]
fn invalid_decisions_are_refused() {
    let mut desk = judged(Judgement::Warning);
    assert!(matches!(desk.decide("burn", "mia", None), Err(Refused::NotAllowed { .. })));
    assert_eq!(desk.decide("approve", "mia", Some("  ")), Err(Refused::ReasonRequired));
    for by in ["Ada@Partner.test", "ada byron", "77", "r1", "boss@example.com"] {
        let refused = desk.decide("approve", by, Some("ok"));
        assert!(matches!(refused, Err(Refused::MayNotDecide { .. })), "{by}: {refused:?}");
    }
    desk.decide("approve", "mia", Some("seen the passport")).unwrap();
    assert_eq!(desk.case.steps["desk"]["by"], "mia");
    assert_eq!(desk.decide("reject", "leo", Some("late")), Err(Refused::NotAwaited));
}

#[test]
fn two_reviewers_must_agree() {
    let mut desk = Desk::open(&Shape { people: 2, ..Shape::default() });
    desk.send_mails();
    desk.press().unwrap();
    desk.start("x1");
    desk.press().unwrap();
    desk.read(Phase::Done, Some(proof(Judgement::Warning)));
    desk.decide("approve", "mia", Some("ok")).unwrap();
    let again = desk.decide("approve", "MIA", Some("ok"));
    assert!(matches!(again, Err(Refused::SamePerson { .. })), "{again:?}");
    desk.decide("reject", "leo", Some("no")).unwrap();
    assert_eq!(desk.notes(|note| matches!(note, Note::Escalated { .. })), 1, "disagreement escalates");
    assert_eq!(desk.case.state_word(), "in_review");
    desk.decide("reject", "mia", Some("convinced")).unwrap();
    assert_eq!(desk.case.state_word(), "running");
}

#[test]
fn a_review_escalates_and_is_overdue() {
    let mut desk = judged(Judgement::Warning);
    desk.pass("1d");
    assert!(matches!(&desk.case.state, State::Reviewing(reviewing) if reviewing.queue == "leads"));
    desk.pass("1d");
    assert_eq!(desk.result(), Some("given_up"));
}

#[test]
fn tries_are_bounded() {
    let mut desk = judged(Judgement::Warning);
    for round in 0..2 {
        desk.decide("try_again", "mia", None).unwrap();
        desk.send_mails();
        let old = Input::Press(Press { link: round + 1, ..Press::default() });
        assert_eq!(desk.input(old), Err(Refused::DeadLink));
        desk.press().unwrap();
        desk.start(&format!("again{round}"));
        desk.press().unwrap();
        desk.read(Phase::Done, Some(proof(Judgement::Warning)));
    }
    desk.decide("try_again", "mia", None).unwrap();
    assert_eq!(desk.result(), Some("given_up"));
}

#[test]
fn an_objection_stops_the_grace_period() {
    let mut desk = in_grace();
    desk.later("1d");
    assert_eq!(desk.input(Input::Contest { link: 9 }), Err(Refused::DeadLink));
    desk.input(Input::Contest { link: 1 }).unwrap();
    desk.pass("30d");
    assert_eq!(desk.case.state_word(), "in_grace");
    assert_eq!(desk.decide("uphold", "mia", None), Err(Refused::ReasonRequired));
    desk.decide("uphold", "mia", Some("it is a forgery")).unwrap();
    assert_eq!(desk.case.due_at(), Some(desk.now + span("6d").elapsed().unwrap()), "the time that was left");
    assert_eq!(desk.input(Input::Contest { link: 1 }), Err(Refused::DeadLink), "one link, one contest");

    let mut desk = in_grace();
    desk.input(Input::Contest { link: 1 }).unwrap();
    desk.decide("undo", "mia", Some("our mistake")).unwrap();
    assert_eq!((desk.result(), desk.asked("delete")), (Some("undone"), 0));
}

#[test]
fn an_effect_in_grace_can_be_undone() {
    let mut undone = in_grace();
    undone.order(Order::Undo).unwrap();
    assert_eq!(undone.result(), Some("undone"));
    let mut withdrawn = in_grace();
    withdrawn.input(Input::Event(event("registration.withdrawn", "e2"))).unwrap();
    assert_eq!((withdrawn.result(), withdrawn.asked("delete")), (Some("cancelled"), 0));
    let mut late = in_grace();
    late.pass("7d");
    let (call, attempt) = late.begin("delete");
    assert_eq!(late.order(Order::Undo), Err(Refused::NotAwaited), "it may have happened");
    late.input(Input::Lost { call, attempt }).unwrap();
    assert_eq!(late.order(Order::Undo), Err(Refused::NotAwaited));
}

#[test]
fn a_limit_holds_an_effect_until_release_or_drop() {
    let over = BTreeSet::from([EffectKind::Delete]);
    for (order, end) in [(Order::Release, ("in_grace", "expired")), (Order::Drop, ("closed", "dropped"))] {
        let mut desk = Desk::open_over(&Shape::default(), over.clone());
        desk.pass("14d");
        assert_eq!(desk.case.state_word(), "over_limit");
        assert!(!desk.effects.contains(&EffectKind::Delete));
        desk.order(order).unwrap();
        assert_eq!((desk.case.state_word(), desk.result().unwrap()), end);
    }
}

#[test]
fn a_closed_case_accepts_the_result_of_a_call_in_progress() {
    let mut desk = judged(Judgement::Passed);
    let (call, attempt) = desk.begin("approve");
    desk.input(Input::Event(event("registration.withdrawn", "e2"))).unwrap();
    assert_eq!(desk.result(), Some("cancelled"));
    let outcome = Outcome::Done(Done::Approved { already: false, invited_at: None });
    desk.input(Input::Outcome { call, attempt, outcome }).unwrap();
    assert!(desk.case.calls.is_empty());
    assert_eq!(desk.case.settled, [EffectKind::Approve]);
    desk.decide("approve", "mia", Some("late")).unwrap();
    assert_eq!(desk.notes(|note| matches!(note, Note::LateDecision { .. })), 1);
    assert_eq!(desk.result(), Some("cancelled"), "a late decision is on record and changes nothing");
}

#[test]
fn an_earlier_approval_is_kept_unless_it_may_be_ours() {
    for (lost, asked) in [(false, 0), (true, 1)] {
        let mut desk = judged(Judgement::Passed);
        if lost {
            let (call, attempt) = desk.begin("approve");
            desk.input(Input::Lost { call, attempt }).unwrap();
            desk.later("1m");
        }
        desk.answer("approve", Outcome::Done(Done::Approved { already: true, invited_at: None }));
        assert_eq!(desk.asked("ensure_invited"), asked, "lost: {lost}");
    }
}

#[test]
fn a_failed_reminder_changes_nothing() {
    let mut desk = proving();
    desk.later("2d");
    desk.input(Input::Wake).unwrap();
    desk.answer("mail", Outcome::Failed(Failure::refused("no such mailbox")));
    assert_eq!(desk.case.state_word(), "waiting");
    desk.order(Order::Remind).unwrap();
    assert!(desk.due("mail").is_some());
}

#[test]
fn retries_back_off_and_respect_retry_after() {
    let mut desk = Desk::open(&Shape::default());
    let mut waits = Vec::new();
    for _ in 0..4 {
        desk.answer("mail", unavailable());
        let due = desk.case.calls.values().next().unwrap().due;
        waits.push((due - desk.now).num_seconds());
        desk.now = due;
    }
    for (wait, least) in waits.iter().zip([30, 60, 120, 240]) {
        assert!((least..=least * 12 / 10).contains(wait), "{waits:?}");
    }
    let busy = Failure { retry_after_seconds: Some(86_400), ..Failure::unavailable("busy") };
    desk.answer("mail", Outcome::Failed(busy));
    let due = desk.case.calls.values().next().unwrap().due;
    assert!((3_600..=4_320).contains(&(due - desk.now).num_seconds()), "but not for ever");
}

#[test]
fn an_idle_session_is_polled_less_often() {
    let mut desk = in_session();
    let mut gaps = Vec::new();
    for phase in [Phase::Waiting, Phase::Waiting, Phase::Waiting, Phase::Capturing, Phase::Processing] {
        desk.now = desk.proving().poll_at.unwrap();
        desk.input(Input::Wake).unwrap();
        desk.read(phase, None);
        gaps.push((desk.proving().poll_at.unwrap() - desk.now).num_seconds());
    }
    assert_eq!(gaps, [60, 120, 240, 60, 40]);
}

#[test]
fn the_same_opening_gives_the_same_case_id() {
    use proofd::case::{OpenedBy, case_id};
    let by = |key: &str| OpenedBy::Event(event("registration.created", key));
    let hand = |nonce: &str| OpenedBy::Hand {
        by: "olga".to_owned(),
        reason: String::new(),
        nonce: nonce.to_owned(),
    };
    let first = case_id("p", "k", &by("e1"));
    assert_eq!(first, case_id("p", "k", &by("e1")));
    assert!(first.0.len() == 21 && first.0.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    let others = [
        case_id("p", "k", &by("e2")),
        case_id("pk", "", &by("e1")),
        case_id("p", "k2", &by("e1")),
        case_id("p", "k", &hand("1")),
        case_id("p", "k", &hand("2")),
    ];
    let mut distinct = others.to_vec();
    distinct.push(first);
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 6);
}

#[test]
fn an_event_restarts_only_cases_without_effects() {
    let shape = Shape { if_already_open: proofd::policy::tree::IfAlreadyOpen::Restart, ..Shape::default() };
    let mut desk = Desk::open(&shape);
    desk.send_mails();
    desk.input(Input::Event(event("registration.created", "e2"))).unwrap();
    assert_eq!(desk.proving().link, 2, "asked anew, with a new link");
    desk.send_mails();
    desk.press().unwrap();
    desk.start("x1");
    desk.press().unwrap();
    desk.read(Phase::Done, Some(proof(Judgement::Passed)));
    desk.begin("approve");
    desk.input(Input::Event(event("registration.created", "e3"))).unwrap();
    assert_eq!(desk.case.state_word(), "running", "the approval is on its way");
    assert_eq!(desk.input(Input::Event(event("login.failed", "e4"))), Err(Refused::NotAwaited));
}
