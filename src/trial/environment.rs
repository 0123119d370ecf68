//! The interface of a world to everything outside its cases.

use crate::case::Case;
use crate::case::intake::Lookup;
use crate::model::{Call, CaseId, Event, Outcome, SubjectRef, Timestamp};
use crate::policy::Policy;

/// The outside of a world: performs calls and reads people.
pub trait Environment {
    fn person(&mut self, subject: &SubjectRef, now: Timestamp) -> Lookup;

    fn perform(&mut self, case: &Case, call: &Call, now: Timestamp) -> Answer;

    /// Returns whether a case on its recorded path received an event in the record.
    fn received(&self, _case: &CaseId, _event: &Event) -> bool {
        false
    }

    /// Returns until when the further course of a case is known, and what is unknown afterwards.
    fn knows(&self, _case: &Case, _policy: &Policy) -> Option<(Timestamp, String)> {
        None
    }
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Ended(Outcome),
    NotKnown(String),
}
