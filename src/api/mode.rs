//! The mode of a policy.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::words;

/// Whether a policy has effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Enforce,
    /// Opens no case; what it would have done is recorded.
    Shadow,
    Disabled,
}

words! { Mode {
    Enforce => "enforce",
    Shadow => "shadow",
    Disabled => "disabled",
} }
