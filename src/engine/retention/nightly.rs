//! `keep:` of policies: once a day, evidence and cases whose time is over are removed, in bounded batches.

use std::collections::BTreeMap;

use chrono::{Days, NaiveTime, TimeDelta};
use tokio::sync::watch;

use super::{Retention, order};
use crate::case::{Case, Note, calendar};
use crate::model::{CaseId, Forgotten, Timestamp};
use crate::policy::tree::Keep;
use crate::store::{self, KeptCase};

use crate::engine::waiting::until;

/// A quiet hour, in UTC.
const HOUR: NaiveTime = match NaiveTime::from_hms_opt(3, 0, 0) {
    Some(hour) => hour,
    None => NaiveTime::MIN,
};
/// Cases of one order.
const BATCH: usize = 200;
/// Maximum of batches in a night; the rest follows in the next one.
const BATCHES: usize = 500;
/// How often unfinished work is tried again.
const AGAIN: TimeDelta = TimeDelta::minutes(10);

impl Retention {
    /// Runs at the start, which makes up for a missed night, and then every night. In between it finishes what could
    /// not be finished.
    pub(in crate::engine) async fn run_nightly(self, mut stop: watch::Receiver<bool>) {
        // Commits of others do not wake this loop.
        let (_quiet, mut applied) = watch::channel(0_u64);
        let mut next = self.now();
        while !*stop.borrow() {
            let now = self.now();
            if next <= now {
                if let Err(error) = self.remove_expired(now).await {
                    tracing::error!(%error, "removing expired data failed; it is tried again");
                }
                next = tonight(now);
            }
            let pending = self.go_on().await;
            let again = if pending { next.min(now + AGAIN) } else { next };
            until(&*self.clock, Some(again), &mut applied, &mut stop).await;
        }
    }

    /// Finishes orders and deletions. Returns whether some are still pending.
    async fn go_on(&self) -> bool {
        let files = self.finish().await;
        if let Err(error) = &files {
            tracing::error!(%error, "removing data from the store's files failed; it is tried again");
        }
        let deletions = self.delete_accounts().await;
        if let Err(error) = &deletions {
            tracing::error!(%error, "reading the deletions at verification providers failed");
        }
        let pending = self
            .store
            .redactions()
            .map_or(0, |orders| orders.iter().filter(|order| order.records.is_none()).count());
        self.metrics.redactions_pending(pending);
        pending > 0 || files.is_err() || deletions.unwrap_or(1) > 0
    }

    /// Removes from the files what was removed from the state. Returns the number of fulfilled orders.
    pub(super) async fn finish(&self) -> Result<usize, store::Error> {
        let done = self.store.finish_redactions(self.now()).await?;
        if done > 0 {
            tracing::info!(orders = done, "removed data from the journal and the state's files");
        }
        Ok(done)
    }

    /// Removes the evidence and the cases whose time is over. Returns the number of cases, by class.
    pub async fn remove_expired(&self, now: Timestamp) -> Result<BTreeMap<Forgotten, usize>, store::Error> {
        let mut removed = BTreeMap::new();
        for class in [Forgotten::Case, Forgotten::Evidence] {
            for _ in 0..BATCHES {
                let expired = self.expired(class, now)?;
                let whole = expired.len() == BATCH;
                let count = self.remove(class, now, expired).await?;
                *removed.entry(class).or_default() += count;
                // Cases that could not be removed must not be tried in a circle.
                if !whole || count == 0 {
                    break;
                }
            }
        }
        let total: usize = removed.values().sum();
        if total > 0 {
            self.finish().await?;
        }
        Ok(removed)
    }

    /// Returns a batch of cases whose time for a class is over.
    fn expired(&self, class: Forgotten, now: Timestamp) -> Result<Vec<CaseId>, store::Error> {
        let active = self.rollout.active();
        let default = Keep::default();
        let mut expired = Vec::new();
        let mut failed = None;
        self.store.kept_cases(now, &mut |kept: KeptCase| {
            let keep = active.set.policies.get(&kept.policy).map_or(default, |policy| policy.keep);
            if is_expired(&kept, keep, class, now) {
                match self.store.case(&kept.case) {
                    Ok(Some(case)) if is_at_rest(&case) => expired.push(kept.case),
                    Ok(Some(_) | None) | Err(store::Error::Damaged(_)) => {}
                    Err(error) => failed = Some(error),
                }
            }
            expired.len() < BATCH && failed.is_none()
        })?;
        failed.map_or(Ok(expired), Err)
    }

