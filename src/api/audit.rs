//! Search over the journals of all cases.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::bounds::{CaseCursor, CaseLimit, Moment};
use super::cases::SubjectLine;
use super::journal::Entry;
use crate::model::CaseId;

/// Which entries to list. Filters narrow each other.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// A subject's id, or a reference such as `user/17`.
    pub subject: Option<String>,
    pub policy: Option<String>,
    /// The first digits of a revision: only entries of its cases.
    pub revision: Option<String>,
    /// Who decided, ordered or moved: the name of a token or a login, or a person's id. Case does not matter.
    pub by: Option<String>,
    /// Kind of entry: its `what`, such as `decided`.
    pub what: Option<String>,
    /// The word of an effect that was requested, skipped or stopped, such as `suspend`.
    pub effect: Option<String>,
    /// Not before this time.
    #[param(inline)]
    pub since: Option<Moment>,
    /// Not after this time.
    #[param(inline)]
    pub until: Option<Moment>,
    #[param(inline)]
    pub cursor: Option<CaseCursor>,
    /// 200 by default. A page has all entries of its last case, and so may be longer; a rare match makes it shorter.
    #[param(inline)]
    pub limit: Option<CaseLimit>,
}

/// An entry with its case. The newest cases come first, their entries in order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditLine {
    pub case: CaseId,
    pub policy: String,
    pub revision: String,
    pub subject: SubjectLine,
    pub entry: Entry,
    /// Who did it, where a person did.
    pub by: Option<String>,
    /// When the case opened.
    pub opened_at: DateTime<Utc>,
}
