//! What an action is, apart from its values: which effect it does, who performs it, what it does to a hold. The
//! only lists of all actions; everything else asks these.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Action, EffectKind, Nature, Snapshot};

/// Calls of one lane share a connector and its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    Mail,
    /// Starts are limited by the vendor, about one a second.
    VerificationStart,
    VerificationRead,
    Identity,
    /// Accounts in target systems.
    Provisioning,
    /// Requests that policies make to named endpoints.
    Request,
    Emit,
}

impl Lane {
    pub const ALL: [Self; 7] = [
        Self::Mail,
        Self::VerificationStart,
        Self::VerificationRead,
        Self::Identity,
        Self::Provisioning,
        Self::Request,
        Self::Emit,
    ];
}

/// Who performs an action, by the name in the configuration where there can be several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    Mail,
    /// Starts a session at a verification provider.
    VerificationStart(&'a str),
    /// Reads a session there.
    VerificationRead(&'a str),
    /// The identity provider that has the person.
    Identity(&'a str),
    System(&'a str),
    Endpoint(&'a str),
    Sink(&'a str),
}

impl<'a> Target<'a> {
    /// How policy tests name the identity provider, whichever it is.
    pub const IDENTITY: &'static str = "identity";
    /// How they name the mail server.
    pub const MAIL: &'static str = "mail";

    pub const fn lane(self) -> Lane {
        match self {
            Self::Mail => Lane::Mail,
            Self::VerificationStart(_) => Lane::VerificationStart,
            Self::VerificationRead(_) => Lane::VerificationRead,
            Self::Identity(_) => Lane::Identity,
            Self::System(_) => Lane::Provisioning,
            Self::Endpoint(_) => Lane::Request,
            Self::Sink(_) => Lane::Emit,
        }
    }

    /// Its own name.
    pub const fn name(self) -> &'a str {
        match self {
            Self::Mail => Self::MAIL,
            Self::Identity(name)
            | Self::VerificationStart(name)
            | Self::VerificationRead(name)
            | Self::System(name)
            | Self::Endpoint(name)
            | Self::Sink(name) => name,
        }
    }
}

/// The name that is different for every system: an endpoint may be called as a provider is.
impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mail | Self::Identity(_) | Self::VerificationStart(_) | Self::VerificationRead(_) => {
                f.write_str(self.name())
            }
            Self::System(name) => write!(f, "system {name}"),
            Self::Endpoint(name) => write!(f, "endpoint {name}"),
            Self::Sink(name) => write!(f, "sink {name}"),
        }
    }
}

/// What an action does to what a case can hold against a person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HoldChange<'a> {
    pub places: bool,
    pub snapshot: &'a Snapshot,
    /// The role; none: the account.
    pub role: Option<&'a str>,
}

