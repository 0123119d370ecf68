//! Values of the state that only the store reads.

use super::journal::Head;
use crate::model::{CaseId, SubjectRef, Timestamp, Verdict};

/// How far the state is, and a sum over all its values: a lost or doubled value changes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Meta {
    /// The last record that is in it.
    pub(super) applied: u64,
    pub(super) keys: u64,
    pub(super) sum: u64,
    /// The end of the last frame that is in it whole: names the journal that it was made from.
    pub(super) head: Head,
}

/// What a listing needs to know of a case without reading it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    pub(super) case: CaseId,
    pub(super) policy: String,
    pub(super) subject: SubjectRef,
    pub(super) open: bool,
}

/// Where what a policy said lies.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pointer {
    pub(super) policy: String,
    pub(super) verdict: Verdict,
    pub(super) at: Timestamp,
    pub(super) key: Vec<u8>,
}
