//! Policy tests as read: given facts, actions and expectations. Must not know how tests run.

use std::collections::BTreeMap;

use serde_json::Value;

use super::diagnostic::Place;
use super::outcome::ProofOutcome;
use crate::model::{CaseState, EventType, Fields, Judgement, Order, Span, Timestamp, words};

/// One `tests.yaml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tests {
    pub policy: String,
    pub file: String,
    pub tests: Vec<Test>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    pub name: String,
    pub place: Place,
    pub clock: Timestamp,
    pub given: Given,
    pub play: Vec<Move>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// Fields of the person that differ from the default person.
    pub person: Fields,
    /// Names of verifications, and how long ago the person passed them.
    pub passed: Vec<(String, Span)>,
    /// Answers of endpoints, other than 200 with an empty body.
    pub answers: BTreeMap<String, (u16, Value)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    pub place: Place,
    pub act: Act,
}

/// The key of a line of `play`; each line has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveKey {
    Send,
    Start,
    Advance,
    Expect,
    Answer,
    Press,
    Decide,
    Order,
    Provider,
    Change,
}

words! { MoveKey {
    Send => "send",
    Start => "start",
    Advance => "advance",
    Expect => "expect",
    Answer => "answer",
    Press => "press",
    Decide => "decide",
    Order => "order",
    Provider => "provider",
    Change => "change",
} }

#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    Send {
        kind: EventType,
        with: Fields,
    },
    StartByHand,
    Sweep,
    Advance(Span),
    Expect(Vec<Expected>),
    Answer {
        step: String,
        outcome: ProofOutcome,
        found: Found,
    },
    Press {
        step: String,
    },
    Contest,
    Decide {
        /// None: a decision about an objection.
        step: Option<String>,
        decision: String,
        by: String,
        reason: Option<String>,
        /// The decision must be refused.
        refused: bool,
    },
    Order(Order),
    Outage {
        who: String,
        /// None: until an explicit recovery.
        length: Option<Span>,
    },
    Recovery {
        who: String,
    },
    Change(Fields),
}

/// The provider's findings, besides its outcome.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    pub reasons: Vec<String>,
    pub score: Option<f64>,
    /// Fields of the document that differ from the person's data.
    pub document: Fields,
    /// Capabilities whose judgement differs from the overall result.
    pub checks: BTreeMap<String, Judgement>,
}

/// One key of an `expect`, with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    pub place: Place,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Opened(bool),
    Cases(usize),
    WaitingAt(String),
    State(CaseState),
    Sent(Vec<String>),
    Did(Vec<String>),
    Destroyed(Vec<String>),
    Grace(Span),
    Closed(String),
    Holds(Vec<String>),
    Person(Fields),
}

/// The key of an expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectKey {
    Opened,
    Cases,
    WaitingAt,
    State,
    Sent,
    Did,
    Destroyed,
    Grace,
    Closed,
    Holds,
    Person,
}

words! { ExpectKey {
    Opened => "opened",
    Cases => "cases",
    WaitingAt => "waiting_at",
    State => "state",
    Sent => "sent",
    Did => "did",
    Destroyed => "destroyed",
    Grace => "grace",
    Closed => "closed",
    Holds => "holds",
    Person => "person",
} }

impl What {
    pub const fn key(&self) -> ExpectKey {
        match self {
            Self::Opened(_) => ExpectKey::Opened,
            Self::Cases(_) => ExpectKey::Cases,
            Self::WaitingAt(_) => ExpectKey::WaitingAt,
            Self::State(_) => ExpectKey::State,
            Self::Sent(_) => ExpectKey::Sent,
            Self::Did(_) => ExpectKey::Did,
            Self::Destroyed(_) => ExpectKey::Destroyed,
            Self::Grace(_) => ExpectKey::Grace,
            Self::Closed(_) => ExpectKey::Closed,
            Self::Holds(_) => ExpectKey::Holds,
            Self::Person(_) => ExpectKey::Person,
        }
    }
}
