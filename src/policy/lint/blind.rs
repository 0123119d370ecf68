//! Finds verifications that admit a person, or give something back, without a comparison with registered fields:
//! any person's document passes. Passes of other policies that a policy waits for or opens on are checked too.

use std::collections::BTreeSet;

use super::Seen;
use crate::model::EventType;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::effects::lets_in;
use crate::policy::graph::{Edge, Via};
use crate::policy::outcome::Meaning;
use crate::policy::tree::{Step, StepIndex, Trigger, Verb, Verify};

const PASSED: &str = EventType::VERIFICATION_PASSED;

/// A pass whose document was not compared with registered fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pass {
    /// The verification of this step.
    Own(StepIndex),
    /// A pass in another case that this step waited for; none: the pass that opened the case.
    Other(Option<StepIndex>),
}

pub fn look(all: &[Seen<'_>], diagnostics: &mut Vec<Diagnostic>) {
    // Any policy may wait for a pass that is not compared.
    let anywhere = all.iter().flat_map(|seen| seen.policy.verifies()).any(|(_, verify)| !compares(verify));
    for seen in all {
        policy(seen, anywhere, diagnostics);
    }
}

/// Reports whether at least one field must match. Optional fields do not count, because all of them may be missing.
fn compares(verify: &Verify) -> bool {
    verify.compare.iter().any(|field| !verify.optional.contains(field))
}

fn policy(seen: &Seen<'_>, anywhere: bool, diagnostics: &mut Vec<Diagnostic>) {
    let opens = |trigger: &Trigger| matches!(trigger, Trigger::Event(kind) if kind.as_str() == PASSED);
    let opened = anywhere && seen.policy.when.iter().any(opens);
    let blind = opened.then_some(Pass::Other(None));
    let graph = &seen.policy.graph;
    let spots = graph.walk(graph.first, blind, |at, blind, edge| {
        edge.is_forward().then(|| seen.step(at).map_or(*blind, |step| after(step, *blind, edge, anywhere)))
    });
    let mut reported = BTreeSet::new();
    for (at, blind) in spots {
        if let (Some(pass), Some(kind)) = (blind, seen.step(at).and_then(|step| lets_in(seen.policy, step)))
            && reported.insert((pass, kind))
        {
            diagnostics.extend(report(seen, pass, kind.word()));
        }
    }
}

fn report(seen: &Seen<'_>, pass: Pass, verb: &str) -> Option<Diagnostic> {
    let (place, message, help) = match pass {
        Pass::Own(at) => {
            let step = seen.step(at)?;
            let message = format!(
                "`{verb}` follows a pass of `{}`, which compares nothing with the registration; any \
                    document passes",
                step.name()
            );
            (step.place.clone(), message, "add compare: [first_name, last_name] under `verify`")
        }
        Pass::Other(at) => {
            let (place, after) = match at.and_then(|at| seen.step(at)) {
                Some(step) => (step.place.clone(), format!("the wait `{}`", step.name())),
                None => (seen.at(&["when"]), "the event that opens the case".to_owned()),
            };
            let message = format!(
                "`{verb}` follows {after} for `{PASSED}`, and a policy of the tree verifies without \
                    `compare`; any document passes"
            );
            (place, message, "add compare: [first_name, last_name] under every `verify`")
        }
    };
    Some(seen.warning(place, "uncompared", message).help(help))
}

/// Returns the uncompared pass after an edge of a step, if there is one.
fn after(step: &Step, before: Option<Pass>, edge: &Edge, anywhere: bool) -> Option<Pass> {
    let Via::Outcome(ending) = &edge.via else { return before };
    match step.meaning(ending) {
        Meaning::Passed | Meaning::Unsure => {
            let uncompared = matches!(&step.verb, Verb::Verify(verify) if !compares(verify));
            uncompared.then_some(Pass::Own(step.index))
        }
        // A missing pass is another finding, and a reviewer's decision takes precedence.
        Meaning::NotPassed(_) | Meaning::Decided => None,
        Meaning::PassedElsewhere => anywhere.then_some(Pass::Other(Some(step.index))),
        Meaning::Undecided | Meaning::Nothing => before,
    }
}
