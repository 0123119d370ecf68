//! Determines from the provider's events who suspended an account or removed a role. proofd does not give back what
//! another actor took; a person decides unknown cases.

use chrono::TimeDelta;

use super::entry::Note;
use super::holding::{lifts, role_of};
use super::state::{Case, Held, Hold, Pending, Purpose, State, Whose};
use super::transition::Transition;
use crate::model::{Action, Event, EventType, Failure, Origin, Timestamp};

/// Tolerance: events may omit fractions of a second.
const WHOLE_SECONDS: TimeDelta = TimeDelta::seconds(2);

/// Returns what an event reports as taken.
fn taken(event: &Event) -> Option<Held> {
    match event.kind.as_str() {
        EventType::ROLE_REVOKED => role_of(event),
        EventType::USER_SUSPENDED | EventType::USER_DEACTIVATED => Some(Held::Account),
        _ => None,
    }
}

impl Hold {
    /// Older events are not evidence about this hold.
    fn counts_from(&self) -> Timestamp {
        self.granted_at.unwrap_or(self.since) - WHOLE_SECONDS
    }

    /// Records the newest evidence. Returns true if the owner changed.
    fn record_owner(&mut self, at: Timestamp, whose: Whose) -> bool {
        let newer = at >= self.counts_from() && self.told.is_none_or(|(told, _)| at >= told);
        let before = self.owner();
        if newer {
            self.told = Some((at, whose));
        }
        self.owner() != before
    }
}

/// Returns whether an event from elsewhere takes what a case holds.
pub(super) fn contradicts_a_hold(case: &Case, event: &Event) -> bool {
    let Some(what) = taken(event) else { return false };
    case.holds.iter().any(|hold| hold.what == what && event.time >= hold.counts_from())
}

impl Transition<'_> {
    /// Records an event that this case's own effect caused. If the provider names proofd, the owner is certain.
    pub fn confirm(&mut self, event: &Event) {
        if event.origin == Origin::Ours
            && let Some(what) = taken(event)
        {
            self.note_owner(&what, event.time, Whose::Ours);
        }
    }

    /// Records that the provider accepted the change, independent of later reads.
    pub fn confirm_written(&mut self, action: &Action) {
        if let Some(change) = action.hold().filter(|change| change.places) {
            self.note_owner(&Held::of(change), self.now(), Whose::Ours);
        }
    }

    /// Records that another actor took what this case holds: it stays taken. Returns true for such an event.
    pub fn disown(&mut self, event: &Event) -> bool {
        if event.origin == Origin::Ours || !contradicts_a_hold(&self.case, event) {
            return false;
        }
        let Some(what) = taken(event) else { return false };
        self.note_owner(&what, event.time, Whose::Theirs);
        true
    }

    fn note_owner(&mut self, what: &Held, at: Timestamp, whose: Whose) {
        let Some(hold) = self.case.holds.iter_mut().find(|hold| hold.what == *what) else { return };
        if !hold.record_owner(at, whose) || !hold.lifting {
            return;
        }
        let waits = |(number, pending): (&u32, &Pending)| {
            (pending.begun.is_none() && lifts(&pending.action, what)).then_some((*number, pending.purpose))
        };
        let waiting: Vec<(u32, Purpose)> = self.case.calls.iter().filter_map(waits).collect();
        for (call, purpose) in waiting {
            match whose {
                Whose::Ours => self.hasten(call),
                Whose::Theirs if purpose == Purpose::Step => {
                    self.case.calls.remove(&call);
                    self.leave(what);
                    if let State::Calling { step, .. } = self.case.state {
                        self.continue_if_done(step);
                    }
                }
                // A person ordered the lifting.
                Whose::Theirs | Whose::Presumed | Whose::Unknown => {}
            }
        }
    }

    /// Ends this case's hold without changing what is held.
    pub fn leave(&mut self, what: &Held) {
        self.case.holds.retain(|hold| hold.what != *what);
        self.note(Note::HoldLifted { held: what.clone(), stays: true });
    }

    /// Ends holds on what another actor took, when the case ends.
    pub fn leave_holds_taken_by_others(&mut self) {
        let theirs = |hold: &&Hold| hold.told.is_some_and(|(_, whose)| whose == Whose::Theirs);
        let left: Vec<Held> = self.case.holds.iter().filter(theirs).map(|hold| hold.what.clone()).collect();
        left.iter().for_each(|what| self.leave(what));
    }

    /// Returns why a step must not lift a hold by itself: its owner is unknown.
    pub fn doubt(&self, pending: &Pending) -> Option<Failure> {
        let doubted = |hold: &&Hold| hold.owner() == Whose::Unknown && lifts(&pending.action, &hold.what);
        let hold = self.case.holds.iter().find(doubted).filter(|_| pending.purpose == Purpose::Step)?;
        let what = match &hold.what {
            Held::Account => "suspended the account".to_owned(),
            Held::Role(role) => format!("took the role {role:?} away"),
        };
        Some(Failure::changed(format!(
            "whether proofd {what} is not known: the answer to its request was lost, and no event says who did \
             it; retry gives it back, cancel leaves it as it is"
        )))
    }

    /// Records a person's order to lift what a call lifts.
    pub fn own(&mut self, action: &Action) {
        let now = self.now();
        for hold in self.case.holds.iter_mut().filter(|hold| lifts(action, &hold.what)) {
            hold.told = Some((now, Whose::Ours));
        }
    }
}
