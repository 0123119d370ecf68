//! Content of a commit: plain data, shared by the engine and the journal. Independent of storage.

mod asked;
mod body;
mod keyed;
mod loss;
mod redact;
mod salvage;
mod sweeps;

use std::collections::{BTreeMap, BTreeSet};

use crate::case::{Case, Entry, Hold, Note, Recorded};
use crate::model::{
    CaseId, DocumentUse, EffectKind, Enrolment, Event, Pause, Subject, SubjectRef, Timestamp, Verdict,
};
use crate::policy::Revision;
use crate::policy::script::Trace;

pub use asked::{Asked, AskedAbout, AskedOf, Class, Inputs, kept_for};
pub use keyed::{About, Answer, Keyed};
pub use loss::{AcceptedLoss, Loss};
pub use redact::{Certified, Deletion, Fulfilled, Redact, Redacted, Redaction, VendorAccount};
pub use sweeps::{FirstSeen, SweepChange, SweepPart, SweepRun, SweepState};

pub(super) use body::{Body, MARKS_KEPT};
pub(super) use salvage::Salvage;

/// All changes that become durable together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Commit {
    /// Cases after an input, with their new journal entries.
    pub cases: Vec<Changed>,
    /// Received events; they stay in the inbox until they are consumed.
    pub received: Vec<Event>,
    /// Consumed inbox events, with every policy's verdict.
    pub consumed: Vec<Consumed>,
    /// Deferred inbox events.
    pub deferred: Vec<Deferred>,
    /// Source name to its cursor.
    pub cursors: BTreeMap<String, String>,
    /// Revisions that became active, with their files. Kept while a case or the active set needs them.
    pub revisions: Vec<StoredRevision>,
    /// Replaces the active revisions: policy name to revision. For a start with invalid files.
    pub active: Option<BTreeMap<String, Revision>>,
    /// Enrolments of persons at verification providers.
    pub enrolled: Vec<Enrolled>,
    /// Document uses. Committed with their result, which keeps other cases from missing one.
    pub documents: Vec<DocumentUse>,
    /// Outages in which an answer was impossible; the end of an ongoing one replaces it.
    pub pauses: Vec<Pause>,
    /// Orders about revisions of policies.
    pub policy_orders: Vec<PolicyOrder>,
    /// Progress of sweeps.
    pub sweeps: Vec<SweepChange>,
    /// Verdicts without an event.
    pub asked: Vec<Asked>,
    /// Changes requested with an idempotency key.
    pub requests: Vec<Keyed>,
}

impl Commit {
    /// Returns whether the commit brings new events or opens a case. Such commits are refused when the disk is nearly
    /// full; work in progress continues.
    pub(super) fn takes_in(&self) -> bool {
        let opens = |entry: &Entry| matches!(entry.note, Note::Opened { .. });
        !self.received.is_empty() || self.cases.iter().any(|changed| changed.entries.iter().any(opens))
    }
}

/// A case after an input.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    pub case: Case,
    pub entries: Vec<Entry>,
    /// Limited effects that were reached, for the counters.
    pub effects: Vec<EffectKind>,
    pub at: Timestamp,
    /// The inputs of the decision; `None` in journals of versions that did not write it.
    pub recorded: Option<Recorded>,
}

/// A consumed inbox event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Consumed {
    pub key: String,
    pub at: Timestamp,
    /// Why each policy did or did not open a case; shown by `explain`.
    pub verdicts: Vec<PolicyVerdict>,
    /// The people read for it, except those stored in cases. A later evaluation by another revision uses these records.
    pub people: Vec<Subject>,
    /// The people with only the fields that the conditions of verdicts by a clause name.
    pub named: Vec<Subject>,
}

/// One policy's verdict on an event.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyVerdict {
    /// Empty: the daemon's own verdict on the event.
    pub policy: String,
    pub revision: Revision,
    pub verdict: Verdict,
    /// The case or the error; the clause where it is not referred to by number.
    pub detail: String,
    /// The number of the clause in the revision's condition. Its text and the values that it read are found again from
    /// the revision, the event and the person's named fields.
    pub clause: Option<usize>,
    /// The evaluated person, if different from the event's subject.
    pub about: Option<SubjectRef>,
    /// Why no case opened, with the values that were evaluated.
    pub trace: Option<Trace>,
    /// The opening of a shadow policy's sweep, with the inputs of its decision.
    pub would_open: Option<Box<Recorded>>,
}

