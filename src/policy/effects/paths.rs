//! Enumerates every chain of outcomes from the first step to an effect. Going back makes no new path: what is reachable
//! after it was reachable before.

use std::collections::{BTreeMap, BTreeSet};

use super::notified::{self, Notified};
use super::same::Known;
use super::site::{Site, sites};
use super::trail::{Mark, Trail};
use super::{Decided, Effect, Proof, Tries, Way};
use crate::model::{EffectKind, EventType};
use crate::policy::grammar::Rule;
use crate::policy::graph::{Edge, Via};
use crate::policy::outcome::{Ending, Meaning};
use crate::policy::tree::{Policy, Step, StepIndex, Trigger, Verb, Wait};

/// The maximum number of steps visited over all paths. Hand-written policies stay far below it.
const MOST: usize = 50_000;

type Found = BTreeMap<(Rule, String), BTreeMap<Vec<String>, Way>>;

/// A position on a path.
#[derive(Clone)]
struct Spot {
    at: StepIndex,
    path: Vec<String>,
    key: Vec<String>,
    proof: Proof,
    tries: Vec<Tries>,
    decided_by: Vec<Decided>,
    trail: Trail,
    notified: Notified,
}

/// Returns the effects ordered by gravity, and whether every path was followed to its end.
pub(super) fn all(policy: &Policy, known: &Known) -> (Vec<Effect>, bool) {
    let mut found = Found::new();
    let mut stack = vec![Spot {
        at: policy.graph.first,
        path: Vec::new(),
        key: Vec::new(),
        proof: at_first(policy),
        tries: Vec::new(),
        decided_by: Vec::new(),
        trail: Trail::default(),
        notified: Notified::default(),
    }];
    let mut visits = 0;
    while let Some(spot) = stack.pop() {
        visits += 1;
        if visits > MOST {
            unfollowed(policy, &mut found);
            return (listed(found, known), false);
        }
        let Some(step) = policy.step(spot.at) else { continue };
        for site in sites(policy, step) {
            let way = way(&spot, policy, step, &site, known);
            let ways = found.entry((site.verb, site.to)).or_default();
            // If one path has the effect twice, the one with less time counts.
            match ways.get(&way.path) {
                Some(other) if seconds(other) <= seconds(&way) => {}
                Some(_) | None => {
                    ways.insert(way.path.clone(), way);
                }
            }
        }
        stack.extend(after(policy, known, step, &spot));
    }
    (listed(found, known), true)
}

/// Returns the initial proof. A policy that only opens on a pass requests nothing.
fn at_first(policy: &Policy) -> Proof {
    let passed = |trigger: &Trigger| matches!(trigger, Trigger::Event(kind) if kind.as_str() == EventType::VERIFICATION_PASSED);
    if policy.when.iter().all(passed) { Proof::Given } else { Proof::Unasked }
}

fn way(spot: &Spot, policy: &Policy, step: &Step, site: &Site, known: &Known) -> Way {
    let only_if = clauses(step);
    let conditions = [spot.trail.conditions.as_slice(), &only_if].concat();
    let notified =
        if notified::is_end(step) { notified::around(policy, step, spot.notified) } else { spot.notified };
    Way {
        path: spot.path.clone(),
        step: step.path.clone(),
        grace: site.grace,
        decided_by: spot.decided_by.clone(),
        unproven: super::site::unproven(site.verb, &site.to, spot.proof),
        key: spot.key.clone(),
        if_key: known.texts(&conditions),
        tries: spot.tries.clone(),
        trail: Trail { conditions, ..spot.trail.clone() },
        body: site.body.clone(),
        notified,
        only_if,
    }
}

fn clauses(step: &Step) -> Vec<String> {
    step.condition.as_ref().map(super::super::script::Condition::clauses).unwrap_or_default()
}

fn seconds(way: &Way) -> i64 {
    way.grace.map_or(i64::MAX, super::diff::length)
}

/// Returns the limited effects that are reachable for a case at a step.
pub fn reachable(policy: &Policy, from: StepIndex) -> BTreeSet<EffectKind> {
    let steps = policy.graph.reached(from).into_iter().filter_map(|at| policy.step(at));
    steps.flat_map(|step| sites(policy, step)).filter_map(|site| site.verb.effect()).collect()
}

