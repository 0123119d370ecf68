//! The states of a case, as lists and metrics show them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

impl CaseState {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::InReview => "in_review",
            Self::InGrace => "in_grace",
            Self::OverLimit => "over_limit",
            Self::Stuck => "stuck",
            Self::Closed => "closed",
        }
    }
}

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

impl RegistrationState {
    pub const ALL: [Self; 4] = [Self::NotVerified, Self::NotReviewed, Self::Approved, Self::Rejected];

    pub const fn word(self) -> &'static str {
        match self {
            Self::NotVerified => "not_verified",
            Self::NotReviewed => "not_reviewed",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }

    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}
