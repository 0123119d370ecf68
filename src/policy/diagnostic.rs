//! A mistake in a file: where it is, what is wrong, what to do.

use std::fmt;

use serde::Serialize;

/// Errors keep a policy from running; warnings do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
}

/// A place in a file of the tree. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub length: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Diagnostic {
    pub place: Place,
    pub severity: Severity,
    /// A stable word for the kind of mistake, such as `unknown-key`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do, with the nearest valid name where there is one.
    pub help: Option<String>,
    /// The policy that cannot run because of it; none: it concerns every policy of the tree.
    pub policy: Option<String>,
}
pub fn render(_d: &[Diagnostic], _f: &super::Files, _c: bool) -> String { String::new() }
