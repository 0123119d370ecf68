//! Back-test: replays recorded events, answers and decisions with another revision of a policy, on the clock of the
//! record. A case follows its recorded path as long as its wait fingerprint is equal. From the first difference it
//! continues on its own, with the recorded answers of people and providers. A missing answer is reported as unknown,
//! never guessed.
//!
//! | file | what |
//! |---|---|
//! | `gather` | collects the journal's records by person |
//! | `fingerprint` | the wait fingerprint of a case, for comparing two paths |
//! | `book` | the environment with recorded answers |
//! | `walk` | one person's record, with other policies |
//! | `projected` | the projected result of a case |
//! | `sweep_dependencies` | what a sweep's selection depends on |
//! | `beside` | the back-test of a shadow policy |
//! | `compare` | differences between two revisions in ends and effects |

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

/// The record, by person.
#[derive(Debug, Default)]
pub struct Past {
    pub people: Vec<PersonPast>,
    /// Outages in which an answer was impossible.
    pub pauses: Vec<Pause>,
    pub from: Timestamp,
    pub to: Timestamp,
    /// Number of events, and of opened cases.
    pub events: usize,
    pub cases: usize,
    /// The record exceeded the limit; its oldest part was dropped.
    pub cut: bool,
}

/// The record of one person, in journal order.
#[derive(Debug, Default)]
pub struct PersonPast {
    pub moments: Vec<Moment>,
    /// Questions to people, by case.
    pub askings: BTreeMap<CaseId, Vec<Asking>>,
    /// States of cases at the end of the record.
    pub then: BTreeMap<CaseId, Then>,
    /// Revisions other than the active ones processed the person.
    pub otherwise: bool,
}

/// The recorded state of a case at the end of the record.
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
    /// An input reached the case.
    Input { case: CaseId, recorded: Box<Recorded>, after: WaitFingerprint },
    /// An event was consumed, with the people read for it.
    Event { event: Box<Event>, people: Vec<Subject> },
    /// A sweep of a shadow policy selected a person.
    Watched { policy: String, recorded: Box<Recorded> },
    /// A case opened before the record received an event.
    Joined { policy: String, event: String },
    /// A case of another policy read a person; `event`: the key of the event that opened it.
    Seen { reference: SubjectRef, person: Option<Box<Subject>>, event: Option<String> },
}

/// A question to a person or a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// `verify NAME` with the compared fields, or `review QUEUE`.
    pub what: String,
    pub began: Timestamp,
    /// `None`: it is still open.
    pub ended: Option<(Timestamp, How)>,
}

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Answered,
    /// The time was up without an answer.
    Silence,
    /// Something else ended it: the answer is unknown.
    Cut,
}
