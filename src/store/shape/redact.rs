//! Shapes of records that remove data of people.

use std::collections::BTreeMap;

use super::table::{record, words};
use crate::model::{CaseId, Forgotten, Timestamp};
use crate::store::commit::{Certified, Deletion, Fulfilled, Redact, Redacted, Redaction, VendorAccount};

words! { "forgotten": Forgotten {
    "evidence" => Evidence,
    "case" => Case,
    "person" => Person,
} }

record! { "redact": Redact {
    "class" => class: Forgotten,
    "at" => at: Timestamp,
    "by" => by: String,
    "reason" => reason: String,
    "cases" => cases: Vec<CaseId>,
    "events" => events: Vec<String>,
    "salt" => salt: String,
    "people" => people: Vec<String>,
    "aliases" => aliases: Vec<String>,
    "counts" => counts: BTreeMap<String, u64>,
    "digest" => digest: String,
    "deletions" => deletions: Vec<VendorAccount>,
} never { known } }

record! { "vendor_account": VendorAccount {
    "provider" => provider: String,
    "account" => account: String,
} }

record! { "redacted": Redacted {
    "at" => at: Timestamp,
    "segments" => segments: Vec<Certified>,
    "orders" => orders: Vec<Fulfilled>,
} }

record! { "certified": Certified {
    "segment" => segment: u64,
    "hash" => hash: String,
} }

record! { "fulfilled": Fulfilled {
    "entry" => entry: u64,
    "records" => records: u64,
} }

record! { "deletion": Deletion {
    "account" => account: VendorAccount,
    "entry" => entry: u64,
    "at" => at: Timestamp,
    "attempts" => attempts: u32,
    "due" => due: Option<Timestamp>,
    "failure" => failure: Option<String>,
} }

record! { "redaction": Redaction {
    "entry" => entry: u64,
    "order" => order: Redact,
    "records" => records: Option<u64>,
} }
