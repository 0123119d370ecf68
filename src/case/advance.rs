//! Applies one input to one case. This file lists every legal pair of state and input and dispatches to the file of
//! that state. Any other pair is refused by name.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::entry::Note;
use super::identity::case_id;
use super::input::{Input, OpenedBy, Opening, Refused};
use super::opening::cancels;
use super::state::{Case, State};
use super::transition::Transition;
use super::walk::nothing_learned;
use super::{Advance, Context};
use crate::model::{Event, EventType, Fields, Lane};
use crate::policy::Policy;
use crate::policy::outcome::{OwnResult, WaitOutcome};
use crate::policy::tree::{IfAlreadyOpen, Trigger};

/// Opens a case at its first step. The caller decided beforehand that it opens.
pub fn open(opening: Opening, policy: &Policy, context: &Context<'_>) -> Advance {
    let id = case_id(&policy.name, &opening.key, &opening.by);
    let (event, by) = match opening.by {
        OpenedBy::Event(event) => {
            let by = format!("event {}", event.kind);
            (Some(event), by)
        }
        OpenedBy::Hand { by, reason, .. } => (None, format!("{by} by hand: {reason}")),
        OpenedBy::Sweep { schedule, nominal } => {
            (None, format!("sweep {schedule} of {}", nominal.format("%Y-%m-%d %H:%M UTC")))
        }
    };
    let case = Case {
        id,
        policy: policy.name.clone(),
        revision: policy.revision.clone(),
        key: opening.key,
        subject: opening.subject,
        event,
        opened_at: context.now,
        // Replaced when the first step begins.
        state: State::Calling { step: policy.graph.first, call: 0 },
        steps: untouched(policy),
        calls: BTreeMap::new(),
        next_call: 1,
        next_entry: 1,
        retries: BTreeMap::new(),
        attempts: 0,
        links: 0,
        contests: 0,
        pending_adverse: None,
        settled: Vec::new(),
        sessions: BTreeMap::new(),
        result: None,
        closed_at: None,
        seen: None,
        // The caller read the person immediately before the opening.
        seen_at: Some(context.now),
        holds: Vec::new(),
        acting: None,
        compared: BTreeMap::new(),
        released: None,
        echoes: Vec::new(),
        stretch: None,
        redacted: None,
        refusals: 0,
    };
    let mut transition = Transition::new(case, policy, context);
    transition.note_at(None, Note::Opened { by });
    if let Some(event) = transition.case.event.clone() {
        transition.passed_elsewhere(&event);
    }
    transition.walk(policy.graph.first);
    transition.end()
}

/// Decides what one input does to one case. Pure: equal arguments give equal results. A refused input changes nothing.
pub fn advance(case: Case, policy: &Policy, input: Input, context: &Context<'_>) -> Result<Advance, Refused> {
    if case.policy != policy.name || case.revision != policy.revision {
        return Err(Refused::WrongPolicy);
    }
    let mut transition = Transition::new(case, policy, context);
    if matches!(input, Input::Press(_) | Input::Decision(_) | Input::Contest { .. } | Input::Operator(_)) {
        transition.be_fair();
    }
    let state = transition.case.state.clone();
    match (state, input) {
        // Ends of attempts are accepted in every state: an attempt that began may have taken effect.
        (_, Input::Outcome { call, attempt, outcome }) => transition.end_attempt(call, attempt, outcome)?,
        (_, Input::Lost { call, attempt }) => transition.lose_attempt(call, attempt)?,
        (_, Input::Misplanned { call }) => transition.plan_anew(call)?,
        (State::Closed, Input::Attempt { call }) if transition.outlives(call) => {
            transition.begin_attempt(call)?
        }
        (_, Input::Operator(operator)) => transition.ordered(operator)?,
        (State::Closed, Input::Event(event)) => transition.record_late_event(&event)?,
        (_, Input::SetBack { seconds }) => transition.set_back(TimeDelta::seconds(seconds))?,
        (_, Input::RefusedDecision(refused)) => transition.decision_refused(refused)?,
        (State::Closed, Input::Decision(decision)) => transition.late_decision(decision)?,
        (State::Closed, _) => return Err(Refused::Closed),
        (_, Input::Attempt { call }) => transition.begin_attempt(call)?,
        (_, Input::Event(event)) => transition.happened(event)?,

        (State::Verifying(_) | State::Reviewing(_) | State::Waiting(_) | State::Grace(_), Input::Wake) => {
            transition.woken()?
        }
        (State::Verifying(proving), Input::Press(press)) => transition.press(proving, press)?,
        (State::Held { since, asked: Some(asked), .. }, Input::Press(press)) => {
            transition.press_again(*asked, since, press)?
        }
        (State::Verifying(proving), Input::Hint { execution }) => transition.hinted(proving, &execution)?,
        (State::Verifying(proving), Input::Return { execution, returned }) => {
            transition.returned(proving, &execution, returned)?
        }
        (State::Reviewing(reviewing), Input::Decision(decision)) => {
            transition.decided(reviewing, decision)?
        }
        (State::Grace(grace), Input::Decision(decision)) => transition.decide_contest(grace, decision)?,
        (State::Grace(grace), Input::Contest { link }) => transition.contest(grace, link)?,
        (
            State::Calling { .. }
            | State::Verifying(_)
            | State::Reviewing(_)
            | State::Waiting(_)
            | State::Held { .. }
            | State::Stuck(_),
            Input::Contest { link },
        ) => transition.contest_early(link)?,

        (
            State::Calling { .. } | State::Held { .. } | State::Stuck(_),
            Input::Wake | Input::Press(_) | Input::Hint { .. } | Input::Return { .. } | Input::Decision(_),
        )
        | (State::Verifying(_) | State::Waiting(_), Input::Decision(_))
        | (
            State::Reviewing(_) | State::Waiting(_) | State::Grace(_),
            Input::Press(_) | Input::Hint { .. } | Input::Return { .. },
        ) => {
            return Err(Refused::NotAwaited);
        }
    }
    Ok(transition.end())
}

