//! The times at which essential loops last reported progress.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::TimeDelta;

use crate::model::Timestamp;

/// The times at which essential loops last reported progress, in milliseconds.
#[derive(Debug)]
pub struct Health {
    waker: AtomicI64,
    committer: AtomicI64,
}

impl Health {
    pub(super) fn new(now: Timestamp) -> Self {
        let now = now.timestamp_millis();
        Self { waker: AtomicI64::new(now), committer: AtomicI64::new(now) }
    }

    pub(super) fn waker_alive(&self, now: Timestamp) {
        self.waker.store(now.timestamp_millis(), Ordering::Relaxed);
    }

    pub(super) fn progressed(&self, now: Timestamp) {
        self.committer.store(now.timestamp_millis(), Ordering::Relaxed);
    }

    /// Returns how long ago the waker last checked for due cases.
    pub(super) fn waker_age(&self, now: Timestamp) -> TimeDelta {
        Self::age(&self.waker, now)
    }

    /// Returns how long ago the committer last completed a commit.
    pub(super) fn committer_age(&self, now: Timestamp) -> TimeDelta {
        Self::age(&self.committer, now)
    }

    /// Takes the absolute value: a time in the future comes from a clock that was ahead and counts as old.
    fn age(of: &AtomicI64, now: Timestamp) -> TimeDelta {
        TimeDelta::milliseconds((now.timestamp_millis() - of.load(Ordering::Relaxed)).abs())
    }
}
