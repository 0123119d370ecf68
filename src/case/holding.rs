//! Suspensions and withheld roles. The case that placed a hold lifts it, or an operator does after the case ended. The
//! account or role is free only when no case holds it.
//!
//! proofd gives back only what it took. Reads around the change and events of the provider identify the owner of a
//! change. Without either, a person decides (`evidence`).

use chrono::TimeDelta;
use serde_json::Value;

use super::entry::Note;
use super::input::Refused;
use super::opening::opened_by;
use super::state::{Case, Held, Hold, Pending, Placed, Purpose, Whose};
use super::transition::{Transition, Trouble};
use crate::model::{Action, Done, Event, EventType, HoldChange, IdentityChange, Snapshot, Timestamp};
use crate::policy::tree::StepIndex;

const SUSPENDED: &str = "suspended";

/// Longest delay until a granted role is visible.
const SHOWN_WITHIN: TimeDelta = TimeDelta::minutes(2);
/// Longest delay of events about a change.
const EVENT_WITHIN: TimeDelta = TimeDelta::minutes(3);

impl Transition<'_> {
    /// Places a hold. An existing hold is placed again: it may have been undone elsewhere. A planned lifting is
    /// cancelled.
    pub fn hold(&mut self, step: StepIndex, what: Held, end_sessions: bool) -> u32 {
        let change = match &what {
            Held::Account => IdentityChange::Suspend { end_sessions },
            Held::Role(role) => IdentityChange::RemoveRole { role: role.clone() },
        };
        if let Some(hold) = self.case.holds.iter_mut().find(|hold| hold.what == what) {
            hold.lifting = false;
            let overtaken = |pending: &Pending| {
                pending.purpose == Purpose::Lift && pending.begun.is_none() && lifts(&pending.action, &what)
            };
            self.case.calls.retain(|_, pending| !overtaken(pending));
        } else {
            self.note(Note::HoldPlaced { held: what.clone() });
            let (before, whose) = match first(self.context.others, &what) {
                Some(first) => (first.before.clone(), first.owner()),
                None => self.presumed(&what),
            };
            let (since, placed, granted_at) = (self.now(), Placed::Asked, self.granted_at(&what));
            self.case.holds.push(Hold {
                what,
                since,
                before,
                whose,
                told: None,
                granted_at,
                read_at: None,
                lifting: false,
                placed,
            });
        }
        let action = Action::change(self.case.snapshot(), change);
        self.ask(step, action, Purpose::Step, self.now())
    }

    /// Lifts this case's hold. `None`: no hold, not placed yet, or lifting changes nothing.
    pub fn lift(&mut self, step: Option<StepIndex>, what: &Held, purpose: Purpose) -> Option<u32> {
        self.lift_from(step, what, purpose, self.case.snapshot())
    }

    /// Lifts a hold as a step of the policy, which depends on the case's proof.
    pub fn lift_as_proven(&mut self, step: StepIndex, what: &Held) -> Result<Option<u32>, Trouble> {
        let snapshot = self.proven_snapshot()?;
        Ok(self.lift_from(Some(step), what, Purpose::Step, snapshot))
    }

    fn lift_from(
        &mut self,
        step: Option<StepIndex>,
        what: &Held,
        purpose: Purpose,
        snapshot: Snapshot,
    ) -> Option<u32> {
        if self.being_placed(what) {
            return None;
        }
        let now = self.now();
        let hold = self.case.holds.iter_mut().find(|hold| hold.what == *what && !hold.lifting)?;
        let due = match hold.owner() {
            Whose::Theirs => {
                self.leave(what);
                return None;
            }
            Whose::Ours => now,
            // A person ordered it.
            Whose::Presumed | Whose::Unknown if purpose == Purpose::Lift => now,
            // Waits for late events that may identify the owner.
            Whose::Presumed | Whose::Unknown => now.max(hold.read_at.unwrap_or(hold.since) + EVENT_WITHIN),
        };
        hold.lifting = true;
        let change = match what {
            Held::Account => IdentityChange::Reinstate { to: hold.before.clone() },
            Held::Role(role) => IdentityChange::AssignRole { role: role.clone() },
        };
        let step = step.unwrap_or(self.policy.graph.first);
        Some(self.ask(step, Action::change(snapshot, change), purpose, due))
    }

    /// Ends a hold on an account or role that is taken for good; lifting cannot give it back.
    pub fn give_up(&mut self, what: &Held) {
        if self.case.holds.iter().any(|hold| hold.what == *what) {
            self.case.holds.retain(|hold| hold.what != *what);
            self.note(Note::HoldLifted { held: what.clone(), stays: true });
        }
    }

    /// Marks a hold as ending because its account or role is being given for good.
    pub fn give_for_good(&mut self, what: &Held) {
        for hold in self.case.holds.iter_mut().filter(|hold| hold.what == *what) {
            hold.lifting = true;
        }
    }

    /// Handles a withheld role that was granted again elsewhere: removes it again, because only the case may release
    /// it. Returns true for such an event.
    pub fn uphold(&mut self, event: &Event) -> bool {
        if !withheld_role_given(&self.case, event) {
            return false;
        }
        let Some(what) = role_of(event) else { return false };
        let Held::Role(role) = what.clone() else { return false };
        for hold in self.case.holds.iter_mut().filter(|hold| hold.what == what) {
            // From now on the role is ours to withhold, independent of its earlier removal.
            hold.granted_at = Some(event.time);
            hold.told = None;
            hold.whose = Whose::Presumed;
            hold.placed = Placed::Tried;
        }
        let on_its_way = |pending: &Pending| pending.begun.is_none() && places(&pending.action, &what);
        if self.case.calls.values().any(on_its_way) {
            return true;
        }
        let snapshot = self.case.snapshot();
        let step = self.case.step().unwrap_or(self.policy.graph.first);
        let action = Action::change(snapshot, IdentityChange::RemoveRole { role });
        self.ask(step, action, Purpose::Uphold, self.now());
        true
    }

    /// Ends all holds: the account no longer exists.
    pub fn let_go(&mut self) {
        self.drop_calls(|purpose| purpose == Purpose::Lift);
        for hold in std::mem::take(&mut self.case.holds) {
            self.note(Note::HoldLifted { held: hold.what, stays: true });
        }
    }

    /// Lifts everything that the case holds, on an operator's order. A lifting that waits for its next attempt is
    /// attempted now.
    pub fn lift_all(&mut self) -> Result<(), Refused> {
        let step = self.case.step();
        let mut any = false;
        for hold in self.case.holds.clone() {
            if hold.lifting {
                let waits = |(number, pending): (&u32, &Pending)| {
                    (pending.begun.is_none() && lifts(&pending.action, &hold.what)).then_some(*number)
                };
                let waiting: Vec<u32> = self.case.calls.iter().filter_map(waits).collect();
                any |= !waiting.is_empty();
                waiting.into_iter().for_each(|call| self.hasten(call));
            } else if !self.being_placed(&hold.what) {
                any = true;
                self.lift(step, &hold.what, Purpose::Lift);
            }
        }
        if any { Ok(()) } else { Err(Refused::NotAwaited) }
    }

    /// Records that an attempt to place a hold is about to begin: it may be in force from now on. An earlier hold of
    /// another case supplies the state before, which this attempt cannot read.
    pub fn hold_tried(&mut self, action: &Action) {
        for hold in self.case.holds.iter_mut().filter(|hold| places(action, &hold.what)) {
            if hold.placed == Placed::Known {
                continue;
            }
            hold.placed = Placed::Tried;
            if let Some(first) = first(self.context.others, &hold.what) {
                (hold.before, hold.whose) = (first.before.clone(), first.owner());
                hold.placed = Placed::Known;
            }
        }
    }

    /// Records the result of an effect that places or lifts a hold.
    pub fn held_or_lifted(&mut self, pending: &Pending, done: &Done) {
        if matches!(done, Done::Deleted { .. }) {
            return self.let_go();
        }
        let Some(change) = pending.action.hold() else { return };
        if change.places {
            if let Done::Applied { already, before } = done {
                let before = before.clone().filter(|_| change.role.is_none());
                self.held(&Held::of(change), pending, *already, before);
            }
            return;
        }
        let lifted = |hold: &Hold| hold.lifting && hold.what.is(change.role);
        let whats: Vec<Held> =
            self.case.holds.iter().filter(|hold| lifted(hold)).map(|hold| hold.what.clone()).collect();
        self.case.holds.retain(|hold| !lifted(hold));
        for held in whats {
            self.note(Note::HoldLifted { held, stays: matches!(done, Done::Kept) });
        }
    }

    /// Records the state before a hold. The attempt that made the change reports it. If nothing changed, the known
    /// state or the first of several cases supplies it. Otherwise another actor made the change. After an attempt with
    /// an unknown end the owner is unknown; a role granted moments ago may not be visible yet.
    fn held(&mut self, what: &Held, pending: &Pending, already: bool, before: Option<String>) {
        let (now, again) = (self.now(), pending.in_doubt || pending.attempt > 1);
        let Some(hold) = self.case.holds.iter_mut().find(|hold| hold.what == *what) else { return };
        let unseen = hold.granted_at.is_some_and(|at| (now - at).abs() < SHOWN_WITHIN);
        (hold.before, hold.whose) = match first(self.context.others, what) {
            _ if !already => (before, Whose::Ours),
            _ if hold.placed == Placed::Known => (hold.before.take(), hold.whose),
            Some(first) => (first.before.clone(), first.owner()),
            None if again && hold.whose != Whose::Theirs => (hold.before.take(), Whose::Unknown),
            None if unseen => (before, Whose::Presumed),
            None => (before, Whose::Theirs),
        };
        hold.placed = Placed::Known;
        hold.read_at = Some(now);
    }

    /// Returns the presumed earlier state before any attempt: the person's record at the opening.
    fn presumed(&self, what: &Held) -> (Option<String>, Whose) {
        let subject = &self.case.subject;
        let whose = |was_so: bool| if was_so { Whose::Theirs } else { Whose::Ours };
        match what {
            Held::Account => {
                let before = subject.text("status").map(str::to_owned);
                let suspended = before.as_deref() == Some(SUSPENDED);
                (before, whose(suspended))
            }
            Held::Role(role) => {
                let roles = subject.fields.get("roles").and_then(Value::as_array);
                let had = roles.is_some_and(|roles| roles.iter().any(|one| one.as_str() == Some(role)));
                (None, whose(!had && self.granted_at(what).is_none()))
            }
        }
    }

    /// Returns when the person got this role, if the opening event reports it.
    fn granted_at(&self, what: &Held) -> Option<Timestamp> {
        let event =
            self.case.event.as_ref().filter(|event| event.kind.as_str() == EventType::ROLE_GRANTED)?;
        (role_of(event).as_ref() == Some(what)).then_some(event.time)
    }

    fn being_placed(&self, what: &Held) -> bool {
        self.case.open_calls().any(|(_, pending)| places(&pending.action, what))
    }

    /// Settles holds at the end of every transition. A hold whose placing was dropped before any attempt is removed. A
    /// hold whose lifting was dropped is no longer being lifted.
    pub fn settle_holds(&mut self) {
        let mut holds = std::mem::take(&mut self.case.holds);
        let asked = |found: &dyn Fn(&Action) -> bool| {
            self.case.open_calls().any(|(_, pending)| found(&pending.action))
        };
        let mut never = Vec::new();
        holds.retain_mut(|hold| {
            hold.lifting &= asked(&|action| lifts(action, &hold.what));
            let stands = hold.placed != Placed::Asked || asked(&|action| places(action, &hold.what));
            if !stands {
                never.push(hold.what.clone());
            }
            stands
        });
        self.case.holds = holds;
        for held in never {
            self.note(Note::HoldLifted { held, stays: false });
        }
    }
}

