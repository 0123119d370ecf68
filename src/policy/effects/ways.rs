//! Every chain of outcomes from the first step to an effect. Going back is no new way: what can be reached
//! after it was reachable before.

use std::collections::{BTreeMap, BTreeSet};

use super::site::{rank, sites};
use super::{Decided, Effect, Way};
use crate::policy::tree::{LimitedAction, Policy, Step, StepIndex, Verb};

/// Steps visited over all ways. Policies that people write stay far below it.
const MOST: usize = 50_000;

/// A place on a way.
#[derive(Clone)]
struct Spot {
    at: StepIndex,
    path: Vec<String>,
    decided_by: Vec<Decided>,
}

/// Effects in the order of their gravity, and whether every way was followed to its end.
pub(super) fn all(policy: &Policy) -> (Vec<Effect>, bool) {
    let mut found: BTreeMap<(usize, &'static str, String), BTreeMap<Vec<String>, Way>> = BTreeMap::new();
    let mut stack = vec![Spot { at: policy.first, path: Vec::new(), decided_by: Vec::new() }];
    let mut visits = 0;
    while let Some(spot) = stack.pop() {
        visits += 1;
        if visits > MOST {
            unfollowed(policy, &mut found);
            return (listed(found), false);
        }
        let Some(step) = policy.step(spot.at) else { continue };
        for site in sites(policy, step) {
            let way = Way {
                path: spot.path.clone(),
                step: step.path.clone(),
                grace: site.grace,
                decided_by: spot.decided_by.clone(),
                only_if: step
                    .condition
                    .as_ref()
                    .map(super::super::script::Condition::clauses)
                    .unwrap_or_default(),
            };
            let ways = found.entry((rank(site.verb), site.verb, site.to)).or_default();
            // Twice along one path: the one that leaves less time counts.
            match ways.get(&way.path) {
                Some(other) if seconds(other) <= seconds(&way) => {}
                _ => {
                    ways.insert(way.path.clone(), way);
                }
            }
        }
        stack.extend(after(policy, step, &spot));
    }
    (listed(found), true)
}

fn seconds(way: &Way) -> i64 {
    way.grace.map_or(i64::MAX, super::diff::length)
}

/// Limited effects that can still come of a case that is at a step.
pub fn reachable(policy: &Policy, from: StepIndex) -> BTreeSet<LimitedAction> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    let mut found = BTreeSet::new();
    while let Some(at) = open.pop() {
        let Some(step) = policy.step(at).filter(|_| seen.insert(at)) else { continue };
        found.extend(sites(policy, step).iter().filter_map(|site| LimitedAction::of_word(site.verb)));
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
fn after(policy: &Policy, step: &Step, spot: &Spot) -> Vec<Spot> {
    let on = |at: StepIndex, word: Option<String>| {
        let mut next = Spot { at, ..spot.clone() };
        next.path.extend(word);
        next
    };
    let past = |word: Option<String>| step.next.map(|next| on(next, word));
    match &step.verb {
        Verb::Close { .. } => past_if(step, &past),
        Verb::Do { target, .. } => std::iter::once(on(*target, None)).chain(past_if(step, &past)).collect(),
        Verb::RetryFrom { step: target, at_most, or_else } => {
            let word = format!("{} again {at_most} times", name(policy, *target));
            std::iter::once(on(*or_else, Some(word))).chain(past_if(step, &past)).collect()
        }
        _ if step.outcomes.is_empty() => past(None).into_iter().collect(),
        verb => {
            let mut ways = past_if(step, &past);
            for (outcome, branch) in &step.outcomes {
                let mut next = on(*branch, Some(format!("{} {outcome}", name(policy, step.index))));
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

/// A step with an `if` can be left out.
fn past_if(step: &Step, past: &dyn Fn(Option<String>) -> Option<Spot>) -> Vec<Spot> {
    if step.condition.is_none() {
        return Vec::new();
    }
    let name = step.id.as_ref().unwrap_or(&step.path);
    past(Some(format!("{name} left out"))).into_iter().collect()
}

fn name(policy: &Policy, index: StepIndex) -> String {
    policy.step(index).map_or_else(String::new, |step| step.id.as_ref().unwrap_or(&step.path).clone())
}

/// Effects must not be missing because there are too many ways: those that were not reached are listed with
/// the step that does them as their only word.
fn unfollowed(
    policy: &Policy,
    found: &mut BTreeMap<(usize, &'static str, String), BTreeMap<Vec<String>, Way>>,
) {
    for step in &policy.steps {
        for site in sites(policy, step) {
            let path = vec![format!("somehow to {}", step.path)];
            let way = Way {
                path: path.clone(),
                step: step.path.clone(),
                grace: site.grace,
                decided_by: Vec::new(),
                only_if: Vec::new(),
            };
            found.entry((rank(site.verb), site.verb, site.to)).or_default().entry(path).or_insert(way);
        }
    }
}

fn listed(found: BTreeMap<(usize, &'static str, String), BTreeMap<Vec<String>, Way>>) -> Vec<Effect> {
    let effect = |((_, verb, to), ways): ((usize, &'static str, String), BTreeMap<Vec<String>, Way>)| {
        let mut ways: Vec<Way> = ways.into_values().collect();
        ways.sort_by(|a, b| (a.path.len(), &a.path).cmp(&(b.path.len(), &b.path)));
        Effect { verb: verb.to_owned(), to, paths: ways.len(), ways }
    };
    found.into_iter().map(effect).collect()
}
