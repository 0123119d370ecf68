//! Events that arrive before a case reaches its wait. A person who answers a mail or acts on a closed account may be
//! faster than the rest of the path.
//!
//! Rule: keeping starts at the first attempt of an effect after the case last waited (for a person, a decision or an
//! event). From then on the case keeps events that any `wait` of the policy names. The next `wait` for one of them ends
//! at once, if the event's own time is not before that attempt. The time of an event that arrives during a wait is not
//! checked.

use chrono::TimeDelta;

use super::state::{Case, EarlierEvent, Purpose, State, Stretch};
use super::transition::Transition;
use crate::model::{Action, Event, EventType};
use crate::policy::Policy;

/// Tolerated clock difference; some channels omit fractions of a second.
const SKEW: TimeDelta = TimeDelta::seconds(5);
/// Maximum of kept events.
const MOST: usize = 20;

/// Returns whether a case that does not wait yet keeps an event for its next wait.
pub(super) fn keeps_for_a_wait(case: &Case, policy: &Policy, event: &Event) -> bool {
    let since = case.stretch.as_ref().is_some_and(|stretch| event.time >= stretch.since - SKEW);
    since && !rests(case.beneath()) && policy.awaits().any(|awaited| is(event, awaited))
}

fn is(event: &Event, kind: &EventType) -> bool {
    event.kind == *kind || event.also.contains(kind)
}

/// Returns whether the case waits in this state.
fn rests(state: &State) -> bool {
    match state {
        State::Verifying(_) | State::Reviewing(_) | State::Waiting(_) | State::Grace(_) | State::Closed => {
            true
        }
        State::Calling { .. } | State::Held { .. } | State::Stuck(_) => false,
    }
}

impl Transition<'_> {
    /// Records that an effect of the path is about to begin.
    pub fn will_change(&mut self, purpose: Purpose, action: &Action) {
        let changes = purpose == Purpose::Step && !action.only_reads();
        if changes && self.case.stretch.is_none() {
            self.case.stretch = Some(Stretch { since: self.now(), events: Vec::new() });
        }
    }

    /// Keeps an event for the next wait. Returns true if it is newly kept.
    pub fn overhear(&mut self, event: &Event) -> bool {
        if !keeps_for_a_wait(&self.case, self.policy, event) {
            return false;
        }
        let Some(stretch) = &mut self.case.stretch else { return false };
        let known = stretch.events.iter().any(|kept| kept.key == event.key);
        if !known && stretch.events.len() < MOST {
            let (key, kind, also) = (event.key.clone(), event.kind.clone(), event.also.clone());
            stretch.events.push(EarlierEvent { key, kind, also });
        }
        !known
    }

    /// Returns whether the awaited event was kept already, and removes it: it ends one wait.
    pub fn consume_earlier_event(&mut self, awaited: &EventType) -> bool {
        let Some(stretch) = &mut self.case.stretch else { return false };
        let is = |kept: &EarlierEvent| kept.kind == *awaited || kept.also.contains(awaited);
        let Some(place) = stretch.events.iter().position(is) else { return false };
        stretch.events.remove(place);
        true
    }

    /// Drops kept events at the end of a transition if the case waits: later events reach it directly.
    pub fn settle_stretch(&mut self) {
        if rests(self.case.beneath()) {
            self.case.stretch = None;
        }
    }
}
