//! Names and dates of a document against what was registered.

use crate::model::{Document, Subject};

/// The fields that do not agree.
pub fn compare(_fields: &[String], _subject: &Subject, _document: Option<&Document>) -> Vec<String> {
    Vec::new()
}
