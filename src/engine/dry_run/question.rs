//! The question of a dry run, and its check.

use serde_json::Value;

use crate::api::explain::{DryRun, MadeUp};
use crate::model::{Event, Fields, SubjectKind, Vocabulary};
use crate::policy::diagnostic::nearest;
use crate::policy::given::{fault, put_over};
use crate::policy::schema;
use crate::store;

/// A manual start, in the place of an event type.
pub(super) const BY_HAND: &str = "manual";
/// The sweeps of the policies, in the place of an event type.
pub(super) const BY_SWEEP: &str = "sweep";

/// Why a dry run has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Untried {
    /// The question is invalid.
    #[error("{0}")]
    Wrong(String),
    #[error("no such {0}")]
    Missing(&'static str),
    #[error("reading the person failed: {0}")]
    Unreachable(String),
    #[error("{0}")]
    Store(#[from] store::Error),
}

pub(super) fn wrong<T>(says: impl Into<String>) -> Result<T, Untried> {
    Err(Untried::Wrong(says.into()))
}

/// Checks that the parts of the question fit together.
pub(super) fn check(dry_run: &DryRun, kind: Option<SubjectKind>, words: &Vocabulary) -> Result<(), Untried> {
    let MadeUp { kind: type_, key, fields } = &dry_run.event;
    if type_.is_some() && key.is_some() {
        return wrong(
            "event: expected either `type` (an event that did not happen) or `key` (a recorded \
            event)",
        );
    }
    if type_.is_some() && (dry_run.at.is_some() || dry_run.last.is_some()) {
        return wrong("`at` and `last` work with recorded events only; remove them or `type`");
    }
    if dry_run.files.is_none()
        && type_.is_none()
        && key.is_none()
        && fields.is_empty()
        && dry_run.person.is_empty()
    {
        return wrong("a dry run needs an event, other values, or the files of a tree");
    }
    if let Some(type_) = type_ {
        if [BY_HAND, BY_SWEEP].contains(&type_.as_str()) {
            if !fields.is_empty() {
                let what = if type_.as_str() == BY_HAND { "a start by hand" } else { "a sweep" };
                return wrong(format!("{what} has no event, so no fields of an event"));
            }
        } else if !schema::is_event_type(type_.as_str(), words) {
            let types = schema::event_names().chain([BY_HAND, BY_SWEEP]);
            return wrong(format!("unknown event type {type_}; {}", nearest(type_.as_str(), types)));
        } else if let Some(says) = fault("event", &schema::fields_of_event(type_), fields) {
            return wrong(says);
        }
    }
    if let Some(name) = ["id", "type", "subject_id"].iter().find(|name| fields.contains_key(**name)) {
        return wrong(format!("event.{name} identifies the event and cannot be changed"));
    }
    let Some(kind) = kind else {
        let said = dry_run.person.is_empty();
        return if said {
            Ok(())
        } else {
            wrong("other values need the kind of the person; use a reference such as user/17")
        };
    };
    let own = |(name, _): &(&String, &Value)| *name == "id";
    if dry_run.person.iter().any(|field| own(&field)) {
        return wrong(format!("{kind}.id identifies the person and cannot be changed"));
    }
    fault(kind.word(), schema::fields_of_subject(kind), &dry_run.person).map_or(Ok(()), wrong)
}

/// Applies made-up fields to an event. Fields that every event has are set at their own places.
pub(super) fn change(event: &mut Event, fields: &Fields) {
    let mut rest = fields.clone();
    let text = |value: Value| value.as_str().map(str::to_owned);
    if let Some(time) = rest.remove("time").and_then(text).and_then(|text| text.parse().ok()) {
        event.time = time;
    }
    if let Some(source) = rest.remove("source").and_then(text) {
        event.source = source;
    }
    for (name, place) in [("actor", &mut event.actor), ("ip", &mut event.ip)] {
        if let Some(value) = rest.remove(name) {
            *place = text(value);
        }
    }
    put_over(&mut event.fields, &rest);
}