impl PolicyVerdict {
    pub fn new(policy: &str, revision: &Revision, verdict: Verdict, detail: String) -> Self {
        Self {
            policy: policy.to_owned(),
            revision: revision.clone(),
            verdict,
            detail,
            clause: None,
            about: None,
            trace: None,
            would_open: None,
        }
    }
}

/// An inbox event that waits for another attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Deferred {
    pub key: String,
    pub due: Timestamp,
    pub attempts: u32,
    pub reason: String,
}

/// An event in the inbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    pub event: Event,
    pub due: Timestamp,
    pub attempts: u32,
}

/// A revision of a policy with its files.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRevision {
    pub policy: String,
    pub revision: Revision,
    /// Path to text; policy trees are text.
    pub files: BTreeMap<String, String>,
    pub at: Timestamp,
    /// Coverage of its tests, which are not part of the revision.
    pub tests: Examined,
}

/// Branches that the tests of a revision walk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examined {
    pub tests: usize,
    /// Branches, as a step and its outcome.
    pub walked: BTreeSet<String>,
    pub not_walked: BTreeSet<String>,
}

impl Examined {
    /// Returns what an edit's tests cover less; `None` if they cover as much. A removed branch does not count.
    pub fn less_in(&self, edit: &Self) -> Option<String> {
        if self.tests > 0 && edit.tests == 0 {
            return Some(format!("no longer has tests; the active revision has {}", self.tests));
        }
        let lost: Vec<&String> = self.walked.intersection(&edit.not_walked).collect();
        let fewer = self.walked.len().saturating_sub(edit.walked.len());
        let more_open = edit.not_walked.len() > self.not_walked.len();
        match lost.as_slice() {
            [] if fewer > 0 && more_open => Some(format!("tests {fewer} fewer branches")),
            [] => None,
            [first, ..] => Some(format!("tests {} fewer branches, such as {first}", lost.len())),
        }
    }
}

/// An order about the revisions of a policy, from a person or a back-test. The newest one of a policy applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyOrder {
    pub policy: String,
    pub what: PolicyDeed,
    /// The revision to run.
    pub revision: Revision,
    /// For a revert: the tree's revision at that time; the revert lasts as long as the tree has it. Otherwise the
    /// previously active revision.
    pub over: Option<Revision>,
    pub by: String,
    pub reason: String,
    pub at: Timestamp,
    /// By effect, the number of people newly affected, including the preceding edits that passed.
    pub newly: BTreeMap<String, usize>,
    /// The revision at the start of the edits that needed no release.
    pub began: Option<Revision>,
}

impl PolicyOrder {
    /// Returns the base for adding up small changes: the revision that a person chose last, or the revision at the
    /// start of the later edits.
    pub fn base(&self) -> Option<&Revision> {
        match self.what {
            PolicyDeed::Released | PolicyDeed::Reverted => Some(&self.revision),
            PolicyDeed::Superseded
            | PolicyDeed::Parked
            | PolicyDeed::Gone
            | PolicyDeed::Passed
            | PolicyDeed::Edited
            | PolicyDeed::Returned
            | PolicyDeed::Dropped => self.began.as_ref(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyDeed {
    /// A parked revision may run.
    Released,
    /// An older revision runs instead of the tree's.
    Reverted,
    /// An edit of the files after a revert ended the revert.
    Superseded,
    /// A revision is parked because of its back-test.
    Parked,
    /// The policy was removed from the tree; the order names its last active revision.
    Gone,
    /// The back-test did not park the revision.
    Passed,
    /// An edit without a required release runs; `over` was active before.
    Edited,
    /// The files were restored to the previously active revision.
    Returned,
    /// A person confirmed that a policy removed from the tree stops.
    Dropped,
}

/// A person's enrolment at a verification provider; replaces the earlier one.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrolled {
    pub provider: String,
    pub person: String,
    pub enrolment: Enrolment,
}

/// A case's holds on a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Holding {
    pub case: CaseId,
    pub policy: String,
    pub subject: SubjectRef,
    /// The case ended and left these holds.
    pub closed: bool,
    pub holds: Vec<Hold>,
}
