//! A change that was asked for under a key of the caller's.

use crate::model::{CaseId, Timestamp};

/// A change that was asked for under a key. It is written with the change, and once more with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// A hash of the caller and their key.
    pub key: String,
    /// A hash of the whole request.
    pub request: String,
    pub at: Timestamp,
    /// None: it was answered, and changed nothing by itself.
    pub about: Option<About>,
    /// None: the process ended between the change and its answer.
    pub answer: Option<Answer>,
}

/// What a request changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    Case(CaseId),
    Policy(String),
    /// So many events were taken in.
    Events(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}
