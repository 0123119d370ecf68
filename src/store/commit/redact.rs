//! Records that remove data of people from the journal and the state.

use std::collections::BTreeMap;

use crate::model::{CaseId, Forgotten, Timestamp};

/// An order to remove data. It contains no personal data: cases by id, people by salted hashes.
#[derive(Debug, Clone, PartialEq)]
pub struct Redact {
    pub class: Forgotten,
    pub at: Timestamp,
    /// The retention, or the token that asked.
    pub by: String,
    pub reason: String,
    /// Closed cases.
    pub cases: Vec<CaseId>,
    /// Keys of the events of these cases; for `Forgotten::Case`.
    pub events: Vec<String>,
    pub salt: String,
    /// Hashes of the names under which records know the person; for `Forgotten::Person`.
    pub people: Vec<String>,
    /// The keys that replace the person's.
    pub aliases: Vec<String>,
    /// What was removed, by kind of item.
    pub counts: BTreeMap<String, u64>,
    /// A salted hash over what was removed.
    pub digest: String,
    /// Accounts to delete at verification providers.
    pub deletions: Vec<VendorAccount>,
    /// The names behind `people`. Never stored: only the process that took the order has them.
    pub known: Vec<String>,
}

/// A person's account at a verification provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VendorAccount {
    pub provider: String,
    pub account: String,
}

/// Segments were rewritten as orders demand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    pub at: Timestamp,
    /// Segments with redacted records, and their new hashes.
    pub segments: Vec<Certified>,
    pub orders: Vec<Fulfilled>,
}

/// A segment with redacted records. The hash covers its whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    pub segment: u64,
    pub hash: String,
}

/// A fulfilled order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fulfilled {
    /// The record of the order.
    pub entry: u64,
    /// Records that it concerned.
    pub records: u64,
}

/// An attempt to delete an account at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    pub account: VendorAccount,
    /// The record of the order.
    pub entry: u64,
    pub at: Timestamp,
    pub attempts: u32,
    /// When it is tried next; `None`: it is done, or given up.
    pub due: Option<Timestamp>,
    /// Why the last attempt failed.
    pub failure: Option<String>,
}

/// An order with its progress, as the state has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Redaction {
    pub entry: u64,
    /// A fulfilled order lists no cases and events any more.
    pub order: Redact,
    /// Records that it concerned; `None`: segments still have to be rewritten.
    pub records: Option<u64>,
}
