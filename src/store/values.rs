//! Values of the state that only the store reads.

use super::commit::PolicyVerdict;
use super::journal::Head;
use crate::model::{CaseId, Event, EventType, Fields, Forgotten, SubjectRef, Timestamp};

/// The state's progress, and a sum over all its values: a lost or duplicated value changes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Meta {
    /// The last applied record.
    pub(super) applied: u64,
    pub(super) keys: u64,
    pub(super) sum: u64,
    /// The end of the last fully applied frame; identifies the source journal.
    pub(super) head: Head,
}

/// A closed case whose data is kept for a time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Closed {
    pub(super) case: CaseId,
    pub(super) policy: String,
    /// What was removed already.
    pub(super) redacted: Option<Forgotten>,
}

/// An entry of the decision log: the verdicts of one class on one event about one person.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Logged {
    /// `None`: the event's subject.
    pub(super) subject: Option<SubjectRef>,
    /// `None`: a sweep or a manual start, with the next three.
    pub(super) event: Option<Event>,
    pub(super) kind: String,
    pub(super) also: Vec<EventType>,
    pub(super) time: Option<Timestamp>,
    /// The fields of the person that the conditions name.
    pub(super) named: Fields,
    /// The hash of the list of revisions that `clauses` belong to.
    pub(super) by: Option<String>,
    /// For each revision of the list, the number of the clause that failed.
    pub(super) clauses: Vec<Option<usize>>,
    /// Verdicts that are no clause of a revision.
    pub(super) said: Vec<PolicyVerdict>,
}

/// What finds an entry by person.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listed {
    /// The list of revisions; not all of them need to have a verdict in the entry.
    pub(super) by: Option<String>,
    /// The policies of other verdicts.
    pub(super) policies: Vec<String>,
}

/// The last entry of a policy in a class.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Last {
    pub(super) at: Timestamp,
    pub(super) key: Vec<u8>,
}

/// A value whose key tells enough.
#[derive(Clone, Debug)]
pub(super) struct Anything;
