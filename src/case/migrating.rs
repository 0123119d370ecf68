//! Moves an open case to another revision of its policy: to the matching step, with that revision's times counted from
//! the step's start. Refuses with a reason what cannot be carried over.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::advance::untouched;
use super::entry::Note;
use super::state::{Case, Purpose, Reviewing, State, Verifying, Waiting};
use super::transition::Transition;
use super::{Advance, Context};
use crate::model::{Span, Timestamp};
use crate::policy::Revision;
use crate::policy::tree::{Policy, Review, Step, StepIndex, Verb, Verify, Wait};

/// The person who moves cases, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mover {
    pub by: String,
    pub reason: String,
}

/// The result of a migration.
#[derive(Debug, Clone, PartialEq)]
pub struct Migration {
    pub advance: Advance,
    pub preview: Preview,
}

/// The current and the future position of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    pub from: Revision,
    pub to: Revision,
    /// The step's path now and after the move. Current values are computed for every case, also if it cannot move.
    #[serde(skip)]
    pub step_now: String,
    pub step_then: String,
    #[serde(skip)]
    pub due_now: Option<Timestamp>,
    pub due_then: Option<Timestamp>,
    /// When the next reminder is sent.
    pub remind_then: Option<Timestamp>,
    pub escalate_then: Option<Timestamp>,
    /// Times that are due immediately: `deadline`, `reminder`, `escalation`.
    pub overdue: Vec<&'static str>,
    /// Lost or restarted parts, as sentences.
    pub notes: Vec<String>,
}

/// Why a case keeps its revision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotMigrate {
    #[error("the case is closed")]
    Closed,
    #[error("the case has this revision already")]
    SameRevision,
    #[error("the revision is not one of the case's policy, or is about another kind of subject")]
    OtherPolicy,
    #[error("an effect is in progress or its result is unknown; wait for it, retry it, or cancel the case")]
    UnderWay,
    #[error("the actions of {path} are half done")]
    HalfActed { path: String },
    #[error("an adverse effect is in grace; undo it, or wait for the end of grace")]
    InGrace,
    #[error("the case is over a limit; release or drop the effect first")]
    Held,
    #[error("one of several people has decided already")]
    HalfDecided,
    #[error("the deadline has passed, and the case waits for the provider's final result")]
    LastWord,
    #[error("a session of the verification {workflow} is open; the new revision asks for another")]
    OtherVerification { workflow: String },
    #[error("the new revision has no step {path}")]
    NoStep { path: String },
    #[error("{path} was `{was}` and is `{is}`")]
    OtherVerb { path: String, was: &'static str, is: &'static str },
    #[error("computing the time of {path} in the new revision failed")]
    NoTime { path: String },
}

/// Computes a case's position in another revision. Pure; nothing is changed.
pub fn migrate(
    case: Case,
    old: &Policy,
    new: &Policy,
    context: &Context<'_>,
    mover: &Mover,
) -> Result<Migration, CannotMigrate> {
    movable(&case, old, new)?;
    let (from, due_now) = (case.revision.clone(), case.due_at());
    let at = case.step().ok_or(CannotMigrate::Closed)?;
    let before = old.step(at).ok_or(CannotMigrate::OtherPolicy)?;
    let after = same_step(before, new)?;
    let mut transition = Transition::new(case, old, context);
    transition.be_fair();
    transition.policy = new;
    let state = match transition.case.state.clone() {
        State::Stuck(mut stuck) => {
            stuck.step = after.index;
            if let Some(interrupted) = stuck.interrupted.take() {
                stuck.interrupted = Some(Box::new(transition.moved(*interrupted, before, after, old)?));
            }
            State::Stuck(stuck)
        }
        state => transition.moved(state, before, after, old)?,
    };
    let notified = queue(&transition.case.state).map(str::to_owned);
    transition.case.state = state;
    let notes = transition.carry_over(old, new);
    let to = new.revision.clone();
    transition.case.revision = to.clone();
    let (by, reason) = (mover.by.clone(), mover.reason.clone());
    transition.note(Note::Migrated { from: from.clone(), to: to.clone(), by, reason });
    if let State::Reviewing(reviewing) = transition.case.state.clone()
        && notified.as_deref() != Some(reviewing.queue.as_str())
    {
        transition.notify_queue(reviewing.step, &reviewing.queue, reviewing.deadline);
    }
    let advance = transition.end();
    let preview = Preview {
        from,
        to,
        step_now: before.path.clone(),
        step_then: after.path.clone(),
        due_now,
        due_then: advance.case.due_at(),
        remind_then: match &advance.case.state {
            State::Verifying(proving) => proving.remind_at,
            _ => None,
        },
        escalate_then: match &advance.case.state {
            State::Reviewing(reviewing) => reviewing.escalate_at,
            _ => None,
        },
        overdue: overdue(&advance.case, context.now),
        notes,
    };
    Ok(Migration { advance, preview })
}

