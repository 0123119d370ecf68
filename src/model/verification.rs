//! Identity verification in words that fit every provider: sessions, readings, proofs.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};

use super::{Fingerprints, Secret, Timestamp};

/// How a person proves themselves.
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

impl Method {
    pub const ALL: [Self; 3] = [Self::Full, Self::Authentication, Self::ExistingId];
    pub const WORDS: [&'static str; 3] =
        [Self::Full.word(), Self::Authentication.word(), Self::ExistingId.word()];

    /// As policies write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Authentication => "authentication",
            Self::ExistingId => "existing_id",
        }
    }

    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.word() == word)
    }
}

/// A vendor session that a person can be sent to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The person at the provider; stored for life, it is the key to re-verification.
    pub account: String,
    /// This run.
    pub execution: String,
    /// Where the person is redirected. A secret of the person.
    pub link: String,
    /// Until when the vendor honours the link if it is not used.
    pub expires_at: Timestamp,
    /// Our reference, which a result must carry to count.
    pub reference: String,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.execution)
    }
}

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing captured yet.
    Waiting,
    /// The person is at it.
    Capturing,
    /// Captured; the provider is deciding.
    Processing,
    /// A result is there.
    Done,
    /// The session ended without a result: nobody failed, nobody passed.
    Expired,
    /// The provider's word for it is missing or new.
    Unclear,
}

/// What the provider said about a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub account: String,
    pub execution: String,
    /// The reference that the provider holds for this session, where this answer carries it.
    pub reference: Option<String>,
    pub phase: Phase,
    /// Only with `Phase::Done`.
    pub proof: Option<Box<Proof>>,
}

/// The provider's own judgement of a run or of one of its checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    Passed,
    Warning,
    Rejected,
    NotExecuted,
    /// A word that came later than this code, or none where one belongs. People decide what it means.
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
    /// Numbers of the identity documents as they were read, until `seal` takes them; never written.
    #[serde(skip)]
    pub numbers: Vec<DocumentNumber>,
    /// Fingerprints of the identity documents: a document is known again, its number is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<String>,
    /// Earlier runs in which the provider saw the same face.
    #[serde(default)]
    pub same_face: Vec<String>,
    pub completed_at: Option<Timestamp>,
}

impl Proof {
    /// Puts fingerprints in the place of the documents' numbers.
    pub fn seal(&mut self, fingerprints: &Fingerprints) {
        for one in self.numbers.drain(..) {
            let (kind, country) = (one.kind.as_deref(), one.country.as_deref());
            let document = fingerprints.document(kind, country, one.number.expose());
            self.fingerprints.extend(document.filter(|document| !self.fingerprints.contains(document)));
        }
    }
}

/// What names a document: its type, the country that issued it, and its number there.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentNumber {
    pub kind: Option<String>,
    /// ISO 3166-1 alpha-3.
    pub country: Option<String>,
    pub number: Secret,
}

/// Who showed a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentUse {
    /// The document's fingerprint.
    pub document: String,
    /// The names under which the person is known over several cases.
    pub person: Vec<String>,
    /// The latest case in which they showed it.
    pub case: String,
    pub at: Timestamp,
}

impl DocumentUse {
    /// Whether it is about the same person as another one.
    pub fn same_person(&self, other: &[String]) -> bool {
        self.person.iter().any(|name| other.contains(name))
    }
}

/// What was read from the document.
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

/// What earlier runs left of a person at a provider. Outlives the cases that they belonged to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The person's account there.
    pub account: String,
    /// Since when the provider has a face that a new one can be compared with.
    pub enrolled_at: Option<Timestamp>,
    /// The latest runs, the newest last: the person's own face in them is nothing to wonder about.
    pub runs: Vec<String>,
    /// The latest passes, the newest last.
    pub passes: Vec<Pass>,
    /// When the latest sessions were started, the newest last: each costs money.
    #[serde(default)]
    pub starts: Vec<Timestamp>,
}

/// A pass, as far as another case may count it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    pub at: Timestamp,
    pub case: String,
    /// Under the name that policies use.
    pub verification: String,
    pub method: Method,
    /// Capabilities that passed.
    pub checks: Vec<String>,
    /// Registered fields that agreed with the document, with the fingerprint of what was registered. Empty:
    /// nothing was compared.
    pub compared: BTreeMap<String, String>,
}

impl Enrolment {
    /// More than anybody runs in a year; older ones are forgotten.
    const MOST: usize = 50;

    /// The account and the run of a new session.
    pub fn ran(&mut self, session: &Session) {
        if self.account != session.account {
            // Another account knows nothing of the face that the one before had.
            self.account.clone_from(&session.account);
            self.enrolled_at = None;
        }
        if !self.runs.contains(&session.execution) {
            self.runs.push(session.execution.clone());
        }
        let excess = self.runs.len().saturating_sub(Self::MOST);
        self.runs.drain(..excess);
    }

    /// A session was started.
    pub fn started(&mut self, at: Timestamp) {
        self.starts.push(at);
        let excess = self.starts.len().saturating_sub(Self::MOST);
        self.starts.drain(..excess);
    }

    /// The account is not used again. A full run that did not pass may have enrolled somebody else's face.
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

/// A time in which somebody could not answer, through no fault of theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// A provider's name, `daemon`, or a revision that cannot be used.
    pub who: String,
    pub from: Timestamp,
    /// None: it goes on.
    pub until: Option<Timestamp>,
}

impl Pause {
    /// The daemon itself was not running, which holds up everybody.
    pub const DAEMON: &'static str = "daemon";
    /// Before the name of a revision with which cases could not go on.
    pub const REVISION: &'static str = "revision ";
}

/// How often runs are read whose capture has not ended.
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

/// The same for every provider.
impl From<TimeDelta> for PollEvery {
    fn from(otherwise: TimeDelta) -> Self {
        Self { each: BTreeMap::new(), otherwise }
    }
}
