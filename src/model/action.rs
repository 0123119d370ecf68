//! Properties of actions, independent of their values: the effect, the performing system, the change to a hold. The
//! only lists of all actions; other code queries these.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Action, Changed, Done, EffectKind, IdentityAction, IdentityChange, Nature, ProvisioningAction,
    ReadSession, SessionAction, Snapshot, SubjectRef,
};

/// A queue of calls that share a connector and its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    Mail,
    /// The vendor limits starts to about one per second.
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

/// The system that performs an action, with its configured name if there can be several.
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
    /// The name of any identity provider in policy tests.
    pub const IDENTITY: &'static str = "identity";
    /// The name of the mail server in policy tests.
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

    /// Returns the configured name.
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

/// Writes a name that is unique over all kinds of system: an endpoint may have the name of a provider.
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

/// An action's change to a hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HoldChange<'a> {
    pub places: bool,
    pub snapshot: &'a Snapshot,
    /// The role; `None`: the account.
    pub role: Option<&'a str>,
}

impl IdentityChange {
    /// Returns the effect; `None` for a part of an effect.
    pub fn effect(&self) -> Option<EffectKind> {
        match self {
            Self::EnsureInvited { .. } => None,
            Self::Approve => Some(EffectKind::Approve),
            Self::Reject => Some(EffectKind::Reject),
            Self::Delete => Some(EffectKind::Delete),
            Self::Suspend { .. } => Some(EffectKind::Suspend),
            Self::Reinstate { .. } => Some(EffectKind::Reinstate),
            Self::Account(change) => Some(change.effect()),
            Self::AssignRole { .. } => Some(EffectKind::AssignRole),
            Self::RemoveRole { .. } => Some(EffectKind::RemoveRole),
            Self::SetAttributes { .. } => Some(EffectKind::Set),
        }
    }

    /// Returns whether it places (true) or lifts (false) a hold, and on which role; `None` as role: the account.
    fn hold(&self) -> Option<(bool, Option<&str>)> {
        match self {
            Self::Suspend { .. } => Some((true, None)),
            Self::RemoveRole { role } => Some((true, Some(role))),
            Self::Reinstate { .. } => Some((false, None)),
            Self::AssignRole { role } => Some((false, Some(role))),
            Self::Approve
            | Self::EnsureInvited { .. }
            | Self::Reject
            | Self::Delete
            | Self::Account(_)
            | Self::SetAttributes { .. } => None,
        }
    }

    /// Returns whether it changes data of the person that policies can read.
    fn changes_person(&self) -> bool {
        match self {
            Self::Approve
            | Self::Reject
            | Self::Suspend { .. }
            | Self::Reinstate { .. }
            | Self::AssignRole { .. }
            | Self::RemoveRole { .. }
            | Self::SetAttributes { .. } => true,
            // The person is deleted, or no readable data changes.
            Self::Delete | Self::Account(_) | Self::EnsureInvited { .. } => false,
        }
    }

    /// Returns the role that it changes.
    pub fn role(&self) -> Option<&str> {
        match self {
            Self::AssignRole { role } | Self::RemoveRole { role } => Some(role),
            Self::Approve
            | Self::EnsureInvited { .. }
            | Self::Reject
            | Self::Delete
            | Self::Suspend { .. }
            | Self::Reinstate { .. }
            | Self::Account(_)
            | Self::SetAttributes { .. } => None,
        }
    }

    /// Returns the result once the record has the requested state.
    pub fn done(&self, changed: Changed) -> Done {
        let Changed { already, before, invited_at } = changed;
        match self {
            Self::Approve => Done::Approved { already, invited_at },
            Self::EnsureInvited { .. } => Done::Invited { already },
            Self::Reject => Done::Rejected { already },
            Self::Delete => Done::Deleted { already },
            Self::Suspend { .. }
            | Self::Reinstate { .. }
            | Self::Account(_)
            | Self::AssignRole { .. }
            | Self::RemoveRole { .. }
            | Self::SetAttributes { .. } => Done::Applied { already, before },
        }
    }
}

impl Action {
    /// Builds a change of a person's record at the identity provider.
    pub const fn change(snapshot: Snapshot, change: IdentityChange) -> Self {
        Self::Identity(IdentityAction::Change { snapshot, change })
    }

    /// Builds a read of a person at the identity provider.
    pub const fn read(subject: SubjectRef) -> Self {
        Self::Identity(IdentityAction::Read { subject })
    }

