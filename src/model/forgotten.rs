//! Classes of removed data.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was removed of a case, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Forgotten {
    /// Document data, texts of mails, links of sessions, and the inputs of decisions.
    Evidence,
    /// Everything except the skeleton: policy, revision, times, steps, outcomes, decisions, effects.
    Case,
    /// The same, with everything else about the person.
    Person,
}

impl Forgotten {
    pub const ALL: [Self; 3] = [Self::Evidence, Self::Case, Self::Person];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Case => "case",
            Self::Person => "person",
        }
    }
}
