//! Identity verification in provider-independent terms: sessions, readings, proofs.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::words;
use super::{Fingerprints, Secret, Timestamp};

/// The method of a verification; the words are those of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Identity document, selfie and liveness.
    Full,
    /// A new selfie against the face enrolled by an earlier pass.
    Authentication,
    /// A new selfie against the document submitted earlier.
    ExistingId,
}

words! { Method {
    Full => "full",
    Authentication => "authentication",
    ExistingId => "existing_id",
} }

/// A vendor session for a person's redirect.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The person's account at the provider; stored permanently, because re-verification needs it.
    pub account: String,
    /// The id of this run.
    pub execution: String,
    /// The redirect target. Secret to the person.
    pub link: String,
    /// How long the vendor honors the unused link.
    pub expires_at: Timestamp,
    /// proofd's reference, which a result must carry to count.
    pub reference: String,
    /// Until when the person's browser can bring the result. `None`: the provider is read.
    #[serde(default)]
    pub returns_by: Option<Timestamp>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.execution)
    }
}

/// What a person's browser brought back from a provider that gives results only to it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Returned {
    /// A code that the provider exchanges for the result, once.
    Code {
        code: String,
        /// The provider that the browser says it comes from.
        issuer: Option<String>,
    },
    /// The provider's word for an end without a result.
    Error { error: String, issuer: Option<String> },
}

/// Keeps the code out of logs.
impl fmt::Debug for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code { .. } => f.write_str("Code"),
            Self::Error { error, .. } => write!(f, "Error({error})"),
        }
    }
}

/// Why a session is void: it has no result, and it was no try of the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Void {
    /// The result is not in the form that the provider promised.
    Malformed,
    /// It is signed by an algorithm that is not allowed.
    Algorithm,
    /// It is signed by a key that the provider does not publish.
    Key,
    Signature,
    /// It is from another provider.
    Issuer,
    /// It is for another client.
    Audience,
    /// It is too old, from the future, or from before the session.
    Time,
    /// It is for another session.
    Nonce,
    /// The provider does not accept the code: it is old, used or not its own.
    Code,
    /// The provider could not do its part.
    Provider,
}

impl Void {
    /// Returns the word for journals and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Time => "time",
            Self::Nonce => "nonce",
            Self::Code => "code",
            Self::Provider => "provider",
        }
    }

    /// Returns whether somebody may have tried to pass with a result that is not theirs.
    pub const fn is_suspicious(self) -> bool {
        !matches!(self, Self::Provider)
    }
}

/// The progress of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing captured yet.
    Waiting,
    /// The person is capturing.
    Capturing,
    /// Captured; the provider is deciding.
    Processing,
    /// A result is available.
    Done,
    /// The session ended without a result: no pass and no failure.
    Expired,
    /// The provider's word is missing or unknown.
    Unclear,
}

/// The provider's answer about a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub account: String,
    pub execution: String,
    /// The provider's reference for this session, if the answer contains it.
    pub reference: Option<String>,
    pub phase: Phase,
    /// Only with `Phase::Done`.
    pub proof: Option<Box<Proof>>,
    /// Only with `Phase::Expired`: the end does not count against the person.
    #[serde(default)]
    pub void: Option<Void>,
}

/// The provider's own judgement of a run or of one of its checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    Passed,
    Warning,
    Rejected,
    NotExecuted,
    /// An unknown word, or a missing one. A reviewer decides.
    Unknown,
}

/// A finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    pub decision: Judgement,
    pub score: Option<f64>,
    /// Labels of everything that did not pass; open strings.
    pub reasons: Vec<String>,
    /// Capability to its worst judgement.
    pub checks: BTreeMap<String, Judgement>,
    pub document: Option<Document>,
    /// Numbers of the identity documents as read, until `seal` replaces them; never stored.
    #[serde(skip)]
    pub numbers: Vec<DocumentNumber>,
    /// Fingerprints of the identity documents, which recognize a document without its number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<String>,
    /// Earlier runs in which the provider saw the same face.
    #[serde(default)]
    pub same_face: Vec<String>,
    pub completed_at: Option<Timestamp>,
}

impl Proof {
    /// Replaces the documents' numbers by fingerprints.
    pub fn seal(&mut self, fingerprints: &Fingerprints) {
        for one in self.numbers.drain(..) {
            let (kind, country) = (one.kind.as_deref(), one.country.as_deref());
            let document = fingerprints.document(kind, country, one.number.expose());
            self.fingerprints.extend(document.filter(|document| !self.fingerprints.contains(document)));
        }
    }
}

