//! What is kept. An append-only journal is the truth, sled is the state that is read, and one committer
//! thread writes both. The only room that names sled; it knows no network and keeps policy text as bytes.
//!
//! | file | what |
//! |---|---|
//! | `commit` | what one commit may hold |
//! | `codec` | the versioned shape on disk |
//! | `journal` | segments of framed, chained records |
//! | `committer` | the thread that groups commits |
//! | `state` | the sled trees and their keys |
//! | `rebuild` | sled from the journal, and the comparison of the two |

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::case::{Case, Entry};
use crate::model::{CaseId, Event, Lane, Secret, SubjectRef, Timestamp};
use crate::policy::tree::LimitedAction;
use crate::policy::{Files, Revision};

/// Everything that becomes durable together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// Persons' accounts at verification providers: (provider, person) to account.
    pub accounts: Vec<Account>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    pub case: Case,
    pub entries: Vec<Entry>,
    /// Limited effects that were reached, for the counters.
    pub effects: Vec<LimitedAction>,
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consumed {
    pub key: String,
    pub at: Timestamp,
    /// Why each policy did or did not open a case; what `explain` shows later.
    pub verdicts: Vec<PolicyVerdict>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyVerdict {
    pub policy: String,
    pub revision: Revision,
    /// `opened`, `joined`, `cancelled`, `clause`, `could_not_decide`, `shadow`, `duplicate`, `gone`, ...
    pub verdict: String,
    /// The clause, the case or the error.
    pub detail: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deferred {
    pub key: String,
    pub due: Timestamp,
    pub attempts: u32,
    pub reason: String,
}

/// An event that waits to be dealt with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    pub event: Event,
    pub due: Timestamp,
    pub attempts: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredRevision {
    pub policy: String,
    pub revision: Revision,
    /// Path to text; policy trees are text.
    pub files: BTreeMap<String, String>,
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    pub provider: String,
    pub person: String,
    pub account: String,
}

/// A failed read or a store that cannot serve any more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("while {doing}: {cause}")]
    Io { doing: String, cause: std::io::Error },
    #[error("{0}")]
    Damaged(String),
    #[error("the store is closed")]
    Closed,
    #[error("another process has this store open: {0}")]
    Locked(String),
    #[error("the disk is nearly full; new events are refused until there is room")]
    Full,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct CaseFilter {
    pub policy: Option<String>,
    pub subject: Option<String>,
    pub open: Option<bool>,
    /// Vendor execution or account id.
    pub vendor: Option<String>,
}

/// Signatures that the other rooms rely on.
#[derive(Debug, Clone)]
pub struct Store {}

#[expect(unused_variables, clippy::unused_async, reason = "outline")]
impl Store {
    /// Opens or makes a store in a directory: journal read to its end, a torn tail cut, sled brought up to
    /// it or rebuilt. `Opened` says what had to be done.
    pub fn open(dir: &Path, now: Timestamp) -> Result<(Self, Opened), Error> {
        Ok((Self {}, Opened::default()))
    }
    /// Durable when it returns (the journal's fdatasync), visible to reads of this store's clones too.
    /// An error of write or sync ends the process (exit 70).
    pub async fn commit(&self, commit: Commit) -> Result<(), Error> {
        Ok(())
    }
    /// The store's own random secret, made once.
    pub fn secret(&self) -> Secret {
        Secret::default()
    }
    pub fn case(&self, id: &CaseId) -> Result<Option<Case>, Error> {
        Ok(None)
    }
    pub fn entries(&self, id: &CaseId, from: u64, limit: usize) -> Result<Vec<Entry>, Error> {
        Ok(Vec::new())
    }
    /// Newest first; `cursor` is what the page before returned.
    pub fn cases(
        &self,
        filter: &CaseFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Case>, Option<String>), Error> {
        Ok((Vec::new(), None))
    }
    /// The open case of a policy with this key.
    pub fn open_case(&self, policy: &str, key: &str) -> Result<Option<CaseId>, Error> {
        Ok(None)
    }
    pub fn open_cases_of(&self, subject: &SubjectRef) -> Result<Vec<CaseId>, Error> {
        Ok(Vec::new())
    }
    pub fn case_by_execution(&self, execution: &str) -> Result<Option<CaseId>, Error> {
        Ok(None)
    }
    /// Cases whose `wake_at` is due, earliest first, and the time of the next one after them.
    pub fn due_cases(&self, now: Timestamp, limit: usize) -> Result<(Vec<CaseId>, Option<Timestamp>), Error> {
        Ok((Vec::new(), None))
    }
    /// Calls of a lane that are due and not under way, earliest first, and the time of the next one.
    pub fn due_calls(
        &self,
        lane: Lane,
        now: Timestamp,
        limit: usize,
    ) -> Result<(Vec<(CaseId, u32)>, Option<Timestamp>), Error> {
        Ok((Vec::new(), None))
    }
    /// Calls whose attempt had begun: after a start, their end is not known.
    pub fn begun_calls(&self) -> Result<Vec<(CaseId, u32, u32)>, Error> {
        Ok(Vec::new())
    }
    /// Inbox events that are due, and the time of the next one.
    pub fn inbox(&self, now: Timestamp, limit: usize) -> Result<(Vec<Waiting>, Option<Timestamp>), Error> {
        Ok((Vec::new(), None))
    }
    /// Whether an event with this key, or with one of the marks, was received and consumed before.
    pub fn seen(&self, event: &Event) -> Result<bool, Error> {
        Ok(false)
    }
    pub fn verdicts(&self, key: &str) -> Result<Option<Consumed>, Error> {
        Ok(None)
    }
    pub fn cursor(&self, source: &str) -> Result<Option<String>, Error> {
        Ok(None)
    }
    pub fn revision(&self, revision: &Revision) -> Result<Option<Files>, Error> {
        Ok(None)
    }
    pub fn revisions(&self, policy: &str) -> Result<Vec<StoredRevision>, Error> {
        Ok(Vec::new())
    }
    pub fn active(&self) -> Result<BTreeMap<String, Revision>, Error> {
        Ok(BTreeMap::new())
    }
    pub fn account(&self, provider: &str, person: &str) -> Result<Option<String>, Error> {
        Ok(None)
    }
    /// Limited effects since a time: (policy, action, when), for the counters at start.
    pub fn effects_since(&self, since: Timestamp) -> Result<Vec<(String, LimitedAction, Timestamp)>, Error> {
        Ok(Vec::new())
    }
    /// Counts of open cases by policy and state word, from counters that are kept, not by a scan.
    pub fn counts(&self) -> Result<BTreeMap<(String, String), u64>, Error> {
        Ok(BTreeMap::new())
    }
    /// Changes after each applied group, so that the engine's loops look again.
    pub fn applied(&self) -> tokio::sync::watch::Receiver<u64> {
        tokio::sync::watch::channel(0).1
    }
    /// Ends the committer after what it has.
    pub async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// What opening found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    pub records: u64,
    /// Bytes of a torn tail that were cut.
    pub cut_bytes: u64,
    /// Sled was made anew from the journal, and why.
    pub rebuilt: Option<String>,
}
