//! Requests for an effect, as data, and their outcomes. Cases create calls; connectors perform them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::words::words;
use super::{
    AccountChange, Fields, Fingerprints, Message, Method, Reading, Returned, Session, Subject, SubjectRef,
    Timestamp,
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

/// One request for an effect, at one of its attempts.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub attempt: Attempt,
    pub action: Action,
}

/// One attempt of a call: the data for a connector besides the action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub call: CallId,
    /// Counts from 1; a call is attempted again with a higher number and the same id.
    pub number: u32,
    /// An earlier attempt began and its end is unknown: read before acting again.
    pub in_doubt: bool,
    /// When the effect was first requested. Earlier changes at the provider came from elsewhere.
    pub asked_at: Timestamp,
}

impl Attempt {
    /// Returns whether an earlier attempt may have taken effect.
    pub fn is_repeated(&self) -> bool {
        self.in_doubt || self.number > 1
    }
}

/// What the identity provider held when the case began. An irreversible effect happens only while this is still true.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub subject: SubjectRef,
    /// The account behind a registration, if there is one.
    pub user_id: Option<String>,
    /// The profile of a registration, if the provider stores registrations under it.
    pub profile_id: Option<String>,
    pub email: Option<String>,
    pub created_at: Option<Timestamp>,
    /// Registered values that the effect's proof was compared with; `None`: not registered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub compared: BTreeMap<String, Option<String>>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({})", self.subject)
    }
}

/// The closed list of requests, by the kind of system that performs them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A read or a change at the identity provider that has the person.
    Identity(IdentityAction),
    /// A session at a verification provider.
    Verification { provider: String, session: SessionAction },
    /// One mail.
    Mail { message: Message },
    /// An account in a target system.
    Provisioning { system: String, account: ProvisioningAction },
    /// One HTTP request to a configured endpoint.
    Request { endpoint: String, request: HttpRequest },
    /// A CloudEvent (its JSON form) to a configured sink.
    Emit { sink: String, event: Value },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityAction {
    /// Reads the person again: a policy's conditions need current values before a change.
    Read { subject: SubjectRef },
    /// Changes the person's record, if it still matches the snapshot.
    Change { snapshot: Snapshot, change: IdentityChange },
}

/// A change of a person's record at the identity provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityChange {
    /// Approves the registration: reads, writes, reads back.
    Approve,
    /// Ensures that the approved person was invited since `since`; sends the invitation only if not.
    EnsureInvited {
        since: Timestamp,
    },
    /// Marks the registration as rejected.
    Reject,
    /// Deletes the registration or the user.
    Delete,
    /// Blocks the account, and optionally ends its open sessions.
    Suspend {
        end_sessions: bool,
    },
    /// Unblocks the account; `to` is its earlier status, if known.
    Reinstate {
        to: Option<String>,
    },
    /// Changes the account in a way that has no arguments.
    Account(AccountChange),
    /// By the role's name at the provider.
    AssignRole {
        role: String,
    },
    RemoveRole {
        role: String,
    },
    /// By the names in policies: `verified_at`, `attributes.department_code`.
    SetAttributes {
        attributes: Fields,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionAction {
    Start(StartSession),
    Read(ReadSession),
}

/// Starts a session at a verification provider.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct StartSession {
    /// The vendor's name of the workflow.
    pub workflow: String,
    pub method: Method,
    /// The person's account at the provider, if there was an earlier run.
    pub account: Option<String>,
    /// Returned with the result, which counts only with it. Contains no personal data.
    pub reference: String,
    /// Stable for the person, without personal data.
    pub person: String,
    /// How long the vendor should honor the link, in seconds.
    pub lifetime_seconds: i64,
    pub locale: Option<String>,
    /// Absolute URL for the vendor's hints, if hints are configured.
    pub callback_url: Option<String>,
    /// Absolute URL to which the vendor sends the person afterwards.
    pub return_url: Option<String>,
    /// The checks that the policy requires, for a provider that must be told what to verify.
    #[serde(default)]
    pub require: Vec<String>,
    /// Registered values of the compared fields, for the same providers.
    #[serde(default)]
    pub registered: BTreeMap<String, String>,
}