pub(super) fn untouched(policy: &Policy) -> Fields {
    let empty = |(id, index): (&String, _)| Some((id.clone(), nothing_learned(&policy.step(index)?.verb)?));
    policy.by_id.iter().filter_map(|(id, index)| empty((id, *index))).collect()
}

impl Transition<'_> {
    /// Returns whether a call may happen after the case's end.
    fn outlives(&self, call: u32) -> bool {
        self.case.calls.get(&call).is_some_and(|pending| pending.purpose.outlives())
    }

    /// Handles a due `wake_at`, unless outage credit moves it. Rechecks first whether the policy still applies to the
    /// person's current record.
    fn woken(&mut self) -> Result<(), Refused> {
        let due = |case: &Case, now| case.wake_at().is_some_and(|at| at <= now);
        if !due(&self.case, self.now()) {
            return Err(Refused::NotAwaited);
        }
        self.be_fair();
        if !due(&self.case, self.now()) {
            return Ok(());
        }
        match self.case.step() {
            Some(step) if self.must_look() && !self.only_asks() => {
                self.look(step);
            }
            Some(_) | None => self.wake_now(),
        }
        Ok(())
    }

    pub fn wake_now(&mut self) {
        let state = self.case.state.clone();
        match self.applies() {
            Ok(true) => {}
            Ok(false) => return self.close(OwnResult::NoLongerApplies.word()),
            Err(trouble) => {
                let Some(step) = self.case.step() else { return };
                return self.stick_with(step, trouble, None, Some(state));
            }
        }
        match state {
            State::Verifying(proving) => self.wake_proving(proving),
            State::Reviewing(reviewing) => self.wake_reviewing(reviewing),
            State::Waiting(waiting) => self.wake_waiting(waiting),
            State::Grace(grace) => self.wake_grace(grace),
            State::Calling { .. } | State::Held { .. } | State::Stuck(_) | State::Closed => {}
        }
    }

    /// Handles an event that the policy names.
    fn happened(&mut self, event: Event) -> Result<(), Refused> {
        if self.case.record_event(&event) {
            self.confirm(&event);
            return Ok(());
        }
        let disowned = self.disown(&event);
        let named = |kind: &EventType| event.kind == *kind || event.also.contains(kind);
        let joined = Note::Joined { event: event.kind.to_string(), key: event.key.clone() };
        if cancels(&self.case, self.policy, &event) {
            self.note(joined);
            self.close(OwnResult::Cancelled.word());
            self.leave_holds_taken_by_others();
            return Ok(());
        }
        if gone(&event) && event.subject == self.case.subject.reference() {
            self.note(joined);
            self.subject_gone();
            return Ok(());
        }
        let waiting = self.case.waiting().filter(|waiting| waiting.event.as_ref().is_some_and(named));
        if let Some(waiting) = waiting.cloned() {
            self.note(joined);
            // A case that was stuck in its wait continues: the awaited event arrived.
            self.case.state = State::Waiting(waiting.clone());
            self.passed_elsewhere(&event);
            self.end_wait(&waiting, WaitOutcome::Happened);
            return Ok(());
        }
        let overheard = self.overhear(&event);
        let opens = self.policy.when.iter().any(|trigger| match trigger {
            Trigger::Event(kind) => named(kind),
            Trigger::Manual | Trigger::Sweep(_) => false,
        });
        if !opens {
            let touched = self.uphold(&event) || disowned || overheard;
            if !touched {
                return Err(Refused::NotAwaited);
            }
            self.note(joined);
            return Ok(());
        }
        if self.case.event.as_ref().is_some_and(|opening| opening.key == event.key) {
            // The event that opened or restarted the case was delivered again.
            return Err(Refused::Stale);
        }
        self.note(joined);
        if self.uphold(&event) {
            return Ok(());
        }
        match self.policy.if_already_open {
            // The caller that opens cases opens the other case.
            IfAlreadyOpen::Attach | IfAlreadyOpen::OpenAnother => {}
            IfAlreadyOpen::Cancel => self.close(OwnResult::Cancelled.word()),
            // After an effect, or while one is in progress, the case cannot restart; the journal records the event.
            IfAlreadyOpen::Restart if !self.case.settled.is_empty() || self.effect_under_way() => {}
            IfAlreadyOpen::Restart => {
                self.drop_calls(|purpose| !purpose.outlives());
                self.case.steps = untouched(self.policy);
                self.case.retries.clear();
                self.case.pending_adverse = None;
                self.case.result = None;
                self.case.acting = None;
                self.case.compared.clear();
                self.case.released = None;
                self.case.event = Some(event);
                self.walk(self.policy.graph.first);
            }
        }
        Ok(())
    }

    /// Handles events after the end that the case's own effects caused.
    fn record_late_event(&mut self, event: &Event) -> Result<(), Refused> {
        if !self.case.record_event(event) {
            return Err(Refused::Closed);
        }
        self.confirm(event);
        Ok(())
    }

    fn effect_under_way(&self) -> bool {
        self.case.open_calls().any(|(_, pending)| {
            (pending.begun.is_some() || pending.in_doubt)
                && matches!(pending.action.lane(), Lane::Identity | Lane::Provisioning)
                && !pending.action.only_reads()
        })
    }
}

/// Returns whether the event means that the person's record was deleted at the identity provider.
pub fn gone(event: &Event) -> bool {
    matches!(event.kind.as_str(), EventType::REGISTRATION_DELETED | EventType::USER_DELETED)
}
