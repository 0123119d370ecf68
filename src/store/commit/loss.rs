//! Missing parts of a journal, and accepted losses.

use serde::Serialize;

use crate::model::{CaseId, Timestamp};

/// The missing part of a journal, and its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// One sentence without its period.
    pub what: String,
    /// The first missing record; `None` if unknown.
    pub from: Option<u64>,
    /// The last missing record; `None` if unknown.
    pub to: Option<u64>,
    /// The time of the last available record; later data is lost.
    pub since: Option<Timestamp>,
    /// The end of the journal according to the high-water mark, as `SEQUENCE:HASH`.
    pub head: Option<String>,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        match (self.from, self.to) {
            (Some(from), Some(to)) if from == to => write!(f, "; record {from} is lost")?,
            (Some(from), Some(to)) => write!(f, "; records {from} to {to} are lost")?,
            (Some(from), None) => write!(f, "; an unknown number of records from {from} on is lost")?,
            (None, _) => {}
        }
        match self.since {
            Some(since) => write!(f, "; the last available record is of {}", since.format("%F %T UTC")),
            None => f.write_str("; no available record has a time"),
        }
    }
}

/// A loss that an administrator accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AcceptedLoss {
    pub at: Timestamp,
    pub reason: String,
    #[serde(flatten)]
    pub loss: Loss,
    /// Cases affected by damaged records.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<CaseId>,
}
