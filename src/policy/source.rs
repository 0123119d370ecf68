//! Reads the YAML of a policy tree: one node tree per file, and errors as diagnostics. Must not know any policy key.

use super::diagnostic::Diagnostic;
use crate::yaml::{self, Fault};

pub use crate::yaml::{Data, Key, Node, Scalar};

/// The maximum size in bytes; larger files are refused before they are parsed.
pub const LARGEST_FILE: usize = 256 * 1024;

/// Reads one file. Returns none if the file cannot be read as a whole; a diagnostic has the reason. Errors that leave
/// a usable tree (a duplicate key) are reported with the tree.
pub fn read(file: &str, bytes: &[u8], diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    let (root, faults) = yaml::read(file, bytes, LARGEST_FILE);
    diagnostics.extend(faults.into_iter().map(Diagnostic::from));
    root
}

/// Reports the first merge conflict marker in a text.
pub fn conflict(file: &str, text: &str) -> Option<Diagnostic> {
    yaml::conflict(file, text).map(Diagnostic::from)
}

impl From<Fault> for Diagnostic {
    fn from(Fault { place, code, message, help }: Fault) -> Self {
        Self { help, ..Self::error(place, code, message) }
    }
}
