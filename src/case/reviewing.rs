//! Reviews: who may decide, how many must agree, and what follows without an answer.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::entry::Note;
use super::input::{Decision, Refused};
use super::state::{Assignee, Reviewing, State};
use super::transition::Transition;
use crate::model::{Actor, Timestamp};
use crate::policy::outcome::ReviewOutcome;
use crate::policy::tree::{Review, StepIndex, Verb};

/// Returns `steps.<id>` of a review: every key is present.
pub(super) fn record(outcome: Option<&str>, decision: Option<&Decision>) -> Value {
    json!({
        "outcome": outcome,
        "decision": decision.map(|decision| &decision.decision),
        "reason": decision.and_then(|decision| decision.reason.as_ref()),
        "by": decision.map(|decision| &decision.by.name),
        "at": decision.map(|decision| decision.at),
    })
}

impl<'a> Transition<'a> {
    pub fn begin_review(&mut self, step: StepIndex, review: &Review) {
        let now = self.now();
        let deadline = self.in_queue(&review.queue, now, review.answer_within);
        let escalate_at = review
            .escalate
            .as_ref()
            .map(|escalate| self.in_queue(&review.queue, now, escalate.after))
            .filter(|at| *at < deadline);
        let queue = review.queue.clone();
        self.case.state = State::Reviewing(Reviewing {
            step,
            started_at: now,
            deadline,
            queue: queue.clone(),
            escalate_at,
            given: Vec::new(),
            assignee: None,
            fair_until: now,
        });
        self.notify_queue(step, &queue, deadline);
    }

    /// Returns the end of a span in the calendar of a queue.
    pub fn in_queue(&self, queue: &str, start: Timestamp, span: crate::model::Span) -> Timestamp {
        let calendar = self.policy.people.queues.get(queue).and_then(|queue| queue.calendar.as_deref());
        self.after(start, span, calendar)
    }

    pub fn review_of(&self, step: StepIndex) -> Option<&'a Review> {
        if let Verb::Review(review) = &self.policy.step(step)?.verb { Some(review) } else { None }
    }

    pub fn wake_reviewing(&mut self, mut reviewing: Reviewing) {
        let now = self.now();
        if now >= reviewing.deadline {
            return self.end_review(reviewing.step, ReviewOutcome::Overdue.word(), None);
        }
        if reviewing.escalate_at.is_some_and(|at| now >= at) {
            self.escalate(&mut reviewing);
        }
        self.case.state = State::Reviewing(reviewing);
    }

    fn escalate(&mut self, reviewing: &mut Reviewing) {
        if reviewing.escalate_at.take().is_none() {
            return;
        }
        let Some(escalate) = self.review_of(reviewing.step).and_then(|review| review.escalate.as_ref())
        else {
            return;
        };
        reviewing.queue.clone_from(&escalate.queue);
        self.note(Note::Escalated { queue: escalate.queue.clone() });
        self.notify_queue(reviewing.step, &escalate.queue, reviewing.deadline);
    }

    pub fn decided(&mut self, mut reviewing: Reviewing, decision: Decision) -> Result<(), Refused> {
        let review = self.review_of(reviewing.step).ok_or(Refused::NotAwaited)?;
        if self.now() >= reviewing.deadline {
            return Err(Refused::Stale);
        }
        let rule = review.decisions.get(&decision.decision).ok_or_else(|| Refused::NotAllowed {
            decision: decision.decision.clone(),
            allowed: review.decisions.keys().cloned().collect(),
        })?;
        if rule.reason_required && !has_reason(&decision) {
            return Err(Refused::ReasonRequired);
        }
        self.may_review(&reviewing, review, &decision.by)?;
        let agrees = reviewing.given.iter().all(|given| given.decision == decision.decision);
        let needed = usize::try_from(review.people.max(1)).unwrap_or(usize::MAX);
        let complete = agrees && reviewing.given.len() + 1 >= needed;
        self.note(Note::Decided { decision: decision.clone(), complete });
        if complete {
            let outcome = decision.decision.clone();
            self.end_review(reviewing.step, &outcome, Some(&decision));
            return Ok(());
        }
        if !agrees {
            // Agreement restarts with this decision, and the escalation queue joins.
            reviewing.given.clear();
            self.escalate(&mut reviewing);
        }
        reviewing.given.push(decision);
        // The next decision must come from another person.
        reviewing.assignee = None;
        self.case.state = State::Reviewing(reviewing);
        Ok(())
    }

    /// Claims the review for a person, which prevents parallel work.
    pub fn take_review(&mut self, mut reviewing: Reviewing, by: Actor) -> Result<(), Refused> {
        let review = self.review_of(reviewing.step).ok_or(Refused::NotAwaited)?;
        self.may_review(&reviewing, review, &by)?;
        reviewing.assignee = Some(Assignee { by, until: self.now() + TAKEN_FOR });
        self.case.state = State::Reviewing(reviewing);
        Ok(())
    }

    /// Releases the claim on the claimer's request; another person's claim must expire.
    pub fn give_back_review(&mut self, mut reviewing: Reviewing, by: &Actor) -> Result<(), Refused> {
        let assignee = reviewing.assignee.take().ok_or(Refused::NotAwaited)?;
        if assignee.until > self.now() && !assignee.by.same(by) {
            return Err(Refused::Taken { by: assignee.by.name, until: assignee.until });
        }
        self.case.state = State::Reviewing(reviewing);
        Ok(())
    }

    fn end_review(&mut self, step: StepIndex, outcome: &str, decision: Option<&Decision>) {
        self.learn(step, record(Some(outcome), decision));
        self.note(Note::StepEnded { outcome: outcome.to_owned(), reasons: Vec::new() });
        self.follow(step, outcome);
    }
}

/// How long a claim lasts without activity.
const TAKEN_FOR: TimeDelta = TimeDelta::minutes(30);

pub(super) fn has_reason(decision: &Decision) -> bool {
    decision.reason.as_ref().is_some_and(|reason| !reason.trim().is_empty())
}
