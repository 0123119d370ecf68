//! Runs the acting lines of a test. A failed line reports what was expected and what is the case.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::person::document;
use super::play::Stage;
use super::stimulus::Stimulus;
use super::world::TooLong;
use crate::case::{Case, Decision, Input, Operator, Press, Refused, State, Verifying};
use crate::model::{
    Actor, CaseId, Event, EventType, Fields, Judgement, Method, Origin, Proof, Subject, SubjectKind,
};
use crate::policy::outcome::ProofOutcome;
use crate::policy::tests::{Act, Found};
use crate::policy::tree::{StepIndex, Verb, Verify};

/// Expected, and actual.
pub(super) type Cannot = (String, String);

/// Maximum of waits for a line such as `unavailable`, which waits until the retries are used up.
const MOST_WAITS: u32 = 10_000;

impl From<TooLong> for Refusal {
    fn from(_: TooLong) -> Self {
        Self(("the case waits or closes".to_owned(), TooLong.to_string()))
    }
}

/// Why a line could not run.
pub(super) struct Refusal(pub Cannot);

fn cannot(expected: impl Into<String>, actual: impl Into<String>) -> Refusal {
    Refusal((expected.into(), actual.into()))
}

impl Stage<'_> {
    pub fn act(&mut self, act: &Act) -> Result<(), Cannot> {
        self.do_it(act).map_err(|Refusal(cannot)| cannot)
    }

    fn do_it(&mut self, act: &Act) -> Result<(), Refusal> {
        match act {
            Act::Send { kind, with } => self.send(kind, with)?,
            Act::StartByHand => {
                let subject = self.subject()?;
                self.outer(Stimulus::StartByHand(Box::new(subject)))?;
            }
            Act::Sweep => {
                let subject = self.subject()?;
                self.outer(Stimulus::Sweep(Box::new(subject)))?;
            }
            Act::Advance(span) => {
                let end = self.after(self.world.now, *span);
                self.outer(Stimulus::Until(end))?;
            }
            Act::Answer { step, outcome, found } => self.answer(step, *outcome, found)?,
            Act::Press { step } => {
                let (id, proving) = self.proving(step)?;
                self.press(&id, &proving)?;
            }
            Act::Contest => self.contest()?,
            Act::Decide { step, decision, by, reason, refused } => {
                let (decision, by) = (decision.clone(), self.member(by)?);
                let decision = Decision { decision, reason: reason.clone(), by, at: self.world.now };
                self.decide(step.as_deref(), decision, *refused)?;
            }
            Act::Order(order) => {
                let order = *order;
                let (by, reason) = (self.member("an operator")?, "as the test says".to_owned());
                let id = self.newest()?;
                self.input(&id, Input::Operator(Operator { order, by, reason }), "the order is accepted")?;
            }
            Act::Outage { who, length } => {
                let until = length.map(|length| self.after(self.world.now, length));
                self.world.note(None, format!("{who} is down"));
                self.outer(Stimulus::Down { who: who.clone(), until })?;
            }
            Act::Recovery { who } => {
                self.outer(Stimulus::Up { who: who.clone() })?;
                self.world.note(None, format!("{who} is up again"));
                self.outer(Stimulus::Until(self.world.now))?;
            }
            Act::Change(fields) => {
                let mut person = self.subject()?;
                person.fields.extend(fields.clone());
                self.is_now(Some(person));
            }
            Act::Expect(_) => {}
        }
        Ok(())
    }

    /// Returns the decider in a test: a person of that name in every team. A policy does not define tokens.
    fn member(&self, by: &str) -> Result<Actor, Refusal> {
        let id = self.newest()?;
        let kept = self.world.kept(&id);
        let teams = kept.into_iter().flat_map(|kept| kept.policy.people.teams.keys().cloned());
        Ok(Actor::person(by, teams))
    }

    /// Applies a stimulus that no case can refuse.
    fn outer(&mut self, stimulus: Stimulus) -> Result<(), Refusal> {
        match self.take(stimulus)? {
            Ok(()) => Ok(()),
            Err(refused) => Err(cannot("no refusal", refused.to_string())),
        }
    }

    fn is_now(&mut self, person: Option<Subject>) {
        self.give(Stimulus::Person { reference: self.person.clone(), person: person.map(Box::new) });
    }

    /// Returns the person's record at the identity provider.
    fn subject(&self) -> Result<Subject, Refusal> {
        let person = self.world.environment.people.get(&self.person).cloned();
        person.ok_or_else(|| cannot("the person exists", "the person does not exist"))
    }

    fn send(&mut self, kind: &EventType, with: &Fields) -> Result<(), Refusal> {
        self.sent += 1;
        let mut fields = with.clone();
        let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
        let actor = text(fields.remove("actor"));
        let ip = text(fields.remove("ip"));
        let by_subject = fields.remove("by_subject") == Some(Value::Bool(true));
        if self.policy.subject == SubjectKind::Applicant {
            fields.insert("data".to_owned(), Value::Object(self.applicant_data(&fields)));
        }
        // A sign-in with a score also counts as `login.risk`.
        let risky = kind.as_str().starts_with("login.") && fields.contains_key("score");
        let event = Event {
            key: format!("test:{}", self.sent),
            near: Vec::new(),
            leaves: Vec::new(),
            kind: kind.clone(),
            also: if risky { vec![EventType::new("login.risk")] } else { Vec::new() },
            source: "test".to_owned(),
            time: self.world.now,
            subject: self.person.clone(),
            actor,
            actor_id: None,
            by_subject,
            // Events of a test come from other actors.
            origin: Origin::Others,
            ip,
            fields,
        };
        self.comes_true(&event);
        self.outer(Stimulus::Event(event))
    }

    /// Returns the data of a CloudEvent: the applicant's own fields, and the rest of its data.
    fn applicant_data(&self, fields: &Fields) -> Fields {
        let ordinary =
            super::person::ordinary(SubjectKind::Applicant, &self.test.given.person, self.world.now);
        let mut data = ordinary.fields;
        if let Some(Value::Object(custom)) = data.remove("attributes") {
            data.extend(custom);
        }
        if let Some(Value::Object(given)) = fields.get("data") {
            data.extend(given.clone());
        }
        data
    }

    /// Applies the event's change to the identity provider's data.
    fn comes_true(&mut self, event: &Event) {
        if crate::case::gone(event) {
            self.is_now(None);
            return;
        }
        let Ok(mut person) = self.subject() else { return };
        let role = event.fields.get("role").cloned();
        let roles = person.fields.entry("roles").or_insert_with(|| json!([]));
        match (event.kind.as_str(), role, roles) {
            ("user.role_granted", Some(role), Value::Array(roles)) if !roles.contains(&role) => {
                roles.push(role)
            }
            ("user.role_revoked", Some(role), Value::Array(roles)) => roles.retain(|one| *one != role),
            _ => {}
        }
        let status = match event.kind.as_str() {
            "user.suspended" => Some(("status", "suspended")),
            "user.locked" => Some(("status", "locked")),
            "user.activated" => Some(("status", "active")),
            "registration.withdrawn" => Some(("state", "rejected")),
            _ => None,
        };
        if let Some((field, status)) = status {
            person.fields.insert(field.to_owned(), json!(status));
        }
        self.is_now(Some(person));
    }

    pub fn newest_case(&self) -> Option<&Case> {
        self.world.case(self.world.opened().last()?)
    }

    fn newest(&self) -> Result<CaseId, Refusal> {
        self.newest_case().map(|case| case.id.clone()).ok_or_else(|| cannot("a case is open", self.stands()))
    }

    fn at(&self, step: StepIndex, id: &str) -> bool {
        self.policy.step(step).is_some_and(|step| step.id.as_deref() == Some(id))
    }

    fn proving(&self, id: &str) -> Result<(CaseId, Verifying), Refusal> {
        match self.newest_case().map(|case| (case, &case.state)) {
            Some((case, State::Verifying(proving))) if self.at(proving.step, id) => {
                Ok((case.id.clone(), proving.clone()))
            }
            _ => Err(cannot(format!("the case waits at {id}"), self.stands())),
        }
    }

    fn input(&mut self, id: &CaseId, input: Input, expected: &str) -> Result<(), Refusal> {
        let refused = self.take(Stimulus::Input { case: id.clone(), input })?;
        refused.map_err(|refused| cannot(expected, format!("refused: {refused}")))
    }

    fn press(&mut self, id: &CaseId, proving: &Verifying) -> Result<(), Refusal> {
        let input = Input::Press(Press { link: proving.link, ..Press::default() });
        self.input(id, input, "the person can press the button")
    }

    fn answer(&mut self, step: &str, outcome: ProofOutcome, found: &Found) -> Result<(), Refusal> {
        let decision = match outcome {
            ProofOutcome::Passed => Judgement::Passed,
            ProofOutcome::Warning => Judgement::Warning,
            ProofOutcome::Rejected => Judgement::Rejected,
            ProofOutcome::Unavailable => return self.let_down(step),
            ProofOutcome::NoResponse => return self.stay_silent(step),
        };
        let (id, proving) = self.proving(step)?;
        if proving.session.is_none() {
            self.press(&id, &proving)?;
        }
        let (id, proving) = self.proving(step)?;
        let Some(session) = proving.session.clone() else {
            return Err(cannot("the provider starts a session", "it did not answer"));
        };
        let verify = self.verify(proving.step)?;
        let required = verify.verifications().flat_map(|one| &one.require);
        let mut checks: BTreeMap<String, Judgement> =
            required.map(|check| (check.clone(), decision)).collect();
        checks.extend(found.checks.clone());
        let shows_document =
            self.world.environment.vendor.method_of(&session.execution) != Some(Method::Authentication);
        let subject = self.newest_case().map(|case| case.subject.clone());
        let document = subject.filter(|_| shows_document).map(|subject| document(&subject, found));
        let proof = Proof {
            decision,
            score: found.score,
            reasons: found.reasons.clone(),
            checks,
            document,
            numbers: Vec::new(),
            fingerprints: Vec::new(),
            same_face: Vec::new(),
            completed_at: Some(self.world.now),
        };
        self.give(Stimulus::Finds { execution: session.execution.clone(), proof });
        self.input(&id, Input::Hint { execution: session.execution }, "the case waits for the result")
    }

    fn verify(&self, step: StepIndex) -> Result<&Verify, Refusal> {
        if let Some(Verb::Verify(verify)) = self.policy.step(step).map(|step| &step.verb) {
            return Ok(verify);
        }
        Err(cannot("the case waits for a proof", self.stands()))
    }

    /// Waits without an answer until the time is up.
    fn stay_silent(&mut self, step: &str) -> Result<(), Refusal> {
        let (id, _) = self.proving(step)?;
        self.wait_while_proving(&id)
    }

    /// Makes the provider unavailable until the retries are used up.
    fn let_down(&mut self, step: &str) -> Result<(), Refusal> {
        let (id, proving) = self.proving(step)?;
        let provider = self.verify(proving.step)?.verification.provider.clone();
        self.outer(Stimulus::Down { who: provider.clone(), until: None })?;
        self.press(&id, &proving)?;
        let waited = self.wait_while_proving(&id);
        self.outer(Stimulus::Up { who: provider })?;
        waited
    }

    /// Lets time pass until the step ends.
    fn wait_while_proving(&mut self, id: &CaseId) -> Result<(), Refusal> {
        let link = |case: Option<&Case>| match case.map(|case| &case.state) {
            Some(State::Verifying(proving)) => Some(proving.link),
            _ => None,
        };
        let began = link(self.world.case(id));
        for _ in 0..MOST_WAITS {
            if began.is_none() || link(self.world.case(id)) != began {
                return Ok(());
            }
            let Some(next) = self.world.next_due() else { break };
            self.outer(Stimulus::Until(next))?;
        }
        Err(cannot("the step ends", self.stands()))
    }

    fn contest(&mut self) -> Result<(), Refusal> {
        let case = self.newest_case();
        let graced = case.and_then(|case| match &case.state {
            State::Grace(grace) => Some((case.id.clone(), grace.link)),
            _ => case.pending_adverse.as_ref().map(|pending_adverse| (case.id.clone(), pending_adverse.link)),
        });
        let Some((id, link)) = graced else {
            return Err(cannot("an effect is in grace", self.stands()));
        };
        self.input(&id, Input::Contest { link }, "the person can object")
    }

    fn decide(&mut self, step: Option<&str>, decision: Decision, refused: bool) -> Result<(), Refusal> {
        let id = match (self.newest_case().map(|case| (case, &case.state)), step) {
            (Some((case, State::Reviewing(reviewing))), Some(step)) if self.at(reviewing.step, step) => {
                case.id.clone()
            }
            (Some((case, State::Grace(_))), None) => case.id.clone(),
            (_, step) => {
                let expected = step.map_or("an objection waits for a decision".to_owned(), |step| {
                    format!("the case is in review at {step}")
                });
                return Err(cannot(expected, self.stands()));
            }
        };
        if !refused {
            return self.input(&id, Input::Decision(decision), "the decision is accepted");
        }
        match self.take(Stimulus::Input { case: id, input: Input::Decision(decision) })? {
            Ok(()) => Err(cannot("the decision is refused", "it was accepted")),
            Err(why) => {
                let why: Refused = why;
                self.world.note(None, format!("the decision is refused: {why}"));
                Ok(())
            }
        }
    }
}
