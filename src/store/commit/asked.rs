//! What policies said, and for how long it is kept.

use chrono::TimeDelta;

use super::PolicyVerdict;
use crate::model::{EventType, SubjectRef, Timestamp};

/// The verdict on an event that the daemon caused itself.
pub const OWN_CHANGE: &str = "own_change";

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
        class(&self.verdict)
    }
}

pub(in crate::store) fn class(verdict: &str) -> Class {
    match verdict {
        "opened" | "joined" | "cancelled" | "shadow" => Class::Match,
        "could_not_decide" => Class::Error,
        _ => Class::NoMatch,
    }
}

/// How long an answer of this kind is kept: what did something or went wrong far longer than a plain no, of
/// which there are many.
pub fn kept_for(verdict: &str) -> TimeDelta {
    match (class(verdict), verdict) {
        (_, "shadow") => TimeDelta::days(90),
        (Class::Match | Class::Error, _) => TimeDelta::days(365),
        (Class::NoMatch, _) => TimeDelta::days(30),
    }
}
