//! What one commit may hold: plain data, as the engine hands it over and as the journal keeps it. It does
//! not know how or where it is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::case::{Case, Entry, Recorded};
use crate::model::{Event, Timestamp};
use crate::policy::Revision;
use crate::policy::tree::LimitedAction;

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

/// A case after an input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    pub case: Case,
    pub entries: Vec<Entry>,
    /// Limited effects that were reached, for the counters.
    pub effects: Vec<LimitedAction>,
    pub at: Timestamp,
    /// What it was decided from; none in journals of versions that did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Recorded>,
}

/// An inbox event that was dealt with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consumed {
    pub key: String,
    pub at: Timestamp,
    /// Why each policy did or did not open a case; what `explain` shows later.
    pub verdicts: Vec<PolicyVerdict>,
}

/// What one policy said about an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyVerdict {
    pub policy: String,
    pub revision: Revision,
    /// `opened`, `joined`, `cancelled`, `clause`, `could_not_decide`, `shadow`, `duplicate`, `gone`, ...
    pub verdict: String,
    /// The clause, the case or the error.
    pub detail: String,
}

/// An inbox event that waits for another attempt.
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

/// A revision of a policy with its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredRevision {
    pub policy: String,
    pub revision: Revision,
    /// Path to text; policy trees are text.
    pub files: BTreeMap<String, String>,
    pub at: Timestamp,
}

/// A person's account at a verification provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    pub provider: String,
    pub person: String,
    pub account: String,
}
