//! Notifications to systemd: readiness, a status line, and progress. Without systemd these functions have no
//! effect.

use std::time::Duration;

use chrono::TimeDelta;
use sd_notify::NotifyState;

use crate::engine::Engine;

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}

pub fn ready(engine: &Engine) {
    send(&[NotifyState::Ready, NotifyState::Status(&engine.status().status_line())]);
}

/// Reports progress of the start: systemd extends the timeout by one minute.
pub fn starting(how_far: &str) {
    send(&[NotifyState::ExtendTimeoutUsec(60_000_000), NotifyState::Status(how_far)]);
}

pub fn status(engine: &Engine) {
    send(&[NotifyState::Status(&engine.status().status_line())]);
}

pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Feeds the watchdog only while the committer and the waker make progress, and updates the status line.
pub async fn keep_telling(engine: Engine) {
    let watchdog = sd_notify::watchdog_enabled();
    let every = watchdog.map_or(Duration::from_secs(10), |limit| limit / 3).max(Duration::from_secs(1));
    loop {
        tokio::time::sleep(every).await;
        status(&engine);
        if let Some(limit) = watchdog {
            let within = TimeDelta::from_std(limit).unwrap_or(TimeDelta::seconds(60));
            if engine.status().alive(within).await {
                send(&[NotifyState::Watchdog]);
            } else {
                tracing::error!(
                    "the committer or the waker makes no progress; systemd will restart the daemon"
                );
            }
        }
    }
}
