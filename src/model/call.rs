//! Requests for an effect, as data, and how they ended. A case makes calls; connectors perform them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    AccountChange, Fields, Fingerprints, Message, Method, Reading, Session, Subject, SubjectRef, Timestamp,
};

/// The id of a case. Derived from what opened it, so the same opening twice is the same case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct CaseId(pub String);

impl CaseId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a call: its case and a number that grows. The same for every attempt, so it serves as
/// idempotency key, Message-ID and reference at the vendor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct CallId {
    pub case: CaseId,
    pub number: u32,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.case, self.number)
    }
}

/// One request for an effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub id: CallId,
    /// Counts from 1; a call is attempted again with a higher number and the same id.
    pub attempt: u32,
    /// True if an earlier attempt began and its end is not known: look before acting again.
    #[serde(default)]
    pub in_doubt: bool,
    /// When the effect was first asked for: what the provider shows of an earlier time is not of our doing.
    pub asked_at: Timestamp,
    pub action: Action,
}

/// What the identity provider held when the case began; an effect that cannot be undone happens only
/// while this is still true.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub subject: SubjectRef,
    /// The account behind a registration, where there is one.
    pub user_id: Option<String>,
    /// The profile a registration came through, where the provider keeps registrations under it.
    pub profile_id: Option<String>,
    pub email: Option<String>,
    pub created_at: Option<Timestamp>,
    /// Registered values that the proof behind the effect was compared with; none: nothing was registered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub compared: BTreeMap<String, Option<String>>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({})", self.subject)
    }
}

/// The closed list of effects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Sends one mail.
    Mail {
        message: Message,
    },
    /// Starts a session at a verification provider.
    StartVerification {
        provider: String,
        /// The vendor's name of the workflow.
        workflow: String,
        method: Method,
        /// The person's account at the provider, if there was an earlier run.
        account: Option<String>,
        /// Comes back with the result, which counts only with it. No personal data.
        reference: String,
        /// Stable for the person, no personal data.
        person: String,
        /// How long the vendor should honour the link, in seconds.
        lifetime_seconds: i64,
        locale: Option<String>,
        /// Where the vendor may hint that something changed (absolute), if hints are configured.
        callback_url: Option<String>,
        /// Where the vendor sends the person afterwards (absolute).
        return_url: Option<String>,
    },
    /// Reads how far a session is and, when it is done, its result.
    ReadVerification {
        provider: String,
        account: String,
        execution: String,
        reference: String,
    },
    /// Lets the registration in: reads, writes, reads back.
    Approve {
        snapshot: Snapshot,
    },
    /// Makes sure that the approved person was invited since `since`; sends the invitation only if not.
    EnsureInvited {
        snapshot: Snapshot,
        since: Timestamp,
    },
    /// Marks the registration as rejected.
    Reject {
        snapshot: Snapshot,
    },
    /// Deletes the registration or the user, if it still is what the snapshot says.
    Delete {
        snapshot: Snapshot,
    },
    /// Reads the person again: what a policy asks before it changes something must be true now.
    ReadSubject {
        subject: SubjectRef,
    },
    /// Keeps the account from being used, and ends its open sessions too where that is asked.
    Suspend {
        snapshot: Snapshot,
        end_sessions: bool,
    },
    /// Lets the account be used again; `to` is the status that it had before, if that is known.
    Reinstate {
        snapshot: Snapshot,
        to: Option<String>,
    },
    /// Changes the account in a way that has no arguments.
    ChangeAccount {
        snapshot: Snapshot,
        change: AccountChange,
    },
    /// By the role's name at the provider.
    AssignRole {
        snapshot: Snapshot,
        role: String,
    },
    RemoveRole {
        snapshot: Snapshot,
        role: String,
    },
    /// By the names that policies use: `verified_at`, `attributes.department_code`.
    SetAttributes {
        snapshot: Snapshot,
        attributes: Fields,
    },
    /// Makes an account in a target system. `external_id` finds it again if the answer is lost.
    CreateUser {
        system: String,
        external_id: String,
        attributes: Fields,
    },
    /// Changes the one account of a target system that has all of `matching`.
    UpdateUser {
        system: String,
        matching: Fields,
        attributes: Fields,
    },
    /// One HTTP request to an endpoint that the configuration names.
    Request {
        endpoint: String,
        method: String,
        path: String,
        body: Option<Value>,
        repeat: Repeat,
    },
    /// Sends a CloudEvent (its JSON form) to a sink that the configuration names.
    Emit {
        sink: String,
        event: Value,
    },
}

