//! The clocks: the only file that asks the machine for the time.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::model::{Clock, Timestamp};

#[expect(clippy::disallowed_methods, reason = "the one place where the machine is asked")]
fn machine_now() -> Timestamp {
    chrono::Utc::now()
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Clock for System {
    fn now(&self) -> Timestamp {
        machine_now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        async move {
            // Waits in slices, so that a wall clock that is set forward is noticed within one.
            loop {
                let left = at - machine_now();
                match left.to_std() {
                    Ok(left) if !left.is_zero() => {
                        tokio::time::sleep(left.min(std::time::Duration::from_secs(30))).await;
                    }
                    _ => return,
                }
            }
        }
        .boxed()
    }
}

/// A clock that runs `factor` times as fast as the machine's from `start` on: two weeks of waiting in a
/// few seconds of demo.
#[derive(Debug, Clone)]
pub struct Scaled {
    origin: std::time::Instant,
    start: Timestamp,
    factor: i32,
}

impl Scaled {
    pub fn new(start: Timestamp, factor: i32) -> Self {
        Self { origin: std::time::Instant::now(), start, factor: factor.max(1) }
    }
}

impl Clock for Scaled {
    fn now(&self) -> Timestamp {
        let real = TimeDelta::from_std(self.origin.elapsed()).unwrap_or(TimeDelta::MAX);
        self.start + real.checked_mul(self.factor).unwrap_or(TimeDelta::MAX)
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        async move {
            loop {
                let left = at - clock.now();
                match left.to_std() {
                    Ok(left) if !left.is_zero() => {
                        let real = left / clock.factor.unsigned_abs();
                        tokio::time::sleep(real.max(std::time::Duration::from_millis(1))).await;
                    }
                    _ => return,
                }
            }
        }
        .boxed()
    }
}

/// A clock that only moves when it is told to. Clones share the time.
#[derive(Debug, Clone)]
pub struct Virtual {
    now: Arc<Mutex<Timestamp>>,
    moved: watch::Sender<()>,
}

impl Virtual {
    pub fn new(start: Timestamp) -> Self {
        Self { now: Arc::new(Mutex::new(start)), moved: watch::Sender::new(()) }
    }

    /// Moves the time and wakes whoever waits for it.
    pub fn advance(&self, by: TimeDelta) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now += by;
        drop(now);
        self.moved.send_replace(());
    }
}

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        let mut moved = self.moved.subscribe();
        async move {
            while clock.now() < at {
                if moved.changed().await.is_err() {
                    return;
                }
            }
        }
        .boxed()
    }
}
