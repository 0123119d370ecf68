//! What a world needs of everybody who is not a case.

use crate::case::Case;
use crate::case::intake::Lookup;
use crate::model::{Call, CaseId, Event, Outcome, SubjectRef, Timestamp};
use crate::policy::Policy;

/// Who is outside: does what calls ask for, and knows the people.
pub trait Environment {
    fn person(&mut self, whom: &SubjectRef, now: Timestamp) -> Lookup;

    fn perform(&mut self, case: &Case, call: &Call, now: Timestamp) -> Answer;

    /// Whether a case that is led hears of an event when it heard of it then.
    fn heard(&self, _case: &CaseId, _event: &Event) -> bool {
        false
    }

    /// Up to when it is known what becomes of a case that stands as it does, and what is not known then.
    fn knows(&self, _case: &Case, _policy: &Policy) -> Option<(Timestamp, String)> {
        None
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Ended(Outcome),
    NotKnown(String),
}
