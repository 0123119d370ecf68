//! The one way to learn what time it is. The implementations live in `engine::clock`; everything else
//! is handed a clock or, better, a time.

use std::fmt::Debug;
use std::time::Duration;

use futures::future::BoxFuture;

use super::Timestamp;

/// A source of time that can also wait. Real, sped up (demo) or turned by hand (tests).
pub trait Clock: Debug + Send + Sync {
    fn now(&self) -> Timestamp;

    /// How long this clock has run, by one that cannot be set; none: it does not run by itself, or not at
    /// the pace of time, so that nothing can be told from it.
    fn steady(&self) -> Option<Duration> {
        None
    }

    /// Ends once `now()` is at or after `at`.
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()>;
}
