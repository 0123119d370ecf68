//! Handles permanent failures: the case stops, its owner is notified, and nothing counts as decided.

use chrono::TimeDelta;

use super::entry::Note;
use super::state::{Pending, Purpose, State, Stuck, Verifying};
use super::transition::{Transition, Trouble};
use crate::policy::tree::StepIndex;

impl Transition<'_> {
    /// Handles a step that could not begin: a retry enters it again.
    pub fn stick(&mut self, step: StepIndex, trouble: Trouble) {
        self.stick_with(step, trouble, None, None);
    }

    /// Handles a failure in a step that already waits: a retry resumes the wait and repeats the failed call.
    pub fn stick_with(
        &mut self,
        step: StepIndex,
        reason: Trouble,
        failed: Option<(u32, Pending)>,
        interrupted: Option<State>,
    ) {
        if let State::Stuck(stuck) = &mut self.case.state {
            // Another call of the same step failed: one retry covers both.
            stuck.parked.extend(failed);
            return;
        }
        self.case.state = State::Stuck(Stuck {
            step,
            since: self.now(),
            reason: reason.clone(),
            call: failed.as_ref().map(|(number, _)| *number),
            parked: failed.into_iter().collect(),
            interrupted: interrupted.map(Box::new),
        });
        self.note(Note::Stuck { reason: reason.clone() });
        self.notify_owner(step, &reason);
    }

    /// Retries on an operator's order, and gives back the time that the case was stuck.
    pub fn retry(&mut self, stuck: Stuck) {
        self.drop_calls(|purpose| purpose == Purpose::OwnerNotice);
        let Some(interrupted) = stuck.interrupted else {
            return self.walk(stuck.step);
        };
        let now = self.now();
        for (number, mut pending) in stuck.parked {
            pending.due = now;
            pending.begun = None;
            pending.forgiven = pending.attempt;
            pending.outages = 0;
            self.own(&pending.action);
            self.case.calls.insert(number, pending);
        }
        // Outages before the failure are credited as usual; the time since then is credited once, in full.
        let stood = (now - stuck.since).max(TimeDelta::zero());
        self.case.state = *interrupted;
        self.be_fair_until(stuck.since);
        match self.case.state.clone() {
            State::Calling { step, .. } => self.continue_if_done(step),
            State::Verifying(proving) => self.prove_on(proving, stood),
            State::Reviewing(mut reviewing) => {
                reviewing.fair_until = now;
                reviewing.deadline += stood;
                reviewing.escalate_at = reviewing.escalate_at.map(|at| at + stood);
                self.case.state = State::Reviewing(reviewing);
            }
            // A fixed time of a policy does not move.
            State::Waiting(waiting) if waiting.event.is_none() => {}
            State::Waiting(mut waiting) => {
                waiting.fair_until = now;
                waiting.until += stood;
                self.case.state = State::Waiting(waiting);
            }
            State::Grace(_) | State::Held { .. } => {}
            // Neither is ever interrupted; entering the step again is correct.
            State::Stuck(_) | State::Closed => self.walk(stuck.step),
        }
    }

    /// Resumes a verification and gives back the time that the case was stopped.
    pub fn prove_on(&mut self, mut proving: Verifying, stood: TimeDelta) {
        let now = self.now();
        proving.fair_until = now;
        proving.started_at += stood;
        proving.deadline += stood;
        proving.late_until = proving.late_until.map(|until| until + stood);
        proving.remind_at = proving.remind_at.map(|at| at + stood);
        proving.poll_at = proving.session.as_ref().map(|_| now);
        // Readings and starts that ended meanwhile are requested again.
        proving.read = proving.read.filter(|call| self.case.calls.contains_key(call));
        proving.start = proving.start.filter(|call| self.case.calls.contains_key(call));
        if proving.read.is_some() {
            proving.poll_at = None;
        }
        self.case.state = State::Verifying(proving);
    }
}
