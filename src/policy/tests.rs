//! Policy tests as they were read: what is given, what is played, what is expected. Playing them is not
//! this room's business.

use std::collections::BTreeMap;

use serde_json::Value;

use super::diagnostic::Place;
use super::outcome::ProofOutcome;
use crate::model::{EventType, Fields, Judgement, Span, Timestamp};

/// One tests.yaml.
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
    /// Fields of the person that differ from an ordinary one.
    pub person: Fields,
    /// Names of verifications, and how long ago they were passed.
    pub passed: Vec<(String, Span)>,
    /// Endpoints that do not answer with 200 and nothing.
    pub answers: BTreeMap<String, (u16, Value)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    pub place: Place,
    pub act: Act,
}

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
        /// None: about a contest.
        step: Option<String>,
        decision: String,
        by: String,
        reason: Option<String>,
        /// It must not be taken.
        refused: bool,
    },
    Order(String),
    Outage {
        who: String,
        /// None: until it is said to be up.
        length: Option<Span>,
    },
    Recovery {
        who: String,
    },
    Change(Fields),
}

/// What the provider found, beside its outcome.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    pub reasons: Vec<String>,
    pub score: Option<f64>,
    /// Fields of the document that differ from what the person gave.
    pub document: Fields,
    /// Capabilities that ended otherwise than the whole.
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
    State(String),
    Sent(Vec<String>),
    Did(Vec<String>),
    Destroyed(Vec<String>),
    Grace(Span),
    Closed(String),
    Holds(Vec<String>),
    Person(Fields),
}

impl What {
    /// The key as the file writes it.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Cases(_) => "cases",
            Self::WaitingAt(_) => "waiting_at",
            Self::State(_) => "state",
            Self::Sent(_) => "sent",
            Self::Did(_) => "did",
            Self::Destroyed(_) => "destroyed",
            Self::Grace(_) => "grace",
            Self::Closed(_) => "closed",
            Self::Holds(_) => "holds",
            Self::Person(_) => "person",
        }
    }
}
