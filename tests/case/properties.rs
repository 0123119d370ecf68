//! Thousands of random input sequences through representative policies. In any order, nothing panics, no case is
//! lost, a closed case stays closed, and no approval or deletion happens without a reason. The desk checks the
//! invariants after every input.

use crate::tree::written::{person, policy};
use crate::tree::{Desk, Shape, event, member, proof, span, unavailable};
use chrono::TimeDelta;
use proofd::case::{Input, Note, OpenedBy, Order, Press};
use proofd::model::{
    Action, Changed, Done, EffectKind, Failure, IdentityAction, Judgement, Outcome, Phase,
    ProvisioningAction, Returned, Session, SessionAction, SubjectKind, Void,
};
use proofd::policy::Policy;
use proofd::policy::tree::{IfAlreadyOpen, Retry};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};
use serde_json::json;

/// One random input. Numbers are taken modulo the number of candidates.
#[derive(Debug, Clone)]
enum Deed {
    Later(i64),
    ToNextWake,
    Wake,
    Begin(usize),
    /// A call from its start to its end.
    Serve(usize, Answer),
    End(usize, Answer),
    Lose(usize),
    /// A result without a call.
    Ghost(u32, u32),
    Press(u32),
    Contest(u32),
    Hint(bool),
    Return(bool),
    Decide(usize, usize),
    Order(Order),
    Event(usize),
    Limit(bool),
}

#[derive(Debug, Clone)]
enum Answer {
    Good(Judgement, Phase),
    Forged,
    Nonsense,
    Unavailable,
    Refused,
    Changed,
}

