//! The states of a case, as lists and metrics show them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::words;

/// Where a case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// A call is under way.
    Running,
    /// For the person, or for a time.
    Waiting,
    /// People decide.
    InReview,
    /// An adverse effect can still be undone.
    InGrace,
    /// A limit stopped an effect; a person releases or drops it.
    OverLimit,
    /// It failed for good; its owner is notified.
    Stuck,
    Closed,
}

words! { CaseState {
    Running => "running",
    Waiting => "waiting",
    InReview => "in_review",
    InGrace => "in_grace",
    OverLimit => "over_limit",
    Stuck => "stuck",
    Closed => "closed",
} }

/// The state of a self-registration at the identity provider, in the words of the field `registration.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationState {
    /// The person has not confirmed their address.
    NotVerified,
    /// It waits for a decision.
    NotReviewed,
    Approved,
    Rejected,
}

words! { RegistrationState {
    NotVerified => "not_verified",
    NotReviewed => "not_reviewed",
    Approved => "approved",
    Rejected => "rejected",
} }
