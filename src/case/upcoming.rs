//! What happens to a case by itself: reminders, escalations, deadlines, and what each of them leads to.

use super::input::Order;
use super::state::{Case, Purpose, State};
use crate::model::{EffectKind, Timestamp};
use crate::policy::outcome::{Ending, ProofOutcome, ReviewOutcome, WaitOutcome};
use crate::policy::tree::{Effect, Policy, Recipient, Step, StepIndex, Verb, Written};

/// Steps that are followed to say what a deadline leads to.
const FAR_ENOUGH: usize = 24;

/// Something that happens at a time if nobody acts before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upcoming {
    pub at: Timestamp,
    pub what: String,
    /// What follows from it, in order.
    pub then: Vec<String>,
}

/// Returns what happens by itself, soonest first.
pub fn upcoming(case: &Case, policy: &Policy) -> Vec<Upcoming> {
    let plain = |at, what: String| Upcoming { at, what, then: Vec::new() };
    let ends = |at, what: &str, step: StepIndex, ending: Ending| {
        let begins = policy.step(step).and_then(|step| step.outcomes.get(&ending)).copied();
        Upcoming {
            at,
            what: what.to_owned(),
            then: begins.map(|from| follow_from(policy, from)).unwrap_or_default(),
        }
    };
    let mut coming: Vec<Upcoming> = retries(case).map(|(at, what)| plain(at, what)).collect();
    match &case.state {
        State::Verifying(verifying) => {
            if let Some(at) = verifying.remind_at.filter(|at| *at < verifying.deadline) {
                coming.push(plain(at, "The person gets a reminder".to_owned()));
            }
            let silent = Ending::Proof(ProofOutcome::NoResponse);
            let what = "The time for an answer ends";
            coming.push(ends(
                verifying.late_until.unwrap_or(verifying.deadline),
                what,
                verifying.step,
                silent,
            ));
        }
        State::Reviewing(review) => {
            let rule = policy.step(review.step).map(|step| &step.verb);
            let escalate = if let Some(Verb::Review(rule)) = rule { rule.escalate.as_ref() } else { None };
            if let (Some(at), Some(to)) = (review.escalate_at, escalate) {
                coming.push(plain(at, format!("The review moves to the queue {}", to.queue)));
            }
            let overdue = Ending::Review(ReviewOutcome::Overdue);
            coming.push(ends(review.deadline, "The review is overdue", review.step, overdue));
        }
        State::Waiting(waiting) => match &waiting.event {
            Some(event) => {
                let what = format!("The wait for {event} ends");
                let timed_out = Ending::Wait(WaitOutcome::TimedOut);
                coming.push(ends(waiting.until, &what, waiting.step, timed_out));
            }
            None => {
                let next = policy.step(waiting.step).and_then(|step| step.next);
                let then = next.map(|from| follow_from(policy, from)).unwrap_or_default();
                coming.push(Upcoming { at: waiting.until, what: "The wait ends".to_owned(), then });
            }
        },
        State::Grace(grace) if grace.contested_at.is_none() => {
            let then = vec![format!("{} is done and cannot be undone", said(grace.action.word()))];
            coming.push(Upcoming { at: grace.until, what: "The grace period ends".to_owned(), then });
        }
        State::Grace(_) | State::Calling { .. } | State::Held { .. } | State::Stuck(_) | State::Closed => {}
    }
    coming.sort_by_key(|one| one.at);
    coming
}

/// Failed calls that are tried again.
fn retries(case: &Case) -> impl Iterator<Item = (Timestamp, String)> + '_ {
    let again = case.calls.values().filter(|call| {
        call.attempt > 0 && call.begun.is_none() && !matches!(call.purpose, Purpose::Read | Purpose::Look)
    });
    again.map(|call| (call.due, format!("{} is tried again", said(call.action.word()))))
}