/// Why repeating a request whose end is not known is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// The other side honours an `Idempotency-Key`.
    Key,
    /// Doing it twice is doing it once.
    Natural,
    /// It is not: at most one attempt, then a person looks.
    None,
}

impl Outcome {
    /// Puts fingerprints in the place of what must not be written.
    pub fn seal(&mut self, fingerprints: &Fingerprints) {
        if let Self::Done(Done::Read { reading }) = self
            && let Some(proof) = &mut reading.proof
        {
            proof.seal(fingerprints);
        }
    }

    /// Fingerprints of the documents that were shown, if this is the result of a run.
    pub fn documents(&self) -> &[String] {
        match self {
            Self::Done(Done::Read { reading }) => {
                reading.proof.as_ref().map_or(&[], |proof| &proof.fingerprints)
            }
            Self::Done(_) | Self::Failed(_) => &[],
        }
    }
}

/// How an attempt of a call ended. Failure is data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done(Done),
    Failed(Failure),
}

/// What was achieved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "done", rename_all = "snake_case")]
pub enum Done {
    /// The mail server took the mail.
    Sent,
    Started {
        session: Session,
    },
    Read {
        reading: Reading,
    },
    /// `already`: it was so before. `invited_at`: when the provider last invited the person, if it says.
    Approved {
        already: bool,
        invited_at: Option<Timestamp>,
    },
    Invited {
        already: bool,
    },
    Rejected {
        already: bool,
    },
    Deleted {
        already: bool,
    },
    /// The person as they are now; none: there is no such person any more.
    Seen {
        subject: Option<Box<Subject>>,
    },
    /// An account, a role or attributes are as they were asked to be. `already`: they were so before.
    /// `before`: the account's status before it was suspended.
    Applied {
        already: bool,
        before: Option<String>,
    },
    /// What was to be freed is still held by another case, and stays as it is.
    Kept,
    /// The account's id in the target system, if it tells one.
    Created {
        id: Option<String>,
        already: bool,
    },
    /// The endpoint's answer; a body that is not JSON is a text.
    Answered {
        status: u16,
        body: Value,
    },
    Emitted,
}

/// Why an attempt did not succeed. `reason` is a sentence without names, addresses or secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    pub kind: FailureKind,
    pub reason: String,
    /// How long the other side asks us to wait.
    #[serde(default)]
    pub retry_after_seconds: Option<u32>,
    /// The other side as a whole does not serve us; it says nothing about this call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outage: bool,
    /// The other side accepted the change and only does not show it yet, or did not finish what belongs to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub written: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Not reachable, overloaded, or answered with something that is not an answer. Trying again may help.
    Unavailable,
    /// The other side understood and said no. Trying again does not help.
    Refused,
    /// The world is not what the case believes: somebody else decided. A person must look.
    Changed,
    /// The provider has nothing of the person (any more) that a new selfie could be compared with.
    NotEnrolled,
}

impl Failure {
    fn of(kind: FailureKind, reason: String) -> Self {
        Self { kind, reason, retry_after_seconds: None, outage: false, written: false }
    }

    /// This call did not succeed, and may later.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::of(FailureKind::Unavailable, reason.into())
    }

    /// The other side serves nobody at the moment, or not us.
    pub fn outage(reason: impl Into<String>) -> Self {
        Self { outage: true, ..Self::unavailable(reason) }
    }

    /// The change was accepted, and is not to be seen yet.
    pub fn not_shown(reason: impl Into<String>) -> Self {
        Self { written: true, ..Self::unavailable(reason) }
    }

    pub fn refused(reason: impl Into<String>) -> Self {
        Self::of(FailureKind::Refused, reason.into())
    }

    pub fn not_enrolled(reason: impl Into<String>) -> Self {
        Self::of(FailureKind::NotEnrolled, reason.into())
    }

    pub fn changed(reason: impl Into<String>) -> Self {
        Self::of(FailureKind::Changed, reason.into())
    }

    pub fn waiting(self, seconds: Option<u32>) -> Self {
        Self { retry_after_seconds: seconds, ..self }
    }
}
