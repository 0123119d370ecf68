//! Finds people who are admitted although they did not prove their identity and no reviewer decided. A policy that
//! admits people without requesting any proof does so on purpose, and is not reported.

use std::collections::BTreeSet;

use super::Seen;
use crate::model::{EffectKind, Nature};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::graph::{Edge, Via};
use crate::policy::outcome::{Meaning, ProofOutcome};
use crate::policy::tree::{Step, StepIndex, Verb};

/// An outcome without proof.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Unproven {
    verify: StepIndex,
    outcome: ProofOutcome,
    /// The `do` that continues the last branch, which the author wrote for this outcome.
    by: Option<StepIndex>,
}

pub fn look(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &seen.policy.graph;
    let spots = graph.walk(graph.first, None, |at, unproven, edge| {
        edge.is_forward().then(|| seen.step(at).and_then(|step| after(step, unproven.clone(), edge)))
    });
    let mut reported = BTreeSet::new();
    for (at, unproven) in spots {
        let (Some(step), Some(unproven)) = (seen.step(at), unproven) else { continue };
        if let Some(kind) = lets_in(&step.verb)
            && !(kind == EffectKind::Reinstate && unproven.outcome == ProofOutcome::Unavailable)
            && reported.insert((unproven.by.unwrap_or(at), kind))
        {
            diagnostics.extend(report(seen, step, &unproven, kind.word()));
        }
    }
}

fn lets_in(verb: &Verb) -> Option<EffectKind> {
    verb.effect().filter(|kind| *kind == EffectKind::Approve || kind.nature() == Nature::Lifts)
}

fn report(seen: &Seen<'_>, step: &Step, unproven: &Unproven, verb: &str) -> Option<Diagnostic> {
    let name = seen.step(unproven.verify)?.name();
    let outcome = unproven.outcome.word();
    let message = format!("`{verb}` follows `{name}: {outcome}` without a pass and without a decision");
    let help = "add a review before it, or remove it from this branch";
    let place = unproven.by.and_then(|by| seen.step(by)).unwrap_or(step).place.clone();
    Some(seen.warning(place, "unproven", message).help(help))
}

/// Returns the outcome without proof after an edge of a step, if there is one.
fn after(step: &Step, before: Option<Unproven>, edge: &Edge) -> Option<Unproven> {
    match &edge.via {
        Via::Outcome(ending) => match step.meaning(ending) {
            Meaning::NotPassed(outcome) => Some(Unproven { verify: step.index, outcome, by: None }),
            // A reviewer's decision takes precedence, and a warning of the provider may be acceptable.
            Meaning::Passed | Meaning::Unsure | Meaning::Decided | Meaning::PassedElsewhere => None,
            Meaning::Undecided | Meaning::Nothing => before.map(|before| Unproven { by: None, ..before }),
        },
        Via::Block => before.map(|before| Unproven { by: before.by.or(Some(step.index)), ..before }),
        Via::Next | Via::LeftOut | Via::Again | Via::UsedUp => before,
    }
}
