//! The state of the daemon, for its operators. Only this module feeds the watchdog.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::watch;

use crate::api::status::{OpenCount, StatusSheet};
use crate::model::{CaseState, Clock};
use crate::rollout::Rollout;
use crate::store::{self, Store};

use super::bells::Bells;
use super::gauges::Counted;
use super::health::Health;
use super::metrics::Metrics;
use super::outages::Outages;
use super::poller::Poller;

/// A handle on the state of the daemon.
#[derive(Debug, Clone)]
pub struct Status {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rollout: Rollout,
    pub(super) outages: Outages,
    pub(super) poller: Poller,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Arc<Health>,
    pub(super) bells: Arc<Bells>,
}

impl Status {
    /// Returns all metrics as OpenMetrics.
    pub fn metrics_text(&self) -> Result<String, String> {
        let unloadable = self.rollout.unloadable.counts();
        let pauses = self.outages.known().iter().filter(|pause| pause.until.is_none()).count();
        let counted = Counted::read(&self.store, self.clock.now(), unloadable, pauses);
        self.metrics.text(counted.map_err(|error| error.to_string())?)
    }

    /// Returns a counter of commits: it changes after each one that changes a case.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.store.cases_applied()
    }

    /// Returns open cases and everything that does not work now.
    pub fn sheet(&self) -> Result<StatusSheet, store::Error> {
        let count = |((policy, state), cases): ((String, String), u64)| {
            Some(OpenCount { policy, state: CaseState::of_word(&state)?, cases })
        };
        Ok(StatusSheet {
            open: self.store.open_counts()?.into_iter().filter_map(count).collect(),
            degraded: self.degraded(),
            unloadable: self.rollout.unloadable.sentences(),
            losses: self.loss_lines(),
            disk_full: self.store.is_full(),
        })
    }

    /// Returns a sentence for each outside system that does not work now.
    pub fn degraded(&self) -> Vec<String> {
        let mut troubles = self.poller.troubles();
        troubles
            .extend(self.outages.down().into_iter().map(|provider| format!("{provider} does not answer")));
        troubles
    }

    /// Returns whether the waker and the committer have made progress within the time. Without a recent commit, an
    /// empty one is made: a stuck disk becomes visible.
    pub async fn alive(&self, within: TimeDelta) -> bool {
        let now = self.clock.now();
        // A store that waits for disk space takes no commit; a restart would not help.
        if !self.store.is_full() && self.health.committer_age(now) > within / 2 {
            if self.store.commit_durable(store::Commit::default()).await.is_err() {
                return false;
            }
            self.health.progressed(self.clock.now());
        }
        let alive = self.health.waker_age(self.clock.now()) <= within;
        if !alive {
            self.bells.ring_waker();
        }
        alive
    }

    /// Returns one line for `systemctl status`.
    pub fn status_line(&self) -> String {
        let active = self.rollout.active();
        let open = self.store.open_counts().map(|counts| counts.values().sum::<u64>());
        let open = open.map_or_else(|_| "?".to_owned(), |open| open.to_string());
        let verdict = active.verdict();
        let tree = active.report.tree.get(..8).unwrap_or("none");
        let full = if self.store.is_full() { "disk nearly full, new events are refused; " } else { "" };
        let stranded = match self.rollout.unloadable.counts().values().sum::<usize>() {
            0 => String::new(),
            stranded => format!(" ({stranded} cannot continue: see /readyz)"),
        };
        format!(
            "{full}{} policies (tree {tree}), {open} open cases{stranded}, {verdict}",
            active.set.policies.len()
        )
    }

    /// Returns one line per accepted loss of the store, for as long as the store exists.
    pub fn loss_lines(&self) -> Vec<String> {
        let losses = self.store.losses().unwrap_or_else(|error| {
            tracing::error!(%error, "reading the accepted losses of the store failed");
            Vec::new()
        });
        let records = |loss: &store::Loss| match (loss.from, loss.to) {
            (Some(from), Some(to)) => format!("records {from} to {to}"),
            (Some(from), None) => format!("records from {from} on"),
            (None, _) => "part of the store".to_owned(),
        };
        let line = |accepted: &store::AcceptedLoss| {
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

    /// Returns whether the daemon can serve: the store answers and takes events, and policies are loaded.
    pub fn ready(&self) -> Result<(), String> {
        self.store.open_counts().map_err(|error| error.to_string())?;
        if self.store.is_full() {
            return Err(store::Error::Full.to_string());
        }
        self.rollout.active().ready()
    }
}
