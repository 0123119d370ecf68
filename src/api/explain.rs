//! Why policies did or did not fire for a person, and dry runs.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::bounds::{EventLimit, Moment, Whom};
use super::diagnostics::Diagnostic;
use super::mode::Mode;
use crate::model::{CaseId, CaseState, EventType, Fields, SubjectRef, Verdict};

/// Which answers to explain.
#[derive(Debug, Clone, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExplainQuery {
    /// An id, or a reference such as `user/17`.
    #[param(inline)]
    pub subject: Whom,
    /// The last decision before this time; now by default.
    #[serde(default)]
    #[param(inline)]
    pub at: Option<Moment>,
    /// Only this policy.
    #[serde(default)]
    pub policy: Option<String>,
    /// Only decisions about the event with this key.
    #[serde(default)]
    pub event: Option<String>,
}

/// Decisions of the policies.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    pub subject: String,
    pub at: DateTime<Utc>,
    pub items: Vec<Explained>,
    /// Always null: the list is not paged.
    pub next: Option<String>,
}

/// Decision of one policy.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Explained {
    pub policy: String,
    pub title: String,
    /// Null: no longer active.
    pub mode: Option<Mode>,
    pub verdict: Answer,
    /// The verdict in a sentence.
    pub says: String,
    pub asked_at: Option<DateTime<Utc>>,
    pub event: Option<Occasion>,
    pub subject: Option<SubjectRef>,
    /// The revision that answered.
    pub revision: Option<String>,
    /// Another revision is active now.
    pub revised_since: bool,
    /// Clauses that prevented a case.
    pub clauses: Vec<ClauseLine>,
    /// The smallest changes that would have opened a case; each is enough by itself.
    pub changes: Vec<Vec<EditLine>>,
    pub case: Option<CaseOf>,
    /// What can open its cases.
    pub reacts_to: Vec<String>,
}

/// An answer in a word. `would_...`, `refused`, `open_case`, `not_due` and `not_loaded` are answers of dry runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    #[default]
    NotAsked,
    NotLoaded,
    NoSubject,
    Disabled,
    Clause,
    Where,
    NotDue,
    CouldNotDecide,
    Shadow,
    /// A sweep leaves out a person with an open case.
    OpenCase,
    /// A start by hand with an open case.
    Refused,
    Opened,
    Duplicate,
    Joined,
    Cancelled,
    Ignored,
    /// The open case cannot be read.
    Gone,
    /// The daemon made the change itself.
    OwnChange,
    /// Another version of the daemon answered in a word that this one does not know.
    Other,
    WouldOpen,
    WouldJoin,
    WouldRestart,
    WouldCancel,
}

impl Answer {
    pub fn word(self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::NotLoaded => "not_loaded",
            Self::NoSubject => "no_subject",
            Self::Disabled => "disabled",
            Self::Clause => "clause",
            Self::Where => "where",
            Self::NotDue => "not_due",
            Self::CouldNotDecide => "could_not_decide",
            Self::Shadow => "shadow",
            Self::OpenCase => "open_case",
            Self::Refused => "refused",
            Self::Opened => "opened",
            Self::Duplicate => "duplicate",
            Self::Joined => "joined",
            Self::Cancelled => "cancelled",
            Self::Ignored => "ignored",
            Self::Gone => "gone",
            Self::OwnChange => "own_change",
            Self::Other => "other",
            Self::WouldOpen => "would_open",
            Self::WouldJoin => "would_join",
            Self::WouldRestart => "would_restart",
            Self::WouldCancel => "would_cancel",
        }
    }
}

impl From<Verdict> for Answer {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Opened => Self::Opened,
            Verdict::Joined => Self::Joined,
            Verdict::Cancelled => Self::Cancelled,
            Verdict::Ignored => Self::Ignored,
            Verdict::Duplicate => Self::Duplicate,
            Verdict::Gone => Self::Gone,
            Verdict::OwnChange => Self::OwnChange,
            Verdict::NoSubject => Self::NoSubject,
            Verdict::Disabled => Self::Disabled,
            Verdict::Clause => Self::Clause,
            Verdict::Where => Self::Where,
            Verdict::CouldNotDecide => Self::CouldNotDecide,
            Verdict::Shadow => Self::Shadow,
            Verdict::Other => Self::Other,
        }
    }
}

