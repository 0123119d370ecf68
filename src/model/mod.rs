//! Plain data that all rooms share, without files, clock, network or policy.

pub mod action;
pub mod actor;
pub mod call;
pub mod clock;
pub mod effect;
pub mod event;
pub mod fingerprint;
pub mod forgotten;
pub mod message;
pub mod order;
pub mod search;
pub mod secret;
pub mod span;
pub mod state;
pub mod subject;
pub mod typed;
pub mod verdict;
pub mod verification;
pub mod vocabulary;
mod words;

pub use action::{HoldChange, Lane, Target};
pub use actor::Actor;
pub use call::{
    Action, Attempt, Call, CallId, CaseId, Changed, Done, Failure, FailureKind, HttpRequest, IdentityAction,
    IdentityChange, Outcome, ProvisioningAction, ReadSession, Repeat, SessionAction, Snapshot, StartSession,
};
pub use clock::Clock;
pub use effect::{AccountChange, EffectKind, EffectShape, Nature, NeedsProof, RoleChange, Watched};
pub use event::{Event, EventType, Origin};
pub use fingerprint::Fingerprints;
pub use forgotten::Forgotten;
pub use message::{Address, Message};
pub use order::Order;
pub use secret::Secret;
pub use span::Span;
pub use state::{CaseState, RegistrationState};
pub use subject::{Applicant, Registration, Subject, SubjectKind, SubjectRef, User};
pub use verdict::Verdict;
pub use verification::{
    Document, DocumentNumber, DocumentUse, Enrolment, Judgement, Method, Pass, Pause, Phase, PollEvery,
    Proof, Reading, Returned, Session, Void,
};
pub use vocabulary::{IdentityWords, Pattern, VerificationWords, Vocabulary};
pub(crate) use words::words;

/// A moment, always in UTC; wall time exists only together with a zone.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// The unreserved characters of RFC 3986: all others are percent-encoded in addresses.
pub const UNRESERVED: percent_encoding::AsciiSet =
    percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Untyped fields: vendor data, policy settings.
pub type Fields = serde_json::Map<String, serde_json::Value>;
