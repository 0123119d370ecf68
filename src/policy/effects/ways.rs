//! Every chain of outcomes from the first step to an effect. Going back is no new way: what can be reached
//! after it was reachable before.

use std::collections::{BTreeMap, BTreeSet};

use super::heard::{self, Heard};
use super::same::Known;
use super::site::{Site, rank, sites};
use super::trail::{AGAIN, Mark, Trail};
use super::{Decided, Effect, Proof, Tries, Way};
use crate::model::EffectKind;
use crate::policy::tree::{Policy, Step, StepIndex, Trigger, Verb, Wait};

/// Steps visited over all ways. Policies that people write stay far below it.
const MOST: usize = 50_000;

type Found = BTreeMap<(usize, &'static str, String), BTreeMap<Vec<String>, Way>>;

/// A place on a way.
#[derive(Clone)]
struct Spot {
    at: StepIndex,
    path: Vec<String>,
    key: Vec<String>,
    proof: Proof,
    tries: Vec<Tries>,
    decided_by: Vec<Decided>,
    trail: Trail,
    heard: Heard,
}

/// Effects in the order of their gravity, and whether every way was followed to its end.
pub(super) fn all(policy: &Policy, known: &Known) -> (Vec<Effect>, bool) {
    let mut found = Found::new();
    let mut stack = vec![Spot {
        at: policy.first,
        path: Vec::new(),
        key: Vec::new(),
        proof: at_first(policy),
        tries: Vec::new(),
        decided_by: Vec::new(),
        trail: Trail::default(),
        heard: Heard::default(),
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
            let ways = found.entry((rank(site.verb), site.verb, site.to)).or_default();
            // Twice along one path: the one that leaves less time counts.
            match ways.get(&way.path) {
                Some(other) if seconds(other) <= seconds(&way) => {}
                _ => {
                    ways.insert(way.path.clone(), way);
                }
            }
        }
        stack.extend(after(policy, known, step, &spot));
    }
    (listed(found, known), true)
}

/// A policy that only opens where somebody passed asks for nothing.
fn at_first(policy: &Policy) -> Proof {
    let passed = |trigger: &Trigger| matches!(trigger, Trigger::Event(kind) if kind.as_str() == PASSED);
    if policy.when.iter().all(passed) { Proof::Given } else { Proof::Unasked }
}

fn way(spot: &Spot, policy: &Policy, step: &Step, site: &Site, known: &Known) -> Way {
    let only_if = clauses(step);
    let conditions = [spot.trail.conditions.as_slice(), &only_if].concat();
    let heard = if heard::is_end(step) { heard::around(policy, step, spot.heard) } else { spot.heard };
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
        heard,
        only_if,
    }
}

fn clauses(step: &Step) -> Vec<String> {
    step.condition.as_ref().map(super::super::script::Condition::clauses).unwrap_or_default()
}

fn seconds(way: &Way) -> i64 {
    way.grace.map_or(i64::MAX, super::diff::length)
}

/// Limited effects that can still come of a case that is at a step.
pub fn reachable(policy: &Policy, from: StepIndex) -> BTreeSet<EffectKind> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    let mut found = BTreeSet::new();
    while let Some(at) = open.pop() {
        let Some(step) = policy.step(at).filter(|_| seen.insert(at)) else { continue };
        found.extend(sites(policy, step).iter().filter_map(|site| EffectKind::of_word(site.verb)));
        open.extend(step.next);
        open.extend(step.outcomes.values());
        match &step.verb {
            Verb::Do { target, .. } => open.push(*target),
            Verb::RetryFrom { step: target, or_else, .. } => open.extend([*target, *or_else]),
            _ => {}
        }
    }
    found
}

