//! The clocks: the only file that reads the machine's time.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::model::{Clock, Timestamp};

#[expect(clippy::disallowed_methods, reason = "the one place where the machine is asked")]
fn machine_now() -> Timestamp {
    chrono::Utc::now()
}

/// Interval at which a loop checks for times that were planned while the clock was wrong.
const LOOK_AHEAD_EVERY: TimeDelta = TimeDelta::minutes(5);

/// The time of the next such check.
#[derive(Debug, Default)]
pub(super) struct Ahead(Option<Timestamp>);

impl Ahead {
    /// Returns whether the check is due, and if so plans the next one.
    pub fn is_due(&mut self, now: Timestamp) -> bool {
        let due = self.next(now) <= now;
        if due {
            self.0 = Some(now + LOOK_AHEAD_EVERY);
        }
        due
    }

    /// Returns the next time, at most one interval away even if the clock was set back since.
    pub fn next(&self, now: Timestamp) -> Timestamp {
        self.0.map_or(now, |at| at.min(now + LOOK_AHEAD_EVERY))
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Clock for System {
    fn now(&self) -> Timestamp {
        machine_now()
    }

    fn steady(&self) -> Option<Duration> {
        static STARTED: OnceLock<tokio::time::Instant> = OnceLock::new();
        Some(STARTED.get_or_init(tokio::time::Instant::now).elapsed())
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        async move {
            // Waits in slices: a wall clock that is set forward is noticed within one slice. Never waits longer than
            // requested: a clock that is set back delays no caller, because callers check the time again.
            let started = tokio::time::Instant::now();
            let Ok(asked) = (at - machine_now()).to_std() else { return };
            loop {
                let left = (at - machine_now()).to_std().unwrap_or_default();
                let left = left.min(asked.saturating_sub(started.elapsed()));
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(std::time::Duration::from_secs(30))).await;
            }
        }
        .boxed()
    }
}

/// A clock that runs `factor` times as fast as the machine's since `origin`, and can be set forward. Two processes with
/// the same origin and factor agree, and a restart does not set it back. Clones share it.
#[derive(Debug, Clone)]
pub struct Scaled {
    origin: Timestamp,
    factor: i32,
    ahead: Arc<Mutex<TimeDelta>>,
    moved: watch::Sender<()>,
}

impl Scaled {
    pub fn since(origin: Timestamp, factor: i32) -> Self {
        let (ahead, moved) = (Arc::new(Mutex::new(TimeDelta::zero())), watch::Sender::new(()));
        Self { origin, factor: factor.max(1), ahead, moved }
    }

    /// Creates a clock whose origin is the current time.
    pub fn from_now(factor: i32) -> Self {
        Self::since(machine_now(), factor)
    }

    /// Sets the time forward and wakes all waiting tasks.
    pub fn advance(&self, by: TimeDelta) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        *ahead += by.max(TimeDelta::zero());
        drop(ahead);
        self.moved.send_replace(());
    }
}

impl Clock for Scaled {
    fn now(&self) -> Timestamp {
        let ahead = *self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let real = (machine_now() - self.origin).max(TimeDelta::zero());
        self.origin + ahead + real.checked_mul(self.factor).unwrap_or(TimeDelta::days(36_500))
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        let mut moved = self.moved.subscribe();
        async move {
            loop {
                let Ok(left) = (at - clock.now()).to_std() else { return };
                if left.is_zero() {
                    return;
                }
                let real = (left / clock.factor.unsigned_abs()).max(std::time::Duration::from_millis(1));
                tokio::select! {
                    () = tokio::time::sleep(real) => {}
                    // The sender lives in `clock`: the channel does not close, and a change means that the time was
                    // set.
                    _ = moved.changed() => {}
                }
            }
        }
        .boxed()
    }
}

/// A clock for tests that moves only when a method moves it. Clones share the time.
#[derive(Debug, Clone)]
pub struct Virtual {
    time: Arc<Mutex<Times>>,
    moved: watch::Sender<()>,
}

/// The wall time of a virtual clock and the duration that passed.
#[derive(Debug, Clone, Copy)]
struct Times {
    wall: Timestamp,
    passed: Duration,
}

impl Virtual {
    pub fn new(start: Timestamp) -> Self {
        let times = Times { wall: start, passed: Duration::ZERO };
        Self { time: Arc::new(Mutex::new(times)), moved: watch::Sender::new(()) }
    }

    /// Lets time pass and wakes all waiting tasks.
    pub fn advance(&self, by: TimeDelta) {
        self.move_by(by, by.to_std().unwrap_or_default());
    }

    /// Sets the wall clock forward or back without letting time pass.
    pub fn jump(&self, by: TimeDelta) {
        self.move_by(by, Duration::ZERO);
    }

    fn move_by(&self, by: TimeDelta, passed: Duration) {
        let mut time = self.time.lock().unwrap_or_else(PoisonError::into_inner);
        time.wall += by;
        time.passed += passed;
        drop(time);
        self.moved.send_replace(());
    }

    fn times(&self) -> Times {
        *self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        self.times().wall
    }

    fn steady(&self) -> Option<Duration> {
        Some(self.times().passed)
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let (clock, start) = (self.clone(), self.times());
        let mut moved = self.moved.subscribe();
        async move {
            // Never waits longer than requested, like the machine's clock: a clock that is set back delays no caller.
            let Ok(asked) = (at - start.wall).to_std() else { return };
            loop {
                let times = clock.times();
                if times.wall >= at || times.passed.saturating_sub(start.passed) >= asked {
                    return;
                }
                if moved.changed().await.is_err() {
                    return;
                }
            }
        }
        .boxed()
    }
}