fn answer() -> impl Strategy<Value = Answer> {
    let judgement = prop_oneof![
        Just(Judgement::Passed),
        Just(Judgement::Warning),
        Just(Judgement::Rejected),
        Just(Judgement::NotExecuted)
    ];
    let phase = prop_oneof![
        1 => Just(Phase::Waiting),
        1 => Just(Phase::Capturing),
        1 => Just(Phase::Processing),
        4 => Just(Phase::Done),
        1 => Just(Phase::Expired)
    ];
    prop_oneof![
        24 => (judgement, phase).prop_map(|(judgement, phase)| Answer::Good(judgement, phase)),
        1 => Just(Answer::Forged),
        1 => Just(Answer::Nonsense),
        2 => Just(Answer::Unavailable),
        1 => Just(Answer::Refused),
        1 => Just(Answer::Changed),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    let order = prop_oneof![
        16 => Just(Order::Retry),
        1 => Just(Order::Cancel),
        3 => Just(Order::Release),
        1 => Just(Order::Drop),
        1 => Just(Order::Undo),
        2 => Just(Order::Lift),
        1 => Just(Order::Remind)
    ];
    prop_oneof![
        2 => (0..200_000_i64).prop_map(Deed::Later),
        8 => Just(Deed::ToNextWake),
        8 => Just(Deed::Wake),
        24 => (any::<usize>(), answer()).prop_map(|(call, answer)| Deed::Serve(call, answer)),
        4 => any::<usize>().prop_map(Deed::Begin),
        4 => (any::<usize>(), answer()).prop_map(|(call, answer)| Deed::End(call, answer)),
        1 => any::<usize>().prop_map(Deed::Lose),
        1 => (0..20_u32, 0..4_u32).prop_map(|(call, attempt)| Deed::Ghost(call, attempt)),
        5 => (0..2_u32).prop_map(Deed::Press),
        1 => (0..3_u32).prop_map(Deed::Contest),
        2 => any::<bool>().prop_map(Deed::Hint),
        3 => any::<bool>().prop_map(Deed::Return),
        4 => (any::<usize>(), any::<usize>()).prop_map(|(decision, by)| Deed::Decide(decision, by)),
        2 => order.prop_map(Deed::Order),
        1 => any::<usize>().prop_map(Deed::Event),
        1 => any::<bool>().prop_map(Deed::Limit),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let joins = prop_oneof![Just(IfAlreadyOpen::Attach), Just(IfAlreadyOpen::Restart)];
    (prop_oneof![Just("7d"), Just("0d")], 1..3_u32, any::<bool>(), joins).prop_map(
        |(grace, people, patient, if_already_open)| Shape {
            grace,
            people,
            retry: (!patient).then(|| Retry { attempts: 2, first: span("30s"), longest: span("5m") }),
            if_already_open,
            ..Shape::default()
        },
    )
}

fn ending(desk: &Desk, action: &Action, call: u32, answer: &Answer) -> Outcome {
    let (judgement, phase) = match answer {
        Answer::Good(judgement, phase) => (*judgement, *phase),
        Answer::Forged => (Judgement::Passed, Phase::Done),
        Answer::Nonsense => return Outcome::Done(Done::Invited { already: false }),
        Answer::Unavailable => return unavailable(),
        Answer::Refused => return Outcome::Failed(Failure::refused("no")),
        Answer::Changed => return Outcome::Failed(Failure::changed("somebody else")),
    };
    let forged = matches!(answer, Answer::Forged);
    Outcome::Done(match action {
        Action::Mail { .. } => Done::Sent,
        Action::Verification { session: SessionAction::Start(start), .. } => Done::Started {
            session: Session {
                account: "account".to_owned(),
                execution: format!("x{call}"),
                link: "https://vendor.test/x".to_owned(),
                expires_at: desk.now + TimeDelta::days(1),
                reference: start.reference.clone(),
                // Some sessions give their results to the person's browser only.
                returns_by: call.is_multiple_of(2).then(|| desk.now + TimeDelta::minutes(15)),
            },
        },
        Action::Verification { session: SessionAction::Read(read), .. } => Done::Read {
            reading: proofd::model::Reading {
                account: read.account.clone(),
                execution: read.execution.clone(),
                reference: Some(if forged { "other".to_owned() } else { read.reference.clone() }),
                phase,
                proof: (phase == Phase::Done).then(|| Box::new(proof(judgement))),
                void: (phase == Phase::Expired && call.is_multiple_of(3)).then_some(Void::Nonce),
            },
        },
        Action::Identity(IdentityAction::Read { .. }) if forged && call.is_multiple_of(8) => {
            Done::Seen { subject: None }
        }
        Action::Identity(IdentityAction::Read { .. }) => {
            let left = judgement == Judgement::NotExecuted && call.is_multiple_of(16);
            let title = if left { "left" } else { "here" };
            Done::Seen { subject: Some(Box::new(person(SubjectKind::User, &json!({"title": title})))) }
        }
        Action::Identity(IdentityAction::Change { change, .. }) => match change.done(Changed {
            already: forged,
            before: Some(if forged { "suspended" } else { "active" }.to_owned()),
            invited_at: (phase == Phase::Done).then_some(desk.now),
        }) {
            Done::Applied { .. } if forged && action.hold().is_some_and(|change| !change.places) => {
                Done::Kept
            }
            Done::Applied { before, .. } => {
                Done::Applied { already: judgement == Judgement::Warning, before }
            }
            done => done,
        },
        Action::Provisioning { account: ProvisioningAction::Create { .. }, .. } => {
            Done::Created { id: None, already: forged }
        }
        Action::Provisioning { account: ProvisioningAction::Update { .. }, .. } => {
            Done::Applied { already: judgement == Judgement::Warning, before: None }
        }
        Action::Request { .. } => {
            let status = if judgement == Judgement::Rejected { 409 } else { 200 };
            Done::Answered { status, body: json!({}) }
        }
        Action::Emit { .. } => Done::Emitted,
    })
}

/// Calls that could start now, or that are in progress.
fn calls(desk: &Desk, begun: bool) -> Vec<u32> {
    let fits =
        |call: &proofd::case::Pending| call.begun.is_some() == begun && (begun || call.due <= desk.now);
    desk.case.calls.iter().filter(|(_, call)| fits(call)).map(|(number, _)| *number).collect()
}

fn pick(numbers: &[u32], place: usize) -> Option<u32> {
    (!numbers.is_empty()).then(|| numbers[place % numbers.len()])
}

fn input(desk: &Desk, deed: &Deed) -> Option<Input> {
    Some(match deed {
        Deed::Later(_) | Deed::ToNextWake | Deed::Limit(_) | Deed::Serve(..) => return None,
        Deed::Wake => Input::Wake,
        Deed::Begin(place) => Input::Attempt { call: pick(&calls(desk, false), *place)? },
        Deed::End(place, answer) => {
            let call = pick(&calls(desk, true), *place)?;
            let pending = &desk.case.calls[&call];
            let outcome = ending(desk, &pending.action, call, answer);
            Input::Outcome { call, attempt: pending.attempt, outcome }
        }
        Deed::Lose(place) => {
            let call = pick(&calls(desk, true), *place)?;
            Input::Lost { call, attempt: desk.case.calls[&call].attempt }
        }
        Deed::Ghost(call, attempt) => {
            let (call, attempt) = (*call, *attempt);
            let real =
                desk.case.calls.get(&call).is_some_and(|it| it.begun.is_some() && it.attempt == attempt);
            if real {
                return None;
            }
            Input::Outcome { call, attempt, outcome: Outcome::Done(Done::Sent) }
        }
        Deed::Press(back) => {
            Input::Press(Press { link: desk.case.links.saturating_sub(*back), ..Press::default() })
        }
        Deed::Contest(link) => Input::Contest { link: *link },
        Deed::Hint(known) => {
            let known = known.then(|| desk.case.sessions.keys().next_back().cloned()).flatten();
            Input::Hint { execution: known.unwrap_or_else(|| "other".to_owned()) }
        }
        Deed::Return(known) => {
            let session = desk.case.session().filter(|_| *known);
            let execution = session.map_or_else(|| "other".to_owned(), |session| session.execution.clone());
            let code = if *known { "known" } else { "other" }.to_owned();
            Input::Return { execution, returned: Returned::Code { code, issuer: None } }
        }
        Deed::Decide(decision, by) => {
            let words = match desk.policy.subject {
                SubjectKind::User => ["lift", "keep", "try_again", "uphold", "undo", "nonsense"],
                _ => ["approve", "reject", "try_again", "uphold", "undo", "nonsense"],
            };
            let people = ["mia", "leo", "ada@partner.test"];
            Input::Decision(proofd::case::Decision {
                decision: words[decision % words.len()].to_owned(),
                reason: Some("because".to_owned()),
                by: member(&desk.policy, people[by % people.len()]),
                at: desk.now,
            })
        }
        Deed::Order(order) => Input::Operator(proofd::case::Operator {
            order: *order,
            by: member(&desk.policy, "olga"),
            reason: "because".to_owned(),
        }),
        Deed::Event(kind) if desk.policy.subject == SubjectKind::User => {
            let joins = ["login.risk", "verification.passed"].repeat(40);
            let kinds = [joins.as_slice(), &["user.deactivated", "user.deleted", "login.failed"]].concat();
            let mut event = event(kinds[kind % kinds.len()], &format!("e{kind}"));
            event.subject = desk.case.subject.reference();
            Input::Event(event)
        }
        Deed::Event(kind) => {
            let joins = ["registration.created"; 14];
            let kinds = [&joins[..], &["registration.withdrawn", "login.failed"]].concat();
            Input::Event(event(kinds[kind % kinds.len()], &format!("e{kind}")))
        }
    })
}

fn play(desk: &mut Desk, deed: &Deed) {
    match deed {
        Deed::Later(seconds) => desk.now += TimeDelta::seconds(*seconds),
        Deed::ToNextWake => {
            let calls = desk.case.calls.values().filter(|call| call.begun.is_none()).map(|call| call.due);
            if let Some(at) = desk.case.wake_at().into_iter().chain(calls).min() {
                desk.now = desk.now.max(at);
            }
        }
        Deed::Limit(used_up) => {
            desk.over_limit.clear();
            if *used_up {
                desk.over_limit.extend([EffectKind::Approve, EffectKind::Delete]);
                desk.over_limit.extend([EffectKind::Suspend, EffectKind::AssignRole]);
            }
        }
        Deed::Serve(place, answer) => {
            let Some(call) = pick(&calls(desk, false), *place) else { return };
            desk.input(Input::Attempt { call }).unwrap();
            // A person must decide who caused the result of an attempt in doubt: the call has ended without an effect.
            let Some(pending) = desk.case.calls.get(&call) else { return };
            let (attempt, outcome) = (pending.attempt, ending(desk, &pending.action, call, answer));
            desk.input(Input::Outcome { call, attempt, outcome }).unwrap();
        }
        _ => {}
    }
    let due = desk.case.wake_at().is_some_and(|at| at <= desk.now);
    let woken = matches!(deed, Deed::Wake) && due;
    if let Some(input) = input(desk, deed) {
        let result = desk.input(input);
        if woken {
            result.clone().unwrap();
            assert!(desk.case.wake_at().is_none_or(|at| at > desk.now), "woken again at once");
        }
        if matches!(deed, Deed::Ghost(..)) && !desk.case.is_closed() {
            assert!(result.is_err(), "an end that nobody asked for was taken");
        }
    }
}

/// Checks for reasons: an approval needs a pass in this case's own session or a person's decision. A deletion
/// needs a rejection, silence, or a person's decision.
fn reasons_exist(desk: &Desk) -> Result<(), proptest::test_runner::TestCaseError> {
    let ended = |words: &[&str]| {
        desk.notes(
            |note| matches!(note, Note::StepEnded { outcome, .. } if words.contains(&outcome.as_str())),
        ) > 0
    };
    let did = |word: &str| desk.asked(word) > 0;
    let frees = |action: &Action| {
        action.hold().is_some_and(|change| !change.places && change.role != Some("watched"))
    };
    let freed = desk.case.calls.values().any(|call| frees(&call.action));
    let lifted =
        desk.notes(|note| matches!(note, Note::Ordered { operator } if operator.order == Order::Lift));
    let undone = desk.notes(|note| matches!(note, Note::Undone));
    let reason = ended(&["passed", "lift", "happened"]) || lifted > 0 || undone > 0;
    prop_assert!(!freed || reason, "freed without a reason");
    prop_assert!(!did("approve") || ended(&["passed", "approve"]), "approved without a reason");
    prop_assert!(!did("delete") || ended(&["rejected", "no_response", "reject"]), "deleted without a reason");
    Ok(())
}

/// From every state, a case closes if all calls succeed.
fn finish(desk: &mut Desk) {
    desk.over_limit.clear();
    for _ in 0..2_000 {
        if desk.case.is_closed() && desk.case.calls.is_empty() {
            return;
        }
        let order = match desk.case.state_word() {
            "stuck" => Some(Order::Retry),
            "over_limit" => Some(Order::Release),
            "in_grace" if desk.case.wake_at().is_none() => Some(Order::Undo),
            _ => None,
        };
        if let Some(order) = order {
            let _ = desk.order(order);
        }
        play(desk, &Deed::End(0, Answer::Good(Judgement::Passed, Phase::Done)));
        play(desk, &Deed::ToNextWake);
        play(desk, &Deed::Begin(0));
        play(desk, &Deed::Wake);
    }
    panic!("the case does not end: {:?} {:?}", desk.case.state, desk.case.calls);
}

/// A policy with the verbs that hold, wait, call other systems, and act by a function.
fn with_every_verb(if_already_open: &str) -> Policy {
    let close = |word: &str| json!({ "close": word });
    let free = |word: &str| {
        let steps = [json!({"reinstate": "user"}), json!({"release_role": "staff"}), close(word)];
        json!(steps)
    };
    policy(&json!({
        "when": [{"event": "login.risk"}, {"manual": true}],
        "if_already_open": if_already_open,
        "cancel_when": ["user.deactivated"],
        "as_long_as": "user.title != \"left\"",
        "script": "fn some() { [#{suspend: \"user\"}, #{\"set\": #{\"user.title\": \"x\"}}, \
            #{notify: #{to: \"team:desk\", template: \"told\"}}, #{assign_role: \"watched\"}] }",
        "steps": [
            {"notify": {"to": ["subject", "team:soc"], "template": "told", "urgent": true}},
            {"suspend": "user", "end_sessions": true},
            {"hold_role": "staff"},
            {"id": "proof", "verify": {"workflow": "selfie", "answer_within": "3d",
                "remind": [{"after": "1d", "template": "reminder"}]}, "outcomes": {
                "passed": [{"reinstate": "user"}, {"release_role": "staff"}, {"assign_role": "proven"},
                    {"set": {"user.verified_at": "now"}}, close("cleared")],
                "warning": [{"do": "desk"}],
                "rejected": [{"act": "acts::some()", "may": ["suspend", "set", "notify", "assign_role"]},
                    {"delete": "user", "grace": "7d"}, {"emit": "com.example.removed"}, close("removed")],
                "no_response": [{"id": "ticket", "call": "ticketing", "idempotency": "none", "outcomes": {
                    "ok": [{"do": "desk"}],
                    "failed": [{"wait": {"until": "2026-02-01T00:00:00Z"}}, {"do": "desk"}]}}],
                "unavailable": [{"id": "late", "wait": {"for": "verification.passed", "answer_within": "5d"},
                    "outcomes": {"happened": free("cleared"), "timed_out": [close("left_suspended")]}}]}},
        ],
        "blocks": {"desk": [{"id": "review", "review": {"queue": "desk", "answer_within": "2d",
            "decisions": {"lift": {"reason": "required"}, "keep": {"reason": "optional"},
                "try_again": {"reason": "optional"}}}, "outcomes": {
            "lift": free("cleared"),
            "keep": [{"suspend": "user"}, close("left_suspended")],
            "try_again": [{"retry_from": "proof", "at_most": 2, "or_else": [close("given_up")]}],
            "overdue": [close("left_suspended")]}}]},
    }))
}

fn risky(if_already_open: &str) -> Desk {
    let person = person(SubjectKind::User, &json!({"title": "here"}));
    let mut opening = event("login.risk", "e0");
    opening.subject = person.reference();
    let sinks = |desk: &mut Desk| desk.sinks = vec!["one".to_owned()];
    Desk::with(with_every_verb(if_already_open), person, OpenedBy::Event(opening), sinks)
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 1_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn arbitrary_inputs_keep_the_invariants_of_a_case(shape in shape(), deeds in prop::collection::vec(deed(), 1..200)) {
        let mut desk = Desk::open(&shape);
        for deed in &deeds {
            play(&mut desk, deed);
            reasons_exist(&desk)?;
        }
        finish(&mut desk);
        prop_assert_eq!(desk.case.state_word(), "closed");
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 700, failure_persistence: None, ..Default::default() })]

    #[test]
    fn arbitrary_inputs_keep_the_invariants_with_holds_waits_and_actions(
        if_already_open in prop_oneof![Just("attach"), Just("restart")],
        deeds in prop::collection::vec(deed(), 1..400),
    ) {
        let mut desk = risky(if_already_open);
        for deed in &deeds {
            play(&mut desk, deed);
            reasons_exist(&desk)?;
        }
        finish(&mut desk);
        prop_assert_eq!(desk.case.state_word(), "closed");
    }
}
