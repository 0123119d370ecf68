//! The one way to learn what time it is. The implementations live in `engine::clock`; everything else
//! is handed a clock or, better, a time.

use std::fmt::Debug;

use futures::future::BoxFuture;

use super::Timestamp;

/// A source of time that can also wait. Real, sped up (demo) or turned by hand (tests).
pub trait Clock: Debug + Send + Sync {
    fn now(&self) -> Timestamp;

    /// Ends once `now()` is at or after `at`.
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()>;
}
