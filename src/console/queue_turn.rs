//! Where somebody is in a queue.

use serde::Serialize;

/// Where somebody is in the queue.
#[derive(Debug, Clone, Serialize)]
pub struct Turn {
    pub at: usize,
    pub of: usize,
    /// The address of this turn, and of the ones beside it.
    pub here: String,
    pub next: Option<String>,
    pub before: Option<String>,
}
