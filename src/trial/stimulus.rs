//! External inputs of a test as data, for this world or a daemon.

use std::collections::BTreeMap;

use serde_json::Value;

use super::world::{TooLong, World};
use crate::case::{Input, Refused};
use crate::model::{CaseId, Enrolment, Event, Proof, Subject, SubjectRef, Timestamp};

/// The person who starts cases manually in tests, and the reason.
pub const STARTER: &str = "Dana";
pub const START_REASON: &str = "a test";

/// One external input. Everything due at the same moment follows it.
#[derive(Debug, Clone, PartialEq)]
pub enum Stimulus {
    /// Sets the person that the identity provider has for a reference.
    Person {
        reference: SubjectRef,
        person: Option<Box<Subject>>,
    },
    /// Sets a person's enrolment at a provider.
    Enrolled {
        provider: String,
        person: Box<Subject>,
        enrolment: Enrolment,
    },
    /// Sets the answers of endpoints.
    Answers(BTreeMap<String, (u16, Value)>),
    Event(Event),
    /// An input of a person or a vendor to an open case.
    Input {
        case: CaseId,
        input: Input,
    },
    StartByHand(Box<Subject>),
    Sweep(Box<Subject>),
    /// Sets the provider's result of a run.
    Finds {
        execution: String,
        proof: Proof,
    },
    Down {
        who: String,
        until: Option<Timestamp>,
    },
    Up {
        who: String,
    },
    /// Lets time pass.
    Until(Timestamp),
}

impl World {
    /// Applies an external input. The inner error: a case refuses it.
    pub fn take(&mut self, stimulus: Stimulus) -> Result<Result<(), Refused>, TooLong> {
        match stimulus {
            Stimulus::Person { reference, person: Some(person) } => {
                self.environment.people.insert(reference, *person);
            }
            Stimulus::Person { reference, person: None } => {
                self.environment.people.remove(&reference);
            }
            Stimulus::Enrolled { provider, person, enrolment } => self.enrol(&provider, &person, enrolment),
            Stimulus::Answers(answers) => self.environment.answers = answers,
            Stimulus::Event(event) => self.send(event)?,
            Stimulus::Input { case, input } => {
                let decision = match &input {
                    Input::Decision(decision) => Some(decision.clone()),
                    _ => None,
                };
                let taken = self.apply(&case, input)?;
                match (&taken, decision) {
                    (Ok(()), _) => self.settle()?,
                    (Err(refused), Some(decision)) => {
                        // Recorded as in the daemon; a case's journal bounds the number.
                        let _ = self.apply(&case, Input::RefusedDecision(decision.refused(refused)))?;
                    }
                    (Err(_), None) => {}
                }
                return Ok(taken);
            }
            Stimulus::StartByHand(person) => {
                if let Some(policy) = self.only_policy() {
                    self.start_by_hand(&policy, person.reference(), STARTER)?;
                }
            }
            Stimulus::Sweep(person) => {
                if let Some(policy) = self.only_policy() {
                    self.sweep(&policy, person.reference())?;
                }
            }
            Stimulus::Finds { execution, proof } => self.environment.vendor.finds(&execution, proof),
            Stimulus::Down { who, until } => self.goes_down(&who, until),
            Stimulus::Up { who } => self.comes_up(&who),
            Stimulus::Until(at) => self.run_until(at)?,
        }
        Ok(Ok(()))
    }

    /// Returns the policy: a test has one.
    fn only_policy(&self) -> Option<std::sync::Arc<crate::policy::Policy>> {
        self.set.policies.values().next().cloned()
    }
}
