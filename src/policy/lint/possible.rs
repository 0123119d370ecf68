//! Decides whether clauses can hold at all: enumerates the ways in which they could, and checks each for
//! contradictions. Expressions that are not understood forbid nothing. A "no" is therefore certain and a "yes" is not.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::policy::schema;
use crate::policy::script::{By, Claim, Comparison, judge};

/// The maximum number of ways that are checked; beyond it the clauses count as possible.
const MOST_WAYS: usize = 256;

/// The values that a field can have, where they are known.
pub type Domains<'a> = dyn Fn(&str) -> Option<Vec<Value>> + 'a;

/// A comparison, and whether it holds.
type Literal<'a> = (&'a Comparison, bool);

/// Reports whether a constraint can be true.
pub fn possible(claim: &Claim, domains: &Domains<'_>) -> bool {
    ways(claim, true).is_none_or(|ways| ways.iter().any(|way| consistent(way, domains)))
}

/// Reports whether a constraint can be false.
pub fn refutable(claim: &Claim, domains: &Domains<'_>) -> bool {
    ways(claim, false).is_none_or(|ways| ways.iter().any(|way| consistent(way, domains)))
}

/// Returns every way to make a constraint true (or false). None: too many.
fn ways(claim: &Claim, truth: bool) -> Option<Vec<Vec<Literal<'_>>>> {
    match (claim, truth) {
        (Claim::Is(is), _) => Some(if *is == truth { vec![Vec::new()] } else { Vec::new() }),
        (Claim::Unknown, _) => Some(vec![Vec::new()]),
        (Claim::Compare(comparison), _) => Some(vec![vec![(comparison, truth)]]),
        (Claim::Not(of), _) => ways(of, !truth),
        (Claim::All(parts), true) | (Claim::Any(parts), false) => {
            let mut found: Vec<Vec<Literal<'_>>> = vec![Vec::new()];
            for part in parts {
                let further = ways(part, truth)?;
                if found.len() * further.len() > MOST_WAYS {
                    return None;
                }
                let joined =
                    found.iter().flat_map(|way| further.iter().map(move |more| [&way[..], more].concat()));
                found = joined.collect();
            }
            Some(found)
        }
        (Claim::Any(parts), true) | (Claim::All(parts), false) => {
            let mut found = Vec::new();
            for part in parts {
                found.extend(ways(part, truth)?);
            }
            (found.len() <= MOST_WAYS).then_some(found)
        }
    }
}

fn consistent(way: &[Literal<'_>], domains: &Domains<'_>) -> bool {
    let mut by_path: BTreeMap<&str, Vec<Literal<'_>>> = BTreeMap::new();
    for literal in way {
        by_path.entry(&literal.0.path).or_default().push(*literal);
    }
    by_path.into_iter().all(|(path, literals)| one_field(path, &literals, domains))
}

/// Reports whether one field can satisfy all its comparisons.
fn one_field(path: &str, literals: &[Literal<'_>], domains: &Domains<'_>) -> bool {
    let holds = |(of, truth): &Literal<'_>, value: &Value| judge(of.by, value, &of.value) == Some(*truth);
    if literals.iter().any(|(of, _)| of.by == By::Has) {
        // Possible lists are not enumerated; only a direct contradiction is detected.
        let both = |(of, truth): &Literal<'_>| {
            literals.iter().any(|(other, no)| other.by == of.by && other.value == of.value && no != truth)
        };
        return !literals.iter().any(both);
    }
    let exact = literals.iter().find_map(|(of, truth)| match (of.by, truth) {
        (By::Equal, true) => Some(vec![of.value.clone()]),
        (By::Among, true) => of.value.as_array().cloned(),
        _ => None,
    });
    let range = schema::range(path);
    let candidates = match (exact, domains(path)) {
        (Some(exact), Some(domain)) => {
            Some(exact.into_iter().filter(|value| domain.contains(value)).collect::<Vec<_>>())
        }
        (exact, domain) => exact.or(domain),
    };
    match candidates {
        Some(candidates) => {
            let fits = |value: &&Value| match (range, value.as_f64()) {
                (Some((least, most)), Some(number)) => (least..=most).contains(&number),
                _ => true,
            };
            let mut fitting = candidates.iter().filter(fits);
            fitting.any(|value| literals.iter().all(|literal| holds(literal, value)))
        }
        None => bounds(literals, range.unwrap_or((f64::NEG_INFINITY, f64::INFINITY))),
    }
}

/// Reports whether the numeric bounds leave a possible value.
fn bounds(literals: &[Literal<'_>], range: (f64, f64)) -> bool {
    let (mut least, mut most) = ((range.0, false), (range.1, false));
    for (of, truth) in literals {
        let Some(number) = of.value.as_f64() else { continue };
        // (is it a lower bound, is the bound itself excluded)
        let (below, open) = match (of.by, truth) {
            (By::More, true) | (By::LessOrEqual, false) => (true, true),
            (By::MoreOrEqual, true) | (By::Less, false) => (true, false),
            (By::Less, true) | (By::MoreOrEqual, false) => (false, true),
            (By::LessOrEqual, true) | (By::More, false) => (false, false),
            _ => continue,
        };
        if below && (number > least.0 || (number == least.0 && open)) {
            least = (number, open);
        }
        if !below && (number < most.0 || (number == most.0 && open)) {
            most = (number, open);
        }
    }
    least.0 < most.0 || (least.0 == most.0 && !least.1 && !most.1)
}
