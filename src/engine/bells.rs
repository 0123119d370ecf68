//! Wakes the loops whose work a commit brought. Most commits concern one lane; the other loops sleep on.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;

use crate::case::Case;
use crate::model::{Lane, Timestamp};

/// One bell for each lane and one for the waker. A bell that rings while its loop works is heard afterwards.
#[derive(Debug)]
pub struct Bells {
    lanes: [Notify; Lane::ALL.len()],
    waker: Notify,
    /// When the waker looks next, in milliseconds.
    planned: AtomicI64,
}

impl Default for Bells {
    fn default() -> Self {
        Self { lanes: Default::default(), waker: Notify::new(), planned: AtomicI64::new(i64::MAX) }
    }
}

impl Bells {
    /// Rings for the work that a committed case has.
    pub(super) fn ring(&self, case: &Case) {
        for pending in case.calls.values().filter(|pending| pending.begun.is_none()) {
            self.lane(pending.action.lane()).notify_one();
        }
        if case.wake_at().is_some_and(|at| at.timestamp_millis() <= self.planned.load(Ordering::SeqCst)) {
            self.ring_waker();
        }
    }

    /// Makes the waker look at the time.
    pub(super) fn ring_waker(&self) {
        self.waker.notify_one();
    }

    pub(super) fn lane(&self, lane: Lane) -> &Notify {
        // There is a bell for every lane.
        &self.lanes[lane as usize]
    }

    /// Completes when the waker must look again. From `look` on, every due time rings; `plan` limits it to earlier ones.
    pub(super) async fn waker(&self) {
        self.waker.notified().await;
    }

    pub(super) fn look(&self) {
        self.planned.store(i64::MAX, Ordering::SeqCst);
    }

    pub(super) fn plan(&self, next: Timestamp) {
        self.planned.store(next.timestamp_millis(), Ordering::SeqCst);
    }
}
