//! Describes a case in plain words: what it waits for and which decisions are open. Contains no personal data.

use std::collections::BTreeMap;

use super::state::{Case, Pending, State};
use crate::model::Timestamp;
use crate::policy::Policy;
use crate::policy::outcome::ContestOutcome;
use crate::policy::tree::{DecisionRule, StepIndex, Verb};

/// Returns the decisions that a person may take now; empty if none is awaited.
pub fn decisions_allowed(case: &Case, policy: &Policy) -> Vec<String> {
    match &case.state {
        State::Reviewing(reviewing) => match policy.step(reviewing.step).map(|step| &step.verb) {
            Some(Verb::Review(review)) => review.decisions.keys().cloned().collect(),
            Some(_) | None => Vec::new(),
        },
        State::Grace(grace) if grace.contested_at.is_some() => {
            ContestOutcome::WORDS.iter().map(|word| (*word).to_owned()).collect()
        }
        State::Grace(_)
        | State::Calling { .. }
        | State::Verifying(_)
        | State::Waiting(_)
        | State::Held { .. }
        | State::Stuck(_)
        | State::Closed => Vec::new(),
    }
}

/// Returns the decisions of a review with what each needs, and how many people must agree.
pub fn decision_rules<'a>(
    case: &Case,
    policy: &'a Policy,
) -> Option<(&'a BTreeMap<String, DecisionRule>, u32)> {
    let State::Reviewing(reviewing) = &case.state else { return None };
    let step = policy.step(reviewing.step)?;
    if let Verb::Review(review) = &step.verb { Some((&review.decisions, review.people)) } else { None }
}

/// Returns one sentence about what the case waits for, and about the current failure if there is one.
pub fn waiting_for(case: &Case, policy: &Policy) -> String {
    let awaited = awaited(case, policy);
    let failing = |pending: &Pending| Some((pending.action.word(), pending.last_failure.clone()?));
    match (&case.state, case.calls.values().find_map(failing)) {
        (State::Stuck(_) | State::Closed, _) | (_, None) => awaited,
        (_, Some((word, why))) => format!("{awaited} ({word}: {why})"),
    }
}

fn awaited(case: &Case, policy: &Policy) -> String {
    let at = |step: &StepIndex| policy.step(*step).map_or("?", |step| step.path.as_str()).to_owned();
    match &case.state {
        State::Calling { step, call } => match case.calls.get(call) {
            Some(pending) if pending.attempt > 0 && pending.begun.is_none() => {
                let (word, at, due) = (pending.action.word(), at(step), moment(pending.due));
                format!("{word} at {at}, to be tried again at {due}")
            }
            Some(pending) => format!("{} at {}", pending.action.word(), at(step)),
            None => format!("calls of {}", at(step)),
        },
        State::Verifying(proving) => match (proving.late_until, proving.captured_at, &proving.session) {
            (Some(until), _, _) => {
                format!("the provider's final result at {}, until {}", at(&proving.step), moment(until))
            }
            (None, Some(_), _) => format!("the provider's result at {}", at(&proving.step)),
            (None, None, _) if case.waits_for_provider(proving) => {
                let until = moment(proving.deadline);
                format!("an answer of the provider at {}, until {until}", at(&proving.step))
            }
            (None, None, Some(_)) => {
                format!(
                    "the person, who has a session open, at {}, until {}",
                    at(&proving.step),
                    moment(proving.deadline)
                )
            }
            (None, None, None) => {
                format!(
                    "the person's verification at {}, until {}",
                    at(&proving.step),
                    moment(proving.deadline)
                )
            }
        },
        State::Reviewing(reviewing) => {
            let given = match reviewing.given.len() {
                0 => String::new(),
                some => format!(" ({some} given, another person must agree)"),
            };
            let taken = match &reviewing.assignee {
                Some(assignee) => {
                    format!(", claimed by {} until {}", assignee.by.name, moment(assignee.until))
                }
                None => String::new(),
            };
            let (queue, until) = (&reviewing.queue, moment(reviewing.deadline));
            format!("a decision in the queue {queue} until {until}{given}{taken}")
        }
        State::Waiting(waiting) => match &waiting.event {
            Some(event) => {
                format!("{event} at {}, until {}", at(&waiting.step), moment(waiting.until))
            }
            None => format!("the time at {}, {}", at(&waiting.step), moment(waiting.until)),
        },
        State::Held { step, .. } => {
            format!("an administrator to release or drop {}: over its limit", at(step))
        }
        State::Stuck(stuck) => {
            format!("an operator to retry or cancel {}: {}", at(&stuck.step), stuck.reason)
        }
        State::Grace(grace) => match (grace.contested_at, grace.call) {
            (Some(_), _) => "a decision about an objection: undo or uphold".to_owned(),
            (None, Some(_)) => format!("{}, which is due", grace.action.word()),
            (None, None) => {
                format!("the end of grace before {}, {}", grace.action.word(), moment(grace.until))
            }
        },
        State::Closed => "nothing".to_owned(),
    }
}

fn moment(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}
