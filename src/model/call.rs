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

/// One request for an effect, at one of its attempts.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub attempt: Attempt,
    pub action: Action,
}

/// One attempt of a call: what a connector needs to know besides what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub call: CallId,
    /// Counts from 1; a call is attempted again with a higher number and the same id.
    pub number: u32,
    /// An earlier attempt began and its end is not known: look before acting again.
    pub in_doubt: bool,
    /// When the effect was first asked for: what the provider shows of an earlier time is not of our doing.
    pub asked_at: Timestamp,
}

impl Attempt {
    /// Whether an earlier attempt may have had the effect already.
    pub fn is_repeated(&self) -> bool {
        self.in_doubt || self.number > 1
    }
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

/// The closed list of requests, by the kind of system that performs them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// At the identity provider that has the person.
    Identity(IdentityAction),
    /// At a verification provider.
    Verification { provider: String, session: SessionAction },
    /// Sends one mail.
    Mail { message: Message },
    /// In a target system.
    Provisioning { system: String, account: ProvisioningAction },
    /// One HTTP request to an endpoint that the configuration names.
    Request { endpoint: String, request: HttpRequest },
    /// Sends a CloudEvent (its JSON form) to a sink that the configuration names.
    Emit { sink: String, event: Value },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityAction {
    /// Reads the person again: what a policy asks before it changes something must be true now.
    Read { subject: SubjectRef },
    /// Changes the record of the person, if it still is what the snapshot says.
    Change { snapshot: Snapshot, change: IdentityChange },
}

/// A change of a person's record at the identity provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityChange {
    /// Lets the registration in: reads, writes, reads back.
    Approve,
    /// Makes sure that the approved person was invited since `since`; sends the invitation only if not.
    EnsureInvited {
        since: Timestamp,
    },
    /// Marks the registration as rejected.
    Reject,
    /// Deletes the registration or the user.
    Delete,
    /// Keeps the account from being used, and ends its open sessions too where that is asked.
    Suspend {
        end_sessions: bool,
    },
    /// Lets the account be used again; `to` is the status that it had before, if that is known.
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
    /// By the names that policies use: `verified_at`, `attributes.department_code`.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartSession {
    /// The vendor's name of the workflow.
    pub workflow: String,
    pub method: Method,
    /// The person's account at the provider, if there was an earlier run.
    pub account: Option<String>,
    /// Comes back with the result, which counts only with it. No personal data.
    pub reference: String,
    /// Stable for the person, no personal data.
    pub person: String,
    /// How long the vendor should honor the link, in seconds.
    pub lifetime_seconds: i64,
    pub locale: Option<String>,
    /// Where the vendor may hint that something changed (absolute), if hints are configured.
    pub callback_url: Option<String>,
    /// Where the vendor sends the person afterwards (absolute).
    pub return_url: Option<String>,
}

/// Reads how far a session is and, when it is done, its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadSession {
    pub account: String,
    pub execution: String,
    pub reference: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProvisioningAction {
    /// Makes an account. `external_id` finds it again if the answer is lost.
    Create { external_id: String, attributes: Fields },
    /// Changes the one account that has all of `matching`.
    Update { matching: Fields, attributes: Fields },
}

/// A request to an endpoint; `path` is below its address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpRequest {
    pub method: String,
    pub path: String,
    pub body: Option<Value>,
    pub repeat: Repeat,
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

/// How a change of a record ended: it is as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// It was so before.
    pub already: bool,
    /// The account's status before it was suspended.
    pub before: Option<String>,
    /// When the provider last invited the person, if it says; of an approval.
    pub invited_at: Option<Timestamp>,
}

impl Changed {
    /// Nothing more is known than whether it was so before.
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