/// The event or trigger that the policy evaluated.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Occasion {
    pub key: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub time: DateTime<Utc>,
}

/// A clause with the values that it read.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ClauseLine {
    pub clause: String,
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub answer: ClauseAnswer,
    pub error: Option<String>,
    pub values: Vec<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClauseAnswer {
    Holds,
    Fails,
    Error,
}

impl ClauseAnswer {
    pub fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Error => "error",
        }
    }
}

/// A field with its value. Debug output hides the value.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Seen {
    pub path: String,
    pub value: Value,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seen({})", self.path)
    }
}

/// One edit of a change. Debug output hides the values.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct EditLine {
    pub path: String,
    pub is: Value,
    pub needs: Needs,
    /// The constant that it is compared with.
    pub than: Value,
    /// The setting that the constant comes from.
    pub setting: Option<String>,
    /// The edit in a sentence.
    pub says: String,
}

impl fmt::Debug for EditLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EditLine({} {:?})", self.path, self.needs)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    Is,
    IsNot,
    Above,
    AtLeast,
    Below,
    AtMost,
    OneOf,
    NoneOf,
    Contains,
    ContainsNot,
}

/// The case that it led to, as it is now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CaseOf {
    pub id: CaseId,
    pub state: CaseState,
    pub result: Option<String>,
    /// Compared fields by verification; empty without the role `raw_identity`.
    #[serde(default)]
    pub compared: BTreeMap<String, Vec<Compared>>,
}

/// One field in the forms in which it was compared. Debug output hides the values.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Compared {
    pub field: String,
    /// Registered value; null: not comparable.
    pub registered: Option<String>,
    /// Value of the document.
    pub document: Option<String>,
}

impl fmt::Debug for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Compared({})", self.field)
    }
}

/// A dry run. Nothing is recorded.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DryRun {
    /// An id, or a reference such as `user/17`.
    pub subject: Whom,
    /// Only this policy.
    #[serde(default)]
    pub policy: Option<String>,
    #[serde(default)]
    pub event: MadeUp,
    /// Fields of the person to replace.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub person: Fields,
    /// Files of another policy tree: path to text. Requires the role `author`.
    #[serde(default)]
    pub files: Option<BTreeMap<String, String>>,
    /// Recorded events until this time; all by default.
    #[serde(default)]
    pub at: Option<Moment>,
    /// How many of the newest recorded events; 1 by default.
    #[serde(default)]
    pub last: Option<EventLimit>,
}

/// Event of a dry run. Without type and key: the newest recorded event that a policy reacts to.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MadeUp {
    /// Type of an event that did not happen, or `manual`, or `sweep`.
    #[serde(default, rename = "type")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<EventType>,
    /// The key of a recorded event.
    #[serde(default)]
    pub key: Option<String>,
    /// Fields of the event to replace.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub fields: Fields,
}

/// Result of a dry run.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DryRunAnswer {
    pub subject: String,
    pub at: DateTime<Utc>,
    pub items: Vec<DryRunLine>,
    /// Always null: the list is not paged.
    pub next: Option<String>,
    /// Errors of the sent tree.
    pub errors: Vec<Diagnostic>,
    /// The errors as a terminal shows them.
    pub text: String,
}

/// Decision of one policy about one event.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DryRunLine {
    #[serde(flatten)]
    pub explained: Explained,
    /// Notes.
    pub notes: Vec<String>,
    /// The recorded decision of the policy that was active then.
    pub then: Option<Then>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Then {
    pub at: DateTime<Utc>,
    pub verdict: Answer,
    pub says: String,
}
