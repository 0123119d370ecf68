//! Several cases hold one account and one of its roles, in any order. Attempts are lost, end in doubt or are
//! refused; cases are cancelled and operators lift holds. This file simulates the account, and the desk does the
//! engine's work around an effect.
//!
//! Invariants: every suspension and withheld role is on record; an account or role that one case frees has no
//! other hold. Without holds the account is as it was before, including a suspension by an administrator.

use crate::tree::Desk;
use crate::tree::written::{person, policy};
use proofd::case::{Held, Hold, Input, OpenedBy, Order, Placed, State, keeps};
use proofd::model::{Action, Done, EventType, Failure, IdentityChange, Outcome, SubjectKind};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use proptest::{prop_assert_eq, proptest};
use serde_json::json;

const ROLE: &str = "staff";

#[derive(Debug, Clone)]
enum Deed {
    /// The next call of a case, from its start to its end.
    Serve(usize, End),
    Begin(usize),
    /// A started call ends.
    End(usize, End),
    Passed(usize),
    Order(usize, Order),
    Later(i64),
    /// A case that opens later.
    Open,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Good,
    /// The effect happened, but the answer was lost.
    LostAfter,
    LostBefore,
    UnavailableAfter,
    UnavailableBefore,
    Refused,
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        8 => Just(End::Good),
        1 => Just(End::LostAfter),
        1 => Just(End::LostBefore),
        1 => Just(End::UnavailableAfter),
        1 => Just(End::UnavailableBefore),
        1 => Just(End::Refused),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    let order = prop_oneof![
        3 => Just(Order::Retry),
        1 => Just(Order::Cancel),
        3 => Just(Order::Lift)
    ];
    prop_oneof![
        8 => (0..12_usize, end()).prop_map(|(desk, end)| Deed::Serve(desk, end)),
        4 => (0..12_usize).prop_map(Deed::Begin),
        6 => (0..12_usize, end()).prop_map(|(desk, end)| Deed::End(desk, end)),
        4 => (0..12_usize).prop_map(Deed::Passed),
        3 => (0..12_usize, order).prop_map(|(desk, order)| Deed::Order(desk, order)),
        3 => (0..200_000_i64).prop_map(Deed::Later),
        1 => Just(Deed::Open),
    ]
}

/// An account and its cases.
struct Town {
    status: String,
    /// The account's state before any case opened.
    at_first: (String, bool),
    role: bool,
    desks: Vec<Desk>,
    /// By desk: what the case suspended or withheld, without a record that it was lifted.
    in_force: Vec<Vec<Held>>,
    /// The call in progress: effects on one account run one at a time.
    busy: Option<(usize, u32)>,
}

impl Town {
    fn new(status: &str, role: bool, cases: usize) -> Self {
        let at_first = (status.to_owned(), role);
        let (status, desks, in_force) = (status.to_owned(), Vec::new(), Vec::new());
        let mut town = Self { status, at_first, role, desks, in_force, busy: None };
        (0..cases).for_each(|_| town.open());
        town
    }

    fn open(&mut self) {
        let written = json!({"cancel_when": ["user.deactivated"], "steps": [
            {"suspend": "user"},
            {"hold_role": ROLE},
            {"id": "late", "wait": {"for": "verification.passed", "answer_within": "5d"}, "outcomes": {
                "happened": [{"reinstate": "user"}, {"release_role": ROLE}, {"suspend": "user"},
                    {"reinstate": "user"}, {"close": "cleared"}],
                "timed_out": [{"close": "left"}]}}]});
        let number = self.desks.len();
        let by = OpenedBy::Hand { by: "olga".into(), reason: "r".into(), nonce: number.to_string() };
        let roles = if self.at_first.1 { json!([ROLE]) } else { json!([]) };
        let subject = person(SubjectKind::User, &json!({"status": self.at_first.0, "roles": roles}));
        let (others, now) = (self.others(number), self.desks.first().map(|desk| desk.now));
        let desk = Desk::with(policy(&written), subject, by, |desk| {
            desk.others = others;
            desk.now = now.unwrap_or(desk.now);
        });
        self.desks.push(desk);
        self.in_force.push(Vec::new());
    }