impl Action {
    pub fn target(&self) -> Target<'_> {
        match self {
            Self::Mail { .. } => Target::Mail,
            Self::StartVerification { provider, .. } => Target::VerificationStart(provider),
            Self::ReadVerification { provider, .. } => Target::VerificationRead(provider),
            Self::ReadSubject { subject } => Target::Identity(&subject.source),
            Self::Approve { snapshot }
            | Self::EnsureInvited { snapshot, .. }
            | Self::Reject { snapshot }
            | Self::Delete { snapshot }
            | Self::Suspend { snapshot, .. }
            | Self::Reinstate { snapshot, .. }
            | Self::ChangeAccount { snapshot, .. }
            | Self::AssignRole { snapshot, .. }
            | Self::RemoveRole { snapshot, .. }
            | Self::SetAttributes { snapshot, .. } => Target::Identity(&snapshot.subject.source),
            Self::CreateUser { system, .. } | Self::UpdateUser { system, .. } => Target::System(system),
            Self::Request { endpoint, .. } => Target::Endpoint(endpoint),
            Self::Emit { sink, .. } => Target::Sink(sink),
        }
    }

    pub fn lane(&self) -> Lane {
        self.target().lane()
    }

    /// The effect that it does; otherwise the word of a call that is a part of an effect, or only looks.
    fn what(&self) -> Result<EffectKind, &'static str> {
        match self {
            Self::Mail { .. } => Err("mail"),
            Self::StartVerification { .. } => Err("start_verification"),
            Self::ReadVerification { .. } => Err("read_verification"),
            Self::EnsureInvited { .. } => Err("ensure_invited"),
            Self::ReadSubject { .. } => Err("read_subject"),
            Self::Approve { .. } => Ok(EffectKind::Approve),
            Self::Reject { .. } => Ok(EffectKind::Reject),
            Self::Delete { .. } => Ok(EffectKind::Delete),
            Self::Suspend { .. } => Ok(EffectKind::Suspend),
            Self::Reinstate { .. } => Ok(EffectKind::Reinstate),
            Self::ChangeAccount { change, .. } => Ok(change.effect()),
            Self::AssignRole { .. } => Ok(EffectKind::AssignRole),
            Self::RemoveRole { .. } => Ok(EffectKind::RemoveRole),
            Self::SetAttributes { .. } => Ok(EffectKind::Set),
            Self::CreateUser { .. } => Ok(EffectKind::CreateUser),
            Self::UpdateUser { .. } => Ok(EffectKind::UpdateUser),
            Self::Request { .. } => Ok(EffectKind::Call),
            Self::Emit { .. } => Ok(EffectKind::Emit),
        }
    }

    /// The effect that it does; none: it is a part of one, or only looks.
    pub fn effect(&self) -> Option<EffectKind> {
        self.what().ok()
    }

    /// What counts as done for good once this succeeded.
    pub fn settles(&self) -> Option<EffectKind> {
        self.effect().filter(|kind| kind.row().settles)
    }

    /// What cannot be undone, and ends the subject's way.
    pub fn ends(&self) -> Option<EffectKind> {
        self.effect().filter(|kind| kind.nature() == Nature::Ends)
    }

    /// A hold that it places or lifts.
    pub fn hold(&self) -> Option<HoldChange<'_>> {
        let (places, snapshot, role) = match self {
            Self::Suspend { snapshot, .. } => (true, snapshot, None),
            Self::RemoveRole { snapshot, role } => (true, snapshot, Some(role.as_str())),
            Self::Reinstate { snapshot, .. } => (false, snapshot, None),
            Self::AssignRole { snapshot, role } => (false, snapshot, Some(role.as_str())),
            Self::Mail { .. }
            | Self::StartVerification { .. }
            | Self::ReadVerification { .. }
            | Self::Approve { .. }
            | Self::EnsureInvited { .. }
            | Self::Reject { .. }
            | Self::Delete { .. }
            | Self::ReadSubject { .. }
            | Self::ChangeAccount { .. }
            | Self::SetAttributes { .. }
            | Self::CreateUser { .. }
            | Self::UpdateUser { .. }
            | Self::Request { .. }
            | Self::Emit { .. } => return None,
        };
        Some(HoldChange { places, snapshot, role })
    }

    /// Whether what was read of the person before is untrue once this succeeded.
    pub fn changes_person(&self) -> bool {
        match self {
            Self::Approve { .. }
            | Self::Reject { .. }
            | Self::Suspend { .. }
            | Self::Reinstate { .. }
            | Self::AssignRole { .. }
            | Self::RemoveRole { .. }
            | Self::SetAttributes { .. } => true,
            // Nobody is left, or nothing that a policy can read of them changes.
            Self::Delete { .. }
            | Self::ChangeAccount { .. }
            | Self::Mail { .. }
            | Self::StartVerification { .. }
            | Self::ReadVerification { .. }
            | Self::EnsureInvited { .. }
            | Self::ReadSubject { .. }
            | Self::CreateUser { .. }
            | Self::UpdateUser { .. }
            | Self::Request { .. }
            | Self::Emit { .. } => false,
        }
    }

    /// A word for journals, metrics and logs.
    pub fn word(&self) -> &'static str {
        self.what().map_or_else(|word| word, EffectKind::word)
    }
}
