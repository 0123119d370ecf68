//! Shapes of data that only the state holds: listings, the inbox, and the state's progress.

use serde::de::IgnoredAny;
use serde::{Deserialize as _, Deserializer, Serializer};

use super::Stored;
#[cfg(test)]
use super::pinned::Shapes;
use super::table::record;
use crate::case::Hold;
use crate::model::{CaseId, CaseState, Event, EventType, Fields, Forgotten, SubjectRef, Timestamp};
use crate::store::commit::{Holding, PolicyVerdict, Waiting as Inbox};
use crate::store::journal::Head;
use crate::store::values::{Anything, Closed, Last, Listed, Logged, Meta};

/// Written as `SEQUENCE:HASH`.
impl Stored for Head {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }

    #[cfg(test)]
    fn describe(_: &mut Shapes) {}
}

/// Returns the word of a state in the keys of counts.
pub const fn state_word(state: CaseState) -> &'static str {
    match state {
        CaseState::OverLimit => OVER_LIMIT,
        CaseState::Running
        | CaseState::Waiting
        | CaseState::InReview
        | CaseState::InGrace
        | CaseState::Stuck
        | CaseState::Closed => state.word(),
    }
}

const OVER_LIMIT: &str = "held";

/// Returns the public word of a state for a word from `state_word`.
pub fn state_of(word: String) -> String {
    if word == OVER_LIMIT { CaseState::OverLimit.word().to_owned() } else { word }
}

record! { "closed_case": Closed {
    "case" => case: CaseId,
    "policy" => policy: String,
    "redacted" => redacted: Option<Forgotten>,
} }

record! { "holding": Holding {
    "case" => case: CaseId,
    "policy" => policy: String,
    "subject" => subject: SubjectRef,
    "closed" => closed: bool,
    "holds" => holds: Vec<Hold>,
} }

record! { "inbox": Inbox {
    "event" => event: Event,
    "due" => due: Timestamp,
    "attempts" => attempts: u32,
} }

record! { "logged": Logged {
    "subject" => subject: Option<SubjectRef>,
    "event" => event: Option<Event>,
    "kind" => kind: String,
    "also" => also: Vec<EventType>,
    "time" => time: Option<Timestamp>,
    "named" => named: Fields,
    "by" => by: Option<String>,
    "clauses" => clauses: Vec<Option<usize>>,
    "said" => said: Vec<PolicyVerdict>,
} }

record! { "listed": Listed {
    "by" => by: Option<String>,
    "policies" => policies: Vec<String>,
} }

record! { "last": Last {
    "at" => at: Timestamp,
    "key" => key: Vec<u8>,
} }

/// Only read.
impl Stored for Anything {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_unit()
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(from).map(|IgnoredAny| Self)
    }

    #[cfg(test)]
    fn describe(_: &mut Shapes) {}
}

record! { "meta": Meta {
    "applied" => applied: u64,
    "keys" => keys: u64,
    "sum" => sum: u64,
    "head" => head: Head,
} }
