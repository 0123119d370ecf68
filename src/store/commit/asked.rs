//! What policies said, and for how long it is kept.

use chrono::TimeDelta;

use super::PolicyVerdict;
use crate::model::{EventType, SubjectRef, Timestamp, Verdict};

/// A policy was asked about a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub at: Timestamp,
    pub subject: SubjectRef,
    /// The event's key, or what stands for one where a sweep or a person asked.
    pub event: String,
    /// The event's type, or `sweep`, or `manual`.
    pub kind: String,
    /// Its other names; a policy may know it by one of those.
    pub also: Vec<EventType>,
    /// When the event happened.
    pub time: Timestamp,
    pub said: PolicyVerdict,
}

/// What kind of answer it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A case opened, or the event reached one, or would have.
    Match = 1,
    /// It could not be decided.
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

/// How long an answer of this kind is kept: what did something or went wrong far longer than a plain no, of
/// which there are many.
pub fn kept_for(verdict: Verdict) -> TimeDelta {
    match (class(verdict), verdict) {
        (_, Verdict::Shadow) => TimeDelta::days(90),
        (Class::Match | Class::Error, _) => TimeDelta::days(365),
        (Class::NoMatch, _) => TimeDelta::days(30),
    }
}
