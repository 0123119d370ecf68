//! What is missing of a journal, and a loss that somebody chose to go on with.

use serde::Serialize;

use crate::model::{CaseId, Timestamp};

/// What is missing, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// One sentence without its end.
    pub what: String,
    /// The first record that is missing; none if no record is known to be missing.
    pub from: Option<u64>,
    /// The last one; none if it is not known.
    pub to: Option<u64>,
    /// The time of the last record that is there; what came later is lost.
    pub since: Option<Timestamp>,
    /// The end of the journal as the mark had it, `SEQUENCE:HASH`.
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

/// A loss that somebody chose to go on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AcceptedLoss {
    pub at: Timestamp,
    pub reason: String,
    #[serde(flatten)]
    pub loss: Loss,
    /// Cases that damaged records touched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<CaseId>,
}