impl Held {
    /// Returns what an action places or lifts.
    pub(super) fn of(change: HoldChange<'_>) -> Self {
        change.role.map_or(Self::Account, |role| Self::Role(role.to_owned()))
    }

    /// Returns whether it is this role, or the account if no role is given.
    fn is(&self, role: Option<&str>) -> bool {
        match self {
            Self::Account => role.is_none(),
            Self::Role(held) => role == Some(held),
        }
    }
}

/// Returns the hold of other cases that has the most reliable earlier state: the first that may be in force.
fn first<'a>(others: &'a [Hold], what: &Held) -> Option<&'a Hold> {
    let tried = others.iter().filter(|hold| hold.what == *what && hold.placed != Placed::Asked);
    tried.min_by_key(|hold| (hold.placed != Placed::Known, hold.since))
}

/// Returns whether an action lifts a hold of this kind.
pub fn lifts(action: &Action, what: &Held) -> bool {
    action.hold().is_some_and(|change| !change.places && what.is(change.role))
}

/// Returns whether an action places a hold of this kind.
pub(super) fn places(action: &Action, what: &Held) -> bool {
    action.hold().is_some_and(|change| change.places && what.is(change.role))
}

/// Returns the role that an event is about.
pub(super) fn role_of(event: &Event) -> Option<Held> {
    let role = event.fields.get("role").and_then(Value::as_str)?;
    Some(Held::Role(role.to_owned()))
}

/// Returns whether an event grants a role that a case withholds. The event that opened the case is excluded.
pub(super) fn withheld_role_given(case: &Case, event: &Event) -> bool {
    if opened_by(case, event) {
        return false;
    }
    let withheld = |what: Held| case.holds.iter().any(|hold| hold.what == what && !hold.lifting);
    event.kind.as_str() == EventType::ROLE_GRANTED && role_of(event).is_some_and(withheld)
}

/// Returns whether another hold blocks what an action would free. A hold without an attempt does not: its own attempt
/// follows.
pub fn keeps(hold: &Hold, action: &Action) -> bool {
    hold.placed != Placed::Asked && lifts(action, &hold.what)
}