    fn others(&self, but: usize) -> Vec<Hold> {
        let others = self.desks.iter().enumerate().filter(|(number, _)| *number != but);
        others.flat_map(|(_, desk)| desk.case.holds.clone()).collect()
    }

    fn input(&mut self, number: usize, input: Input) -> bool {
        self.desks[number].others = self.others(number);
        let taken = self.desks[number].input(input).is_ok();
        let holds = &self.desks[number].case.holds;
        let is = |hold: &Hold, what: &Held| hold.what == *what && hold.placed != Placed::Asked;
        self.in_force[number].retain(|what| holds.iter().any(|hold| is(hold, what)));
        taken
    }

    fn begin(&mut self, number: usize) -> Option<u32> {
        let now = self.desks[number].now;
        let due = |(call, pending): (&u32, &proofd::case::Pending)| {
            (pending.begun.is_none() && pending.due <= now).then_some(*call)
        };
        let call = self.desks[number].case.calls.iter().find_map(due)?;
        let mail = matches!(self.desks[number].case.calls[&call].action, Action::Mail { .. });
        if !mail && self.busy.is_some() {
            return None;
        }
        let taken = self.input(number, Input::Attempt { call });
        // A call whose result has an unknown originator waits for a person instead.
        let began = self.desks[number].case.calls.get(&call).is_some_and(|pending| pending.begun.is_some());
        (taken && began).then(|| {
            self.busy = if mail { self.busy } else { Some((number, call)) };
            call
        })
    }

    /// The result of a call, as the connector reports it.
    fn perform(&mut self, number: usize, action: &Action, again: bool) -> Done {
        let own = self.desks[number].case.holds.iter().any(|hold| !hold.lifting && keeps(hold, action));
        let frees = action.hold().is_some_and(|change| !change.places);
        if frees && (own || self.others(number).iter().any(|hold| keeps(hold, action))) {
            return Done::Kept;
        }
        let Some((_, change)) = action.identity_change() else {
            assert!(matches!(action, Action::Mail { .. }), "nobody asks for {action:?}");
            return Done::Sent;
        };
        match change {
            IdentityChange::Suspend { .. } => {
                let already = self.status == "suspended";
                let before = (!(already && again)).then(|| self.status.clone());
                self.status = "suspended".to_owned();
                self.in_force[number].push(Held::Account);
                Done::Applied { already, before }
            }
            IdentityChange::RemoveRole { .. } => {
                let already = !self.role;
                self.role = false;
                self.in_force[number].push(Held::Role(ROLE.to_owned()));
                Done::Applied { already, before: None }
            }
            IdentityChange::Reinstate { to } => {
                self.no_other_holds(number, &Held::Account);
                let already = self.status != "suspended";
                if !already {
                    self.status = to.clone().unwrap_or_else(|| "active".to_owned());
                }
                Done::Applied { already, before: None }
            }
            IdentityChange::AssignRole { .. } => {
                self.no_other_holds(number, &Held::Role(ROLE.to_owned()));
                let already = self.role;
                self.role = true;
                Done::Applied { already, before: None }
            }
            other => panic!("nobody asks for {other:?}"),
        }
    }

    fn no_other_holds(&self, but: usize, what: &Held) {
        let others = self.in_force.iter().enumerate().filter(|(number, _)| *number != but);
        assert!(!others.into_iter().any(|(_, held)| held.contains(what)), "freed what another case holds");
    }

