//! A change requested with a caller's idempotency key.

use crate::model::{CaseId, Timestamp};

/// A change requested with an idempotency key. It is written with the change, and again with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// A hash of the caller and their key.
    pub key: String,
    /// A hash of the whole request.
    pub request: String,
    pub at: Timestamp,
    /// `None`: the request was answered and changed nothing itself.
    pub about: Option<About>,
    /// `None`: the process ended between the change and its answer.
    pub answer: Option<Answer>,
}

/// The target of a request's change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    Case(CaseId),
    Policy(String),
    /// Number of events received.
    Events(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}
