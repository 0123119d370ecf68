//! A desk: one case with a clock that the test advances. After every input it checks the invariants.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use proofd::case::{
    Advance, Case, Context, Decision, Entry, Hold, Input, Links, Note, OpenedBy, Opening, Operator, Order,
    Press, Purpose, Refused, State, advance, open,
};
use proofd::model::{
    Action, Actor, DocumentUse, Done, EffectKind, Enrolment, Event, Outcome, Pause, Phase, PollEvery, Proof,
    Reading, Secret, Session, SessionAction, Subject, Timestamp,
};
use proofd::policy::Policy;

use super::{Shape, at, event, policy, span, subject};

/// A person with an id, who is a member of every team.
pub fn member(policy: &Policy, id: &str) -> Actor {
    Actor::person(id, policy.people.teams.keys().cloned())
}

/// One case, its policy and a clock.
#[derive(Debug)]
pub struct Desk {
    pub case: Case,
    pub policy: Policy,
    pub now: Timestamp,
    pub entries: Vec<Entry>,
    pub effects: Vec<EffectKind>,
    pub over_limit: BTreeSet<EffectKind>,
    /// Data about the person from earlier and other cases.
    pub enrolments: BTreeMap<String, Enrolment>,
    pub documents: Vec<DocumentUse>,
    pub others: Vec<Hold>,
    pub pauses: Vec<Pause>,
    pub poll_every: PollEvery,
    pub told: BTreeSet<String>,
    /// The person's browser brings results: sessions are not read otherwise.
    pub brings: bool,
    pub sinks: Vec<String>,
    pub consistency: BTreeMap<String, TimeDelta>,
    /// Events that the inputs caused.
    pub events: Vec<Event>,
    pub links: Links,
}

impl Desk {
    pub fn open(shape: &Shape) -> Self {
        Self::open_over(shape, BTreeSet::new())
    }

    pub fn open_over(shape: &Shape, over_limit: BTreeSet<EffectKind>) -> Self {
        let by = OpenedBy::Event(event("registration.created", "e1"));
        Self::with(policy(shape), subject(), by, |desk| desk.over_limit = over_limit)
    }

    /// Opens a case of any policy for any person, after `prepare` has set up the surroundings.
    pub fn with(policy: Policy, subject: Subject, by: OpenedBy, prepare: impl FnOnce(&mut Self)) -> Self {
        let links = Links::new(
            "https://proof.example.com",
            Secret::new("k"),
            [("jumio".to_owned(), Secret::new("c"))].into(),
        );
        let now = at("2026-01-05T09:00:00Z");
        let opening = Opening { key: subject.id.clone(), subject, by };
        // The placeholder is unused once the case is open.
        let placeholder = serde_json::json!({
            "id": "c", "policy": policy.name, "revision": policy.revision, "key": "", "subject": opening.subject,
            "event": null, "opened_at": now, "state": {"state": "closed"}, "steps": {}, "calls": {},
            "next_call": 1, "next_entry": 1, "retries": {}, "attempts": 0, "links": 0, "contests": 0,
            "doomed": null, "settled": [], "sessions": {}, "result": null, "closed_at": null,
        });
        let mut desk = Self {
            case: serde_json::from_value(placeholder).unwrap(),
            policy,
            now,
            entries: Vec::new(),
            effects: Vec::new(),
            over_limit: BTreeSet::new(),
            enrolments: BTreeMap::new(),
            documents: Vec::new(),
            others: Vec::new(),
            pauses: Vec::new(),
            poll_every: PollEvery::default(),
            told: BTreeSet::new(),
            brings: false,
            sinks: Vec::new(),
            consistency: BTreeMap::new(),
            events: Vec::new(),
            links,
        };
        prepare(&mut desk);
        let advance = open(opening, &desk.policy, &desk.here());
        desk.take(advance);
        desk.examine();
        desk
    }

