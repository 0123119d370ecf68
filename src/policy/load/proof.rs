//! What is proved about a policy as a whole: no way round without end, `retry_from` only goes back to a
//! step that was passed on every way, every block is reached.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::Build;
use crate::policy::diagnostic::{Diagnostic, Severity, nearest};

/// More steps than this are generated, not written; the proofs stay quick below it.
const MOST_STEPS: usize = 2_000;

pub fn prove(build: &mut Build<'_>, first: Option<usize>, starts: &BTreeMap<String, usize>) {
    if build.spots.len() > MOST_STEPS {
        let place = build.spots.first().map(|spot| spot.place.clone()).unwrap_or_default();
        let message = format!("the policy has more than {MOST_STEPS} steps");
        return build.report(Diagnostic::error(place, "too-many-steps", message));
    }
    let Some(first) = first else { return };
    let edges = edges(build, starts);
    unreached(build, &reachable(&edges, first), starts);
    if !circles(build, &edges, starts) {
        retries(build, &edges, first);
    }
}

/// The ways forward from each step. `retry_from` itself is bounded and leads back; it is no way forward.
fn edges(build: &Build<'_>, starts: &BTreeMap<String, usize>) -> Vec<Vec<usize>> {
    let ways = build.spots.iter().map(|spot| {
        let block = spot.go.as_ref().and_then(|(name, _)| starts.get(name));
        spot.next.iter().chain(spot.branches.values()).chain(&spot.or_else).chain(block).copied().collect()
    });
    ways.collect()
}

fn reachable(edges: &[Vec<usize>], from: usize) -> BTreeSet<usize> {
    let (mut seen, mut todo) = (BTreeSet::new(), vec![from]);
    while let Some(at) = todo.pop() {
        if seen.insert(at) {
            todo.extend(edges.get(at).into_iter().flatten());
        }
    }
    seen
}

fn unreached(build: &mut Build<'_>, reached: &BTreeSet<usize>, starts: &BTreeMap<String, usize>) {
    // What led there may be the very step that cannot be read.
    if build.reports().iter().any(|found| found.severity == Severity::Error) {
        return;
    }
    let dead: Vec<_> = starts
        .iter()
        .filter(|(_, start)| !reached.contains(start))
        .filter_map(|(name, _)| Some((name, build.blocks.get(name)?)))
        .filter(|(_, block)| !block.shared)
        .map(|(name, block)| (block.place.clone(), format!("nothing leads to the block `{name}`")))
        .collect();
    for (place, message) in dead {
        let help = "lead to it with `do:`, or take it out";
        build.report(Diagnostic::warning(place, "unreached-block", message).help(help));
    }
}

/// Whether some `do` leads to a block that leads back to it.
fn circles(build: &mut Build<'_>, edges: &[Vec<usize>], starts: &BTreeMap<String, usize>) -> bool {
    let mut found = Vec::new();
    for (at, spot) in build.spots.iter().enumerate() {
        let Some((name, place)) = &spot.go else { continue };
        if starts.get(name).is_some_and(|start| reachable(edges, *start).contains(&at)) {
            let message = format!("the block `{name}` leads back here: a case could go round without end");
            let help = "go back with `retry_from`, which counts, or end the path";
            found.push(Diagnostic::error(place.clone(), "endless", message).help(help));
        }
    }
    let any = !found.is_empty();
    found.into_iter().for_each(|error| build.report(error));
    any
}

/// Each `retry_from` names a step that every way to it has passed.
fn retries(build: &mut Build<'_>, edges: &[Vec<usize>], first: usize) {
    let passed = passed(edges, first);
    let mut found = Vec::new();
    for (at, spot) in build.spots.iter().enumerate() {
        let Some((name, place)) = &spot.back else { continue };
        let target = build.spots.iter().position(|other| other.id.as_ref() == Some(name));
        let Some(target) = target else {
            let message = format!("there is no step with the id `{name}`");
            let help = nearest(name, build.ids.iter().map(|(id, _)| id.as_str()));
            found.push(Diagnostic::error(place.clone(), "unknown-name", message).help(help));
            continue;
        };
        // A step that nothing reaches has no way to judge; it is reported as unreached.
        if passed.get(&at).is_some_and(|passed| !passed.contains(&target)) {
            let message = format!("not every way to here passes the step `{name}`");
            let help = "go back to a step that lies before this one on every way";
            found.push(Diagnostic::error(place.clone(), "retry-target", message).help(help));
        }
    }
    found.into_iter().for_each(|error| build.report(error));
}

/// For each reached step, the steps that every way from the first one to it passes. Without circles one
/// look at each step, in an order in which its predecessors come first, is enough.
pub(super) fn passed(edges: &[Vec<usize>], first: usize) -> BTreeMap<usize, BTreeSet<usize>> {
    let reached = reachable(edges, first);
    let mut waiting: BTreeMap<usize, usize> = BTreeMap::new();
    for to in reached.iter().filter_map(|at| edges.get(*at)).flatten() {
        *waiting.entry(*to).or_default() += 1;
    }
    let mut passed = BTreeMap::from([(first, BTreeSet::new())]);
    let mut todo = vec![first];
    while let Some(at) = todo.pop() {
        let mut here: BTreeSet<usize> = passed.get(&at).cloned().unwrap_or_default();
        here.insert(at);
        for to in edges.get(at).into_iter().flatten() {
            passed
                .entry(*to)
                .and_modify(|common: &mut BTreeSet<usize>| common.retain(|step| here.contains(step)))
                .or_insert_with(|| here.clone());
            if let Some(left) = waiting.get_mut(to) {
                *left -= 1;
                if *left == 0 {
                    todo.push(*to);
                }
            }
        }
    }
    passed
}
