//! Errors and warnings of a policy tree.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One error or warning.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Diagnostic {
    pub place: Place,
    pub severity: Severity,
    /// Its number, such as `P0303`; `proofd explain-code` explains it.
    pub code: String,
    /// Its stable word, such as `unknown-key`.
    pub word: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The policy that cannot run because of it; null: it is in a shared file.
    pub policy: Option<String>,
}

/// A place in a file of the tree. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Place {
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub length: usize,
}

/// Errors keep a policy from running; warnings do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
}
