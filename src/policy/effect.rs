//! Effects of steps (changes and messages), as written and as resolved, in one generic type. Written values are
//! expressions; resolved values are plain data, which a case can store until the effect is done.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::script::{Data, Text};
use crate::model::{AccountChange, EffectKind, Fields, Repeat, RoleChange};

/// The form of the values of an effect: written or resolved.
pub trait Form {
    type Text: Debug;
    type Fields: Debug;
    type Body: Debug;
}

/// The form in a policy file: values are expressions.
#[derive(Debug)]
pub enum Written {}

impl Form for Written {
    type Text = Text;
    type Fields = Data;
    type Body = Data;
}

/// The form with the values resolved for one case.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved {}

impl Form for Resolved {
    type Text = String;
    type Fields = Fields;
    type Body = Value;
}

/// One effect. Approving, rejecting, deleting and verifying are verbs of steps instead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[serde(bound(
    serialize = "F::Text: Serialize, F::Fields: Serialize, F::Body: Serialize",
    deserialize = "F::Text: DeserializeOwned, F::Fields: DeserializeOwned, F::Body: DeserializeOwned"
))]
pub enum Effect<F: Form> {
    Notify(Notify),
    /// Places this case's hold on the account.
    Suspend {
        end_sessions: bool,
    },
    /// Lifts this case's hold, and only this one.
    Reinstate,
    Account(AccountChange),
    Role {
        change: RoleChange,
        role: F::Text,
    },
    /// Sets fields, by the names of `SETTABLE` in `resolve`.
    Set(F::Fields),
    Invite,
    CreateUser {
        system: String,
        attributes: F::Fields,
    },
    UpdateUser {
        system: String,
        matching: F::Fields,
        attributes: F::Fields,
    },
    Call(Request<F::Text, F::Body>),
    Emit {
        kind: String,
        data: F::Fields,
    },
}

/// One HTTP request to a configured endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request<Text, Body> {
    pub endpoint: String,
    pub method: String,
    pub path: Option<Text>,
    pub body: Option<Body>,
    pub repeat: Repeat,
    /// Values of `outcome` in the answer on which the step may branch.
    pub returns: Vec<String>,
}

impl<F: Form> Effect<F> {
    /// Returns the configured system or endpoint that the effect names.
    pub fn elsewhere(&self) -> Option<&str> {
        match self {
            Self::CreateUser { system, .. } | Self::UpdateUser { system, .. } => Some(system),
            Self::Call(request) => Some(&request.endpoint),
            Self::Notify(_)
            | Self::Suspend { .. }
            | Self::Reinstate
            | Self::Account(_)
            | Self::Role { .. }
            | Self::Set(_)
            | Self::Invite
            | Self::Emit { .. } => None,
        }
    }

    pub fn kind(&self) -> EffectKind {
        match self {
            Self::Notify(_) => EffectKind::Notify,
            Self::Suspend { .. } => EffectKind::Suspend,
            Self::Reinstate => EffectKind::Reinstate,
            Self::Account(change) => change.effect(),
            Self::Role { change, .. } => change.effect(),
            Self::Set(_) => EffectKind::Set,
            Self::Invite => EffectKind::Invite,
            Self::CreateUser { .. } => EffectKind::CreateUser,
            Self::UpdateUser { .. } => EffectKind::UpdateUser,
            Self::Call(_) => EffectKind::Call,
            Self::Emit { .. } => EffectKind::Emit,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    pub to: Vec<Recipient>,
    pub template: String,
    pub urgent: bool,
    /// Teams are also notified through the endpoint that `people.yaml` names for them.
    pub by_call: bool,
}

impl Recipient {
    pub fn team(&self) -> Option<&str> {
        match self {
            Self::Team(team) => Some(team),
            Self::Subject | Self::Manager => None,
        }
    }
}

/// Recipient of a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    Subject,
    Manager,
    Team(String),
}
