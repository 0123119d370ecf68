//! Entries of the decision log, and their retention.

use chrono::TimeDelta;

use super::PolicyVerdict;
use crate::model::{EventType, SubjectRef, Timestamp, Verdict};

/// A policy's evaluation of a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub at: Timestamp,
    pub subject: SubjectRef,
    /// The event's key, or its substitute for a sweep or a manual start.
    pub event: String,
    /// The event's type, or `sweep`, or `manual`.
    pub kind: String,
    /// Alternative types of the event, which a policy may name.
    pub also: Vec<EventType>,
    /// When the event happened.
    pub time: Timestamp,
    pub said: PolicyVerdict,
}

/// The class of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A case opened, the event reached one, or it would have.
    Match = 1,
    /// The policy could not decide.
    Error = 2,
    NoMatch = 3,
}

impl PolicyVerdict {
    pub fn class(&self) -> Class {
        class(self.verdict)
    }
}

pub(in crate::store) fn class(verdict: Verdict) -> Class {
    match verdict {
        Verdict::Opened | Verdict::Joined | Verdict::Cancelled | Verdict::Shadow => Class::Match,
        Verdict::CouldNotDecide => Class::Error,
        Verdict::Ignored
        | Verdict::Duplicate
        | Verdict::Gone
        | Verdict::OwnChange
        | Verdict::NoSubject
        | Verdict::Disabled
        | Verdict::Clause
        | Verdict::Where
        | Verdict::Other => Class::NoMatch,
    }
}

/// Returns the retention of a verdict. Matches and errors are kept far longer than the numerous plain refusals.
pub fn kept_for(verdict: Verdict) -> TimeDelta {
    match (class(verdict), verdict) {
        (_, Verdict::Shadow) => TimeDelta::days(90),
        (Class::Match | Class::Error, _) => TimeDelta::days(365),
        (Class::NoMatch, _) => TimeDelta::days(30),
    }
}
