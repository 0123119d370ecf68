//! Enters steps until one of them waits. An error never counts as "false" or "approved": the case gets stuck and its
//! owner is notified.

use serde_json::{Value, json};

use super::entry::Note;
use super::state::{Held, InGrace, Purpose, State};
use super::transition::{Transition, Trouble};
use crate::model::{Action, EffectKind, IdentityChange, Span, SubjectKind};
use crate::policy::outcome::OwnResult;
use crate::policy::script::{Function, Verdict};
use crate::policy::tree::{Effect, Grace, Step, StepIndex, Verb, WhenExceeded};

/// Safety bound; the loader already proves that loops are bounded.
const LONGEST_WALK: usize = 1_000;

/// The result of entering a step.
pub(super) enum Entered {
    Go(StepIndex),
    /// The case waits or has ended.
    Rests,
}

/// Whether an effect must still pass its limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Limited,
    /// An operator released it.
    Released,
}

impl Transition<'_> {
    /// Continues from a step.
    pub fn walk(&mut self, from: StepIndex) {
        let entered = self.enter(from);
        self.walk_on(from, entered);
    }

    /// Continues along the branch of an outcome.
    pub fn follow(&mut self, from: StepIndex, outcome: &str) {
        match self.branch(from, outcome) {
            Ok(next) => self.walk(next),
            Err(trouble) => self.stick(from, trouble),
        }
    }

    /// Continues after a finished step.
    pub fn walk_past(&mut self, step: StepIndex) {
        let next = self.step(step).and_then(next_of).map(Entered::Go);
        self.walk_on(step, next);
    }

    /// Continues with the next action of a function.
    pub fn act_on(&mut self, index: StepIndex) {
        let entered = self.step(index).and_then(|step| self.next_action(step, Bound::Limited));
        self.walk_on(index, entered);
    }

    /// Runs a released effect and continues. It may have waited for days: the policy's `as_long_as` is checked again.
    pub fn walk_released(&mut self, index: StepIndex) {
        self.case.released = Some(index);
        let entered = self.enter(index);
        self.walk_on(index, entered);
    }

    fn walk_on(&mut self, from: StepIndex, entered: Result<Entered, Trouble>) {
        let (mut at, mut entered) = (from, entered);
        for _ in 0..LONGEST_WALK {
            match entered {
                Ok(Entered::Rests) => return,
                Ok(Entered::Go(next)) => {
                    at = next;
                    entered = self.enter(at);
                }
                Err(trouble) => return self.stick(at, trouble),
            }
        }
        self.stick(at, format!("the path did not come to rest after {LONGEST_WALK} steps"));
    }

    fn enter(&mut self, index: StepIndex) -> Result<Entered, Trouble> {
        let step = self.step(index)?;
        let reads = step.verb.changes_something() && self.must_look();
        if reads || self.must_compare(&step.verb) || self.must_know(&step.verb) {
            let call = self.look(index);
            self.case.state = State::Calling { step: index, call };
            return Ok(Entered::Rests);
        }
        // `if` was evaluated before the first action; the remaining actions run independent of the changes.
        let midway = self.case.acting.as_ref().is_some_and(|acting| acting.step == index);
        let bound = match self.case.released.take_if(|released| *released == index) {
            Some(_) => Bound::Released,
            None => Bound::Limited,
        };
        if bound == Bound::Released {
            if step.verb.changes_something() && !self.applies()? {
                self.close(OwnResult::NoLongerApplies.word());
                return Ok(Entered::Rests);
            }
            return self.perform(step, bound);
        }
        if let Some(condition) = step.condition.as_ref().filter(|_| !midway) {
            match self.decide(condition).map_err(|error| format!("`if` could not decide: {error}"))? {
                Verdict::Holds => {}
                Verdict::Fails { clause, .. } => {
                    self.note_at(Some(index), Note::StepSkipped { clause });
                    return next_of(step).map(Entered::Go);
                }
            }
        }
        if step.verb.changes_something() && !self.applies()? {
            self.close(OwnResult::NoLongerApplies.word());
            return Ok(Entered::Rests);
        }
        if !midway {
            self.note_at(Some(index), Note::StepBegan { verb: step.verb.word().to_owned() });
        }
        self.perform(step, bound)
    }

    fn perform(&mut self, step: &Step, bound: Bound) -> Result<Entered, Trouble> {
        if let Some(action) = limited(&step.verb) {
            if bound == Bound::Limited
                && self.context.over_limit.contains(&action)
                && let Some(entered) = self.over_limit(step, action)?
            {
                return Ok(entered);
            }
            self.count(action);
        }
        match &step.verb {
            Verb::Verify(verify) => self.begin_proving(step.index, verify),
            Verb::Review(review) => {
                self.begin_review(step.index, review);
                Ok(Entered::Rests)
            }
            Verb::Wait(wait) => self.begin_wait(step, wait),
            Verb::Run { function, returns } => self.run(step, function, returns),
            Verb::Act { function, may } => self.act(step, function, may, bound),
            Verb::Effect(effect) => {
                let effect = self.work_out(effect)?;
                self.effect(step, &effect)
            }
            Verb::Approve => self.approve(step),
            Verb::Reject { grace } => {
                let effect = Action::change(self.proven_snapshot()?, IdentityChange::Reject);
                self.adverse(step, EffectKind::Reject, effect, *grace)
            }
            Verb::Delete { grace } => {
                let effect = Action::change(self.proven_snapshot()?, IdentityChange::Delete);
                self.adverse(step, EffectKind::Delete, effect, *grace)
            }
            Verb::Do { target, .. } => Ok(Entered::Go(*target)),
            Verb::RetryFrom { step: target, at_most, or_else } => {
                let taken = self.case.retries.entry(step.index).or_default();
                if *taken >= *at_most {
                    return Ok(Entered::Go(*or_else));
                }
                *taken += 1;
                self.case.acting = None;
                Ok(Entered::Go(*target))
            }
            Verb::Close { result } => {
                self.arrive(step.index, result);
                Ok(Entered::Rests)
            }
        }
    }

    /// Applies the policy's reaction to a used-up limit; the default is to hold.
    pub fn over_limit(&mut self, step: &Step, action: EffectKind) -> Result<Option<Entered>, Trouble> {
        let limits = self.policy.limits.iter().filter(|limit| limit.action == action);
        let skips = limits.clone().count() > 0
            && limits.clone().all(|limit| limit.when_exceeded == WhenExceeded::Skip)
            // A step with outcomes cannot be skipped: its next step is undefined.
            && step.outcomes.is_empty();
        if skips {
            self.note_at(Some(step.index), Note::Skipped { action });
            return next_of(step).map(|next| Some(Entered::Go(next)));
        }
        self.case.state = State::Held { step: step.index, action, since: self.now(), asked: None };
        self.note(Note::Held { action });
        Ok(Some(Entered::Rests))
    }

    fn run(&mut self, step: &Step, function: &Function, returns: &[String]) -> Result<Entered, Trouble> {
        let this_case = self.this_case();
        let outcome = function
            .choose(&self.facts(&this_case))
            .map_err(|error| format!("the function could not decide: {error}"))?;
        if !returns.contains(&outcome) {
            return Err(format!(
                "the function of step {} gave something that is not one of: {}",
                step.path,
                returns.join(", ")
            ));
        }
        let next = self.branch(step.index, &outcome)?;
        self.learn(step.index, json!({ "outcome": outcome }));
        self.note_at(Some(step.index), Note::StepEnded { outcome, reasons: Vec::new() });
        Ok(Entered::Go(next))
    }

    fn approve(&mut self, step: &Step) -> Result<Entered, Trouble> {
        if self.case.settled.contains(&EffectKind::Approve) {
            return next_of(step).map(Entered::Go);
        }
        let gone = [EffectKind::Reject, EffectKind::Delete];
        if self.case.pending_adverse.is_some() || self.case.settled.iter().any(|effect| gone.contains(effect))
        {
            return Err("the path approves after it rejected or deleted; nothing was approved".to_owned());
        }
        let action = Action::change(self.proven_snapshot()?, IdentityChange::Approve);
        self.call(step, action)
    }

    /// Rejects or deletes: now, or at the end of grace.
    fn adverse(
        &mut self,
        step: &Step,
        action: EffectKind,
        effect: Action,
        grace: Grace,
    ) -> Result<Entered, Trouble> {
        if self.case.settled.contains(&action) {
            return next_of(step).map(Entered::Go);
        }
        if self.case.settled.contains(&EffectKind::Approve) {
            return Err("the path rejects or deletes after it approved; nothing was changed".to_owned());
        }
        if grace.length == Span::ZERO {
            return self.call(step, effect);
        }
        let next = next_of(step)?;
        let held = self.case.holds.iter().any(|hold| hold.what == Held::Account);
        let blocks = self.policy.subject == SubjectKind::User && !held;
        self.doom(step.index, effect, grace, blocks);
        if !blocks {
            // A waiting registration cannot log in anyway.
            return Ok(Entered::Go(next));
        }
        let call = self.hold(step.index, Held::Account, false);
        self.case.state = State::Calling { step: step.index, call };
        Ok(Entered::Rests)
    }

    /// Combines two adverse effects on one path: the more severe one applies, at the later time.
    fn doom(&mut self, step: StepIndex, effect: Action, grace: Grace, blocks: bool) {
        let until = self.after(self.now(), grace.length, None);
        let (action, until, contested_at, blocks) = match self.case.pending_adverse.take() {
            Some(earlier) => {
                let deletes = earlier.action.effect() == Some(EffectKind::Delete);
                let graver = if deletes { earlier.action } else { effect };
                (graver, earlier.until.max(until), earlier.contested_at, blocks || earlier.blocks)
            }
            None => (effect, until, None, blocks),
        };
        let link = self.case.contests + 1;
        let fair_until = self.now();
        let call = None;
        self.case.pending_adverse =
            Some(InGrace { step, action, until, contested_at, link, call, fair_until, blocks });
        self.note_at(Some(step), Note::GraceBegan { until });
    }

    fn call(&mut self, step: &Step, action: Action) -> Result<Entered, Trouble> {
        // The next step must exist before the effect happens.
        next_of(step)?;
        let call = self.ask(step.index, action, Purpose::Step, self.now());
        self.case.state = State::Calling { step: step.index, call };
        Ok(Entered::Rests)
    }

    /// Ends the path. An effect in grace keeps the case open until grace ends.
    fn arrive(&mut self, step: StepIndex, result: &str) {
        match self.case.pending_adverse.take() {
            None => {
                self.close_at(step, result);
            }
            Some(pending_adverse) => {
                // Notices about pending decisions, such as an objection, are still sent.
                self.drop_calls(|purpose| purpose != Purpose::OwnerNotice && !purpose.outlives());
                self.case.result = Some(result.to_owned());
                self.case.state = State::Grace(pending_adverse);
            }
        }
    }

    fn close_at(&mut self, step: StepIndex, result: &str) {
        // The journal must show the reached `close`, not the step before it.
        self.case.state = State::Calling { step, call: 0 };
        self.close(result);
    }
}