    fn end(&mut self, number: usize, call: u32, end: End) {
        let pending = self.desks[number].case.calls[&call].clone();
        let attempt = pending.attempt;
        self.busy.take_if(|busy| *busy == (number, call));
        let happens = matches!(end, End::Good | End::LostAfter | End::UnavailableAfter);
        let done = happens.then(|| self.perform(number, &pending.action, pending.in_doubt || attempt > 1));
        let outcome = match (end, done) {
            (End::Good, Some(done)) => Outcome::Done(done),
            (End::LostAfter | End::LostBefore, _) => {
                self.input(number, Input::Lost { call, attempt });
                return;
            }
            (End::Refused, _) => Outcome::Failed(Failure::refused("no")),
            (_, _) => Outcome::Failed(Failure::unavailable("no answer")),
        };
        self.input(number, Input::Outcome { call, attempt, outcome });
    }

    fn play(&mut self, deed: &Deed) {
        let count = self.desks.len();
        match *deed {
            Deed::Serve(number, how) => {
                let number = number % count;
                if let Some(call) = self.begin(number) {
                    self.end(number, call, how);
                }
            }
            Deed::Begin(number) => drop(self.begin(number % count)),
            Deed::End(number, how) => {
                let number = number % count;
                let begun = |(call, pending): (&u32, &proofd::case::Pending)| pending.begun.map(|_| *call);
                if let Some(call) = self.desks[number].case.calls.iter().find_map(begun) {
                    self.end(number, call, how);
                }
            }
            Deed::Passed(number) => {
                let number = number % count;
                let mut event = crate::tree::event("verification.passed", "e");
                event.kind = EventType::new(EventType::VERIFICATION_PASSED);
                event.subject = self.desks[number].case.subject.reference();
                self.input(number, Input::Event(event));
            }
            Deed::Order(number, order) => {
                let by = proofd::case::Operator {
                    order,
                    by: proofd::model::Actor::named("olga"),
                    reason: "r".into(),
                };
                self.input(number % count, Input::Operator(by));
            }
            Deed::Later(seconds) => {
                for number in 0..count {
                    self.desks[number].now += chrono::TimeDelta::seconds(seconds);
                    if self.desks[number].case.wake_at().is_some_and(|at| at <= self.desks[number].now) {
                        self.input(number, Input::Wake);
                    }
                }
            }
            Deed::Open if count < 4 => self.open(),
            Deed::Open => {}
        }
        self.examine();
    }

    fn examine(&self) {
        let on_record = |what: &Held| {
            let holds = self.desks.iter().flat_map(|desk| &desk.case.holds);
            holds.into_iter().any(|hold| hold.what == *what && hold.placed != Placed::Asked)
        };
        if self.status == "suspended" && self.at_first.0 != "suspended" {
            assert!(on_record(&Held::Account), "suspended, and nobody knows");
        }
        if !self.role && self.at_first.1 {
            assert!(on_record(&Held::Role(ROLE.to_owned())), "a role is gone, and nobody knows");
        }
    }

    /// All calls succeed from now on, and operators lift the remaining holds.
    fn finish(&mut self) {
        for _ in 0..400 {
            for number in 0..self.desks.len() {
                self.play(&Deed::End(number, End::Good));
                self.play(&Deed::Serve(number, End::Good));
                let case = &self.desks[number].case;
                match case.state {
                    State::Stuck(_) => self.play(&Deed::Order(number, Order::Retry)),
                    State::Closed if !case.holds.is_empty() => {
                        self.play(&Deed::Order(number, Order::Lift));
                    }
                    _ => {}
                }
            }
            self.play(&Deed::Later(10_000));
            let over = |desk: &Desk| {
                desk.case.is_closed() && desk.case.holds.is_empty() && desk.case.calls.is_empty()
            };
            if self.desks.iter().all(over) {
                return;
            }
        }
        panic!("{:#?}", self.desks.iter().map(|desk| &desk.case).collect::<Vec<_>>());
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_last_release_restores_the_original_state(
        status in prop_oneof![Just("active"), Just("password_expired"), Just("suspended")],
        role in any::<bool>(),
        cases in 1..4_usize,
        deeds in prop::collection::vec(deed(), 1..80),
    ) {
        let mut town = Town::new(status, role, cases);
        for deed in &deeds {
            town.play(deed);
        }
        town.finish();
        prop_assert_eq!((town.status, town.role), town.at_first);
    }
}
