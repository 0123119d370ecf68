//! Proves properties of a whole policy: no endless cycle, `retry_from` only goes back to a step that every path has
//! passed, and every block is reachable.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::{Build, index};
use crate::policy::diagnostic::{Diagnostic, Severity, nearest};
use crate::policy::graph::{Graph, Via};
use crate::policy::tree::StepIndex;

/// The maximum number of steps. Larger policies are generated, not written, and would make the proofs slow.
const MOST_STEPS: usize = 2_000;

pub fn prove(build: &mut Build<'_>, graph: Option<&Graph>, starts: &BTreeMap<String, usize>) {
    if build.spots.len() > MOST_STEPS {
        let place = build.spots.first().map(|spot| spot.place.clone()).unwrap_or_default();
        let message = format!("the policy has more than {MOST_STEPS} steps");
        return build.report(Diagnostic::error(place, "too-many-steps", message));
    }
    let Some(graph) = graph else { return };
    unreached(build, &graph.ahead(graph.first), starts);
    if !circles(build, graph) {
        retries(build, graph);
    }
}

fn unreached(build: &mut Build<'_>, reached: &BTreeSet<StepIndex>, starts: &BTreeMap<String, usize>) {
    // The step that leads there may be the one with the error.
    if build.reports().iter().any(|found| found.severity == Severity::Error) {
        return;
    }
    let dead: Vec<_> = starts
        .iter()
        .filter(|(_, start)| index(**start).is_some_and(|start| !reached.contains(&start)))
        .filter_map(|(name, _)| Some((name, build.blocks.get(name)?)))
        .filter(|(_, block)| !block.shared)
        .map(|(name, block)| (block.place.clone(), format!("unreachable block `{name}`")))
        .collect();
    for (place, message) in dead {
        let help = "use it with `do:`, or remove it";
        build.report(Diagnostic::warning(place, "unreached-block", message).help(help));
    }
}

/// Reports every `do` to a block that leads back to it.
fn circles(build: &mut Build<'_>, graph: &Graph) -> bool {
    let mut found = Vec::new();
    for (spot, at) in build.spots.iter().zip(0..) {
        let (Some((name, place)), at) = (&spot.go, StepIndex(at)) else { continue };
        let block = graph.on(at).iter().find(|edge| edge.via == Via::Block);
        if block.is_some_and(|edge| graph.ahead(edge.to).contains(&at)) {
            let message = format!("cycle: the block `{name}` leads back here");
            let help = "use `retry_from`, which counts, or end the path";
            found.push(Diagnostic::error(place.clone(), "endless", message).help(help));
        }
    }
    let any = !found.is_empty();
    found.into_iter().for_each(|error| build.report(error));
    any
}

/// Checks that each `retry_from` names a step that every path to it has passed.
fn retries(build: &mut Build<'_>, graph: &Graph) {
    let passed = graph.passed();
    let mut found = Vec::new();
    for (spot, at) in build.spots.iter().zip(0..) {
        let (Some((name, place)), at) = (&spot.back, StepIndex(at)) else { continue };
        let Some(back) = graph.on(at).iter().find(|edge| edge.via == Via::Again) else {
            let message = format!("no step has the id `{name}`");
            let help = nearest(name, build.ids.iter().map(|(id, _)| id.as_str()));
            found.push(Diagnostic::error(place.clone(), "unknown-name", message).help(help));
            continue;
        };
        // A step that is not reachable has no path to check; it is reported as unreached.
        if passed.get(&at).is_some_and(|passed| !passed.contains(&back.to)) {
            let message = format!("not every path to this step passes `{name}`");
            let help = "use a step that every path to this one passes";
            found.push(Diagnostic::error(place.clone(), "retry-target", message).help(help));
        }
    }
    found.into_iter().for_each(|error| build.report(error));
}
