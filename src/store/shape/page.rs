//! A commit as back-tests read it: without the content that every record of a case repeats. That content is most of the
//! journal, and skipping it shortens reading.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{By, Member, Stored};
use crate::case::{Case, Pending, Recorded, State};
use crate::model::{CaseId, EffectKind, Event, Fields, Pause, Subject, SubjectKind, Timestamp, Verdict};
use crate::policy::Revision;

/// The part of a commit that is read. A record omits empty texts, so every text here has a default.
#[derive(Debug, Deserialize)]
pub struct Page {
    #[serde(default)]
    pub cases: Vec<CaseThen>,
    #[serde(default, deserialize_with = "by_shape")]
    pub received: Vec<Event>,
    #[serde(default)]
    pub consumed: Vec<ConsumedThen>,
    #[serde(default)]
    pub asked: Vec<AskedThen>,
    #[serde(default, deserialize_with = "by_shape")]
    pub pauses: Vec<Pause>,
}

/// A case after an input. Its opening data is in the opening's record; here the person has no fields except the
/// account.
#[derive(Debug, Deserialize)]
pub struct CaseThen {
    #[serde(deserialize_with = "thin")]
    pub case: Case,
    /// The outcome of the step that ended here.
    #[serde(default, rename = "entries", deserialize_with = "ended")]
    pub ended: Option<String>,
    #[serde(default, deserialize_with = "by_shape")]
    pub effects: Vec<EffectKind>,
    #[serde(default, deserialize_with = "by_shape")]
    pub recorded: Option<Recorded>,
}

/// A consumed event.
#[derive(Debug, Deserialize)]
pub struct ConsumedThen {
    #[serde(default)]
    pub key: String,
    #[serde(deserialize_with = "by_shape")]
    pub at: Timestamp,
    #[serde(default)]
    pub verdicts: Vec<VerdictThen>,
    #[serde(default, deserialize_with = "by_shape")]
    pub people: Vec<Subject>,
}

#[derive(Debug, Deserialize)]
pub struct VerdictThen {
    #[serde(default)]
    pub policy: String,
    #[serde(deserialize_with = "by_shape")]
    pub revision: Revision,
    #[serde(deserialize_with = "by_shape")]
    pub verdict: Verdict,
}

/// A policy's verdict in a sweep.
#[derive(Debug, Deserialize)]
pub struct AskedThen {
    pub said: SaidThen,
}

#[derive(Debug, Deserialize)]
pub struct SaidThen {
    #[serde(default)]
    pub policy: String,
    #[serde(default, deserialize_with = "by_shape")]
    pub would_open: Option<Box<Recorded>>,
}

#[derive(Deserialize)]
struct Thin {
    id: By<CaseId>,
    #[serde(default)]
    policy: String,
    revision: By<Revision>,
    #[serde(default)]
    key: String,
    subject: Person,
    opened_at: By<Timestamp>,
    state: By<State>,
    calls: Member<BTreeMap<u32, Pending>>,
    #[serde(default)]
    sessions: BTreeMap<String, IgnoredAny>,
    result: Option<String>,
}

#[derive(Deserialize)]
struct Person {
    #[serde(default)]
    source: String,
    #[serde(rename = "type")]
    kind: By<SubjectKind>,
    #[serde(default)]
    id: String,
    #[serde(default)]
    fields: Account,
}

#[derive(Default, Deserialize)]
struct Account {
    user_id: Option<String>,
}

fn by_shape<'de, T: Stored, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    T::read(from)
}

fn thin<'de, D: Deserializer<'de>>(from: D) -> Result<Case, D::Error> {
    let thin = Thin::deserialize(from)?;
    let mut fields = Fields::new();
    if let Some(account) = thin.subject.fields.user_id {
        fields.insert("user_id".to_owned(), account.into());
    }
    Ok(Case {
        id: thin.id.0,
        policy: thin.policy,
        revision: thin.revision.0,
        key: thin.key,
        subject: Subject {
            source: thin.subject.source,
            kind: thin.subject.kind.0,
            id: thin.subject.id,
            fields,
        },
        event: None,
        opened_at: thin.opened_at.0,
        state: thin.state.0,
        steps: Fields::new(),
        calls: thin.calls.0,
        next_call: 0,
        next_entry: 0,
        retries: BTreeMap::new(),
        attempts: 0,
        links: 0,
        contests: 0,
        pending_adverse: None,
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
        redacted: None,
    })
}

#[derive(Deserialize)]
struct EntryThen {
    note: StepEnded,
}

/// The outcome, if the note records the end of a step.
struct StepEnded(Option<String>);

impl<'de> Deserialize<'de> for StepEnded {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NoteThen)
    }
}

struct NoteThen;

impl<'de> Visitor<'de> for NoteThen {
    type Value = StepEnded;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a note")
    }

    /// Reads a note without members.
    fn visit_str<E>(self, _: &str) -> Result<StepEnded, E> {
        Ok(StepEnded(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut note: A) -> Result<StepEnded, A::Error> {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "snake_case")]
        enum Word {
            StepEnded,
            #[serde(other)]
            Other,
        }
        #[derive(Deserialize)]
        struct Members {
            #[serde(default)]
            outcome: String,
        }
        let mut outcome = None;
        while let Some(word) = note.next_key()? {
            match word {
                Word::StepEnded => outcome = Some(note.next_value::<Members>()?.outcome),
                Word::Other => drop(note.next_value::<IgnoredAny>()?),
            }
        }
        Ok(StepEnded(outcome))
    }
}

fn ended<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let entries = Vec::<EntryThen>::deserialize(from)?;
    Ok(entries.into_iter().find_map(|entry| entry.note.0))
}