/// Keeps names out of logs.
impl fmt::Debug for StartSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StartSession({}, {})", self.workflow, self.reference)
    }
}

/// Reads a session's progress and, when it is done, its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadSession {
    pub account: String,
    pub execution: String,
    pub reference: String,
    /// As in the session.
    #[serde(default)]
    pub returns_by: Option<Timestamp>,
    /// What the person's browser brought back. It is exchanged once: a repeated attempt may find it used.
    #[serde(default)]
    pub returned: Option<Returned>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProvisioningAction {
    /// Creates an account. `external_id` finds it again if the answer is lost.
    Create { external_id: String, attributes: Fields },
    /// Changes the one account that matches all of `matching`.
    Update { matching: Fields, attributes: Fields },
}

/// A request to an endpoint; `path` is relative to its address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpRequest {
    pub method: String,
    pub path: String,
    pub body: Option<Value>,
    pub repeat: Repeat,
}

/// Why repeating a request with an unknown end is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// The endpoint honors an `Idempotency-Key`.
    Key,
    /// The request is idempotent.
    Natural,
    /// The request is not safe to repeat: at most one attempt, then a person checks.
    None,
}

words! { Repeat {
    Key => "key",
    Natural => "natural",
    None => "none",
} }

impl Outcome {
    /// Replaces values that must not be stored by fingerprints.
    pub fn seal(&mut self, fingerprints: &Fingerprints) {
        if let Self::Done(Done::Read { reading }) = self
            && let Some(proof) = &mut reading.proof
        {
            proof.seal(fingerprints);
        }
    }

    /// Returns fingerprints of the shown documents, if this is the result of a run.
    pub fn documents(&self) -> &[String] {
        match self {
            Self::Done(Done::Read { reading }) => {
                reading.proof.as_ref().map_or(&[], |proof| &proof.fingerprints)
            }
            Self::Done(_) | Self::Failed(_) => &[],
        }
    }
}

/// The end of an attempt of a call. Failures are data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done(Done),
    Failed(Failure),
}

/// The result of a successful attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "done", rename_all = "snake_case")]
pub enum Done {
    /// The mail server accepted the mail.
    Sent,
    Started {
        session: Session,
    },
    Read {
        reading: Reading,
    },
    /// `already`: approved before. `invited_at`: the provider's last invitation of the person, if reported.
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
    /// The person's current record; `None`: the person does not exist any more.
    Seen {
        subject: Option<Box<Subject>>,
    },
    /// An account, a role or attributes have the requested state. `already`: they had it before. `before`: the
    /// account's status before it was suspended.
    Applied {
        already: bool,
        before: Option<String>,
    },
    /// Another case still holds what was to be freed; nothing changed.
    Kept,
    /// The account's id in the target system, if reported.
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

/// The result of a record change: the record has the requested state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// It had the state before.
    pub already: bool,
    /// The account's status before it was suspended.
    pub before: Option<String>,
    /// The provider's last invitation of the person, if reported; for approvals.
    pub invited_at: Option<Timestamp>,
}

impl Changed {
    /// Builds a result without further details.
    pub fn plain(already: bool) -> Self {
        Self { already, before: None, invited_at: None }
    }
}

/// Why an attempt did not succeed. `reason` is a sentence without names, addresses or secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    pub kind: FailureKind,
    pub reason: String,
    /// Delay that the system requires.
    #[serde(default)]
    pub retry_after_seconds: Option<u32>,
    /// The system is down as a whole; the failure does not concern this call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outage: bool,
    /// The system accepted the change but does not show it yet, or did not finish it.
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

    /// Builds a failure of this call that a retry may resolve.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::of(FailureKind::Unavailable, reason.into())
    }

    /// Builds a failure of the whole system, or of our access to it.
    pub fn outage(reason: impl Into<String>) -> Self {
        Self { outage: true, ..Self::unavailable(reason) }
    }

    /// Builds a failure for an accepted change that is not visible yet.
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
