//! The state of the daemon, for its operators.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::CaseState;

/// Open cases, and what does not work now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StatusSheet {
    pub open: Vec<OpenCount>,
    /// A sentence for each outside system that does not work now.
    pub degraded: Vec<String>,
    /// A sentence for each revision with open cases that cannot be loaded.
    pub unloadable: Vec<String>,
    /// A sentence for each loss of stored data that an operator has accepted or has to look at.
    pub losses: Vec<String>,
    /// The disk is nearly full: new events are refused.
    pub disk_full: bool,
}

/// How many open cases of a policy are in a state.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OpenCount {
    pub policy: String,
    pub state: CaseState,
    pub cases: u64,
}
