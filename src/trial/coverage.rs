//! Measures which branches of a policy were walked: every outcome, both results of an `if`, and the end of every
//! `retry_from`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::story::{Happened, What};
use crate::case::Note;
use crate::policy::Policy;
use crate::policy::diagnostic::Place;
use crate::policy::graph::Via;
use crate::policy::tree::{Step, StepIndex};

const HOLDS: &str = "if holds";
const FAILS: &str = "if does not hold";
const OR_ELSE: &str = "or_else";
const AGAIN: &str = "again";

/// One branch of a step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Branch {
    /// The place of its first step.
    pub place: Place,
    pub step: String,
    pub outcome: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    pub branches: usize,
    pub walked: usize,
    /// In the order of the file.
    pub not_walked: Vec<Branch>,
    #[serde(skip)]
    pub walked_branches: Vec<Branch>,
}

/// The branches that the journals of several tests walked.
#[derive(Debug, Default)]
pub(super) struct Walked(BTreeSet<(String, String)>);

impl Walked {
    pub fn look(&mut self, policy: &Policy, story: &[Happened]) {
        let by_path: BTreeMap<&str, StepIndex> =
            policy.steps.iter().map(|step| (step.path.as_str(), step.index)).collect();
        let mut back: Option<&Step> = None;
        for happened in story {
            let What::Entry(entry) = &happened.what else { continue };
            let Some(path) = entry.step.as_deref() else { continue };
            let Some(step) = by_path.get(path).and_then(|index| policy.step(*index)) else { continue };
            match &entry.note {
                Note::StepEnded { outcome, .. } => self.add(path, outcome),
                Note::StepSkipped { .. } => {
                    self.arrived(back.take(), policy, step.index);
                    self.add(path, FAILS);
                }
                Note::StepBegan { .. } => {
                    self.arrived(back.take(), policy, step.index);
                    if step.condition.is_some() {
                        self.add(path, HOLDS);
                    }
                    back = Some(step);
                }
                _ => {}
            }
        }
    }

    /// Records the branch of a `retry_from` step.
    fn arrived(&mut self, from: Option<&Step>, policy: &Policy, at: StepIndex) {
        let Some(step) = from else { return };
        for edge in policy.on(step).iter().filter(|edge| edge.to == at) {
            match edge.via {
                Via::Again => self.add(&step.path, AGAIN),
                Via::UsedUp => self.add(&step.path, OR_ELSE),
                Via::Next | Via::LeftOut | Via::Block | Via::Outcome(_) => {}
            }
        }
    }

    fn add(&mut self, path: &str, outcome: &str) {
        self.0.insert((path.to_owned(), outcome.to_owned()));
    }

    pub fn coverage(&self, policy: &Policy) -> Coverage {
        let mut all = Vec::new();
        for step in &policy.steps {
            let place = |to: Option<StepIndex>| {
                to.and_then(|to| policy.step(to))
                    .map_or_else(|| step.place.clone(), |step| step.place.clone())
            };
            let mut branch = |to: Option<StepIndex>, outcome: &str| {
                let (place, step) = (place(to), step.path.clone());
                all.push(Branch { place, step, outcome: outcome.to_owned() });
            };
            if step.condition.is_some() {
                branch(None, HOLDS);
                branch(None, FAILS);
            }
            for edge in policy.on(step) {
                match &edge.via {
                    Via::Outcome(ending) => branch(Some(edge.to), ending.word()),
                    Via::Again => branch(None, AGAIN),
                    Via::UsedUp => branch(Some(edge.to), OR_ELSE),
                    Via::Next | Via::LeftOut | Via::Block => {}
                }
            }
        }
        let branches = all.len();
        all.sort();
        let walked = |branch: &Branch| self.0.contains(&(branch.step.clone(), branch.outcome.clone()));
        let (walked_branches, not_walked): (Vec<_>, Vec<_>) = all.into_iter().partition(walked);
        Coverage { branches, walked: walked_branches.len(), not_walked, walked_branches }
    }
}
