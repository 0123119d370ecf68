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

/// A clock that runs `factor` times as fast as the machine's since `origin`. It can be set forward, and its speed can
/// change. Two processes with the same origin and factor agree, and a restart does not set it back. Clones share it.
#[derive(Debug, Clone)]
pub struct Scaled {
    pace: Arc<Mutex<Pace>>,
    moved: watch::Sender<()>,
}

/// Since the machine's time `real` the clock runs from `shown`, `factor` times as fast.
#[derive(Debug, Clone, Copy)]
struct Pace {
    real: Timestamp,
    shown: Timestamp,
    factor: i32,
}

impl Pace {
    fn at(self, machine: Timestamp) -> Timestamp {
        let real = (machine - self.real).max(TimeDelta::zero());
        self.shown + real.checked_mul(self.factor).unwrap_or(TimeDelta::days(36_500))
    }
}

impl Scaled {
    pub fn since(origin: Timestamp, factor: i32) -> Self {
        let pace = Pace { real: origin, shown: origin, factor: factor.max(1) };
        Self { pace: Arc::new(Mutex::new(pace)), moved: watch::Sender::new(()) }
    }

    /// Creates a clock whose origin is the current time.
    pub fn from_now(factor: i32) -> Self {
        Self::since(machine_now(), factor)
    }

    /// Sets the time forward and wakes all waiting tasks.
    pub fn advance(&self, by: TimeDelta) {
        self.change(|pace| pace.shown += by.max(TimeDelta::zero()));
    }

    /// Runs `factor` times as fast as the machine from now on.
    pub fn set_factor(&self, factor: i32) {
        let machine = machine_now();
        self.change(|pace| *pace = Pace { real: machine, shown: pace.at(machine), factor: factor.max(1) });
    }

    /// How many times faster than the machine's clock it runs.
    pub fn factor(&self) -> i32 {
        self.pace().factor
    }

    fn pace(&self) -> Pace {
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Pace)) {
        change(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner));
        self.moved.send_replace(());
    }
}

impl Clock for Scaled {
    fn now(&self) -> Timestamp {
        self.pace().at(machine_now())
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
                let real = (left / clock.factor().unsigned_abs()).max(std::time::Duration::from_millis(1));
                tokio::select! {
                    () = tokio::time::sleep(real) => {}
                    // The sender lives in `clock`: the channel does not close, and a change means that the time or the
                    // speed was set.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaled_clock_keeps_its_time_when_its_speed_changes() {
        let origin = machine_now();
        let at = |seconds| origin + TimeDelta::seconds(seconds);
        let pace = Pace { real: origin, shown: origin, factor: 60 };
        assert_eq!(pace.at(at(10)), at(600));
        // From the tenth second on it runs at the machine's speed.
        let slower = Pace { real: at(10), shown: pace.at(at(10)), factor: 1 };
        assert_eq!((slower.at(at(10)), slower.at(at(15))), (at(600), at(605)));
        // A machine whose clock was set back does not set it back.
        assert_eq!(slower.at(at(5)), at(600));
    }

    #[tokio::test]
    async fn a_waiting_task_wakes_when_the_speed_changes() {
        let clock = Scaled::from_now(1);
        let waiting = tokio::spawn(clock.sleep_until(clock.now() + TimeDelta::days(1)));
        tokio::task::yield_now().await;
        clock.set_factor(1_000_000);
        assert!(tokio::time::timeout(Duration::from_secs(60), waiting).await.is_ok());
        assert_eq!(clock.factor(), 1_000_000);
    }
}
