//! Finds valid input that has no effect, or another effect than its author probably meant. Checks only policies
//! without an error. Every finding is a warning: the policy runs.
//!
//! | file | what |
//! |---|---|
//! | `blind` | admissions by a verification that is compared with no registered field |
//! | `clauses` | conditions that can never hold or never fail; steps that end their own policy |
//! | `possible` | whether clauses contradict each other |
//! | `deciders` | reviews that no configured token may decide |
//! | `ends` | adverse ends without an objection, or that can hardly be undone |
//! | `head` | triggers, limits, retention and sweeps |
//! | `holds` | suspensions that no step lifts, or that outlast a pass |
//! | `conflicts` | conflicts between two policies, and subjects that no policy covers |
//! | `steps` | steps that do less than they state |
//! | `unproven` | admissions without a pass and without a reviewer's decision |
//! | `notification` | whether the person is notified of an adverse end, and how to object |
//! | `untested` | policies that can do harm and have no test |
//! | `unused` | unused definitions and files |

mod blind;
mod clauses;
mod conflicts;
mod deciders;
mod ends;
mod head;
mod holds;
mod notification;
mod possible;
mod steps;
mod unproven;
mod untested;
mod unused;

use std::cell::OnceCell;
use std::collections::BTreeSet;

use super::diagnostic::{Diagnostic, Place};
use super::files::Files;
use super::known::Known;
use super::source::{self, Data, Node};
use super::tree::{Policy, Step, StepIndex};

pub use conflicts::only_particular;

/// A policy with its file as written, which is read when a check needs it.
struct Seen<'a> {
    policy: &'a Policy,
    node: OnceCell<Node>,
}

impl Seen<'_> {
    fn node(&self) -> &Node {
        self.node.get_or_init(|| {
            let files = &self.policy.files;
            let path = files.0.keys().find(|path| path.ends_with("/policy.yaml"));
            let read = path.and_then(|path| source::read(path, files.get(path)?, &mut Vec::new()));
            read.unwrap_or_else(|| Node { place: Place::default(), data: Data::List(Vec::new()) })
        })
    }

    /// Returns the place of a value at the top of the file or under a key; without the value, the place of the name.
    fn at(&self, keys: &[&str]) -> Place {
        let mut node = self.node();
        for key in keys {
            match node.get(key) {
                Some(value) => node = value,
                None => return self.node().get("policy").unwrap_or(self.node()).place.clone(),
            }
        }
        node.place.clone()
    }

    fn items(&self, key: &str) -> &[Node] {
        self.node().get(key).and_then(Node::list).unwrap_or_default()
    }

    /// Builds a warning about this policy.
    fn warning(&self, place: Place, code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::warning(place, code, message).of_policy(&self.policy.name)
    }

    fn step(&self, at: StepIndex) -> Option<&Step> {
        self.policy.step(at)
    }

    /// Returns every step that can come after a step.
    fn later(&self, step: &Step) -> Vec<&Step> {
        self.policy.graph.later(step.index).into_iter().filter_map(|at| self.step(at)).collect()
    }

    /// Returns a step and the steps that follow without a choice.
    fn straight(&self, from: StepIndex) -> impl Iterator<Item = &Step> {
        self.policy.graph.straight(from).filter_map(|at| self.step(at))
    }
}

/// Checks one policy by itself.
pub fn alone(policy: &Policy, known: &Known) -> Vec<Diagnostic> {
    let (seen, mut found) = (see(policy), Vec::new());
    clauses::look(&seen, &mut found);
    ends::look(&seen, &mut found);
    head::look(&seen, &mut found);
    holds::look(&seen, &mut found);
    notification::look(&seen, &mut found);
    steps::look(&seen, &mut found);
    unproven::look(&seen, &mut found);
    if let Some(deciders) = &known.deciders {
        deciders::look(&seen, deciders, &mut found);
    }
    found
}

/// Checks all policies together. `sound`: the tree has no error; otherwise a definition that seems unused may be used by
/// a file that could not be read.
pub fn together<'a>(
    files: &Files,
    policies: impl Iterator<Item = &'a Policy>,
    sound: bool,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let seen: Vec<_> = policies.map(see).collect();
    blind::look(&seen, diagnostics);
    conflicts::look(&seen, diagnostics);
    if sound && !seen.is_empty() {
        diagnostics.extend(conflicts::uncovered(&seen));
        unused::look(files, &seen, diagnostics);
    }
}

/// Reports policies that can do harm and have no test.
pub fn untested<'a>(policies: impl Iterator<Item = &'a Policy>, tested: &BTreeSet<&str>) -> Vec<Diagnostic> {
    let without = policies.filter(|policy| !tested.contains(policy.name.as_str()));
    without.map(see).filter_map(|seen| untested::look(&seen)).collect()
}

fn see(policy: &Policy) -> Seen<'_> {
    Seen { policy, node: OnceCell::new() }
}

/// Returns the map that begins at a place, such as a step.
fn node_at<'a>(node: &'a Node, place: &Place) -> Option<&'a Node> {
    if node.place == *place && node.map().is_some() {
        return Some(node);
    }
    match &node.data {
        Data::Scalar(_) => None,
        Data::List(items) => items.iter().find_map(|item| node_at(item, place)),
        Data::Map(entries) => entries.iter().find_map(|(_, value)| node_at(value, place)),
    }
}
