//! Events that come while a case is still doing what precedes a wait. A wait ends by what happened since the
//! case began to change something: whoever answers a mail, or acts on a closed account, may be faster than the
//! rest of the path.
//!
//! The rule: from the first attempt of an effect after the case last waited (for a person, a decision or an
//! event), events that some `wait` of the policy is for are kept. The next `wait` for one of them ends at once,
//! if the event's own time is not before that attempt. What arrives while the case waits is not asked for its
//! time.

use chrono::TimeDelta;

use super::state::{Case, Overheard, Purpose, State, Stretch};
use super::transition::Transition;
use crate::model::{Action, Event, EventType};
use crate::policy::Policy;

/// Clocks differ a little, and some channels leave out parts of a second.
const SKEW: TimeDelta = TimeDelta::seconds(5);
/// More than this is no answer to anything.
const MOST: usize = 20;

/// Whether a case that does not wait yet keeps an event for its next wait.
pub(super) fn keeps_for_a_wait(case: &Case, policy: &Policy, event: &Event) -> bool {
    let since = case.stretch.as_ref().is_some_and(|stretch| event.time >= stretch.since - SKEW);
    since && !rests(case.beneath()) && policy.awaits().any(|awaited| is(event, awaited))
}

fn is(event: &Event, kind: &EventType) -> bool {
    event.kind == *kind || event.also.contains(kind)
}

/// Whether somebody or something is waited for.
fn rests(state: &State) -> bool {
    match state {
        State::Verifying(_) | State::Reviewing(_) | State::Waiting(_) | State::Grace(_) | State::Closed => {
            true
        }
        State::Calling { .. } | State::Held { .. } | State::Stuck(_) => false,
    }
}

impl Transition<'_> {
    /// An effect of the path is about to begin.
    pub fn will_change(&mut self, purpose: Purpose, action: &Action) {
        let changes = purpose == Purpose::Step && !action.only_reads();
        if changes && self.case.stretch.is_none() {
            self.case.stretch = Some(Stretch { since: self.now(), events: Vec::new() });
        }
    }

    /// True: the event is kept for the next wait.
    pub fn overhear(&mut self, event: &Event) -> bool {
        if !keeps_for_a_wait(&self.case, self.policy, event) {
            return false;
        }
        let Some(stretch) = &mut self.case.stretch else { return false };
        let known = stretch.events.iter().any(|kept| kept.key == event.key);
        if !known && stretch.events.len() < MOST {
            let (key, kind, also) = (event.key.clone(), event.kind.clone(), event.also.clone());
            stretch.events.push(Overheard { key, kind, also });
        }
        !known
    }

    /// Whether what a wait is for has happened already. It ends one wait.
    pub fn has_overheard(&mut self, awaited: &EventType) -> bool {
        let Some(stretch) = &mut self.case.stretch else { return false };
        let is = |kept: &Overheard| kept.kind == *awaited || kept.also.contains(awaited);
        let Some(place) = stretch.events.iter().position(is) else { return false };
        stretch.events.remove(place);
        true
    }

    /// At the end of every turn: a case that waits hears of what happens.
    pub fn settle_stretch(&mut self) {
        if rests(self.case.beneath()) {
            self.case.stretch = None;
        }
    }
}