    async fn remove(
        &self,
        class: Forgotten,
        now: Timestamp,
        expired: Vec<CaseId>,
    ) -> Result<usize, store::Error> {
        let _no_writers = self.cases.locks().cases(expired.iter().map(CaseId::as_str)).await;
        let (mut cases, mut events) = (Vec::new(), Vec::new());
        for id in expired {
            let Some(case) = self.store.case(&id)?.filter(is_at_rest) else { continue };
            if class == Forgotten::Case {
                events.extend(self.events_of(&case)?);
            }
            cases.push(id);
        }
        if cases.is_empty() {
            return Ok(0);
        }
        let count = cases.len();
        let mut order = order(class, now, "retention", "the time in `keep` is over", cases).naming(&[])?;
        order.counts.insert("cases".to_owned(), count as u64);
        order.counts.insert("events".to_owned(), events.len() as u64);
        order.events = events;
        self.store.redact(order).await?;
        self.metrics.retained(class, count);
        tracing::info!(class = class.word(), cases = count, "removed expired data");
        Ok(count)
    }

    /// Returns the keys of the events that opened or joined a case.
    pub(super) fn events_of(&self, case: &Case) -> Result<Vec<String>, store::Error> {
        let entries = self.store.entries(&case.id, 0, usize::MAX)?;
        let joined = entries.into_iter().filter_map(|entry| match entry.note {
            Note::Joined { key, .. } => Some(key),
            _ => None,
        });
        Ok(case.event.iter().map(|event| event.key.clone()).chain(joined).collect())
    }
}

/// Returns whether nothing of a case continues: it is closed, holds nothing, and no call is left.
pub(super) fn is_at_rest(case: &Case) -> bool {
    case.is_closed() && case.holds.is_empty() && case.calls.is_empty()
}

fn is_expired(kept: &KeptCase, keep: Keep, class: Forgotten, now: Timestamp) -> bool {
    let over = |span| calendar::after(kept.closed_at, span, None) <= now;
    match class {
        Forgotten::Evidence => kept.redacted.is_none() && over(keep.evidence),
        Forgotten::Case | Forgotten::Person => over(keep.case),
    }
}

/// Returns the next quiet hour.
fn tonight(now: Timestamp) -> Timestamp {
    let today = now.date_naive().and_time(HOUR).and_utc();
    if today > now {
        today
    } else {
        today.checked_add_days(Days::new(1)).unwrap_or(today + TimeDelta::days(1))
    }
}

#[cfg(test)]
mod tests {
    use super::{is_expired, tonight};
    use crate::model::{CaseId, Forgotten, Span, Timestamp};
    use crate::policy::tree::Keep;
    use crate::store::KeptCase;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_next_night_is_within_a_day() {
        for (now, next) in [
            ("2026-03-01T02:59:59Z", "2026-03-01T03:00:00Z"),
            ("2026-03-01T03:00:00Z", "2026-03-02T03:00:00Z"),
            ("2026-12-31T23:00:00Z", "2027-01-01T03:00:00Z"),
        ] {
            assert_eq!(tonight(at(now)), at(next), "{now}");
        }
    }

    #[test]
    fn periods_count_from_the_close_and_evidence_goes_once() {
        let days = |days| Span::Elapsed(chrono::TimeDelta::days(days));
        let keep = Keep { case: days(100), evidence: days(10) };
        for (now, redacted, evidence, case) in [
            ("2026-01-10T23:59:59Z", None, false, false),
            ("2026-01-11T00:00:00Z", None, true, false),
            ("2026-01-11T00:00:00Z", Some(Forgotten::Evidence), false, false),
            ("2026-04-11T00:00:00Z", Some(Forgotten::Evidence), false, true),
        ] {
            let closed_at = at("2026-01-01T00:00:00Z");
            let kept = KeptCase { case: CaseId("c".into()), policy: "p".into(), closed_at, redacted };
            let found =
                [Forgotten::Evidence, Forgotten::Case].map(|class| is_expired(&kept, keep, class, at(now)));
            assert_eq!(found, [evidence, case], "{now} {redacted:?}");
        }
    }
}