fn movable(case: &Case, old: &Policy, new: &Policy) -> Result<(), CannotMigrate> {
    if case.is_closed() {
        return Err(CannotMigrate::Closed);
    }
    if case.policy != new.name || case.revision != old.revision || new.subject != case.subject.kind {
        return Err(CannotMigrate::OtherPolicy);
    }
    if new.revision == old.revision {
        return Err(CannotMigrate::SameRevision);
    }
    if case.pending_adverse.is_some() || matches!(case.beneath(), State::Grace(_)) {
        return Err(CannotMigrate::InGrace);
    }
    if matches!(case.state, State::Held { .. }) {
        return Err(CannotMigrate::Held);
    }
    let path = |step: StepIndex| old.step(step).map(|step| step.path.clone()).unwrap_or_default();
    if let Some(acting) = &case.acting {
        return Err(CannotMigrate::HalfActed { path: path(acting.step) });
    }
    // Requested mails are sent unchanged; all other calls must end under their own revision.
    let mail = |purpose| matches!(purpose, Purpose::Invite | Purpose::Reminder | Purpose::OwnerNotice);
    let idle = |purpose| mail(purpose) || matches!(purpose, Purpose::Start | Purpose::Read);
    let busy =
        case.open_calls().any(|(_, call)| call.begun.is_some() || call.in_doubt || !idle(call.purpose));
    if busy || matches!(case.beneath(), State::Calling { .. }) {
        return Err(CannotMigrate::UnderWay);
    }
    match case.beneath() {
        State::Verifying(proving) if proving.late_until.is_some() => Err(CannotMigrate::LastWord),
        State::Reviewing(reviewing) if !reviewing.given.is_empty() => Err(CannotMigrate::HalfDecided),
        _ => Ok(()),
    }
}

/// Returns the step with the same id, or without an id at the same path, if it has the same verb.
fn same_step<'a>(old: &Step, new: &'a Policy) -> Result<&'a Step, CannotMigrate> {
    let by_id = old.id.as_ref().and_then(|id| new.step(*new.by_id.get(id)?));
    let by_path = || new.steps.iter().find(|step| step.id.is_none() && step.path == old.path);
    let found = if old.id.is_some() { by_id } else { by_path() };
    let found = found.ok_or_else(|| CannotMigrate::NoStep { path: old.path.clone() })?;
    let (was, is) = (old.verb.word(), found.verb.word());
    if was == is { Ok(found) } else { Err(CannotMigrate::OtherVerb { path: old.path.clone(), was, is }) }
}

fn queue(state: &State) -> Option<&str> {
    match state {
        State::Reviewing(reviewing) => Some(&reviewing.queue),
        _ => None,
    }
}

fn overdue(case: &Case, now: Timestamp) -> Vec<&'static str> {
    let (remind_at, escalate_at) = match &case.state {
        State::Verifying(proving) => (proving.remind_at, None),
        State::Reviewing(reviewing) => (None, reviewing.escalate_at),
        _ => (None, None),
    };
    let times = [("deadline", case.due_at()), ("reminder", remind_at), ("escalation", escalate_at)];
    times.into_iter().filter(|(_, at)| at.is_some_and(|at| at <= now)).map(|(word, _)| word).collect()
}

