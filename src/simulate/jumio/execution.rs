//! One workflow execution: its statuses over time and the applicant's actions. This module must not know HTTP.

use std::sync::Arc;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::plan::Plan;
use crate::model::Timestamp;

/// A started session without an action for this long expires.
pub(super) const INACTIVITY: TimeDelta = TimeDelta::minutes(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    Initiated,
    AcquisitionStarted,
    Acquired,
    Processed,
    SessionExpired,
    TokenExpired,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Initiated => "INITIATED",
            Self::AcquisitionStarted => "ACQUISITION_STARTED",
            Self::Acquired => "ACQUIRED",
            Self::Processed => "PROCESSED",
            Self::SessionExpired => "SESSION_EXPIRED",
            Self::TokenExpired => "TOKEN_EXPIRED",
        }
    }

    pub fn is_final(self) -> bool {
        matches!(self, Self::Processed | Self::SessionExpired | Self::TokenExpired)
    }
}

/// The result of a check: the vendor's decision types and further cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    #[default]
    Pass,
    Warn,
    Reject,
    /// Everything passes except the face: it does not match the document (or the enrolled person).
    FaceMismatch,
    /// PASSED, without the capabilities in `missing`.
    PassWithout,
    /// PASSED, with `capabilities: {}`.
    PassEmpty,
    /// The selfie is unusable, so no face comparison is made.
    PoorImage,
}

/// The result of the applicant's capture.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    pub outcome: Outcome,
    /// The face shown to the camera, by any name. Without it: the account's person, or a stranger if the outcome is a
    /// mismatch. A new document shows the same face, unless the outcome is a mismatch.
    pub face: Option<String>,
    /// Labels of the warning or rejection, `LABEL` or `capability:LABEL`.
    pub labels: Vec<String>,
    /// The capabilities that `PassWithout` omits; liveness if none is named.
    pub missing: Vec<String>,
    /// Fields of `extraction.data` that replace those of ALEX EXAMPLE; null removes one.
    pub extraction: Map<String, Value>,
    pub score: Option<f64>,
    /// The label of the overall decision, which a ruleset may have chosen.
    pub decision_label: Option<String>,
    /// Omits `startedAt` from the details.
    pub without_started_at: bool,
}

impl Script {
    /// The account's person; the data on file sets the result.
    pub fn same_person() -> Self {
        Self::default()
    }

    /// A person other than the account's.
    pub fn another_person() -> Self {
        Self { outcome: Outcome::FaceMismatch, ..Self::default() }
    }

    /// A person with a named face: the same name on several accounts is the same person.
    pub fn face_of(name: &str) -> Self {
        Self { face: Some(name.to_owned()), ..Self::default() }
    }

    /// Gives the document the name of its holder, except where the script sets or removes a name.
    pub(super) fn name(&mut self, holder: &Holder) {
        for (field, name) in [("firstName", &holder.first_name), ("lastName", &holder.last_name)] {
            self.extraction.entry(field).or_insert_with(|| name.to_uppercase().into());
        }
    }

    /// Returns whether the script leaves a name of the document open.
    pub(super) fn is_nameless(&self) -> bool {
        ["firstName", "lastName"].iter().any(|field| !self.extraction.contains_key(*field))
    }

    pub fn poor_image() -> Self {
        Self { outcome: Outcome::PoorImage, ..Self::default() }
    }
}

/// The faces in an execution's pictures and the result of comparing them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Faces {
    /// The face shown to the camera.
    pub shown: Option<String>,
    /// The face that the selfie must match: the document's, or the one on file; none if that was deleted.
    pub wanted: Option<String>,
    /// The execution that put the wanted face on file, if it was on file.
    pub from: Option<String>,
    /// Earlier executions with the shown face, as a face search finds them.
    pub found: Vec<String>,
    /// The vendor rejects because it found too many earlier executions.
    pub too_many: bool,
}

impl Faces {
    pub fn match_each_other(&self) -> bool {
        self.shown.is_some() && self.shown == self.wanted
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credential {
    pub id: String,
    pub category: &'static str,
    /// Reused from an earlier execution.
    pub existing: bool,
    pub captured: bool,
}

/// The name of the person whom a session is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    pub first_name: String,
    pub last_name: String,
}

/// Finds the person of a session, so that their document has their name. The vendor itself does not know it.
#[derive(Clone, Default)]
pub struct Directory(Option<Find>);

type Find = Arc<dyn Fn(&Order) -> Option<Holder> + Send + Sync>;

impl Directory {
    pub fn new(find: impl Fn(&Order) -> Option<Holder> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(find)))
    }

    pub fn holder(&self, order: &Order) -> Option<Holder> {
        self.0.as_ref().and_then(|find| find(order))
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Directory").field(&self.0.is_some()).finish()
    }
}

/// The parameters of a start.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub customer_internal_reference: String,
    pub user_reference: Option<String>,
    pub key: u32,
    pub callback_url: Option<String>,
    pub success_url: Option<String>,
    pub error_url: Option<String>,
    pub locale: String,
    pub lifetime_seconds: i64,
    /// The id of the credential that the start reuses.
    pub existing: Option<String>,
    /// The script that the reference sets in the mock dialect.
    pub mock: Option<Script>,
}

/// The full state of an execution, as `/_sim/executions` shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    pub execution: String,
    pub account: String,
    #[serde(flatten)]
    pub order: Order,
    pub status: Status,
    pub href: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub last_action_at: Option<Timestamp>,
    pub acquired_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    pub wiped_out_at: Option<Timestamp>,
    pub credentials: Vec<Credential>,
    /// The script of the capture, once it has ended.
    pub result: Option<Script>,
    pub faces: Faces,
    #[serde(skip)]
    pub(super) plan: Plan,
    #[serde(skip)]
    pub(super) link_token: String,
    #[serde(skip)]
    pub(super) api_token: String,
    #[serde(skip)]
    pub(super) due: Option<Timestamp>,
    #[serde(skip)]
    pub(super) hidden_reads: u32,
    #[serde(skip)]
    pub(super) deleted: bool,
}

impl Execution {
    /// The next time at which the status changes without an action.
    pub(super) fn next(&self) -> Option<Timestamp> {
        match self.status {
            Status::Initiated => Some(self.expires_at),
            Status::AcquisitionStarted => self.last_action_at.map(|at| at + INACTIVITY),
            Status::Acquired => self.due,
            Status::Processed | Status::SessionExpired | Status::TokenExpired => None,
        }
    }

    pub(super) fn after_next(&self) -> Status {
        match self.status {
            Status::Initiated => Status::TokenExpired,
            Status::AcquisitionStarted => Status::SessionExpired,
            Status::Acquired => Status::Processed,
            last @ (Status::Processed | Status::SessionExpired | Status::TokenExpired) => last,
        }
    }

    /// Whether data of this execution is still usable: it was processed, not wiped and not deleted.
    pub(super) fn remembered(&self) -> bool {
        self.status == Status::Processed && self.wiped_out_at.is_none() && !self.deleted
    }

    /// Whether the person must show a document as well as a face.
    pub fn takes_document(&self) -> bool {
        self.plan.takes_document()
    }

    pub(super) fn credential(&self, category: &str) -> Option<&Credential> {
        self.credentials.iter().find(|credential| credential.category == category)
    }
}