pub(super) fn next_of(step: &Step) -> Result<StepIndex, Trouble> {
    step.next.ok_or_else(|| format!("nothing follows step {}, and the case cannot end here", step.path))
}

/// Returns the kind under which `limits` counts a step. Actions of an `act` and sessions of a verification are counted
/// individually.
pub(super) fn limited(verb: &Verb) -> Option<EffectKind> {
    verb.effect().filter(|kind| *kind != EffectKind::Verify)
}

/// Returns `steps` without results: every step with an id is present, which keeps scripts from failing on a missing
/// one.
pub(super) fn nothing_learned(verb: &Verb) -> Option<Value> {
    match verb {
        Verb::Verify(_) => Some(super::judge::record(None, None, None, None)),
        Verb::Review(_) => Some(super::reviewing::record(None, None)),
        Verb::Run { .. } | Verb::Wait(_) => Some(json!({ "outcome": null })),
        Verb::Effect(Effect::Call(_)) => Some(json!({ "status": null, "body": null })),
        Verb::Act { .. }
        | Verb::Approve
        | Verb::Reject { .. }
        | Verb::Delete { .. }
        | Verb::Do { .. }
        | Verb::RetryFrom { .. }
        | Verb::Close { .. }
        | Verb::Effect(_) => None,
    }
}
