//! The YAML of a policy tree: the tree of a file, and its mistakes as diagnostics. It knows no key of a policy.

use super::diagnostic::Diagnostic;
use crate::yaml::{self, Fault};

pub use crate::yaml::{Data, Key, Node, Scalar};

/// Larger files are refused before they are parsed.
pub const LARGEST_FILE: usize = 256 * 1024;

/// Reads one file. None: it cannot be read as a whole, and a diagnostic says why. Mistakes that leave a
/// usable tree (a key given twice) are reported beside it.
pub fn read(file: &str, bytes: &[u8], diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    let (root, faults) = yaml::read(file, bytes, LARGEST_FILE);
    diagnostics.extend(faults.into_iter().map(Diagnostic::from));
    root
}

/// The first line that a merge left in a text.
pub fn conflict(file: &str, text: &str) -> Option<Diagnostic> {
    yaml::conflict(file, text).map(Diagnostic::from)
}

impl From<Fault> for Diagnostic {
    fn from(Fault { place, code, message, help }: Fault) -> Self {
        Self { help, ..Self::error(place, code, message) }
    }
}
