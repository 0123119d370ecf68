//! Deviations of the simulated vendor from a well-behaved one. The defaults describe the well-behaved vendor.
//! This module must not know how a knob is implemented.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::simulate::fault::Fault;

/// All knobs. `PUT /_sim/knobs` replaces the whole set; omitted knobs get their default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    pub callbacks: Callbacks,
    /// Whether `href` of a callback and of a status also contains the account.
    pub long_href: bool,
    /// How often a callback without a 2xx answer is sent again. The vendor's number is unknown.
    pub callback_retries: u32,
    pub callback_retry_seconds: u32,
    /// Address of callbacks if a start names none.
    pub portal_callback_url: Option<String>,
    pub expired: Expired,
    /// Seconds from the end of capture to the result.
    pub processing_seconds: u32,
    /// Number of reads of the details that answer 404 after PROCESSED.
    pub early_details_404: u32,
    /// Whether the status call shows ACQUISITION_STARTED (else INITIATED) during capture.
    pub report_started: bool,
    /// An undefined status that is reported and called back while a result is being processed.
    pub unknown_status: Option<String>,
    /// A JSON merge patch for the details of a finished execution: words and checks that were added later, a
    /// second document.
    pub details_patch: Option<Value>,
    /// Applies limits per second of the clock, with the documented 429.
    pub rate_limits: bool,
    pub token_seconds: u32,
    /// `expires_in` always reports the full lifetime, even for a partly used token.
    pub full_expires_in: bool,
    pub permissions: Permissions,
    /// Status of a created execution: 200, or 201 as some clients report.
    pub create_status: u16,
    /// Status for the start of an authentication, or of a workflow with an existing ID, if nothing is on file. The
    /// vendor's status is unknown.
    pub not_enrolled_status: u16,
    /// Body of that answer, if it differs from the account host's usual one.
    pub not_enrolled_body: Option<Value>,
    /// Which executions put a face on file.
    pub enrolment: Enrolment,
    /// Seconds after an account's last activity until its data is wiped.
    pub retention_seconds: Option<u32>,
    /// How the API shows a wiped execution.
    pub wiped: Wiped,
    /// An account with wiped data is unknown to the API: every start on it is a 404.
    pub wiped_account_unknown: bool,
    /// A check of a document finds earlier executions with the same face, on any account.
    pub repeated_face: bool,
    /// Number of matches from which the vendor warns.
    pub repeated_face_after: u32,
    /// Number of matches from which the vendor rejects, as one integration observed after five attempts.
    pub repeated_face_rejects_after: Option<u32>,
    /// Callback, success and error addresses must use https, without a port, an IP address or a fragment.
    pub strict_urls: bool,
    /// A JSON object as customerInternalReference sets the outcome.
    pub mock_dialect: bool,
    /// Keys of workflows that check a new selfie against the ID on file.
    pub existing_id_keys: Vec<u32>,
    /// Whether these workflows have a link; the vendor's pages contradict each other.
    pub existing_id_on_web: bool,
    pub redirect: Redirect,
    /// UP, DEGRADED or DOWN.
    pub health: String,
    pub faults: Vec<Fault>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            callbacks: Callbacks::Once,
            long_href: false,
            callback_retries: 0,
            callback_retry_seconds: 60,
            portal_callback_url: None,
            expired: Expired::New,
            processing_seconds: 0,
            early_details_404: 0,
            report_started: false,
            unknown_status: None,
            details_patch: None,
            rate_limits: true,
            token_seconds: 3600,
            full_expires_in: false,
            permissions: Permissions::default(),
            create_status: 200,
            not_enrolled_status: 400,
            not_enrolled_body: None,
            enrolment: Enrolment::Liveness,
            retention_seconds: None,
            wiped: Wiped::Emptied,
            wiped_account_unknown: false,
            repeated_face: true,
            repeated_face_after: 1,
            repeated_face_rejects_after: None,
            strict_urls: false,
            mock_dialect: true,
            existing_id_keys: vec![10_022],
            existing_id_on_web: true,
            redirect: Redirect::Observed,
            health: "UP".into(),
            faults: Vec::new(),
        }
    }
}

/// When callbacks are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Callbacks {
    None,
    Once,
    Twice,
    /// The final callback first, then the intermediate ones.
    OutOfOrder,
    /// PROCESSED is called back when capture ends; the result follows at least ten seconds later.
    Early,
    /// ACQUISITION_STARTED and ACQUIRED are called back too.
    Intermediate,
}

/// How the details of an expired execution look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expired {
    /// NOT_EXECUTED, score -1.
    New,
    /// REJECTED, score 100.
    Old,
    /// 404.
    NotFound,
    /// As `Old`, and only the details report the expiry: the status is PROCESSED.
    Late,
    /// As `New`, and both the status and the details report PROCESSED: only the decision's label differs.
    Unsaid,
    /// As `Unsaid`, with the old decision: the only sign is that no check was made.
    Nowhere,
}

impl Expired {
    /// Whether the decision is the old one, REJECTED.
    pub(super) fn is_old(self) -> bool {
        matches!(self, Self::Old | Self::Late | Self::Nowhere)
    }

    pub(super) fn status_shows_processed(self) -> bool {
        matches!(self, Self::Late | Self::Unsaid | Self::Nowhere)
    }

    pub(super) fn details_show_processed(self) -> bool {
        matches!(self, Self::Unsaid | Self::Nowhere)
    }
}

/// Which execution puts a face on file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enrolment {
    /// One with a passed liveness check, as the vendor documents, even if the run was rejected for another reason.
    Liveness,
    /// Only one whose whole run passed.
    PassedRun,
}

/// How the API shows an execution with wiped data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wiped {
    /// `wipedOutAt`, the decision, and `capabilities: {}`.
    Emptied,
    /// The same without `wipedOutAt`.
    Silently,
    /// As `Emptied`, and without the decision.
    Undecided,
    /// The details are a 404; the status is still served.
    NoDetails,
    /// Everything is a 404.
    Gone,
}

/// The parameters of the redirect at the end of capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redirect {
    /// As documented, with `errorCode`.
    Documented,
    /// As the current web client sends them, with `publicErrorCode` and the legacy names.
    Observed,
}

/// Permissions of the OAuth client, as set in the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permissions {
    pub initiate: bool,
    pub retrieve: bool,
}

impl Default for Permissions {
    fn default() -> Self {
        Self { initiate: true, retrieve: true }
    }
}
