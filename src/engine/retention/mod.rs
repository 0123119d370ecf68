//! Removes data on purpose: of closed cases when their time is over, and of one person on request.
//!
//! | file | what |
//! |---|---|
//! | `nightly` | `keep:` of policies, once a day |
//! | `subject` | everything about one person |
//! | `erase` | the erasure of a person |
//! | `deletions` | deletes accounts at verification providers, until it is done |

mod deletions;
mod erase;
mod nightly;
mod subject;

use std::sync::Arc;

use crate::connectors::Connectors;
use crate::model::{CaseId, Clock, Forgotten, Timestamp};
use crate::rollout::Rollout;
use crate::store::{Redact, Store};

use super::cases::Cases;
use super::metrics::Metrics;
use super::sources::Sources;

pub use erase::EraseRefused;

/// A handle on the removal of data.
#[derive(Debug, Clone)]
pub struct Retention {
    pub(super) cases: Cases,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rollout: Rollout,
    pub(super) connectors: Connectors,
    pub(super) sources: Sources,
    pub(super) metrics: Arc<Metrics>,
}

impl Retention {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// An order without people.
fn order(class: Forgotten, at: Timestamp, by: &str, reason: &str, cases: Vec<CaseId>) -> Redact {
    Redact {
        class,
        at,
        by: by.to_owned(),
        reason: reason.to_owned(),
        cases,
        events: Vec::new(),
        salt: String::new(),
        people: Vec::new(),
        aliases: Vec::new(),
        counts: std::collections::BTreeMap::new(),
        digest: String::new(),
        deletions: Vec::new(),
        known: Vec::new(),
    }
}
