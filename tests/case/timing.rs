//! Repeated, late and early inputs: a repeated event, a release after days, an objection before the path has
//! ended, a review without progress.

use crate::tree::{Desk, Shape, event, proof, subject};
use proofd::case::{Input, Order, Refused, State};
use proofd::model::{Done, EffectKind, Judgement, Outcome, Phase, Vocabulary};
use proofd::policy::diagnostic::Place;
use proofd::policy::script::{Compiler, Condition, ConditionSource, Context};
use proofd::policy::tree::StepIndex;

/// A condition of one clause; one with errors never decides.
fn condition(source: &str) -> Condition {
    let (subject, settings) = (proofd::model::SubjectKind::Registration, proofd::model::Fields::new());
    let context = Context {
        subject,
        event_types: &[],
        words: &Vocabulary::default(),
        without_event: false,
        settings: &settings,
        steps: &[],
    };
    let place = Place { file: "policy.yaml".to_owned(), line: 1, column: 1, length: 1 };
    let clause = ConditionSource::Clause { source: source.to_owned(), place };
    let mut mistakes = Vec::new();
    Compiler::new(&[], context, &mut mistakes).condition(&clause, &mut mistakes)
}

fn judged(judgement: Judgement) -> Desk {
    let mut desk = Desk::open(&Shape::default());
    desk.send_mails();
    desk.press().unwrap();
    desk.start("x1");
    desk.later("1m");
    desk.input(Input::Wake).unwrap();
    desk.read(Phase::Done, Some(proof(judgement)));
    desk
}

#[test]
fn a_repeated_opening_event_is_ignored() {
    use proofd::policy::tree::IfAlreadyOpen;
    for if_already_open in [IfAlreadyOpen::Restart, IfAlreadyOpen::Cancel, IfAlreadyOpen::Attach] {
        let mut desk = Desk::open(&Shape { if_already_open, ..Shape::default() });
        let again = desk.input(Input::Event(event("registration.created", "e1")));
        assert_eq!((again, desk.proving().link), (Err(Refused::Stale), 1), "{if_already_open:?}");
    }
    let mut desk = Desk::open(&Shape { if_already_open: IfAlreadyOpen::Restart, ..Shape::default() });
    desk.input(Input::Event(event("registration.created", "e2"))).unwrap();
    assert_eq!(desk.input(Input::Event(event("registration.created", "e2"))), Err(Refused::Stale));
    assert_eq!(desk.proving().link, 2, "started anew once");
}

#[test]
fn a_released_effect_rechecks_the_condition() {
    let mut desk = Desk::open_over(&Shape::default(), [EffectKind::Approve].into());
    desk.send_mails();
    desk.press().unwrap();
    desk.start("x1");
    desk.press().unwrap();
    desk.read(Phase::Done, Some(proof(Judgement::Passed)));
    assert_eq!(desk.case.state_word(), "over_limit");
    desk.policy.as_long_as = Some(condition("1 == 2"));
    desk.order(Order::Release).unwrap();
    assert_eq!((desk.result(), desk.asked("approve")), (Some("no_longer_applies"), 0));
}

#[test]
fn an_objection_before_the_end_of_the_path_notifies_the_owner() {
    let mut desk = judged(Judgement::Rejected);
    desk.send_mails();
    // Back to a moment before the end of the path: the notice of the objection waits for the mail server.
    let State::Grace(pending_adverse) = desk.case.state.clone() else { panic!("{:?}", desk.case.state) };
    desk.case.pending_adverse = Some(pending_adverse);
    desk.case.result = None;
    desk.case.state =
        State::Held { step: StepIndex(5), action: EffectKind::Notify, asked: None, since: desk.now };
    desk.input(Input::Contest { link: 1 }).unwrap();
    desk.order(Order::Release).unwrap();
    assert_eq!(desk.case.state_word(), "in_grace");
    assert!(desk.due("mail").is_some(), "the owner is told");
}

#[test]
fn a_blocked_review_gets_its_time_back() {
    let mut desk = judged(Judgement::Warning);
    let before = desk.policy.as_long_as.replace(condition("1 +"));
    desk.later("25h");
    desk.input(Input::Wake).unwrap();
    assert_eq!(
        (desk.case.state_word(), desk.case.wake_at()),
        ("in_review", None),
        "the person is read first"
    );
    desk.answer("read_subject", Outcome::Done(Done::Seen { subject: Some(Box::new(subject())) }));
    assert_eq!(desk.case.state_word(), "stuck");
    desk.later("3d");
    desk.policy.as_long_as = before;
    desk.order(Order::Retry).unwrap();
    assert_eq!(desk.case.state_word(), "in_review");
    assert!(desk.case.wake_at().is_some_and(|at| at <= desk.now), "the escalation that was due comes first");
    desk.input(Input::Wake).unwrap();
    assert_eq!(desk.case.due_at(), Some(desk.now + chrono::TimeDelta::hours(23)));
}
