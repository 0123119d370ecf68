//! Delays an adverse effect: until grace ends the person can object and an operator can undo it.

use chrono::TimeDelta;

use super::entry::Note;
use super::input::{Decision, Refused};
use super::reviewing::has_reason;
use super::state::{Held, InGrace, Purpose, State};
use super::transition::Transition;
use crate::policy::outcome::{ContestOutcome, OwnResult};

/// Minimum time left to the person after an objection was rejected.
const LEAST_AFTER_UPHOLD: TimeDelta = TimeDelta::hours(24);

impl Transition<'_> {
    pub fn wake_grace(&mut self, mut grace: InGrace) {
        if !grace.runs() || self.now() < grace.until {
            return;
        }
        match self.applies() {
            Ok(true) => {
                let action = grace.action.clone();
                grace.call = Some(self.ask(grace.step, action, Purpose::Destroy, self.now()));
                self.case.state = State::Grace(grace);
            }
            Ok(false) => self.close(OwnResult::NoLongerApplies.word()),
            Err(trouble) => self.stick_with(grace.step, trouble, None, Some(State::Grace(grace))),
        }
    }

    pub fn destroyed(&mut self, number: u32) {
        let State::Grace(grace) = self.case.state.clone() else { return };
        if grace.call != Some(number) {
            return;
        }
        self.note(Note::Destroyed { call: self.case.call_id(number) });
        let result = self.case.result.clone().unwrap_or_default();
        self.close(&result);
    }

    /// Records the person's objection. The clock stops until it is decided.
    pub fn contest(&mut self, mut grace: InGrace, link: u32) -> Result<(), Refused> {
        if link != grace.link {
            return Err(Refused::DeadLink);
        }
        if grace.contested_at.is_some() || self.under_way(&grace) {
            return Err(Refused::NotAwaited);
        }
        self.call_off(&mut grace);
        grace.contested_at = Some(self.now());
        self.case.contests += 1;
        let step = grace.step;
        self.note(Note::Contested);
        self.case.state = State::Grace(grace);
        self.notify_of_objection(step);
        Ok(())
    }

    /// Records an objection before the case reaches its end; it counts when the end is reached.
    pub fn contest_early(&mut self, link: u32) -> Result<(), Refused> {
        let now = self.now();
        let pending_adverse = self.case.pending_adverse.as_mut().ok_or(Refused::DeadLink)?;
        if link != pending_adverse.link {
            return Err(Refused::DeadLink);
        }
        if pending_adverse.contested_at.is_some() {
            return Err(Refused::NotAwaited);
        }
        pending_adverse.contested_at = Some(now);
        let step = pending_adverse.step;
        self.case.contests += 1;
        self.note(Note::Contested);
        self.notify_of_objection(step);
        Ok(())
    }

    pub fn decide_contest(&mut self, mut grace: InGrace, decision: Decision) -> Result<(), Refused> {
        let Some(contested_at) = grace.contested_at else { return Err(Refused::NotAwaited) };
        let Some(outcome) = ContestOutcome::of_word(&decision.decision) else {
            let allowed = ContestOutcome::WORDS.iter().map(|word| (*word).to_owned()).collect();
            return Err(Refused::NotAllowed { decision: decision.decision, allowed });
        };
        self.may_decide_contest(&decision.by)?;
        if !has_reason(&decision) {
            return Err(Refused::ReasonRequired);
        }
        self.note(Note::Decided { decision, complete: true });
        if outcome == ContestOutcome::Undo {
            self.undo_now(&grace);
            return Ok(());
        }
        let now = self.now();
        let left = (grace.until - contested_at).max(LEAST_AFTER_UPHOLD);
        grace.until = now + left;
        grace.contested_at = None;
        grace.fair_until = now;
        grace.link = self.case.contests + 1;
        self.note(Note::Upheld { until: grace.until });
        self.case.state = State::Grace(grace);
        Ok(())
    }

    /// Undoes the effect, unless it may have happened already.
    pub fn undo(&mut self, grace: &InGrace) -> Result<(), Refused> {
        if self.under_way(grace) {
            return Err(Refused::NotAwaited);
        }
        self.undo_now(grace);
        Ok(())
    }

    fn undo_now(&mut self, grace: &InGrace) {
        self.note(Note::Undone);
        if grace.blocks {
            self.lift(Some(grace.step), &Held::Account, Purpose::Lift);
        }
        self.close(OwnResult::Undone.word());
    }

    /// Returns whether the destruction may have happened: an attempt is in progress or its end is unknown.
    fn under_way(&self, grace: &InGrace) -> bool {
        grace
            .call
            .and_then(|call| self.case.calls.get(&call))
            .is_some_and(|pending| pending.begun.is_some() || pending.in_doubt)
    }

    fn call_off(&mut self, grace: &mut InGrace) {
        if grace.call.take().is_some() {
            self.drop_calls(|purpose| purpose == Purpose::Destroy);
        }
    }
}