/// Where a way leads on from a step.
fn after(policy: &Policy, known: &Known, step: &Step, spot: &Spot) -> Vec<Spot> {
    let heard = heard::after(policy, step, spot.heard);
    let on = |at: StepIndex| {
        let mut next = Spot { at, heard, ..spot.clone() };
        // What is done under a condition is followed under it.
        next.trail.conditions.extend(clauses(step));
        next
    };
    match &step.verb {
        Verb::Close { .. } => past(known, step, spot),
        Verb::Do { target, .. } => std::iter::once(on(*target)).chain(past(known, step, spot)).collect(),
        Verb::RetryFrom { step: target, at_most, or_else } => {
            let (mut next, of) = (on(*or_else), name(policy, *target));
            next.path.push(format!("{of} again {at_most} times"));
            next.key.push(format!("again {}", known.word(*target)));
            next.tries.push(Tries { of, at_most: *at_most });
            next.trail.marks.push(Mark { step: *target, outcome: AGAIN.to_owned() });
            std::iter::once(next).chain(past(known, step, spot)).collect()
        }
        // Whether a mail was left out is no other way: the case goes on at the same step.
        verb if step.outcomes.is_empty() => {
            let mut next = Spot { heard, ..spot.clone() };
            if let Verb::Wait(Wait::Until(until)) = verb {
                next.trail.conditions.push(format!("after {}", until.source()));
            }
            step.next.map(|at| Spot { at, ..next }).into_iter().collect()
        }
        verb => {
            let mut ways = past(known, step, spot);
            for (outcome, branch) in &step.outcomes {
                let mut next = on(*branch);
                next.path.push(format!("{} {outcome}", name(policy, step.index)));
                next.key.push(format!("{} {outcome}", known.word(step.index)));
                next.proof = proven(verb, outcome, spot.proof);
                next.trail.take(step, outcome);
                if let Verb::Review(review) = verb
                    && review.decisions.contains_key(outcome)
                {
                    next.decided_by.push(Decided {
                        step: name(policy, step.index),
                        decision: outcome.clone(),
                        queue: review.queue.clone(),
                        people: review.people.max(1),
                    });
                }
                ways.push(next);
            }
            ways
        }
    }
}

/// The way past a step whose condition does not hold.
fn past(known: &Known, step: &Step, spot: &Spot) -> Vec<Spot> {
    let Some(at) = step.next.filter(|_| step.condition.is_some()) else { return Vec::new() };
    let (mut next, lines) = (Spot { at, ..spot.clone() }, clauses(step));
    next.path.push(format!("{} left out", step.id.as_ref().unwrap_or(&step.path)));
    next.key.push(format!("unless {}: {}", known.texts(&lines).join("; "), step.verb.word()));
    next.trail.conditions.push(format!("unless {}", lines.join("; ")));
    vec![next]
}

const PASSED: &str = "verification.passed";

/// What is known of the person after an outcome.
fn proven(verb: &Verb, outcome: &str, before: Proof) -> Proof {
    match verb {
        Verb::Verify(_) if outcome == "passed" => Proof::Given,
        Verb::Verify(_) => Proof::Failed,
        Verb::Review(review) if review.decisions.contains_key(outcome) => Proof::Given,
        Verb::Wait(Wait::For { event, .. }) if outcome == "happened" && event.as_str() == PASSED => {
            Proof::Given
        }
        _ => before,
    }
}

fn name(policy: &Policy, index: StepIndex) -> String {
    policy.step(index).map_or_else(String::new, |step| step.id.as_ref().unwrap_or(&step.path).clone())
}

/// Effects must not be missing because there are too many ways: those that were not reached are listed with
/// the step that does them as their only word.
fn unfollowed(policy: &Policy, found: &mut Found) {
    for step in &policy.steps {
        for site in sites(policy, step) {
            let path = vec![format!("somehow to {}", step.path)];
            let way = Way {
                path: path.clone(),
                step: step.path.clone(),
                grace: site.grace,
                decided_by: Vec::new(),
                only_if: Vec::new(),
                // Nothing is known of the way, so nobody can say that it was proven.
                unproven: super::site::unproven(site.verb, &site.to, Proof::Unasked),
                key: path.clone(),
                if_key: Vec::new(),
                tries: Vec::new(),
                trail: Trail::default(),
                body: site.body.clone(),
                heard: Heard::default(),
            };
            found.entry((rank(site.verb), site.verb, site.to)).or_default().entry(path).or_insert(way);
        }
    }
}

fn listed(found: Found, known: &Known) -> Vec<Effect> {
    let effect = |((_, verb, to), ways): ((usize, &'static str, String), BTreeMap<Vec<String>, Way>)| {
        let mut ways: Vec<Way> = ways.into_values().collect();
        ways.sort_by(|a, b| (a.path.len(), &a.path).cmp(&(b.path.len(), &b.path)));
        Effect { verb: verb.to_owned(), key: known.text(&to), to, paths: ways.len(), ways }
    };
    found.into_iter().map(effect).collect()
}
