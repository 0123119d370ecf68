//! What the simulated vendor does differently from a well-behaved one. The defaults are the well-behaved
//! vendor. It must not know how a knob is carried out.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::simulate::fault::Fault;

/// Everything that can be turned. `PUT /_sim/knobs` replaces all of it; what is left out is the default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    pub callbacks: Callbacks,
    /// Whether `href` of a callback and of a status names the account too.
    pub long_href: bool,
    /// How often a callback that was not answered with 2xx is sent again. Unknown of the vendor.
    pub callback_retries: u32,
    pub callback_retry_seconds: u32,
    /// Where callbacks go when a start names no address.
    pub portal_callback_url: Option<String>,
    pub expired: Expired,
    /// Seconds from the end of capture to the result.
    pub processing_seconds: u32,
    /// How many reads of the details answer 404 after PROCESSED.
    pub early_details_404: u32,
    /// Whether the status call shows ACQUISITION_STARTED (else INITIATED) during capture.
    pub report_started: bool,
    /// A status nobody has heard of, reported and called back while a result is being processed.
    pub unknown_status: Option<String>,
    /// What else the details of a finished execution say, as a JSON merge patch: words and checks that came
    /// later, a second document.
    pub details_patch: Option<Value>,
    /// Limits per second of the clock, with the documented 429.
    pub rate_limits: bool,
    pub token_seconds: u32,
    /// `expires_in` always says the full life, even of a token that is partly used up.
    pub full_expires_in: bool,
    pub permissions: Permissions,
    /// 200, or 201 as some clients report.
    pub create_status: u16,
    /// The answer to the start of an authentication or of a workflow with an existing ID where nothing is on
    /// file. Unknown of the vendor.
    pub not_enrolled_status: u16,
    /// Its body, if it is not the account host's usual one.
    pub not_enrolled_body: Option<Value>,
    /// What puts a face on file.
    pub enrolment: Enrolment,
    /// Seconds after an account's last activity until its data is wiped.
    pub retention_seconds: Option<u32>,
    /// How a wiped execution reads.
    pub wiped: Wiped,
    /// An account whose data was wiped is not known any more: every start on it is a 404.
    pub wiped_account_unknown: bool,
    /// A check of a document finds earlier executions with the same face, on any account.
    pub repeated_face: bool,
    /// How many there must be before the vendor warns of them.
    pub repeated_face_after: u32,
    /// How many there must be before it rejects for them, as one integration saw after five attempts.
    pub repeated_face_rejects_after: Option<u32>,
    /// Callback, success and error addresses must be https, without port, address or fragment.
    pub strict_urls: bool,
    /// A JSON object as customerInternalReference scripts the outcome.
    pub mock_dialect: bool,
    /// Keys of workflows that check a new selfie against the ID on file.
    pub existing_id_keys: Vec<u32>,
    /// Whether those have a link; the vendor's pages contradict each other.
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
    /// The final one first, then the intermediate ones.
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
    /// As `Old`, and only the details say that it expired: the status is PROCESSED.
    Late,
    /// As `New`, and both the status and the details say PROCESSED: only the decision's label tells.
    Unsaid,
    /// As `Unsaid`, with the old decision: nothing tells but that no check was made.
    Nowhere,
}

impl Expired {
    /// Whether the decision is the old one, REJECTED.
    pub(super) fn is_old(self) -> bool {
        matches!(self, Self::Old | Self::Late | Self::Nowhere)
    }

    pub(super) fn status_says_processed(self) -> bool {
        matches!(self, Self::Late | Self::Unsaid | Self::Nowhere)
    }

    pub(super) fn details_say_processed(self) -> bool {
        matches!(self, Self::Unsaid | Self::Nowhere)
    }
}

/// What puts the face of an execution on file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enrolment {
    /// A passed liveness, as the vendor writes, even if the run was rejected for something else.
    Liveness,
    /// Only a run that passed as a whole.
    PassedRun,
}

/// How an execution reads whose data was wiped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wiped {
    /// `wipedOutAt`, the decision, and `capabilities: {}`.
    Emptied,
    /// The same without saying that it was wiped.
    Silently,
    /// The decision is gone too.
    Undecided,
    /// The details are a 404, the status is not.
    NoDetails,
    /// Everything is a 404.
    Gone,
}

/// Which parameters the redirect at the end of capture carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redirect {
    /// As written down, with `errorCode`.
    Documented,
    /// As the current web client sends them, with `publicErrorCode` and the legacy names.
    Observed,
}

/// What the portal lets the OAuth client do.
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
