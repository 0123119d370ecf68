//! One input in progress: the changing case, its journal entries and its calls. Collects them, independent of the
//! input's meaning.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::entry::{Entry, Note};
use super::state::{Case, Pending, Purpose, State};
use super::{Advance, Context};
use crate::model::{Action, EffectKind, Enrolment, Event, Fields, Span, Timestamp};
use crate::policy::Policy;
use crate::policy::script::{Condition, Facts, ScriptError, Verdict};
use crate::policy::tree::{Step, StepIndex};

/// Why a step cannot run: a sentence without names, addresses or secrets, for its owner.
pub(super) type Trouble = String;

#[derive(Debug)]
pub(super) struct Transition<'a> {
    pub case: Case,
    pub policy: &'a Policy,
    pub context: &'a Context<'a>,
    entries: Vec<Entry>,
    effects: Vec<EffectKind>,
    /// Emitted events, for other policies.
    pub events: Vec<Event>,
    /// Changed data about the person at a provider.
    pub enrolments: BTreeMap<String, Enrolment>,
    /// Fingerprints of the documents that the person showed.
    pub documents: Vec<String>,
}

impl<'a> Transition<'a> {
    pub fn new(case: Case, policy: &'a Policy, context: &'a Context<'a>) -> Self {
        let (entries, effects, events) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            case,
            policy,
            context,
            entries,
            effects,
            events,
            enrolments: BTreeMap::new(),
            documents: Vec::new(),
        }
    }

    pub fn end(mut self) -> Advance {
        self.settle_holds();
        self.settle_stretch();
        let documents = self.shown();
        let Self { case, entries, effects, events, enrolments, .. } = self;
        Advance { case, entries, effects, events, enrolments, documents }
    }

    pub fn now(&self) -> Timestamp {
        self.context.now
    }

    /// Adds a journal entry under the current step.
    pub fn note(&mut self, note: Note) {
        let step = self.case.step();
        self.note_at(step, note);
    }

    pub fn note_at(&mut self, step: Option<StepIndex>, note: Note) {
        let step = step.and_then(|step| self.policy.step(step)).map(|step| step.path.clone());
        self.entries.push(Entry { number: self.case.next_entry, at: self.now(), step, note });
        self.case.next_entry += 1;
    }

    /// Counts a limited effect, once when it is reached.
    pub fn count(&mut self, action: EffectKind) {
        self.effects.push(action);
    }

    /// Adds a call to the outbox.
    pub fn ask(&mut self, step: StepIndex, action: Action, purpose: Purpose, due: Timestamp) -> u32 {
        let number = self.case.next_call;
        self.case.next_call += 1;
        let word = action.word().to_owned();
        let pending = Pending {
            action,
            purpose,
            due,
            attempt: 0,
            begun: None,
            in_doubt: false,
            asked_at: self.now(),
            forgiven: 0,
            outages: 0,
            last_failure: None,
        };
        self.case.calls.insert(number, pending);
        // Readings change nothing and are frequent; only their ends are recorded.
        if purpose != Purpose::Read {
            let call = self.case.call_id(number);
            self.note_at(Some(step), Note::CallAsked { call, action: word });
        }
        number
    }

    /// Removes unneeded calls from the outbox. A call in progress stays until its end is known.
    pub fn drop_calls(&mut self, unneeded: impl Fn(Purpose) -> bool) {
        self.case.calls.retain(|_, pending| pending.begun.is_some() || !unneeded(pending.purpose));
    }

    /// Closes the case. Only calls in progress remain.
    pub fn close(&mut self, result: &str) {
        self.note(Note::Closed { result: result.to_owned() });
        self.drop_calls(|purpose| !purpose.outlives());
        self.case.acting = None;
        self.case.result = Some(result.to_owned());
        self.case.closed_at = Some(self.now());
        self.case.pending_adverse = None;
        self.case.state = State::Closed;
    }

    pub fn step(&self, index: StepIndex) -> Result<&'a Step, Trouble> {
        self.policy.step(index).ok_or_else(|| format!("the policy has no step number {}", index.0))
    }

    /// Returns the step that follows an outcome.
    pub fn branch(&self, index: StepIndex, outcome: &str) -> Result<StepIndex, Trouble> {
        let step = self.step(index)?;
        step.outcomes
            .get(outcome)
            .copied()
            .ok_or_else(|| format!("step {} does not say what follows {outcome}", step.path))
    }

    /// Stores a step's result for scripts and mails; steps without an id store none.
    pub fn learn(&mut self, index: StepIndex, value: Value) {
        if let Some(id) = self.policy.step(index).and_then(|step| step.id.clone()) {
            self.case.steps.insert(id, value);
        }
    }

    pub fn after(&self, start: Timestamp, span: Span, calendar: Option<&str>) -> Timestamp {
        super::calendar::after(start, span, super::calendar::of(&self.policy.people, calendar))
    }

    /// Returns `this_case` of scripts and mails.
    pub fn this_case(&self) -> Fields {
        let value = json!({
            "id": self.case.id,
            "policy": self.case.policy,
            "revision": self.case.revision,
            "opened_at": self.case.opened_at,
            "attempts": self.case.attempts,
        });
        match value {
            Value::Object(fields) => fields,
            // Unreachable: an object literal is an object.
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Fields::new()
            }
        }
    }

    pub fn facts<'b>(&'b self, this_case: &'b Fields) -> Facts<'b> {
        Facts {
            event: self.case.event.as_ref(),
            subject: self.case.seen.as_ref().unwrap_or(&self.case.subject),
            settings: &self.policy.settings,
            steps: &self.case.steps,
            this_case,
            now: self.now(),
        }
    }

    pub fn decide(&self, condition: &Condition) -> Result<Verdict, ScriptError> {
        condition.decide(&self.facts(&self.this_case()))
    }

    /// Returns whether the policy's `as_long_as` still holds.
    pub fn applies(&self) -> Result<bool, Trouble> {
        match self.policy.as_long_as.as_ref().map(|condition| self.decide(condition)) {
            None | Some(Ok(Verdict::Holds)) => Ok(true),
            Some(Ok(Verdict::Fails { .. })) => Ok(false),
            Some(Err(error)) => Err(format!("as_long_as could not decide: {error}")),
        }
    }
}