/// The identity of a document: its type, its issuing country, and its number there.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentNumber {
    pub kind: Option<String>,
    /// ISO 3166-1 alpha-3.
    pub country: Option<String>,
    pub number: Secret,
}

/// A use of a document by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentUse {
    /// The document's fingerprint.
    pub document: String,
    /// Ids of the person across cases.
    pub person: Vec<String>,
    /// The latest case with this use.
    pub case: String,
    pub at: Timestamp,
}

impl DocumentUse {
    /// Returns whether one of the person's ids is among others.
    pub fn same_person(&self, other: &[String]) -> bool {
        self.person.iter().any(|name| other.contains(name))
    }
}

/// Data read from the document.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Document {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// ISO 3166-1 alpha-3.
    pub country: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub date_of_birth: Option<NaiveDate>,
    pub expires_on: Option<NaiveDate>,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({:?}, {:?})", self.kind, self.country)
    }
}

/// Data of earlier runs about a person at a provider. It outlives their cases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The person's account there.
    pub account: String,
    /// Since when the provider has a face for comparison.
    pub enrolled_at: Option<Timestamp>,
    /// The latest runs, the newest last: a repeated face from these is the person's own.
    pub runs: Vec<String>,
    /// The latest passes, the newest last.
    pub passes: Vec<Pass>,
    /// Start times of the latest sessions, the newest last: each costs money.
    #[serde(default)]
    pub starts: Vec<Timestamp>,
}

/// A pass, as far as other cases may reuse it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    pub at: Timestamp,
    pub case: String,
    /// The name in policies.
    pub verification: String,
    pub method: Method,
    /// Capabilities that passed.
    pub checks: Vec<String>,
    /// Registered fields that matched the document, with fingerprints of their values. Empty: nothing was compared.
    pub compared: BTreeMap<String, String>,
}

impl Enrolment {
    /// Maximum of stored items: more than a person runs in a year. Older ones are dropped.
    const MOST: usize = 50;

    /// Records the account and the run of a new session.
    pub fn ran(&mut self, session: &Session) {
        if self.account != session.account {
            // Another account does not have the earlier account's face.
            self.account.clone_from(&session.account);
            self.enrolled_at = None;
        }
        if !self.runs.contains(&session.execution) {
            self.runs.push(session.execution.clone());
        }
        let excess = self.runs.len().saturating_sub(Self::MOST);
        self.runs.drain(..excess);
    }

    /// Records a session start.
    pub fn started(&mut self, at: Timestamp) {
        self.starts.push(at);
        let excess = self.starts.len().saturating_sub(Self::MOST);
        self.starts.drain(..excess);
    }

    /// Takes back the latest session start: it was no try of the person.
    pub fn never_started(&mut self) {
        self.starts.pop();
    }

    /// Stops using the account: a full run without a pass may have enrolled another person's face.
    pub fn leave_account(&mut self) {
        self.account.clear();
        self.enrolled_at = None;
    }

    pub fn passed(&mut self, pass: Pass) {
        if pass.method == Method::Full {
            self.enrolled_at = Some(pass.at);
        }
        self.passes.push(pass);
        let excess = self.passes.len().saturating_sub(Self::MOST);
        self.passes.drain(..excess);
    }
}

/// An outage: a time in which an answer was impossible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// A provider's name, `daemon`, or a revision that cannot be loaded.
    pub who: String,
    pub from: Timestamp,
    /// `None`: the outage is ongoing.
    pub until: Option<Timestamp>,
}

impl Pause {
    /// The daemon was not running, which affects all cases.
    pub const DAEMON: &'static str = "daemon";
    /// Prefix for an unloadable revision.
    pub const REVISION: &'static str = "revision ";
}

/// How often runs with an unfinished capture are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollEvery {
    /// By the name of the verification provider.
    pub each: BTreeMap<String, TimeDelta>,
    pub otherwise: TimeDelta,
}

impl PollEvery {
    pub fn of(&self, provider: &str) -> TimeDelta {
        self.each.get(provider).copied().unwrap_or(self.otherwise)
    }
}

impl Default for PollEvery {
    fn default() -> Self {
        Self::from(TimeDelta::seconds(60))
    }
}

/// Applies one interval to every provider.
impl From<TimeDelta> for PollEvery {
    fn from(otherwise: TimeDelta) -> Self {
        Self { each: BTreeMap::new(), otherwise }
    }
}
