//! The result of a back-test.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Timestamp;
use crate::policy::Revision;
use crate::trial::past::{Past, PolicyPast};

/// The progress of a back-test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Another back-test has to end first.
    Waiting,
    /// The journal is read, up to this number of records.
    Reading { records: usize },
    /// The number of people processed, of all.
    Walking { done: usize, of: usize },
}

/// Receives progress; called from several threads.
pub type OnProgress = dyn Fn(Progress) + Send + Sync;

/// Returns whether the answer is still needed.
pub type Wanted = dyn Fn() -> bool + Send + Sync;

/// The events, cases and people that a back-test covered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    pub from: Timestamp,
    pub to: Timestamp,
    pub events: usize,
    pub cases: usize,
    pub people: usize,
    /// There were more events; the oldest were left out.
    pub cut: bool,
}

impl Span {
    pub fn of(past: &Past) -> Self {
        let Past { people, pauses: _, from, to, events, cases, cut } = past;
        Self { from: *from, to: *to, events: *events, cases: *cases, people: people.len(), cut: *cut }
    }
}

/// The result of a back-test of all policies that an edit affects.
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
