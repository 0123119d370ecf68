//! The only source of the current time. Implementations are in `engine::clock`; other code receives a clock or, better,
//! a time.

use std::fmt::Debug;
use std::time::Duration;

use futures::future::BoxFuture;

use super::Timestamp;

/// A source of time that can also wait: real, accelerated (demo) or manual (tests).
pub trait Clock: Debug + Send + Sync {
    fn now(&self) -> Timestamp;

    /// Returns how long this clock has run, from a monotonic source. `None`: it does not run on its own or not in real
    /// time.
    fn steady(&self) -> Option<Duration> {
        None
    }

    /// Completes once `now()` is at or after `at`.
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()>;
}
