//! Whether the daemon makes progress. The watchdog is fed from here, and only from here.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::TimeDelta;

use crate::model::Timestamp;

use super::Engine;

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

    /// A moment in the future was noted by a clock that was ahead, and says as little as an old one.
    fn age(of: &AtomicI64, now: Timestamp) -> TimeDelta {
        TimeDelta::milliseconds((now.timestamp_millis() - of.load(Ordering::Relaxed)).abs())
    }
}

impl Engine {
    /// The waker looked around lately and the committer took a commit lately; if there was none to take,
    /// an empty one is made, so that a stuck disk shows.
    pub async fn alive(&self, within: TimeDelta) -> bool {
        let now = self.now();
        // A store that waits for space on the disk takes no commit; a restart would not help it.
        if !self.0.store.is_full() && Health::age(&self.0.health.committer, now) > within / 2 {
            if self.0.store.commit_durable(crate::store::Commit::default()).await.is_err() {
                return false;
            }
            self.0.health.progressed(self.now());
        }
        Health::age(&self.0.health.waker, self.now()) <= within
    }

    /// One line for `systemctl status`.
    pub fn status_line(&self) -> String {
        let active = self.active();
        let open = self.counts().map(|counts| counts.values().sum::<u64>());
        let open = open.map_or_else(|_| "?".to_owned(), |open| open.to_string());
        let verdict = active.verdict();
        let tree = active.report.tree.get(..8).unwrap_or("none");
        let full = if self.0.store.is_full() { "disk nearly full, new events are refused; " } else { "" };
        let stranded = match self.0.rollout.unloadable.counts().values().sum::<usize>() {
            0 => String::new(),
            stranded => format!(" ({stranded} cannot go on: see /readyz)"),
        };
        format!(
            "{full}{} policies (tree {tree}), {open} open cases{stranded}, {verdict}",
            active.set.policies.len()
        )
    }

    /// One line per loss of the store that was accepted, for as long as the store exists.
    pub fn loss_lines(&self) -> Vec<String> {
        let losses = self.0.store.losses().unwrap_or_else(|error| {
            tracing::error!(%error, "reading the accepted losses of the store failed");
            Vec::new()
        });
        let records = |loss: &crate::store::Loss| match (loss.from, loss.to) {
            (Some(from), Some(to)) => format!("records {from} to {to}"),
            (Some(from), None) => format!("records from {from} on"),
            (None, _) => "part of the store".to_owned(),
        };
        let line = |accepted: &crate::store::AcceptedLoss| {
            let at = accepted.at.format("%F %T UTC");
            if !accepted.cases.is_empty() {
                return format!(
                    "store: damaged records were salvaged on {at}; cases touched: {}; see `proofd store verify` and \
                     `proofd case list --state stuck`",
                    accepted.cases.len()
                );
            }
            format!(
                "store: the loss of {} was accepted on {at}; see `proofd store verify`",
                records(&accepted.loss)
            )
        };
        losses.iter().map(line).collect()
    }

    /// Ready to serve: the store answers and takes events, and policies are loaded.
    pub fn ready(&self) -> Result<(), String> {
        self.counts().map_err(|error| error.to_string())?;
        if self.0.store.is_full() {
            return Err(super::StoreError::Full.to_string());
        }
        self.active().ready()
    }
}
