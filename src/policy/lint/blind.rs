//! Verifications that let somebody in, or give something back, and are compared with nothing that is registered:
//! anybody's document passes. A pass of another policy that a policy waits for, or opens on, is looked at too.

use std::collections::BTreeSet;

use super::Seen;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::effects::lets_in;
use crate::policy::tree::{Step, StepIndex, Trigger, Verb, Verify, Wait};

const PASSED: &str = "verification.passed";

/// What somebody passed who may be anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pass {
    /// This step's verification.
    Own(StepIndex),
    /// Another case's, that this step waited for; none: that opened the case.
    Other(Option<StepIndex>),
}

/// A place on a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    at: StepIndex,
    blind: Option<Pass>,
}

pub fn look(all: &[Seen<'_>], diagnostics: &mut Vec<Diagnostic>) {
    // A pass that nobody compares, and that any policy may wait for.
    let anywhere = all
        .iter()
        .flat_map(|seen| &seen.policy.steps)
        .any(|step| matches!(&step.verb, Verb::Verify(verify) if !compares(verify)));
    for seen in all {
        policy(seen, anywhere, diagnostics);
    }
}

/// Whether at least one field has to agree. Fields that may be missing can all be.
fn compares(verify: &Verify) -> bool {
    verify.compare.iter().any(|field| !verify.optional.contains(field))
}

fn policy(seen: &Seen<'_>, anywhere: bool, diagnostics: &mut Vec<Diagnostic>) {
    let opens = |trigger: &Trigger| matches!(trigger, Trigger::Event(kind) if kind.as_str() == PASSED);
    let opened = anywhere && seen.policy.when.iter().any(opens);
    let (mut been, mut told) = (BTreeSet::new(), BTreeSet::new());
    let mut todo = vec![Spot { at: seen.policy.first, blind: opened.then_some(Pass::Other(None)) }];
    while let Some(spot) = todo.pop() {
        let Some(step) = seen.step(spot.at).filter(|_| been.insert(spot)) else { continue };
        if let (Some(pass), Some(verb)) = (spot.blind, lets_in(seen.policy, step))
            && told.insert((pass, verb))
        {
            diagnostics.extend(tell(seen, pass, verb));
        }
        todo.extend(after(seen, step, spot, anywhere));
    }
}

fn tell(seen: &Seen<'_>, pass: Pass, verb: &str) -> Option<Diagnostic> {
    let name = |step: &Step| step.id.as_ref().unwrap_or(&step.path).clone();
    let (place, message, help) = match pass {
        Pass::Own(at) => {
            let step = seen.step(at)?;
            let message = format!(
                "`{verb}` follows a pass of `{}`, and nothing of the document has to agree with what is \
                 registered: anybody's document passes",
                name(step)
            );
            (step.place.clone(), message, "write compare: [first_name, last_name] under `verify`")
        }
        Pass::Other(at) => {
            let (place, after) = match at.and_then(|at| seen.step(at)) {
                Some(step) => (step.place.clone(), format!("the wait `{}`", name(step))),
                None => (seen.at(&["when"]), "the event that opens the case".to_owned()),
            };
            let message = format!(
                "`{verb}` follows {after} for `{PASSED}`, and a policy here verifies people without `compare`: \
                 anybody's document passes there"
            );
            (place, message, "write compare: [first_name, last_name] under every `verify`")
        }
    };
    Some(seen.warning(place, "uncompared", message).help(help))
}

fn after(seen: &Seen<'_>, step: &Step, spot: Spot, anywhere: bool) -> Vec<Spot> {
    if step.outcomes.is_empty() {
        return seen.after(step).into_iter().map(|at| Spot { at, ..spot }).collect();
    }
    let branches = step.outcomes.iter().map(|(outcome, branch)| {
        let blind = match (&step.verb, outcome.as_str()) {
            (Verb::Verify(verify), "passed" | "warning") => {
                (!compares(verify)).then_some(Pass::Own(step.index))
            }
            // That nobody passed is another finding.
            (Verb::Verify(_), _) => None,
            // People have the last word.
            (Verb::Review(review), outcome) if review.decisions.contains_key(outcome) => None,
            (Verb::Wait(Wait::For { event, .. }), "happened") if event.as_str() == PASSED => {
                anywhere.then_some(Pass::Other(Some(step.index)))
            }
            _ => spot.blind,
        };
        Spot { at: *branch, blind }
    });
    let past = step.next.filter(|_| step.condition.is_some());
    branches.chain(past.map(|at| Spot { at, blind: spot.blind })).collect()
}
