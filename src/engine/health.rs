//! When the loops that everything depends on were last seen alive.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::TimeDelta;

use crate::model::Timestamp;

/// When the loops that everything depends on were last seen alive, in milliseconds.
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

    /// How long ago the waker looked around.
    pub(super) fn waker_age(&self, now: Timestamp) -> TimeDelta {
        Self::age(&self.waker, now)
    }

    /// How long ago the committer took a commit.
    pub(super) fn committer_age(&self, now: Timestamp) -> TimeDelta {
        Self::age(&self.committer, now)
    }

    /// A moment in the future was noted by a clock that was ahead, and says as little as an old one.
    fn age(of: &AtomicI64, now: Timestamp) -> TimeDelta {
        TimeDelta::milliseconds((now.timestamp_millis() - of.load(Ordering::Relaxed)).abs())
    }
}
