//! A commit as it is read for the past: without what every record of a case repeats. The journal is mostly
//! that, and reading it again takes as long as there is of it.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::case::{Case, Pending, Recorded, State};
use crate::model::{CaseId, EffectKind, Event, Fields, Pause, Subject, SubjectKind, Timestamp};
use crate::policy::Revision;

/// What of a commit is read.
#[derive(Debug, Deserialize)]
pub struct Page {
    pub cases: Vec<CaseThen>,
    pub received: Vec<Event>,
    pub consumed: Vec<ConsumedThen>,
    pub pauses: Vec<Pause>,
}

/// A case after something reached it. What it was opened with is in the record of its opening; here the
/// person has no fields but the account behind them.
#[derive(Debug, Deserialize)]
pub struct CaseThen {
    #[serde(deserialize_with = "thin")]
    pub case: Case,
    /// How the step ended that ended here.
    #[serde(rename = "entries", deserialize_with = "ended")]
    pub ended: Option<String>,
    pub effects: Vec<EffectKind>,
    #[serde(default)]
    pub recorded: Option<Recorded>,
}

/// An event that was dealt with.
#[derive(Debug, Deserialize)]
pub struct ConsumedThen {
    pub key: String,
    pub at: Timestamp,
    pub verdicts: Vec<Verdict>,
    #[serde(default)]
    pub people: Vec<Subject>,
}

#[derive(Debug, Deserialize)]
pub struct Verdict {
    pub policy: String,
    pub revision: Revision,
    pub verdict: String,
}

#[derive(Deserialize)]
struct Thin {
    id: CaseId,
    policy: String,
    revision: Revision,
    key: String,
    subject: Person,
    opened_at: Timestamp,
    state: State,
    calls: BTreeMap<u32, Pending>,
    sessions: BTreeMap<String, IgnoredAny>,
    result: Option<String>,
}

#[derive(Deserialize)]
struct Person {
    #[serde(default)]
    source: String,
    #[serde(rename = "type")]
    kind: SubjectKind,
    id: String,
    fields: Account,
}

#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    user_id: Option<String>,
}

fn thin<'de, D: Deserializer<'de>>(from: D) -> Result<Case, D::Error> {
    let thin = Thin::deserialize(from)?;
    let mut fields = Fields::new();
    if let Some(account) = thin.subject.fields.user_id {
        fields.insert("user_id".to_owned(), account.into());
    }
    Ok(Case {
        id: thin.id,
        policy: thin.policy,
        revision: thin.revision,
        key: thin.key,
        subject: Subject {
            source: thin.subject.source,
            kind: thin.subject.kind,
            id: thin.subject.id,
            fields,
        },
        event: None,
        opened_at: thin.opened_at,
        state: thin.state,
        steps: Fields::new(),
        calls: thin.calls,
        next_call: 0,
        next_entry: 0,
        retries: BTreeMap::new(),
        attempts: 0,
        links: 0,
        contests: 0,
        doomed: None,
        settled: Vec::new(),
        sessions: thin.sessions.into_keys().map(|execution| (execution, String::new())).collect(),
        result: thin.result,
        closed_at: None,
        seen: None,
        seen_at: None,
        holds: Vec::new(),
        acting: None,
        compared: BTreeMap::new(),
        released: None,
        refusals: 0,
        echoes: Vec::new(),
        stretch: None,
    })
}

#[derive(Deserialize)]
struct Ended<'a> {
    #[serde(borrow)]
    what: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    outcome: Option<&'a RawValue>,
}

fn ended<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let entries = Vec::<Ended<'de>>::deserialize(from)?;
    let ended = entries.into_iter().find(|entry| entry.what == "step_ended");
    let outcome = ended.and_then(|entry| serde_json::from_str(entry.outcome?.get()).ok());
    Ok(outcome)
}
