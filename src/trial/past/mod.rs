//! The past, walked again: recorded events, answers and decisions meet another revision of a policy, on the
//! clock of that time. A case goes the very way that it went as long as what it waits for is the same; from
//! where it is not, it goes on by itself with the answers that people and providers gave then. Where nobody
//! gave one, that is said, and nothing is guessed.
//!
//! | file | what |
//! |---|---|
//! | `gather` | records of the journal to the past of each person |
//! | `fingerprint` | what a case waits for, so that two ways of it can be compared |
//! | `book` | who answers: what was answered then |
//! | `walk` | one person's past, with other policies |
//! | `projected` | how a case ends, and what may still come |
//! | `sweep_dependencies` | on what it depends whom a sweep picks |
//! | `beside` | what a policy would have done beside those that ran |
//! | `compare` | whose end differs between two revisions, and by how much effects do |

mod beside;
mod book;
mod compare;
mod fingerprint;
mod gather;
mod projected;
mod sweep_dependencies;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::case::Recorded;
use crate::model::{CaseId, Event, Pause, Subject, SubjectRef, Timestamp};

pub use beside::{Beside, Live, Would, beside};
pub use compare::{Bar, Both, Coming, Differs, Effects, PolicyPast, Range, back_test};
pub use fingerprint::WaitFingerprint;
pub use gather::{Changed, Consumed, Gatherer, Interest, Noted};
pub use projected::{End, Name, Projected, ProjectedEffect};
pub use walk::{Undecided, Walked, walk};

/// What was recorded, by person.
#[derive(Debug, Default)]
pub struct Past {
    pub people: Vec<PersonPast>,
    /// Times in which somebody could not answer.
    pub pauses: Vec<Pause>,
    pub from: Timestamp,
    pub to: Timestamp,
    /// Events that were looked at, and cases that opened.
    pub events: usize,
    pub cases: usize,
    /// There was more than is looked at at once; the oldest was left out.
    pub cut: bool,
}

/// What happened around one person, in the order of the journal.
#[derive(Debug, Default)]
pub struct PersonPast {
    pub moments: Vec<Moment>,
    /// When whom was asked what, by case.
    pub askings: BTreeMap<CaseId, Vec<Asking>>,
    /// How cases stood at the end of the record.
    pub then: BTreeMap<CaseId, Then>,
    /// Other revisions than those that run dealt with the person.
    pub otherwise: bool,
}

/// How a case really stood at the end of the record.
#[derive(Debug)]
pub struct Then {
    pub end: End,
    pub sessions: usize,
    pub did: Vec<ProjectedEffect>,
}

#[derive(Debug)]
pub struct Moment {
    pub at: Timestamp,
    pub what: Happening,
}

#[derive(Debug)]
pub enum Happening {
    /// A case opened.
    Opened { case: CaseId, policy: Arc<str>, recorded: Box<Recorded>, after: WaitFingerprint },
    /// Something reached it.
    Input { case: CaseId, recorded: Box<Recorded>, after: WaitFingerprint },
    /// An event was dealt with, with the people that were read for it.
    Event { event: Box<Event>, people: Vec<Subject> },
    /// A sweep of a shadow policy picked somebody.
    Watched { policy: String, recorded: Box<Recorded> },
    /// A case that opened before all this heard of an event.
    Joined { policy: String, event: String },
    /// A person was read, by a case of another policy; `event`: the key of the one that opened it.
    Seen { whom: SubjectRef, person: Option<Box<Subject>>, event: Option<String> },
}

/// Somebody was asked for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// `verify NAME` with what is compared, or `review QUEUE`.
    pub what: String,
    pub began: Timestamp,
    /// None: it goes on.
    pub ended: Option<(Timestamp, How)>,
}

/// How an asking ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Answered,
    /// The time was up.
    Silence,
    /// Something else ended it: what would have come is not known.
    Cut,
}
