//! From the graph of steps to a tree: each step is drawn where the fewest branches lead to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::api::steps::{EdgeCause, RevisionSource, StepEdge};

/// Steps that follow each other, and what comes after the last one.
#[derive(Debug)]
pub(super) struct Run {
    /// Indexes of steps; never empty.
    pub steps: Vec<usize>,
    pub branches: Vec<Branch>,
}

#[derive(Debug)]
pub(super) struct Branch {
    /// Empty: it only goes on.
    pub label: String,
    pub outcome: Option<String>,
    pub to: Target,
}

#[derive(Debug)]
pub(super) enum Target {
    Run(Run),
    /// A step that is drawn elsewhere.
    Elsewhere(usize),
}

struct Drawing<'a> {
    source: &'a RevisionSource,
    /// How many branches lead to a step at least.
    depths: BTreeMap<usize, usize>,
    drawn: BTreeSet<usize>,
}

/// Returns the tree of a revision; `None`: it has no step.
pub(super) fn of(source: &RevisionSource) -> Option<Run> {
    source.steps.get(source.first)?;
    let mut drawing = Drawing { source, depths: depths(source), drawn: BTreeSet::new() };
    Some(drawing.run(source.first, 0))
}

fn depths(source: &RevisionSource) -> BTreeMap<usize, usize> {
    let mut depths = BTreeMap::new();
    let mut todo = VecDeque::from([(source.first, 0)]);
    while let Some((at, depth)) = todo.pop_front() {
        let Some(step) = source.steps.get(at) else { continue };
        if depths.contains_key(&at) {
            continue;
        }
        depths.insert(at, depth);
        match step.edges.as_slice() {
            // Steps of one run come before those behind branches.
            [only] if straight(only) => todo.push_front((only.to, depth)),
            edges => todo.extend(edges.iter().map(|edge| (edge.to, depth + 1))),
        }
    }
    depths
}

fn straight(edge: &StepEdge) -> bool {
    match edge.via {
        EdgeCause::Next | EdgeCause::LeftOut | EdgeCause::Block => true,
        EdgeCause::Outcome | EdgeCause::Again | EdgeCause::UsedUp => false,
    }
}

impl Drawing<'_> {
    /// Whether a step is drawn behind this many branches.
    fn belongs(&self, at: usize, depth: usize) -> bool {
        self.depths.get(&at) == Some(&depth) && !self.drawn.contains(&at)
    }

    fn run(&mut self, first: usize, depth: usize) -> Run {
        let mut of = Run { steps: Vec::new(), branches: Vec::new() };
        let mut at = first;
        while let Some(step) = self.source.steps.get(at) {
            self.drawn.insert(at);
            of.steps.push(at);
            match step.edges.as_slice() {
                [] => break,
                [only] if straight(only) && self.belongs(only.to, depth) => at = only.to,
                edges => {
                    // In the order in which the policy writes the branches.
                    let mut edges: Vec<&StepEdge> = edges.iter().collect();
                    edges.sort_by_key(|edge| edge.to);
                    of.branches = edges.into_iter().map(|edge| self.branch(edge, depth + 1)).collect();
                    break;
                }
            }
        }
        of
    }

    fn branch(&mut self, edge: &StepEdge, depth: usize) -> Branch {
        let label = match edge.via {
            EdgeCause::Next | EdgeCause::Block => String::new(),
            EdgeCause::LeftOut => "if not".to_owned(),
            EdgeCause::Outcome => edge.outcome.clone().unwrap_or_default().replace('_', " "),
            EdgeCause::Again => "again".to_owned(),
            EdgeCause::UsedUp => "no tries left".to_owned(),
        };
        let to = if edge.via != EdgeCause::Again && self.belongs(edge.to, depth) {
            Target::Run(self.run(edge.to, depth))
        } else {
            Target::Elsewhere(edge.to)
        };
        Branch { label, outcome: edge.outcome.clone(), to }
    }
}
