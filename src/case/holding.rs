//! Suspensions and withheld roles. A hold belongs to the case that placed it and is lifted by it, or by an
//! operator if the case ended with it; what it is held against is free only when no case holds it any more.

use super::entry::Note;
use super::input::Refused;
use super::state::{Held, Hold, Pending, Purpose};
use super::turn::Turn;
use crate::model::{Action, Done};
use crate::policy::tree::StepIndex;

const SUSPENDED: &str = "suspended";

impl Turn<'_> {
    /// Places a hold. None: this case has it already.
    pub fn hold(&mut self, step: StepIndex, what: Held, end_sessions: bool) -> Option<u32> {
        let snapshot = self.case.snapshot();
        if self.case.holds.iter().any(|hold| hold.what == what && !hold.lifting) {
            let again = end_sessions.then_some(Action::EndSessions { snapshot });
            return again.map(|action| self.ask(step, action, Purpose::Step, self.now()));
        }
        let action = match &what {
            Held::Account => Action::Suspend { snapshot, end_sessions },
            Held::Role(role) => Action::RemoveRole { snapshot, role: role.clone() },
        };
        self.note(Note::HoldPlaced { held: what.clone() });
        let since = self.now();
        self.case.holds.push(Hold { what, since, before: None, foreign: false, lifting: false });
        Some(self.ask(step, action, Purpose::Step, self.now()))
    }

    /// Lifts this case's hold. None: it has none, or lifting it changes nothing.
    pub fn lift(&mut self, step: Option<StepIndex>, what: &Held, purpose: Purpose) -> Option<u32> {
        let snapshot = self.case.snapshot();
        let hold = self.case.holds.iter_mut().find(|hold| hold.what == *what && !hold.lifting)?;
        if hold.foreign {
            self.case.holds.retain(|hold| hold.what != *what);
            self.note(Note::HoldLifted { held: what.clone(), stays: true });
            return None;
        }
        hold.lifting = true;
        let action = match what {
            Held::Account => Action::Reinstate { snapshot, to: hold.before.clone() },
            Held::Role(role) => Action::AssignRole { snapshot, role: role.clone() },
        };
        let step = step.unwrap_or(self.policy.first);
        Some(self.ask(step, action, purpose, self.now()))
    }

    /// What is taken for good is not held any more: nobody can give it back by lifting a hold.
    pub fn give_up(&mut self, what: &Held) {
        if self.case.holds.iter().any(|hold| hold.what == *what) {
            self.case.holds.retain(|hold| hold.what != *what);
            self.note(Note::HoldLifted { held: what.clone(), stays: true });
        }
    }

    /// An operator lifts everything that the case holds.
    pub fn lift_all(&mut self) -> Result<(), Refused> {
        let held: Vec<Held> = self.case.holds.iter().map(|hold| hold.what.clone()).collect();
        if held.is_empty() {
            return Err(Refused::NotAwaited);
        }
        for hold in &mut self.case.holds {
            // A lifting that got lost with the case's end begins anew.
            let on_its_way = self.case.calls.values().any(|pending| lifts(&pending.action, &hold.what));
            hold.lifting &= on_its_way;
        }
        let step = self.case.step();
        for what in held {
            self.lift(step, &what, Purpose::Lift);
        }
        Ok(())
    }

    /// What an effect that holds or lifts came to.
    pub fn held_or_lifted(&mut self, pending: &Pending, done: &Done) {
        let doubt = pending.in_doubt || pending.attempt > 1;
        match (&pending.action, done) {
            (Action::Suspend { .. }, Done::Applied { already, before }) => {
                // What an earlier attempt of ours did is not what was before.
                let at_opening = || self.case.subject.text("status").map(str::to_owned);
                let before = if doubt && *already { at_opening() } else { before.clone() };
                self.held(&Held::Account, before.clone(), before.as_deref() == Some(SUSPENDED));
            }
            (Action::RemoveRole { role, .. }, Done::Applied { already, .. }) => {
                self.held(&Held::Role(role.clone()), None, *already && !doubt);
            }
            (Action::Reinstate { .. } | Action::AssignRole { .. }, Done::Applied { .. } | Done::Kept) => {
                let lifted: Vec<Held> = self
                    .case
                    .holds
                    .iter()
                    .filter(|hold| hold.lifting && lifts(&pending.action, &hold.what))
                    .map(|hold| hold.what.clone())
                    .collect();
                for what in lifted {
                    self.case.holds.retain(|hold| hold.what != what);
                    self.note(Note::HoldLifted { held: what, stays: matches!(done, Done::Kept) });
                }
            }
            _ => {}
        }
    }

    /// Of several holds the first one knows what was before.
    fn held(&mut self, what: &Held, before: Option<String>, foreign: bool) {
        let first = self.here.others.iter().find(|hold| hold.what == *what);
        let (before, foreign) = match first {
            Some(first) => (first.before.clone(), first.foreign),
            None => (before, foreign),
        };
        if let Some(hold) = self.case.holds.iter_mut().find(|hold| hold.what == *what) {
            hold.before = before;
            hold.foreign = foreign;
        }
    }
}

/// Whether an action lifts a hold of this kind.
pub fn lifts(action: &Action, what: &Held) -> bool {
    match (action, what) {
        (Action::Reinstate { .. }, Held::Account) => true,
        (Action::AssignRole { role, .. }, Held::Role(held)) => role == held,
        _ => false,
    }
}
