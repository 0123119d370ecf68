//! Orders of operators to a case.

use serde::{Deserialize, Serialize};

use super::words::words;

/// What an operator orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Retries a stuck case.
    Retry,
    /// Ends the case as `cancelled`, without further effects.
    Cancel,
    /// Runs an effect that is over limit.
    Release,
    /// Drops an effect that is over limit; the case ends as `dropped`.
    Drop,
    /// Undoes an effect in grace; the case ends as `undone`.
    Undo,
    /// Sends the reminder now.
    Remind,
    /// Claims a review; only the claimer can decide it until the claim ends.
    Claim,
    /// Releases the claim of a review.
    ReleaseClaim,
    /// Lifts the case's holds on the person, also after its end.
    Lift,
}

words! { Order {
    Retry => "retry",
    Cancel => "cancel",
    Release => "release",
    Drop => "drop",
    Undo => "undo",
    Remind => "remind",
    Claim => "claim",
    ReleaseClaim => "release_claim",
    Lift => "lift",
} }
