//! The reasons behind recorded verdicts. The log refers to a clause by its number; its text comes from the stored
//! revision, and the values that it read from deciding again with the recorded event and fields of the person.

use std::collections::HashMap;
use std::sync::Arc;

use crate::case::{Stopped, applicant};
use crate::model::{Subject, SubjectKind};
use crate::policy::{Policy, Revision};
use crate::rollout::{PolicyError, Revisions};
use crate::store::{self, Asked, AskedOf, Inputs, PolicyVerdict};

/// Finds reasons. Keeps the revisions that it loads, and is made for one question.
pub(super) struct Reasons<'a> {
    revisions: &'a Revisions,
    loaded: HashMap<Revision, Result<Arc<Policy>, String>>,
}

impl<'a> Reasons<'a> {
    pub(super) fn new(revisions: &'a Revisions) -> Self {
        Self { revisions, loaded: HashMap::new() }
    }

    /// Returns an evaluation with its clause and its values. What cannot be found again is named in the detail.
    pub(super) fn of(&mut self, found: AskedOf) -> Result<Asked, store::Error> {
        let AskedOf { mut asked, inputs } = found;
        let Some(clause) = asked.said.clause else { return Ok(asked) };
        let said = &asked.said;
        let number = clause + 1;
        let (detail, trace) = match self.policy(said)? {
            Err(why) => (format!("clause {number}, whose text is not available: {why}"), None),
            Ok(policy) => match policy.condition.clause(clause) {
                None => (
                    format!("clause {number}, which revision {} does not have", policy.revision.short()),
                    None,
                ),
                Some((text, place)) => {
                    let again = inputs.and_then(|inputs| again(&policy, &asked, &inputs, clause));
                    let note = match again {
                        Some(_) => "",
                        None => " (its values are not available: this version decides differently)",
                    };
                    (format!("{place}: {text}{note}"), again.map(|stopped| stopped.trace))
                }
            },
        };
        (asked.said.detail, asked.said.trace) = (detail, trace);
        Ok(asked)
    }

    fn policy(&mut self, said: &PolicyVerdict) -> Result<Result<Arc<Policy>, String>, store::Error> {
        if let Some(policy) = self.loaded.get(&said.revision) {
            return Ok(policy.clone());
        }
        let policy = match self.revisions.to_explain(&said.policy, &said.revision) {
            Ok(policy) => Ok(policy),
            Err(PolicyError::Unloadable(why)) => Err(why),
            Err(PolicyError::Store(error)) => return Err(error),
        };
        self.loaded.insert(said.revision.clone(), policy.clone());
        Ok(policy)
    }
}

/// Decides again, as the policy did.
fn again(policy: &Policy, asked: &Asked, inputs: &Inputs, clause: usize) -> Option<Stopped> {
    let mut event = inputs.event.clone();
    event.subject.kind = policy.subject;
    let subject = match policy.subject {
        SubjectKind::Applicant => applicant(&event),
        kind @ (SubjectKind::Registration | SubjectKind::User) => Subject {
            source: asked.subject.source.clone(),
            kind,
            id: asked.subject.id.clone(),
            fields: inputs.named.clone(),
        },
    };
    Stopped::again(policy, &event, &subject, asked.at, clause)
}
