//! Shapes of commits and losses.

use std::collections::BTreeMap;

use super::table::{choice, record};
use crate::case::{Case, Entry, Recorded};
use crate::model::{CaseId, DocumentUse, EffectKind, Enrolment, Event, Pause, Subject, Timestamp};
use crate::policy::Revision;
use crate::store::commit::Asked;
use crate::store::commit::Salvage;
use crate::store::commit::SweepChange;
use crate::store::commit::{About, Answer as Reply, Keyed};
use crate::store::commit::{AcceptedLoss, Loss};
use crate::store::commit::{
    Changed, Commit, Consumed, Deferred, Enrolled, PolicyOrder, PolicyVerdict, StoredRevision,
};

record! { "commit": Commit {
    "cases" => cases: Vec<Changed>,
    "received" => received: Vec<Event>,
    "consumed" => consumed: Vec<Consumed>,
    "deferred" => deferred: Vec<Deferred>,
    "cursors" => cursors: BTreeMap<String, String>,
    "revisions" => revisions: Vec<StoredRevision>,
    "active" => active: Option<BTreeMap<String, Revision>>,
    "enrolled" => enrolled: Vec<Enrolled>,
    "documents" => documents: Vec<DocumentUse>,
    "pauses" => pauses: Vec<Pause>,
    "policy_orders" => policy_orders: Vec<PolicyOrder>,
    "sweeps" => sweeps: Vec<SweepChange>,
    "asked" => asked: Vec<Asked>,
    "requests" => requests: Vec<Keyed>,
} }

record! { "changed": Changed {
    "case" => case: Case,
    "entries" => entries: Vec<Entry>,
    "effects" => effects: Vec<EffectKind>,
    "at" => at: Timestamp,
    "recorded" => recorded: Option<Recorded>,
} }

record! { "consumed": Consumed {
    "key" => key: String,
    "at" => at: Timestamp,
    "verdicts" => verdicts: Vec<PolicyVerdict>,
    "people" => people: Vec<Subject>,
    "named" => named: Vec<Subject>,
} }

record! { "deferred": Deferred {
    "key" => key: String,
    "due" => due: Timestamp,
    "attempts" => attempts: u32,
    "reason" => reason: String,
} }

record! { "enrolled": Enrolled {
    "provider" => provider: String,
    "person" => person: String,
    "enrolment" => enrolment: Enrolment,
} }

record! { "keyed": Keyed {
    "key" => key: String,
    "request" => request: String,
    "at" => at: Timestamp,
    "about" => about: Option<About>,
    "answer" => answer: Option<Reply>,
} }

choice! { "about": About {
    "case" => Case(it: CaseId),
    "policy" => Policy(it: String),
    "events" => Events(it: usize),
} }

record! { "reply": Reply {
    "status" => status: u16,
    "body" => body: String,
} }

record! { "loss": Loss {
    "what" => what: String,
    "from" => from: Option<u64>,
    "to" => to: Option<u64>,
    "since" => since: Option<Timestamp>,
    "head" => head: Option<String>,
} }

record! { "accepted_loss": AcceptedLoss {
    "at" => at: Timestamp,
    "reason" => reason: String,
    "loss" => loss: Loss,
    "cases" => cases: Vec<CaseId>,
} }

record! { "salvage": Salvage {
    "loss" => loss: AcceptedLoss,
    "restored" => restored: BTreeMap<String, Option<String>>,
    "cases" => cases: Vec<Changed>,
} }