    pub fn here(&self) -> Context<'_> {
        Context {
            now: self.now,
            links: &self.links,
            organization: "Example",
            over_limit: &self.over_limit,
            enrolments: &self.enrolments,
            documents: &self.documents,
            others: &self.others,
            pauses: &self.pauses,
            sinks: &self.sinks,
            poll_every: &self.poll_every,
            told: &self.told,
            invite_grace: TimeDelta::seconds(120),
            consistency: &self.consistency,
        }
    }

    pub fn take(&mut self, advance: Advance) {
        self.case = advance.case;
        self.entries.extend(advance.entries);
        self.effects.extend(advance.effects);
        self.events.extend(advance.events);
        self.enrolments.extend(advance.enrolments);
        self.documents.extend(advance.documents);
    }

    pub fn input(&mut self, input: Input) -> Result<(), Refused> {
        let was_closed = self.case.is_closed();
        let after = advance(self.case.clone(), &self.policy, input, &self.here())?;
        self.take(after);
        assert!(!was_closed || self.case.is_closed(), "a closed case stays closed");
        self.examine();
        Ok(())
    }

    /// Checks the invariants after every input.
    fn examine(&self) {
        let numbers: Vec<u64> = self.entries.iter().map(|entry| entry.number).collect();
        let expected: Vec<u64> = (1..=u64::try_from(numbers.len()).unwrap()).collect();
        assert_eq!(numbers, expected, "entries are numbered without gaps");
        if self.case.is_closed() {
            assert!(
                self.case.closed_at.is_some() && self.case.result.is_some(),
                "an end has a time and a word"
            );
            assert!(
                self.case.calls.values().all(|call| call.begun.is_some() || call.purpose.outlives()),
                "a closed case asks for nothing"
            );
            assert_eq!(self.case.wake_at(), None);
        } else {
            let for_people = match &self.case.state {
                State::Stuck(_) | State::Held { .. } => true,
                State::Grace(grace) => grace.contested_at.is_some(),
                _ => false,
            };
            let moves =
                self.case.calls.values().any(|call| {
                    !matches!(call.purpose, Purpose::OwnerNotice | Purpose::Page | Purpose::Uphold)
                });
            assert!(
                self.case.wake_at().is_some() || moves || for_people,
                "nobody waits for {:?}",
                self.case.state
            );
        }
        let (placed, lifted) = (
            self.notes(|note| matches!(note, Note::HoldPlaced { .. })),
            self.notes(|note| matches!(note, Note::HoldLifted { .. })),
        );
        assert_eq!(placed - lifted, self.case.holds.len(), "every hold is placed once and lifted once");
        let done = |action| self.case.settled.iter().filter(|done| **done == action).count();
        let (approved, deleted) = (done(EffectKind::Approve), done(EffectKind::Delete));
        assert!(approved + deleted <= 1, "at most one effect: {:?}", self.case.settled);
        // A sample is sufficient: every state occurs often.
        if self.entries.len().is_multiple_of(4) || self.case.is_closed() {
            let json = serde_json::to_vec(&self.case).unwrap();
            assert_eq!(serde_json::from_slice::<Case>(&json).unwrap(), self.case, "a case survives the disk");
        }
    }

    pub fn later(&mut self, by: &str) {
        self.now += span(by).elapsed().unwrap();
    }

    /// Advances the time as the engine would: every wake at its time, mails are sent, no other call is answered.
    pub fn pass(&mut self, by: &str) {
        let end = self.now + span(by).elapsed().unwrap();
        for _ in 0..10_000 {
            self.send_mails();
            let next = [self.case.wake_at(), self.next_mail()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.send_mails();
            if self.case.wake_at().is_some_and(|at| at <= self.now) {
                self.input(Input::Wake).unwrap();
                assert!(
                    self.case.wake_at().is_none_or(|at| at > self.now),
                    "no busy loop: {:?}",
                    self.case.state
                );
            }
        }
        self.now = end;
    }

    fn next_mail(&self) -> Option<Timestamp> {
        let mails =
            self.case.calls.values().filter(|call| call.action.word() == "mail" && call.begun.is_none());
        mails.map(|call| call.due).min()
    }

    pub fn send_mails(&mut self) {
        while self.next_mail().is_some_and(|due| due <= self.now) {
            self.answer("mail", Outcome::Done(Done::Sent));
        }
    }

    /// The number of a call of this kind that may start now.
    pub fn due(&self, word: &str) -> Option<u32> {
        let due = |call: &&proofd::case::Pending| call.begun.is_none() && call.due <= self.now;
        self.case
            .calls
            .iter()
            .find(|(_, call)| call.action.word() == word && due(call))
            .map(|(number, _)| *number)
    }

    pub fn begin(&mut self, word: &str) -> (u32, u32) {
        let Some(call) = self.due(word) else { panic!("no {word} is due in {:?}", self.case.calls) };
        self.input(Input::Attempt { call }).unwrap();
        // A call that must not be made has been removed.
        (call, self.case.calls.get(&call).map_or(0, |pending| pending.attempt))
    }

    /// One attempt of the due call, from its start to its end.
    pub fn answer(&mut self, word: &str, outcome: Outcome) {
        let (call, attempt) = self.begin(word);
        self.input(Input::Outcome { call, attempt, outcome }).unwrap();
    }

    pub fn press(&mut self) -> Result<(), Refused> {
        let link = match &self.case.state {
            State::Held { asked: Some(asked), .. } => asked.link,
            _ => self.proving().link,
        };
        self.input(Input::Press(Press { link, ..Press::default() }))
    }

    /// The vendor starts the requested session.
    pub fn start(&mut self, execution: &str) {
        let (call, attempt) = self.begin("start_verification");
        let Action::Verification { session: SessionAction::Start(start), .. } =
            &self.case.calls[&call].action
        else {
            unreachable!()
        };
        let session = Session {
            account: start.account.clone().unwrap_or_else(|| "account".to_owned()),
            execution: execution.to_owned(),
            link: "https://vendor.test/x".to_owned(),
            expires_at: self.now + TimeDelta::days(1),
            reference: start.reference.clone(),
            returns_by: self.brings.then(|| self.now + TimeDelta::minutes(15)),
        };
        self.input(Input::Outcome { call, attempt, outcome: Outcome::Done(Done::Started { session }) })
            .unwrap();
    }

    /// The vendor reports the state of the current session.
    pub fn read(&mut self, phase: Phase, proof: Option<Proof>) {
        let reading = self.reading(phase, proof);
        self.answer("read_verification", Outcome::Done(Done::Read { reading }));
    }

    pub fn reading(&self, phase: Phase, proof: Option<Proof>) -> Reading {
        let session = self.proving().session.clone().unwrap();
        Reading {
            account: session.account,
            execution: session.execution,
            reference: Some(session.reference),
            phase,
            proof: proof.map(Box::new),
            void: None,
        }
    }

    pub fn proving(&self) -> &proofd::case::Verifying {
        match &self.case.state {
            State::Verifying(proving) => proving,
            other => panic!("the case is not proving: {other:?}"),
        }
    }

    pub fn decide(&mut self, decision: &str, by: &str, reason: Option<&str>) -> Result<(), Refused> {
        self.input(Input::Decision(Decision {
            decision: decision.to_owned(),
            reason: reason.map(str::to_owned),
            by: member(&self.policy, by),
            at: self.now,
        }))
    }

    pub fn order(&mut self, order: Order) -> Result<(), Refused> {
        let (by, reason) = (member(&self.policy, "olga"), "because".to_owned());
        self.input(Input::Operator(Operator { order, by, reason }))
    }

    /// Number of calls with this word in the journal.
    pub fn asked(&self, word: &str) -> usize {
        let is = |entry: &&Entry| matches!(&entry.note, Note::CallAsked { action, .. } if action == word);
        self.entries.iter().filter(is).count()
    }

    pub fn notes(&self, found: impl Fn(&Note) -> bool) -> usize {
        self.entries.iter().filter(|entry| found(&entry.note)).count()
    }

    pub fn result(&self) -> Option<&str> {
        self.case.result.as_deref()
    }
}
