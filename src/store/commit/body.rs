//! Content of a journal record.

use chrono::TimeDelta;

use super::Commit;
use super::loss::AcceptedLoss;
use super::redact::{Deletion, Redact, Redacted};
use super::salvage::Salvage;
use crate::model::Timestamp;

/// How long the dedupe mark of an event is kept; a prune record stores the cutoff.
pub(in crate::store) const MARKS_KEPT: TimeDelta = TimeDelta::days(45);

/// Content of a journal record.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are commits; a box would only cost each of them")]
pub(in crate::store) enum Body {
    Commit(Commit),
    /// Dedupe marks of events consumed before this time are removed.
    Prune(Timestamp),
    /// Earlier records are lost, and an administrator accepted the loss.
    Loss(Box<AcceptedLoss>),
    /// Earlier records are damaged, and the affected cases are quarantined.
    Salvage(Box<Salvage>),
    /// Data of people is removed.
    Redact(Box<Redact>),
    /// The journal was rewritten without removed data.
    Redacted(Redacted),
    /// A provider was asked to delete an account.
    Deletion(Deletion),
}

impl Body {
    /// Returns the newest time in the record.
    pub(in crate::store) fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Commit(Commit { cases, consumed, revisions, policy_orders, .. }) => {
                let cases = cases.iter().map(|changed| changed.at);
                let consumed = consumed.iter().map(|consumed| consumed.at);
                let revisions = revisions.iter().map(|stored| stored.at);
                let orders = policy_orders.iter().map(|order| order.at);
                cases.chain(consumed).chain(revisions).chain(orders).max()
            }
            Self::Prune(before) => Some(*before + MARKS_KEPT),
            Self::Loss(loss) => Some(loss.at),
            Self::Salvage(salvage) => Some(salvage.loss.at),
            Self::Redact(order) => Some(order.at),
            Self::Redacted(done) => Some(done.at),
            Self::Deletion(deletion) => Some(deletion.at),
        }
    }

    /// Returns whether the record brings events to the inbox.
    pub(in crate::store) fn fills_inbox(&self) -> bool {
        match self {
            Self::Commit(commit) => !commit.received.is_empty(),
            Self::Salvage(_) => true,
            Self::Prune(_) | Self::Loss(_) | Self::Redact(_) | Self::Redacted(_) | Self::Deletion(_) => false,
        }
    }

    /// Returns whether the record contains more than received or processed events.
    pub(in crate::store) fn reaches_beyond_inbox(&self) -> bool {
        match self {
            Self::Commit(Commit { cases, revisions, active, enrolled, policy_orders, .. }) => {
                !cases.is_empty()
                    || !revisions.is_empty()
                    || active.is_some()
                    || !enrolled.is_empty()
                    || !policy_orders.is_empty()
            }
            Self::Prune(_) | Self::Loss(_) | Self::Redacted(_) | Self::Deletion(_) => false,
            Self::Salvage(_) | Self::Redact(_) => true,
        }
    }
}