/// Says where a decision of a review leads.
pub fn follow(policy: &Policy, step: &Step, decision: &str) -> Vec<String> {
    let begins = step.outcomes.get(&Ending::Decision(decision.to_owned()));
    begins.map(|from| follow_from(policy, *from)).unwrap_or_default()
}

/// Says what the steps from one on do, until one waits for people or the case ends.
fn follow_from(policy: &Policy, from: StepIndex) -> Vec<String> {
    let mut said = Vec::new();
    let mut next = Some(from);
    for _ in 0..FAR_ENOUGH {
        let Some(step) = next.and_then(|index| policy.step(index)) else { break };
        let (words, on) = of_step(step);
        said.extend(words.map(|words| {
            if step.condition.is_some() { format!("{words}, if its condition holds") } else { words }
        }));
        next = on;
    }
    said
}

/// What a step does, and the step after it if the case does not wait there.
fn of_step(step: &Step) -> (Option<String>, Option<StepIndex>) {
    match &step.verb {
        Verb::Verify(_) => (Some("The person is asked for proof".to_owned()), None),
        Verb::Review(review) => (Some(format!("The queue {} decides", review.queue)), None),
        Verb::Run { .. } => (Some("A script of the policy chooses the way".to_owned()), None),
        Verb::Act { .. } => (Some("A script of the policy chooses effects".to_owned()), step.next),
        Verb::Wait(_) => (Some("The case waits".to_owned()), None),
        Verb::Approve => (Some("The registration is approved".to_owned()), step.next),
        Verb::Reject { grace } => {
            (Some(format!("The registration is rejected after {} of grace", grace.length)), step.next)
        }
        Verb::Delete { grace } => (
            Some(format!("The account or registration is deleted after {} of grace", grace.length)),
            step.next,
        ),
        Verb::Do { target, .. } => (None, Some(*target)),
        Verb::RetryFrom { .. } => (Some("The person is asked again".to_owned()), None),
        Verb::Close { result } => (Some(format!("The case closes: {}", result.replace('_', " "))), None),
        Verb::Effect(effect) => (Some(of_effect(effect)), step.next),
    }
}

fn of_effect(effect: &Effect<Written>) -> String {
    let Effect::Notify(notify) = effect else { return said(effect.kind().word()) };
    let to = notify.to.iter().map(|to| match to {
        Recipient::Subject => "the person".to_owned(),
        Recipient::Manager => "the manager".to_owned(),
        Recipient::Team(team) => format!("the team {team}"),
    });
    format!("A mail to {}", to.collect::<Vec<_>>().join(", "))
}

/// An effect's word as the beginning of a sentence.
fn said(word: &str) -> String {
    let text = match EffectKind::of_word(word) {
        Some(EffectKind::Notify) => "a mail".to_owned(),
        Some(_) | None => word.replace('_', " "),
    };
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

/// Returns the orders that the state of a case allows now.
pub fn orders_allowed(case: &Case) -> Vec<Order> {
    let mut allowed = match &case.state {
        State::Verifying(_) => vec![Order::Remind, Order::Cancel],
        State::Reviewing(review) if review.assignee.is_some() => vec![Order::ReleaseClaim, Order::Cancel],
        State::Reviewing(_) => vec![Order::Claim, Order::Cancel],
        State::Held { .. } => vec![Order::Release, Order::Drop, Order::Cancel],
        State::Stuck(stuck) => {
            let undone = matches!(stuck.interrupted.as_deref(), Some(State::Grace(_)));
            let undo = undone && stuck.parked.iter().all(|(_, call)| !call.in_doubt);
            [Order::Retry].into_iter().chain(undo.then_some(Order::Undo)).chain([Order::Cancel]).collect()
        }
        State::Grace(_) => vec![Order::Undo, Order::Cancel],
        State::Calling { .. } | State::Waiting(_) => vec![Order::Cancel],
        State::Closed => Vec::new(),
    };
    if case.holds.iter().any(|hold| !hold.lifting) {
        allowed.push(Order::Lift);
    }
    allowed
}
