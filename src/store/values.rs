//! Values of the state that only the store reads.

use super::journal::Head;
use crate::model::{Timestamp, Verdict};

/// The state's progress, and a sum over all its values: a lost or duplicated value changes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Meta {
    /// The last applied record.
    pub(super) applied: u64,
    pub(super) keys: u64,
    pub(super) sum: u64,
    /// The end of the last fully applied frame; identifies the source journal.
    pub(super) head: Head,
}

/// The location of a verdict.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pointer {
    pub(super) policy: String,
    pub(super) verdict: Verdict,
    pub(super) at: Timestamp,
    pub(super) key: Vec<u8>,
}
