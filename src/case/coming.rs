//! What happens next to a case if nobody acts. Contains no personal data.

use super::state::{Case, State};
use crate::model::Timestamp;
use crate::policy::Policy;
use crate::policy::outcome::{Ending, ProofOutcome, ReviewOutcome, WaitOutcome};
use crate::policy::tree::{Effect, StepIndex, Verb};

/// Something that happens at a time unless the person or somebody else acts before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coming {
    pub at: Timestamp,
    /// A sentence.
    pub what: String,
}

/// Steps of a branch that are named; longer branches end with an ellipsis.
const NAMED: usize = 6;

/// Returns what happens next, earliest first; empty if only a person can continue the case.
pub fn coming(case: &Case, policy: &Policy) -> Vec<Coming> {
    let one = |at: Timestamp, what: String| Coming { at, what };
    let branch = |step: StepIndex, ending: Ending| branch(policy, step, ending);
    let mut all = match &case.state {
        State::Verifying(verifying) => {
            let end = verifying.late_until.unwrap_or(verifying.deadline);
            let reminder = verifying.remind_at.filter(|at| *at < end);
            let reminder = reminder.map(|at| one(at, "a reminder is sent".to_owned()));
            let expires = one(end, branch(verifying.step, Ending::Proof(ProofOutcome::NoResponse)));
            reminder.into_iter().chain([expires]).collect()
        }
        State::Reviewing(reviewing) => {
            let above = policy.step(reviewing.step).and_then(|step| {
                if let Verb::Review(review) = &step.verb { review.escalate.as_ref() } else { None }
            });
            let escalates = reviewing.escalate_at.zip(above);
            let escalates =
                escalates.map(|(at, above)| one(at, format!("the queue {} may decide too", above.queue)));
            let overdue = branch(reviewing.step, Ending::Review(ReviewOutcome::Overdue));
            escalates.into_iter().chain([one(reviewing.deadline, overdue)]).collect()
        }
        State::Waiting(waiting) if waiting.event.is_some() => {
            vec![one(waiting.until, branch(waiting.step, Ending::Wait(WaitOutcome::TimedOut)))]
        }
        State::Waiting(waiting) => {
            let next = policy.step(waiting.step).and_then(|step| step.next);
            vec![one(waiting.until, next.map_or_else(String::new, |next| steps(policy, next)))]
        }
        State::Grace(grace) if grace.contested_at.is_none() => {
            let word = grace.action.word().replace('_', " ");
            let next = policy.step(grace.step).and_then(|step| step.next);
            let then = next.map(|next| steps(policy, next)).unwrap_or_default();
            vec![one(grace.until, format!("{word} is carried out; {then}"))]
        }
        State::Calling { call, .. } => {
            let pending = case.calls.get(call).filter(|pending| pending.attempt > 0);
            let again = |word: &str| format!("{} is tried again", word.replace('_', " "));
            pending.map(|pending| one(pending.due, again(pending.action.word()))).into_iter().collect()
        }
        State::Grace(_) | State::Held { .. } | State::Stuck(_) | State::Closed => Vec::new(),
    };
    all.sort_by_key(|coming| coming.at);
    all
}

/// The branch of an outcome in words.
fn branch(policy: &Policy, at: StepIndex, ending: Ending) -> String {
    let word = ending.word().replace('_', " ");
    let first = policy.step(at).and_then(|step| step.outcomes.get(&ending));
    first.map_or_else(|| word.clone(), |first| format!("{word}: {}", steps(policy, *first)))
}

/// The steps from one on, until the case waits or ends.
fn steps(policy: &Policy, first: StepIndex) -> String {
    let mut words = Vec::new();
    let mut at = Some(first);
    while let Some(step) = at.and_then(|index| policy.step(index)) {
        if words.len() == NAMED {
            words.push("...".to_owned());
            break;
        }
        let mut ends = step.verb.waits();
        at = step.next;
        match &step.verb {
            Verb::Do { target, .. } => {
                at = Some(*target);
                continue;
            }
            Verb::Close { result } => {
                words.push(format!("the case closes as {result}"));
                ends = true;
            }
            Verb::RetryFrom { step, .. } => {
                let name = policy.step(*step).map_or("a step", |step| step.name());
                words.push(format!("{name} begins again"));
                ends = true;
            }
            Verb::Delete { grace } | Verb::Reject { grace } => {
                let length = grace.length;
                words.push(format!("{}, after {length} of grace", step.verb.word()));
            }
            Verb::Effect(Effect::Notify(notify)) => words.push(format!("mail {}", notify.template)),
            Verb::Review(review) => words.push(format!("a review in the queue {}", review.queue)),
            Verb::Verify(_) => words.push(format!("{} asks for a proof", step.name())),
            Verb::Run { .. } => {
                words.push(format!("{} decides how to go on", step.name()));
                ends = true;
            }
            Verb::Wait(_) | Verb::Act { .. } | Verb::Approve | Verb::Effect(_) => {
                words.push(step.verb.word().replace('_', " "));
            }
        }
        if ends {
            break;
        }
    }
    words.join(", ")
}