impl Transition<'_> {
    fn moved(&self, state: State, before: &Step, after: &Step, old: &Policy) -> Result<State, CannotMigrate> {
        match (state, &before.verb, &after.verb) {
            (State::Verifying(proving), Verb::Verify(was), Verb::Verify(is)) => {
                self.moved_proving(proving, was, is, after.index).map(State::Verifying)
            }
            (State::Reviewing(reviewing), Verb::Review(was), Verb::Review(is)) => {
                Ok(State::Reviewing(self.moved_review(reviewing, was, is, after.index, old)))
            }
            (State::Waiting(waiting), Verb::Wait(was), Verb::Wait(is)) => {
                self.moved_wait(waiting, was, is, after).map(State::Waiting)
            }
            // A step that got stuck before it began is entered in the new revision.
            (State::Stuck(stuck), _, _) => Ok(State::Stuck(stuck)),
            (
                State::Verifying(_)
                | State::Reviewing(_)
                | State::Waiting(_)
                | State::Calling { .. }
                | State::Held { .. }
                | State::Grace(_)
                | State::Closed,
                _,
                _,
            ) => Err(CannotMigrate::UnderWay),
        }
    }

    fn moved_proving(
        &self,
        mut proving: Verifying,
        was: &Verify,
        is: &Verify,
        step: StepIndex,
    ) -> Result<Verifying, CannotMigrate> {
        let of = |verify: &Verify| {
            let chosen = verify.fallback.as_ref().filter(|_| proving.fell_back);
            let chosen = chosen.unwrap_or(&verify.verification);
            (chosen.provider.clone(), chosen.workflow.clone())
        };
        let open = proving.session.is_some() || proving.start.is_some();
        if open && of(was) != of(is) {
            return Err(CannotMigrate::OtherVerification { workflow: was.verification.name.clone() });
        }
        let start = proving.started_at;
        let last = was.remind.get(..usize::try_from(proving.reminded).unwrap_or(0)).and_then(<[_]>::last);
        let last = last.map(|reminder| self.after(start, reminder.after, None));
        proving.step = step;
        proving.deadline = self.after(start, is.answer_within, None)
            + self.given(start, proving.deadline, was.answer_within, None, None);
        // Sent reminders are not repeated; later ones are rescheduled.
        let sent = is
            .remind
            .iter()
            .take_while(|reminder| last.is_some_and(|last| self.after(start, reminder.after, None) <= last));
        proving.reminded = u32::try_from(sent.count()).unwrap_or(u32::MAX);
        proving.remind_at = self.next_reminder(&proving, is);
        Ok(proving)
    }

    fn moved_review(
        &self,
        mut reviewing: Reviewing,
        was: &Review,
        is: &Review,
        step: StepIndex,
        old: &Policy,
    ) -> Reviewing {
        let start = reviewing.started_at;
        let given = self.given(start, reviewing.deadline, was.answer_within, Some(&was.queue), Some(old));
        let escalated = reviewing.queue != was.queue;
        let queue = match &is.escalate {
            Some(escalate) if escalated => escalate.queue.clone(),
            Some(_) | None => is.queue.clone(),
        };
        reviewing.step = step;
        reviewing.deadline = self.in_queue(&is.queue, start, is.answer_within) + given;
        let escalate = is.escalate.as_ref().filter(|_| !escalated);
        let escalate_at = escalate.map(|escalate| self.in_queue(&is.queue, start, escalate.after) + given);
        reviewing.escalate_at = escalate_at.filter(|at| *at < reviewing.deadline);
        if reviewing.queue != queue {
            reviewing.assignee = None;
            reviewing.queue = queue;
        }
        reviewing
    }

    fn moved_wait(
        &self,
        mut waiting: Waiting,
        was: &Wait,
        is: &Wait,
        after: &Step,
    ) -> Result<Waiting, CannotMigrate> {
        let start = waiting.started_at;
        waiting.step = after.index;
        match (was, is) {
            (Wait::For { answer_within: was, .. }, Wait::For { event, answer_within }) => {
                let given = self.given(start, waiting.until, *was, None, None);
                waiting.until = self.after(start, *answer_within, None) + given;
                waiting.event = Some(event.clone());
            }
            (Wait::Until(was), Wait::Until(is)) if was.source() == is.source() => {}
            (Wait::Until(_), Wait::Until(is)) => {
                waiting.until =
                    self.time_of(is).map_err(|_| CannotMigrate::NoTime { path: after.path.clone() })?;
            }
            (Wait::For { .. }, Wait::Until(_)) | (Wait::Until(_), Wait::For { .. }) => {
                let path = after.path.clone();
                return Err(CannotMigrate::OtherVerb { path, was: "wait", is: "wait, for something else" });
            }
        }
        Ok(waiting)
    }

    /// Returns the time that was already given back for an outage or while the case was stuck.
    fn given(
        &self,
        start: Timestamp,
        end: Timestamp,
        span: Span,
        queue: Option<&str>,
        old: Option<&Policy>,
    ) -> TimeDelta {
        let people = &old.unwrap_or(self.policy).people;
        let calendar =
            queue.and_then(|queue| people.queues.get(queue)).and_then(|queue| queue.calendar.as_deref());
        let asked = super::calendar::after(start, span, super::calendar::of(people, calendar));
        (end - asked).max(TimeDelta::zero())
    }

    /// Carries over what the case stores by step. Returns a sentence for each loss.
    fn carry_over(&mut self, old: &Policy, new: &Policy) -> Vec<String> {
        let mut notes = Vec::new();
        let verb = |policy: &Policy, id: &String| {
            policy.by_id.get(id).and_then(|index| policy.step(*index)).map(|step| step.verb.word())
        };
        let mut steps = untouched(new);
        for (id, learned) in std::mem::take(&mut self.case.steps) {
            if !new.by_id.contains_key(&id) || verb(old, &id) == verb(new, &id) {
                steps.insert(id, learned);
            } else {
                notes.push(format!(
                    "the result of {id} is not used: the step is different in the new \
                    revision"
                ));
            }
        }
        self.case.steps = steps;
        let mut retries = std::collections::BTreeMap::new();
        for (index, taken) in std::mem::take(&mut self.case.retries) {
            let Some(before) = old.step(index) else { continue };
            match same_step(before, new) {
                Ok(after) => {
                    retries.insert(after.index, taken);
                }
                Err(_) => notes.push(format!("the attempts of {} are counted from 0", before.path)),
            }
        }
        self.case.retries = retries;
        self.case.released = None;
        notes
    }
}
