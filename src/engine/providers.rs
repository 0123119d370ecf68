//! Whether outside systems answer, for operators.

use chrono::TimeDelta;

use crate::api::providers::{Outage, ProviderKind, ProviderLine, Providers};
use crate::model::{Lane, Pause};
use crate::store;

use super::status::Status;

/// How far back outages are shown.
const SHOWN: TimeDelta = TimeDelta::days(90);
/// Most calls that are counted for one system.
const COUNTED: usize = 1_000;

impl Status {
    /// Returns the providers with their outages and waiting calls.
    pub fn providers(&self) -> Result<Providers, store::Error> {
        let names = self.outages.providers();
        let mut items = Vec::new();
        for (name, kind) in names {
            items.push(self.provider(name, kind)?);
        }
        items.push(self.provider(Pause::DAEMON.to_owned(), ProviderKind::Daemon)?);
        Ok(Providers { items, next: None, troubles: self.degraded() })
    }

    fn provider(&self, name: String, kind: ProviderKind) -> Result<ProviderLine, store::Error> {
        let since = self.clock.now() - SHOWN;
        let mut pauses = self.outages.known();
        pauses.retain(|pause| pause.who == name && pause.until.is_none_or(|until| until > since));
        pauses.sort_by_key(|pause| std::cmp::Reverse(pause.from));
        Ok(ProviderLine {
            down_since: pauses.iter().find(|pause| pause.until.is_none()).map(|pause| pause.from),
            asked_to_wait_until: self.outages.asked_to_wait(&name),
            calls: self.calls_of(&name, kind)?,
            outages: pauses.into_iter().map(|Pause { from, until, .. }| Outage { from, until }).collect(),
            name,
            kind,
        })
    }

    fn calls_of(&self, name: &str, kind: ProviderKind) -> Result<usize, store::Error> {
        let lanes: &[Lane] = match kind {
            ProviderKind::Identity => &[Lane::Identity],
            ProviderKind::Verification => &[Lane::VerificationStart, Lane::VerificationRead],
            ProviderKind::Daemon => &[],
        };
        let mut calls = 0;
        for lane in lanes {
            for queue in self.store.queues(*lane)?.iter().filter(|queue| queue.system == name) {
                // All of them, due or not: far in the future is far enough.
                let far = self.clock.now() + TimeDelta::days(3_650);
                calls += self.store.due_in(queue, far, COUNTED)?.0.len();
            }
        }
        Ok(calls.min(COUNTED))
    }
}
