//! Holds: suspensions and withheld roles that cases placed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::bounds::Whom;
use crate::model::{CaseId, SubjectRef};

/// Whose holds to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HoldQuery {
    /// An id, or a reference such as `user/17`.
    #[param(inline)]
    pub subject: Option<Whom>,
}

/// A hold, and the case that placed it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HoldLine {
    pub case: CaseId,
    pub policy: String,
    pub subject: SubjectRef,
    /// The case is closed and left this hold; an operator can lift it.
    pub case_closed: bool,
    #[serde(flatten)]
    pub hold: Hold,
}

/// A suspension, or a role that is withheld.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Hold {
    pub what: HoldTarget,
    pub since: DateTime<Utc>,
    /// The account's status before; lifting restores it.
    pub before: Option<String>,
    /// Owner, as read back around the change.
    pub whose: Whose,
    /// Owner by the newest event about it, with the event's time; takes precedence.
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    pub told: Option<(DateTime<Utc>, Whose)>,
    /// Time at which the withheld role was assigned, if an event reports it.
    pub granted_at: Option<DateTime<Utc>>,
    /// When it was read back that the hold is in force.
    pub read_at: Option<DateTime<Utc>>,
    /// It is being lifted.
    pub lifting: bool,
    pub placed: Placed,
}

/// Target of a hold: the account, or a role by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldTarget {
    Account,
    Role(String),
}

/// The owner of a suspension or of a role removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// The daemon's: lifting the hold gives it back.
    Ours,
    /// The daemon's, unless an event says otherwise soon.
    Presumed,
    /// Somebody else's: lifting the hold changes nothing.
    Theirs,
    /// The end of an attempt is not known.
    Unknown,
}

/// How far a hold is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Placed {
    /// Nothing was tried yet.
    Asked,
    /// It may be in force.
    Tried,
    /// It is in force.
    Known,
}
