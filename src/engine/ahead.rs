//! Timers of open cases in the next days, for the people who watch over policies.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::api::timers::{DayLimit, TimerDay, TimerKind, TimerLine, TimerQuery, TimersAhead};
use crate::case::{Case, State};
use crate::model::{EffectKind, Timestamp};
use crate::store;

use super::operators::Operators;

/// Days if the query sets none.
const DAYS: i64 = 30;
/// Most cases that are read.
const MOST: usize = 5_000;
/// Most timers that are listed.
const LISTED: usize = 200;

impl Operators {
    /// Returns the timers of open cases in the next days.
    pub fn timers_ahead(&self, query: &TimerQuery) -> Result<TimersAhead, store::Error> {
        let days = query.days.map_or(DAYS, |days: DayLimit| i64::try_from(days.get()).unwrap_or(DAYS));
        let until = self.clock.now() + TimeDelta::days(days);
        // The index has when a case acts next; its later timers follow from the case.
        let (due, _) = self.store.due_cases(until, MOST)?;
        let mut more = due.len() == MOST;
        let mut items = Vec::new();
        for id in &due {
            let Some(case) = self.store.case(id)? else { continue };
            if query.policy.as_ref().is_some_and(|policy| *policy != case.policy) {
                continue;
            }
            let timers = timers(&case).into_iter().filter(|(at, _, _)| *at <= until);
            items.extend(timers.map(|(at, kind, effect)| TimerLine {
                at,
                case: case.id.clone(),
                policy: case.policy.clone(),
                subject: (&case.subject).into(),
                kind,
                effect,
            }));
        }
        items.sort_by(|one, other| (one.at, &one.case).cmp(&(other.at, &other.case)));
        let mut days: BTreeMap<_, usize> = BTreeMap::new();
        for line in &items {
            let effect = line.effect.map(EffectKind::word);
            *days.entry((line.at.date_naive(), line.policy.clone(), line.kind, effect)).or_default() += 1;
        }
        let day = |((day, policy, kind, effect), count): ((_, String, _, Option<&str>), usize)| TimerDay {
            day,
            policy,
            kind,
            effect: effect.and_then(EffectKind::of_word),
            count,
        };
        more |= items.len() > LISTED && items.len() >= MOST;
        items.truncate(LISTED);
        Ok(TimersAhead { until, days: days.into_iter().map(day).collect(), items, next: None, more })
    }
}

/// Returns what a case does by itself, if nothing happens before.
fn timers(case: &Case) -> Vec<(Timestamp, TimerKind, Option<EffectKind>)> {
    let mut timers = Vec::new();
    match &case.state {
        State::Verifying(verifying) => {
            timers.extend(verifying.remind_at.map(|at| (at, TimerKind::Reminder, None)));
            timers.push((verifying.deadline, TimerKind::NoAnswer, None));
        }
        State::Reviewing(reviewing) => {
            timers.extend(reviewing.escalate_at.map(|at| (at, TimerKind::Escalation, None)));
            timers.push((reviewing.deadline, TimerKind::Overdue, None));
        }
        State::Waiting(waiting) => timers.push((waiting.until, TimerKind::WaitEnds, None)),
        State::Grace(grace) if grace.runs() => {
            timers.push((grace.until, TimerKind::GraceEnds, EffectKind::of_word(grace.action.word())));
        }
        State::Grace(_) | State::Calling { .. } | State::Held { .. } | State::Stuck(_) | State::Closed => {}
    }
    timers
}
