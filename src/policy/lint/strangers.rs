//! People who did not prove who they are, and are let in all the same, with nobody deciding it. A policy that
//! lets people in without asking for any proof means what it says, and is not told.

use crate::model::Nature;
use std::collections::BTreeSet;

use super::Seen;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::tree::{Step, StepIndex, Verb, Wait};

/// A place on a way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    at: StepIndex,
    unproven: Option<Unproven>,
}

/// An outcome that proved nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Unproven {
    verify: StepIndex,
    outcome: String,
    /// The `do` with which the last branch leads on: what somebody wrote for this very outcome.
    by: Option<StepIndex>,
}

pub fn look(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let (mut been, mut told) = (BTreeSet::new(), BTreeSet::new());
    let mut todo = vec![Spot { at: seen.policy.first, unproven: None }];
    while let Some(spot) = todo.pop() {
        let Some(step) = seen.step(spot.at).filter(|_| been.insert(spot.clone())) else { continue };
        if let (Some(unproven), Some(verb)) = (&spot.unproven, lets_in(&step.verb))
            && !(verb == "reinstate" && unproven.outcome == "unavailable")
            && told.insert((unproven.by.unwrap_or(step.index), verb))
        {
            diagnostics.extend(tell(seen, step, unproven, verb));
        }
        todo.extend(after(seen, step, &spot));
    }
}

fn lets_in(verb: &Verb) -> Option<&'static str> {
    match verb {
        Verb::Approve => Some("approve"),
        Verb::Effect(effect) if effect.kind().nature() == Nature::Lifts => Some(effect.kind().word()),
        _ => None,
    }
}

fn tell(seen: &Seen<'_>, step: &Step, unproven: &Unproven, verb: &str) -> Option<Diagnostic> {
    let verify = seen.step(unproven.verify)?;
    let name = verify.id.as_ref().unwrap_or(&verify.path);
    let outcome = &unproven.outcome;
    let message = format!("`{verb}` follows `{name}: {outcome}`: nobody passed, and nobody decides");
    let help = "put a review before it, or take it out of this branch";
    let place = unproven.by.and_then(|by| seen.step(by)).unwrap_or(step).place.clone();
    Some(seen.warning(place, "unproven", message).help(help))
}

fn after(seen: &Seen<'_>, step: &Step, spot: &Spot) -> Vec<Spot> {
    if step.outcomes.is_empty() {
        let mut unproven = spot.unproven.clone();
        if let (Verb::Do { .. }, Some(unproven)) = (&step.verb, &mut unproven) {
            unproven.by.get_or_insert(step.index);
        }
        return seen.after(step).into_iter().map(|at| Spot { at, unproven: unproven.clone() }).collect();
    }
    let branches = step.outcomes.iter().map(|(outcome, branch)| {
        let here = || Unproven { verify: step.index, outcome: outcome.clone(), by: None };
        let still = || spot.unproven.clone().map(|before| Unproven { by: None, ..before });
        let unproven = match (&step.verb, outcome.as_str()) {
            (Verb::Verify(_), "rejected" | "no_response" | "unavailable") => Some(here()),
            // People have the last word, and a doubt of the vendor may be good enough for somebody.
            (Verb::Verify(_), _) => None,
            (Verb::Review(review), outcome) if review.decisions.contains_key(outcome) => None,
            (Verb::Wait(Wait::For { event, .. }), "happened") if event.as_str() == "verification.passed" => {
                None
            }
            _ => still(),
        };
        Spot { at: *branch, unproven }
    });
    let past = step.next.filter(|_| step.condition.is_some());
    branches.chain(past.map(|at| Spot { at, unproven: spot.unproven.clone() })).collect()
}
