//! Steps in words.

use crate::api::steps::{EdgeCause, RevisionSource, StepEdge, StepLine};

use super::Taken;

/// The verb as people read it: `retry_from` becomes `retry from`.
pub(super) fn verb(step: &StepLine) -> String {
    step.verb.replace('_', " ")
}

/// What it is about, with the times that belong to it.
pub(super) fn about(step: &StepLine) -> String {
    let mut words = vec![step.about.clone()];
    words.extend(step.grace.map(|grace| format!("after {grace}")));
    words.extend(step.answer_within.map(|within| format!("({within})")));
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

/// The name of a step, as another one refers to it.
pub(super) fn name(step: &StepLine) -> String {
    if step.name == step.path { format!("{} {}", verb(step), about(step)) } else { step.name.clone() }
}

/// A step in a phrase.
pub(super) fn step(step: &StepLine) -> String {
    let mut said = String::new();
    if step.name != step.path {
        said.push_str(&format!("{}: ", step.name));
    }
    said.push_str(&verb(step));
    if !step.about.is_empty() {
        said.push_str(&format!(" {}", step.about));
    }
    if let Some(within) = step.answer_within {
        said.push_str(&format!(", answer within {within}"));
    }
    if let Some(grace) = step.grace {
        said.push_str(&format!(", after a grace of {grace}"));
    }
    if !step.only_if.is_empty() {
        said.push_str(&format!(", if {}", step.only_if.join(" and ")));
    }
    said
}

/// Every reachable step as a sentence with its ways on, in the order of the policy.
pub(super) fn all(source: &RevisionSource, taken: &Taken) -> Vec<String> {
    let mut reached = vec![source.first];
    let mut at = 0;
    while let Some(step) = reached.get(at).and_then(|at| source.steps.get(*at)) {
        for edge in &step.edges {
            if !reached.contains(&edge.to) {
                reached.push(edge.to);
            }
        }
        at += 1;
    }
    let steps = reached.iter().filter_map(|at| source.steps.get(*at));
    steps.map(|step| sentence(source, step, taken)).collect()
}

fn sentence(source: &RevisionSource, of: &StepLine, taken: &Taken) -> String {
    let state = match (taken.is_now(of), taken.has(of)) {
        (true, _) => "The case is here. ",
        (false, true) => "Done. ",
        (false, false) => "",
    };
    let ways: Vec<String> = of.edges.iter().filter_map(|edge| way(source, edge)).collect();
    let then = if ways.is_empty() { "The case ends.".to_owned() } else { format!("{}.", ways.join("; ")) };
    format!("{state}{}. {then}", step(of))
}

fn way(source: &RevisionSource, edge: &StepEdge) -> Option<String> {
    let to = name(source.steps.get(edge.to)?);
    Some(match (edge.via, &edge.outcome) {
        (EdgeCause::Outcome, Some(outcome)) => format!("{}: {to}", outcome.replace('_', " ")),
        (EdgeCause::LeftOut, _) => format!("if its condition is false: {to}"),
        (EdgeCause::Again, _) => format!("again from {to}"),
        (EdgeCause::UsedUp, _) => format!("when no tries are left: {to}"),
        (EdgeCause::Next | EdgeCause::Block | EdgeCause::Outcome, _) => format!("then {to}"),
    })
}