/// Returns the positions after a step.
fn after(policy: &Policy, known: &Known, step: &Step, spot: &Spot) -> Vec<Spot> {
    let notified = notified::after(policy, step, spot.notified);
    let on = |at: StepIndex| {
        let mut next = Spot { at, notified, ..spot.clone() };
        // The steps after a conditional step depend on its condition.
        next.trail.conditions.extend(clauses(step));
        next
    };
    let one = |edge: &Edge| match &edge.via {
        // What is reachable after going back was reachable before.
        Via::Again => None,
        Via::LeftOut => Some(past(known, step, spot, edge.to)),
        // A skipped mail makes no other path: the case continues at the same step.
        Via::Next => {
            let mut next = Spot { at: edge.to, notified, ..spot.clone() };
            if let Verb::Wait(Wait::Until(until)) = &step.verb {
                next.trail.conditions.push(format!("after {}", until.source()));
            }
            Some(next)
        }
        Via::Block => Some(on(edge.to)),
        Via::UsedUp => Some(used_up(policy, known, step, on(edge.to))),
        Via::Outcome(ending) => {
            let mut next = on(edge.to);
            next.path.push(format!("{} {}", step.name(), ending.word()));
            next.key.push(format!("{} {}", known.word(step.index), ending.word()));
            next.proof = proven(step, ending, spot.proof);
            next.trail.take(step, ending);
            next.decided_by.extend(decided(step, ending));
            Some(next)
        }
    };
    policy.on(step).iter().filter_map(one).collect()
}

/// Returns a reviewer's decision, if the outcome is one.
fn decided(step: &Step, ending: &Ending) -> Option<Decided> {
    let (Verb::Review(review), Ending::Decision(decision)) = (&step.verb, ending) else { return None };
    let (step, decision, queue) = (step.name().to_owned(), decision.clone(), review.queue.clone());
    Some(Decided { step, decision, queue, people: review.people.max(1) })
}

/// Returns the path on which a step has used up its retries.
fn used_up(policy: &Policy, known: &Known, step: &Step, mut next: Spot) -> Spot {
    if let Verb::RetryFrom { step: target, at_most, .. } = &step.verb {
        let of = policy.step(*target).map(Step::name).unwrap_or_default().to_owned();
        next.path.push(format!("{of} again {at_most} times"));
        next.key.push(format!("again {}", known.word(*target)));
        next.tries.push(Tries { of, at_most: *at_most });
        next.trail.marks.push(Mark::again(*target));
    }
    next
}

/// Returns the path past a step whose condition is false.
fn past(known: &Known, step: &Step, spot: &Spot, at: StepIndex) -> Spot {
    let (mut next, lines) = (Spot { at, ..spot.clone() }, clauses(step));
    next.path.push(format!("{} skipped", step.name()));
    next.key.push(format!("unless {}: {}", known.texts(&lines).join("; "), step.verb.word()));
    next.trail.conditions.push(format!("unless {}", lines.join("; ")));
    next
}

/// Returns the proof after an outcome.
fn proven(step: &Step, ending: &Ending, before: Proof) -> Proof {
    match step.meaning(ending) {
        Meaning::Passed | Meaning::Decided | Meaning::PassedElsewhere => Proof::Given,
        Meaning::Unsure | Meaning::NotPassed(_) => Proof::Failed,
        Meaning::Undecided | Meaning::Nothing => before,
    }
}

/// Lists the effects whose paths were not followed, because no effect may be missing from the sheet. The path names
/// only the step with the effect.
fn unfollowed(policy: &Policy, found: &mut Found) {
    for step in &policy.steps {
        for site in sites(policy, step) {
            let path = vec![format!("a path to {}", step.path)];
            let way = Way {
                path: path.clone(),
                step: step.path.clone(),
                grace: site.grace,
                decided_by: Vec::new(),
                only_if: Vec::new(),
                // The path is unknown and therefore counts as unproven.
                unproven: super::site::unproven(site.verb, &site.to, Proof::Unasked),
                key: path.clone(),
                if_key: Vec::new(),
                tries: Vec::new(),
                trail: Trail::default(),
                body: site.body.clone(),
                notified: Notified::default(),
            };
            found.entry((site.verb, site.to)).or_default().entry(path).or_insert(way);
        }
    }
}

fn listed(found: Found, known: &Known) -> Vec<Effect> {
    let effect = |((verb, to), ways): ((Rule, String), BTreeMap<Vec<String>, Way>)| {
        let mut ways: Vec<Way> = ways.into_values().collect();
        ways.sort_by(|a, b| (a.path.len(), &a.path).cmp(&(b.path.len(), &b.path)));
        Effect { verb, key: known.text(&to), to, paths: ways.len(), ways }
    };
    found.into_iter().map(effect).collect()
}
