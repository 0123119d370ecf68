//! Suspensions and withheld roles. A hold belongs to the case that placed it and is lifted by it, or by an
//! operator if the case ended with it; what it is held against is free only when no case holds it any more.
//!
//! Only what this program took is given back. Whose doing it is that an account is suspended or a role gone
//! is told by what is read back around the change and by the events of the provider; where neither tells, a
//! person decides (`evidence`).

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

/// A role that was given is shown after this long, or never.
const SHOWN_WITHIN: TimeDelta = TimeDelta::minutes(2);
/// Events about a change have come after this long.
const TOLD_WITHIN: TimeDelta = TimeDelta::minutes(3);

impl Transition<'_> {
    /// Places a hold. One that this case has is placed once more: somebody may have undone it meanwhile, and
    /// one that was to be lifted stands again.
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

    /// Lifts this case's hold. None: it has none, it is not placed yet, or lifting it changes nothing.
    pub fn lift(&mut self, step: Option<StepIndex>, what: &Held, purpose: Purpose) -> Option<u32> {
        self.lift_from(step, what, purpose, self.case.snapshot())
    }

    /// The same as a step of the policy, which rests on what was proved.
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
            // A person says so.
            Whose::Presumed | Whose::Unknown if purpose == Purpose::Lift => now,
            // Events come late; they may still tell.
            Whose::Presumed | Whose::Unknown => now.max(hold.read_at.unwrap_or(hold.since) + TOLD_WITHIN),
        };
        hold.lifting = true;
        let change = match what {
            Held::Account => IdentityChange::Reinstate { to: hold.before.clone() },
            Held::Role(role) => IdentityChange::AssignRole { role: role.clone() },
        };
        let step = step.unwrap_or(self.policy.graph.first);
        Some(self.ask(step, Action::change(snapshot, change), purpose, due))
    }

    /// What is taken for good is not held any more: nobody can give it back by lifting a hold.
    pub fn give_up(&mut self, what: &Held) {
        if self.case.holds.iter().any(|hold| hold.what == *what) {
            self.case.holds.retain(|hold| hold.what != *what);
            self.note(Note::HoldLifted { held: what.clone(), stays: true });
        }
    }

    /// What is given for good is not held any more once that is done.
    pub fn give_for_good(&mut self, what: &Held) {
        for hold in self.case.holds.iter_mut().filter(|hold| hold.what == *what) {
            hold.lifting = true;
        }
    }

    /// A role that is withheld was given again, by somebody who does not know or does not care. It is taken
    /// away again; who wants to give it decides the case. True: it was such an event.
    pub fn uphold(&mut self, event: &Event) -> bool {
        if !withheld_role_given(&self.case, event) {
            return false;
        }
        let Some(what) = role_of(event) else { return false };
        let Held::Role(role) = what.clone() else { return false };
        for hold in self.case.holds.iter_mut().filter(|hold| hold.what == what) {
            // Whoever had taken it away before, it is ours to withhold now.
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

    /// Nobody is left whom anything could be held against.
    pub fn let_go(&mut self) {
        self.drop_calls(|purpose| purpose == Purpose::Lift);
        for hold in std::mem::take(&mut self.case.holds) {
            self.note(Note::HoldLifted { held: hold.what, stays: true });
        }
    }

    /// An operator lifts everything that the case holds; a lifting that waits for its next attempt is
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

    /// An attempt that places a hold is about to begin: from now on it may be in force. Another case's hold
    /// that is there already knows what was before; ours will not be able to tell.
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

    /// What an effect that holds or lifts came to.
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

    /// What was before is told by the attempt that changed it. Where it was so already it is told by what we
    /// knew, or by the first of several cases. Else it was somebody else's doing; but after an attempt whose
    /// end is not known nobody can say whose, and a role that was given moments ago may not be shown yet.
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

    /// What was before, as long as nothing was tried: as the person was when the case opened.
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

    /// When the person got this role, if the event that opened the case says so.
    fn granted_at(&self, what: &Held) -> Option<Timestamp> {
        let event =
            self.case.event.as_ref().filter(|event| event.kind.as_str() == EventType::ROLE_GRANTED)?;
        (role_of(event).as_ref() == Some(what)).then_some(event.time)
    }

    fn being_placed(&self, what: &Held) -> bool {
        self.case.open_calls().any(|(_, pending)| places(&pending.action, what))
    }

    /// At the end of every turn: a hold whose placing was dropped before anything was tried is none, and
    /// one whose lifting was dropped is not being lifted.
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
    /// What an action places or lifts.
    pub(super) fn of(change: HoldChange<'_>) -> Self {
        change.role.map_or(Self::Account, |role| Self::Role(role.to_owned()))
    }

    /// Whether it is this role, or the account where no role is named.
    fn is(&self, role: Option<&str>) -> bool {
        match self {
            Self::Account => role.is_none(),
            Self::Role(held) => role == Some(held),
        }
    }
}

/// Of several holds that may be in force the first one knows best what was before.
fn first<'a>(others: &'a [Hold], what: &Held) -> Option<&'a Hold> {
    let tried = others.iter().filter(|hold| hold.what == *what && hold.placed != Placed::Asked);
    tried.min_by_key(|hold| (hold.placed != Placed::Known, hold.since))
}

/// Whether an action lifts a hold of this kind.
pub fn lifts(action: &Action, what: &Held) -> bool {
    action.hold().is_some_and(|change| !change.places && what.is(change.role))
}

/// Whether an action places a hold of this kind.
pub(super) fn places(action: &Action, what: &Held) -> bool {
    action.hold().is_some_and(|change| change.places && what.is(change.role))
}

/// The role that an event is about.
pub(super) fn role_of(event: &Event) -> Option<Held> {
    let role = event.fields.get("role").and_then(Value::as_str)?;
    Some(Held::Role(role.to_owned()))
}

/// Whether an event gives a role that a case withholds. The one that opened the case gave it before.
pub(super) fn withheld_role_given(case: &Case, event: &Event) -> bool {
    if opened_by(case, event) {
        return false;
    }
    let withheld = |what: Held| case.holds.iter().any(|hold| hold.what == what && !hold.lifting);
    event.kind.as_str() == EventType::ROLE_GRANTED && role_of(event).is_some_and(withheld)
}

/// Whether another hold keeps what an action would free. One of which nothing was tried yet does not: its
/// own attempt comes after.
pub fn keeps(hold: &Hold, action: &Action) -> bool {
    hold.placed != Placed::Asked && lifts(action, &hold.what)
}
