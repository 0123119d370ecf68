//! What is known about one person, and its erasure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::bounds::{Reason, Whom};
use crate::model::{CaseId, Forgotten};

/// The version of `SubjectReport`.
pub const REPORT: u32 = 1;

#[derive(Debug, Clone, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SubjectQuery {
    /// An id, or a reference such as `user/17` or `SOURCE/user/17`.
    #[param(inline)]
    pub subject: Whom,
    /// Why the data is looked at; logged with the token's name.
    #[param(inline)]
    pub reason: Reason,
}

/// Everything that the store has about one person.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SubjectReport {
    /// The version of this report.
    pub version: u32,
    pub subject: String,
    pub at: DateTime<Utc>,
    /// References under which the person is known: a registration and its account are one person.
    pub names: Vec<String>,
    /// Cases as they are stored, each with its journal and the calls that wait, mails included.
    #[schema(value_type = Vec<Object>)]
    pub cases: Vec<Value>,
    /// Events that policies evaluated, and events that wait to be processed.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<Value>,
    /// Verdicts of policies, with the values that they evaluated.
    #[schema(value_type = Vec<Object>)]
    pub verdicts: Vec<Value>,
    /// Accounts, runs and passes at verification providers.
    #[schema(value_type = Vec<Object>)]
    pub enrolments: Vec<Value>,
    /// Fingerprints of documents that the person showed.
    #[schema(value_type = Vec<Object>)]
    pub documents: Vec<Value>,
    /// Earlier erasures.
    pub erasures: Vec<Erasure>,
    /// People with the same mail address under another reference. They are not part of this report.
    pub others: Vec<String>,
}

/// The certificate of an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Erasure {
    /// The record of the journal.
    pub entry: u64,
    pub class: Forgotten,
    pub at: DateTime<Utc>,
    pub by: String,
    pub reason: String,
    /// Number of removed items, by kind.
    pub counts: BTreeMap<String, u64>,
    /// A salted hash over the exported data.
    pub digest: String,
    pub salt: String,
    /// Records of the journal that were redacted; null while that is pending.
    pub records: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseSubject {
    /// An id, or a reference such as `user/17` or `SOURCE/user/17`.
    pub subject: Whom,
    pub reason: Reason,
    /// Cancels open cases and lifts their holds first; otherwise open cases refuse the erasure.
    #[serde(default)]
    pub close_cases: bool,
}

/// The result of an erasure.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Erased {
    pub subject: String,
    /// False: nothing was left.
    pub erased: bool,
    /// The skeletons that stay.
    pub cases: Vec<CaseId>,
    /// This erasure, or the latest earlier one.
    pub certificate: Option<Erasure>,
    /// Accounts at verification providers, and how their deletion stands.
    pub deletions: Vec<DeletionLine>,
    /// What is still to be done, as sentences. The daemon does it by itself.
    pub pending: Vec<String>,
    /// People with the same mail address under another reference. They were not erased.
    pub others: Vec<String>,
}

/// The deletion of an account at a verification provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletionLine {
    pub provider: String,
    pub account: String,
    pub done: bool,
    pub attempts: u32,
    /// When it is tried next.
    pub due_at: Option<DateTime<Utc>>,
    /// Why the last attempt failed.
    pub failure: Option<String>,
}
