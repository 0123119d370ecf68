//! The record of a salvage.

use std::collections::BTreeMap;

use super::Changed;
use super::loss::AcceptedLoss;

/// The record of a salvage.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) struct Salvage {
    pub(in crate::store) loss: AcceptedLoss,
    /// Keys of the state, in hexadecimal digits, with the payload from the damaged records; `None` if they removed the
    /// key.
    pub(in crate::store) restored: BTreeMap<String, Option<String>>,
    /// The quarantined cases.
    pub(in crate::store) cases: Vec<Changed>,
}