    /// Returns whether it exchanges what a person's browser brought back for a result.
    pub const fn exchanges(&self) -> bool {
        matches!(
            self,
            Self::Verification { session: SessionAction::Read(ReadSession { returned: Some(_), .. }), .. }
        )
    }

    /// Returns the change at the identity provider.
    pub const fn identity_change(&self) -> Option<(&Snapshot, &IdentityChange)> {
        match self {
            Self::Identity(IdentityAction::Change { snapshot, change }) => Some((snapshot, change)),
            Self::Identity(IdentityAction::Read { .. })
            | Self::Verification { .. }
            | Self::Mail { .. }
            | Self::Provisioning { .. }
            | Self::Request { .. }
            | Self::Emit { .. } => None,
        }
    }

    pub fn target(&self) -> Target<'_> {
        match self {
            Self::Identity(IdentityAction::Read { subject }) => Target::Identity(&subject.source),
            Self::Identity(IdentityAction::Change { snapshot, .. }) => {
                Target::Identity(&snapshot.subject.source)
            }
            Self::Verification { provider, session: SessionAction::Start(_) } => {
                Target::VerificationStart(provider)
            }
            Self::Verification { provider, session: SessionAction::Read(_) } => {
                Target::VerificationRead(provider)
            }
            Self::Mail { .. } => Target::Mail,
            Self::Provisioning { system, .. } => Target::System(system),
            Self::Request { endpoint, .. } => Target::Endpoint(endpoint),
            Self::Emit { sink, .. } => Target::Sink(sink),
        }
    }

    pub fn lane(&self) -> Lane {
        self.target().lane()
    }

    /// Returns the effect, or the word of a call that is a part of an effect or only reads.
    fn what(&self) -> Result<EffectKind, &'static str> {
        match self {
            Self::Identity(IdentityAction::Read { .. }) => Err("read_subject"),
            Self::Identity(IdentityAction::Change { change, .. }) => change.effect().ok_or("ensure_invited"),
            Self::Verification { session: SessionAction::Start(_), .. } => Err("start_verification"),
            Self::Verification { session: SessionAction::Read(_), .. } => Err("read_verification"),
            Self::Mail { .. } => Err("mail"),
            Self::Provisioning { account: ProvisioningAction::Create { .. }, .. } => {
                Ok(EffectKind::CreateUser)
            }
            Self::Provisioning { account: ProvisioningAction::Update { .. }, .. } => {
                Ok(EffectKind::UpdateUser)
            }
            Self::Request { .. } => Ok(EffectKind::Call),
            Self::Emit { .. } => Ok(EffectKind::Emit),
        }
    }

    /// Returns the effect; `None` for a part of an effect or a read.
    pub fn effect(&self) -> Option<EffectKind> {
        self.what().ok()
    }

    /// Returns the effect that is final once this succeeded.
    pub fn settles(&self) -> Option<EffectKind> {
        self.effect().filter(|kind| kind.row().settles)
    }

    /// Returns the effect if it is irreversible and ends the subject's path.
    pub fn ends(&self) -> Option<EffectKind> {
        self.effect().filter(|kind| kind.nature() == Nature::Ends)
    }

    /// Returns the hold that it places or lifts.
    pub fn hold(&self) -> Option<HoldChange<'_>> {
        let (snapshot, change) = self.identity_change()?;
        let (places, role) = change.hold()?;
        Some(HoldChange { places, snapshot, role })
    }

    /// Returns whether success invalidates an earlier read of the person.
    pub fn changes_person(&self) -> bool {
        self.identity_change().is_some_and(|(_, change)| change.changes_person())
    }

    /// Returns whether it only reads.
    pub const fn only_reads(&self) -> bool {
        match self {
            Self::Identity(IdentityAction::Read { .. })
            | Self::Verification { session: SessionAction::Read(_), .. } => true,
            Self::Identity(IdentityAction::Change { .. })
            | Self::Verification { session: SessionAction::Start(_), .. }
            | Self::Mail { .. }
            | Self::Provisioning { .. }
            | Self::Request { .. }
            | Self::Emit { .. } => false,
        }
    }

    /// Returns a word for journals, metrics and logs.
    pub fn word(&self) -> &'static str {
        self.what().map_or_else(|word| word, EffectKind::word)
    }
}
