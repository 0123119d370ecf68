//! What a back-test found.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Timestamp;
use crate::policy::Revision;
use crate::trial::past::{Past, PolicyPast};

/// How far a back-test is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Another one has to end first.
    Waiting,
    /// The journal is read; so many records.
    Reading { records: usize },
    /// So many people of all.
    Walking { done: usize, of: usize },
}

/// Is told of progress; called from several threads.
pub type OnProgress = dyn Fn(Progress) + Send + Sync;

/// Whether the answer is still wanted.
pub type Wanted = dyn Fn() -> bool + Send + Sync;

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    pub from: Timestamp,
    pub to: Timestamp,
    pub events: usize,
    pub cases: usize,
    pub people: usize,
    /// There was more; the oldest was left out.
    pub cut: bool,
}

impl Span {
    pub fn of(past: &Past) -> Self {
        let Past { people, pauses: _, from, to, events, cases, cut } = past;
        Self { from: *from, to: *to, events: *events, cases: *cases, people: people.len(), cut: *cut }
    }
}

/// The result of a back-test of all policies that an edit concerns.
#[derive(Debug, Clone, Default)]
pub struct BackTests {
    pub span: Span,
    pub policies: BTreeMap<String, Arc<PolicyPast>>,
}

/// The result for one parked revision.
#[derive(Debug, Clone)]
pub struct BackTest {
    pub revision: Revision,
    pub why: Vec<String>,
    pub span: Span,
    pub past: Arc<PolicyPast>,
}
