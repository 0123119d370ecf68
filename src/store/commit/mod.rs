//! What one commit may hold: plain data, as the engine hands it over and as the journal keeps it. It does
//! not know how or where it is kept.

mod asked;
mod body;
mod keyed;
mod loss;
mod salvage;
mod sweeps;

use std::collections::{BTreeMap, BTreeSet};

use crate::case::{Case, Entry, Hold, Note, Recorded};
use crate::model::{
    CaseId, DocumentUse, EffectKind, Enrolment, Event, Pause, Subject, SubjectRef, Timestamp, Verdict,
};
use crate::policy::Revision;
use crate::policy::script::Trace;

pub use asked::{Asked, Class, kept_for};
pub use keyed::{About, Answer, Keyed};
pub use loss::{AcceptedLoss, Loss};
pub use sweeps::{FirstSeen, SweepChange, SweepPart, SweepRun, SweepState};

pub(super) use asked::class;
pub(super) use body::{Body, MARKS_KEPT};
pub(super) use salvage::Salvage;

/// Everything that becomes durable together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Commit {
    /// Cases after an input, with what is added to their journals.
    pub cases: Vec<Changed>,
    /// Events taken in; they lie in the inbox until they are consumed.
    pub received: Vec<Event>,
    /// Inbox events that were dealt with, with what every policy said.
    pub consumed: Vec<Consumed>,
    /// Inbox events that could not be dealt with yet.
    pub deferred: Vec<Deferred>,
    /// Source name to its cursor.
    pub cursors: BTreeMap<String, String>,
    /// Revisions that became active, with their files (kept while a case or the active set needs them).
    pub revisions: Vec<StoredRevision>,
    /// Replaces what runs: policy name to revision. For a start with broken files.
    pub active: Option<BTreeMap<String, Revision>>,
    /// What is known of persons at verification providers.
    pub enrolled: Vec<Enrolled>,
    /// Documents that were shown. With the result that they belong to, so that no other case overlooks one.
    pub documents: Vec<DocumentUse>,
    /// Times in which somebody could not answer; one that goes on is replaced when it ends.
    pub pauses: Vec<Pause>,
    /// What people said about revisions of policies.
    pub policy_orders: Vec<PolicyOrder>,
    /// What runs of sweeps did.
    pub sweeps: Vec<SweepChange>,
    /// What policies said where no event asked them.
    pub asked: Vec<Asked>,
    /// Changes that were asked for under a key.
    pub requests: Vec<Keyed>,
}

impl Commit {
    /// Whether it brings new events or opens a case. What is under way already goes on when the disk is nearly
    /// full; this does not.
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
    /// What it was decided from; none in journals of versions that did not write it.
    pub recorded: Option<Recorded>,
}

/// An inbox event that was dealt with.
#[derive(Debug, Clone, PartialEq)]
pub struct Consumed {
    pub key: String,
    pub at: Timestamp,
    /// Why each policy did or did not open a case; what `explain` shows later.
    pub verdicts: Vec<PolicyVerdict>,
    /// The people as they were read for it, where no case has them: what another revision would say is asked
    /// about them as they were.
    pub people: Vec<Subject>,
}

/// What one policy said about an event.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyVerdict {
    /// Empty: what the daemon itself says of the event.
    pub policy: String,
    pub revision: Revision,
    pub verdict: Verdict,
    /// The clause, the case or the error.
    pub detail: String,
    /// Whom it was asked about, where that is not the event's own subject.
    pub about: Option<SubjectRef>,
    /// What kept it from opening a case, with the values that were looked at.
    pub trace: Option<Trace>,
    /// What a sweep of a shadow policy would have opened, with what a case would have been decided from.
    pub would_open: Option<Box<Recorded>>,
}

impl PolicyVerdict {
    pub fn new(policy: &str, revision: &Revision, verdict: Verdict, detail: String) -> Self {
        Self {
            policy: policy.to_owned(),
            revision: revision.clone(),
            verdict,
            detail,
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

/// An event that waits to be dealt with.
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
    /// What its tests walked; they are no part of the revision.
    pub tests: Examined,
}

/// What the tests of a revision walk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examined {
    pub tests: usize,
    /// Branches, as a step and its outcome.
    pub walked: BTreeSet<String>,
    pub not_walked: BTreeSet<String>,
}

impl Examined {
    /// What the tests of an edit walk less; none: they walk as much. A branch that is gone cannot be walked.
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

/// What was said about the revisions of a policy, by a person or by the past. The newest one of a policy
/// counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyOrder {
    pub policy: String,
    pub what: PolicyDeed,
    /// The revision that is to run.
    pub revision: Revision,
    /// A revert: what the tree had then; it stands as long as the tree has this. Otherwise what ran before.
    pub over: Option<Revision>,
    pub by: String,
    pub reason: String,
    pub at: Timestamp,
    /// Effect to people whom it would have newly met, together with the edits just before that passed too.
    pub newly: BTreeMap<String, usize>,
    /// The revision with which the edits began that nobody had to release.
    pub began: Option<Revision>,
}

impl PolicyOrder {
    /// The revision that a person chose last, or the one with which the edits began: small changes since then are added
    /// up.
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
    /// A revision that was parked may run.
    Released,
    /// An older revision runs in the place of the tree's.
    Reverted,
    /// The files were edited after a revert, which ends it.
    Superseded,
    /// A revision waits for a release: the recorded past spoke against it.
    Parked,
    /// The policy left the tree; this is what ran of it.
    Gone,
    /// The recorded past was asked, and did not hold the revision back.
    Passed,
    /// An edit that needed no release runs; `over` ran before it.
    Edited,
    /// The files were put back to what ran before.
    Returned,
    /// A person agreed that the policy, which is not in the tree any more, stops.
    Dropped,
}

/// What is known of a person at a verification provider; replaces what was known.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrolled {
    pub provider: String,
    pub person: String,
    pub enrolment: Enrolment,
}

/// What a case holds against a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Holding {
    pub case: CaseId,
    pub policy: String,
    pub subject: SubjectRef,
    /// The case has ended, and left this.
    pub closed: bool,
    pub holds: Vec<Hold>,
}
