//! Outage credit: gives back the time that a person or a reviewer could not use because the provider or the daemon was
//! down. The credit is applied when the case is processed next.

use chrono::TimeDelta;

use super::enrolling::in_use;
use super::entry::Note;
use super::input::Refused;
use super::state::State;
use super::transition::Transition;
use crate::model::{Pause, Timestamp};

/// Returns how much of a period overlaps outages of any of these.
pub fn lost(pauses: &[Pause], who: &[&str], from: Timestamp, to: Timestamp) -> TimeDelta {
    let mut stretches: Vec<(Timestamp, Timestamp)> = pauses
        .iter()
        .filter(|pause| who.contains(&pause.who.as_str()))
        .map(|pause| (pause.from.max(from), pause.until.unwrap_or(to).min(to)))
        .filter(|(from, to)| from < to)
        .collect();
    stretches.sort_unstable();
    let (mut total, mut counted) = (TimeDelta::zero(), from);
    for (from, to) in stretches {
        let from = from.max(counted);
        if from < to {
            total += to - from;
            counted = to;
        }
    }
    total
}

impl Transition<'_> {
    /// Gives back the time lost since the last check.
    pub fn be_fair(&mut self) {
        self.be_fair_until(self.now());
    }

    pub fn be_fair_until(&mut self, now: Timestamp) {
        let pauses = self.context.pauses;
        let provider = match &self.case.state {
            State::Verifying(proving) => {
                self.verify_of(proving.step).map(|verify| in_use(proving, verify).provider.as_str()).ok()
            }
            _ => None,
        };
        let stranded = format!("{}{}", Pause::REVISION, self.case.revision);
        let mut who = vec![Pause::DAEMON, stranded.as_str()];
        who.extend(provider);
        let lost = |since: Timestamp| lost(pauses, &who, since, now);
        let lost = match &mut self.case.state {
            State::Verifying(proving) => {
                let lost = lost(proving.fair_until);
                proving.fair_until = now;
                proving.started_at += lost;
                proving.deadline += lost;
                proving.remind_at = proving.remind_at.map(|at| at + lost);
                proving.late_until = proving.late_until.map(|until| until + lost);
                lost
            }
            State::Reviewing(reviewing) => {
                let lost = lost(reviewing.fair_until);
                reviewing.fair_until = now;
                reviewing.deadline += lost;
                reviewing.escalate_at = reviewing.escalate_at.map(|at| at + lost);
                lost
            }
            // A fixed time of a policy does not move; only response times are credited.
            State::Waiting(waiting) if waiting.event.is_some() => {
                let lost = lost(waiting.fair_until);
                waiting.fair_until = now;
                waiting.until += lost;
                lost
            }
            State::Grace(grace) if grace.runs() => {
                let lost = lost(grace.fair_until);
                grace.fair_until = now;
                grace.until += lost;
                lost
            }
            State::Waiting(_)
            | State::Grace(_)
            | State::Calling { .. }
            | State::Held { .. }
            | State::Stuck(_)
            | State::Closed => return,
        };
        if lost > TimeDelta::zero() {
            self.note(Note::Paused { seconds: lost.num_seconds() });
        }
    }
}

impl Transition<'_> {
    /// Moves times planned by a clock that was ahead back to the true time. Only a state whose last check is in the
    /// future moves. A second order thus finds nothing to move.
    pub fn set_back(&mut self, by: TimeDelta) -> Result<(), Refused> {
        let now = self.now();
        if !moved(&mut self.case.state, by, now) {
            return Err(Refused::Stale);
        }
        self.note(Note::ClockSetBack { seconds: by.num_seconds() });
        Ok(())
    }
}

/// Longest interval between two readings of a session.
const LATEST_POLL: TimeDelta = TimeDelta::hours(1);

/// Moves the times of a state by `by` if its last check is after `now`. Returns whether it moved.
fn moved(state: &mut State, by: TimeDelta, now: Timestamp) -> bool {
    let back = |at: &mut Timestamp| *at -= by;
    let maybe = |at: &mut Option<Timestamp>| *at = at.map(|at| at - by);
    match state {
        State::Verifying(proving) if proving.fair_until > now => {
            back(&mut proving.fair_until);
            back(&mut proving.started_at);
            back(&mut proving.deadline);
            maybe(&mut proving.remind_at);
            maybe(&mut proving.late_until);
            // These two belong to a session, which may predate the wrong clock.
            for at in [&mut proving.poll_at, &mut proving.captured_at] {
                *at = at.map(|at| if at > now { at - by } else { at });
            }
        }
        // The step predates the wrong clock; only the next reading of its session was planned by it.
        State::Verifying(proving) if proving.poll_at.is_some_and(|at| at > now + LATEST_POLL) => {
            proving.poll_at = Some(now);
        }
        State::Reviewing(reviewing) if reviewing.fair_until > now => {
            back(&mut reviewing.fair_until);
            back(&mut reviewing.started_at);
            back(&mut reviewing.deadline);
            maybe(&mut reviewing.escalate_at);
            for assignee in reviewing.assignee.iter_mut().filter(|assignee| assignee.until > now) {
                back(&mut assignee.until);
            }
        }
        State::Waiting(waiting) if waiting.fair_until > now => {
            back(&mut waiting.fair_until);
            back(&mut waiting.started_at);
            back(&mut waiting.until);
        }
        State::Grace(grace) if grace.fair_until > now => {
            back(&mut grace.fair_until);
            back(&mut grace.until);
        }
        State::Stuck(stuck) => {
            return stuck.interrupted.as_mut().is_some_and(|state| moved(state, by, now));
        }
        State::Verifying(_)
        | State::Reviewing(_)
        | State::Waiting(_)
        | State::Grace(_)
        | State::Calling { .. }
        | State::Held { .. }
        | State::Closed => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_outages_are_credited_once_within_the_interval() {
        let at = |hour: i64| Timestamp::UNIX_EPOCH + TimeDelta::hours(hour);
        let pause = |who: &str, from: i64, until: Option<i64>| Pause {
            who: who.to_owned(),
            from: at(from),
            until: until.map(at),
        };
        let pauses = [
            pause("vendor", 1, Some(3)),
            pause(Pause::DAEMON, 2, Some(5)),
            pause("other", 0, Some(100)),
            pause("vendor", 20, None),
        ];
        let who = ["vendor", Pause::DAEMON];
        for (from, to, hours) in [(0, 10, 4), (2, 4, 2), (5, 20, 0), (0, 24, 8), (4, 22, 3), (9, 9, 0)] {
            assert_eq!(lost(&pauses, &who, at(from), at(to)), TimeDelta::hours(hours), "{from} to {to}");
        }
        assert_eq!(lost(&pauses, &[Pause::DAEMON], at(0), at(24)), TimeDelta::hours(3));
    }
}
