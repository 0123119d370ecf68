//! A fact from another system, in one shape for all sources.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Fields, SubjectRef, Timestamp, typed};

/// A normalized event type such as `registration.created`, or `custom.<type>`, or `<provider>.<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventType(pub String);

impl EventType {
    pub const REGISTRATION_CREATED: &'static str = "registration.created";
    pub const REGISTRATION_WITHDRAWN: &'static str = "registration.withdrawn";
    pub const REGISTRATION_DELETED: &'static str = "registration.deleted";

    pub const USER_DELETED: &'static str = "user.deleted";
    pub const USER_SUSPENDED: &'static str = "user.suspended";
    pub const USER_DEACTIVATED: &'static str = "user.deactivated";
    pub const ROLE_REVOKED: &'static str = "user.role_revoked";
    pub const ROLE_GRANTED: &'static str = "user.role_granted";
    pub const VERIFICATION_PASSED: &'static str = "verification.passed";

    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Returns whether a program sent it as a CloudEvent.
    pub fn is_custom(&self) -> bool {
        self.0.starts_with("custom.")
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The author of a change, relative to proofd.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The source names the credential that proofd uses.
    Ours,
    /// The source names another program, or a person.
    Others,
    #[default]
    Unknown,
}

/// One event. `key` identifies it when it is delivered twice.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Equal for the same event on every channel.
    pub key: String,
    /// Dedupe aliases: marks that a channel with a coarser clock may have left for this event. An event counts as seen
    /// if `key` or one of these was left before.
    #[serde(default)]
    pub near: Vec<String>,
    /// Dedupe marks that this event leaves for the aliases of others.
    #[serde(default)]
    pub leaves: Vec<String>,
    #[serde(rename = "type")]
    pub kind: EventType,
    /// Alternative types of the same fact for policies, such as a provider's own id.
    #[serde(default)]
    pub also: Vec<EventType>,
    /// Its source: an identity provider's name, or the `source` of a CloudEvent.
    pub source: String,
    pub time: Timestamp,
    pub subject: SubjectRef,
    /// The author by name, if the source reports one.
    pub actor: Option<String>,
    /// The author's id at the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<String>,
    /// The subject caused the event, as far as the source reports.
    #[serde(default)]
    pub by_subject: bool,
    /// Whether proofd caused it, as far as the source reports.
    #[serde(default)]
    pub origin: Origin,
    pub ip: Option<String>,
    /// Fields of this type by the published schema, and raw ones under `data`.
    pub fields: Fields,
}

impl Event {
    /// Returns the event with bounded texts. Its key and its person are unchanged.
    pub fn bounded(self) -> Self {
        let actor = self.actor.map(|actor| typed::marked(&actor, typed::LONGEST_ADDRESS));
        Self { actor, fields: typed::fields(self.fields), ..self }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({} {} of {})", self.key, self.kind, self.subject)
    }
}
