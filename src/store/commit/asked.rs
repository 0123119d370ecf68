//! Entries of the decision log, and their retention.

use std::sync::Arc;

use chrono::TimeDelta;

use super::PolicyVerdict;
use crate::model::{Event, EventType, Fields, SubjectKind, SubjectRef, Timestamp, Verdict};

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

/// What policies evaluated, from which a verdict by a clause is decided again.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    pub event: Event,
    /// The fields of the person that the conditions name.
    pub named: Fields,
}

/// An evaluation as the log has it. Without inputs: no event.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedOf {
    pub asked: Asked,
    pub inputs: Option<Arc<Inputs>>,
}

/// The class of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A case opened, or the event reached one.
    Match = 1,
    /// The policy could not decide.
    Error = 2,
    /// A case would have opened.
    Shadow = 3,
    NoMatch = 4,
}

impl Class {
    pub const ALL: [Self; 4] = [Self::Match, Self::Error, Self::Shadow, Self::NoMatch];

    pub(in crate::store) fn of_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| *class as u8 == byte)
    }

    /// Returns the retention. Non-matches are as numerous as events, and back-tests and explanations look back as far.
    pub fn kept_for(self) -> TimeDelta {
        match self {
            Self::Match | Self::Error => TimeDelta::days(365),
            Self::Shadow | Self::NoMatch => TimeDelta::days(90),
        }
    }

    /// Returns whether the last one of each policy is kept forever.
    pub(in crate::store) fn stays(self) -> bool {
        match self {
            Self::Match | Self::Error | Self::Shadow => true,
            Self::NoMatch => false,
        }
    }
}

impl PolicyVerdict {
    pub fn class(&self) -> Class {
        match self.verdict {
            Verdict::Opened | Verdict::Joined | Verdict::Cancelled => Class::Match,
            Verdict::CouldNotDecide => Class::Error,
            Verdict::Shadow => Class::Shadow,
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

    /// Returns whether the verdict is nothing but a clause of its revision.
    pub(in crate::store) fn is_reference(&self) -> bool {
        self.verdict == Verdict::Clause
            && self.clause.is_some()
            && self.detail.is_empty()
            && self.trace.is_none()
            && self.would_open.is_none()
    }
}

/// Returns how long plain negative answers are kept.
pub fn kept_for() -> TimeDelta {
    Class::NoMatch.kept_for()
}

/// Which entries of the log about a person are wanted.
#[derive(Debug, Clone, Copy)]
pub struct AskedAbout<'a> {
    pub person: &'a str,
    /// Until this time.
    pub until: Timestamp,
    pub policy: Option<&'a str>,
    pub kind: Option<SubjectKind>,
    /// The event's key.
    pub event: Option<&'a str>,
}

impl<'a> AskedAbout<'a> {
    /// All entries about a person until a time.
    pub fn person(person: &'a str, until: Timestamp) -> Self {
        Self { person, until, policy: None, kind: None, event: None }
    }
}
