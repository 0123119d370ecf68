//! The graph of a policy: its steps, and the edges from each step with their causes. Proofs, lints, the effects sheet,
//! mails, coverage and the back-test all walk this graph, which keeps them consistent.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::outcome::Ending;

/// An index into `Policy::steps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepIndex(pub u32);

/// The cause of taking an edge from a step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// The step is done or skipped.
    Next,
    /// The step branches or ends the path, and its `if` is false, so it is skipped.
    LeftOut,
    /// The step ended with this outcome.
    Outcome(Ending),
    /// `do` enters a block.
    Block,
    /// `retry_from` goes back.
    Again,
    /// `retry_from` has used up its retries.
    UsedUp,
}

/// One edge to a following step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    pub to: StepIndex,
    pub via: Via,
}

impl Edge {
    /// Reports whether the edge leads to a later step. Going back is bounded, and proves nothing new.
    pub fn is_forward(&self) -> bool {
        self.via != Via::Again
    }
}

#[derive(Debug)]
pub struct Graph {
    pub first: StepIndex,
    edges: Vec<Vec<Edge>>,
}

impl Graph {
    /// Builds the graph. `edges` holds the edges of each step, in the order of the steps.
    pub fn new(first: StepIndex, edges: Vec<Vec<Edge>>) -> Self {
        Self { first, edges }
    }

    /// Returns the edges of a step; empty if the case ends there.
    pub fn on(&self, at: StepIndex) -> &[Edge] {
        let at = usize::try_from(at.0).ok();
        at.and_then(|at| self.edges.get(at)).map_or(&[], Vec::as_slice)
    }

    /// Walks every path from a step with a state. `follow` returns the state after an edge, or none to not take the
    /// edge. Each step appears once for each distinct state in which it is reached.
    pub fn walk<S: Clone + Ord>(
        &self,
        from: StepIndex,
        known: S,
        mut follow: impl FnMut(StepIndex, &S, &Edge) -> Option<S>,
    ) -> Vec<(StepIndex, S)> {
        let (mut seen, mut order, mut todo) = (BTreeSet::new(), Vec::new(), vec![(from, known)]);
        while let Some(spot) = todo.pop() {
            if seen.insert(spot.clone()) {
                let (at, known) = &spot;
                todo.extend(
                    self.on(*at).iter().filter_map(|edge| Some((edge.to, follow(*at, known, edge)?))),
                );
                order.push(spot);
            }
        }
        order
    }

    /// Returns the steps that can be reached from a step, itself included, also by going back.
    pub fn reached(&self, from: StepIndex) -> BTreeSet<StepIndex> {
        self.walk(from, (), |_, (), _| Some(())).into_iter().map(|(at, ())| at).collect()
    }

    /// Returns the steps that can be reached from a step without going back, itself included.
    pub fn ahead(&self, from: StepIndex) -> BTreeSet<StepIndex> {
        let ahead = self.walk(from, (), |_, (), edge| edge.is_forward().then_some(()));
        ahead.into_iter().map(|(at, ())| at).collect()
    }

    /// Returns the steps that can come after a step, without going back.
    pub fn later(&self, than: StepIndex) -> BTreeSet<StepIndex> {
        let ways = self.on(than).iter().filter(|edge| edge.is_forward());
        ways.flat_map(|edge| self.ahead(edge.to)).collect()
    }

    /// Returns a step and the steps that follow without a choice: no outcome to wait for and no retry.
    pub fn straight(&self, from: StepIndex) -> impl Iterator<Item = StepIndex> {
        let mut left = self.edges.len();
        std::iter::successors(Some(from), move |at| {
            left = left.checked_sub(1)?;
            let mut only = None;
            for edge in self.on(*at) {
                match edge.via {
                    Via::Outcome(_) | Via::Again | Via::UsedUp => return None,
                    Via::Block => only = Some(edge.to),
                    Via::Next | Via::LeftOut => only = only.or(Some(edge.to)),
                }
            }
            only
        })
    }

    /// Returns, for each reachable step, the steps that every path to it has passed, without the step itself. The
    /// forward graph has no cycles, so one visit per step, predecessors first, is enough.
    pub fn passed(&self) -> BTreeMap<StepIndex, BTreeSet<StepIndex>> {
        let forward = |at: &StepIndex| self.on(*at).iter().filter(|edge| edge.is_forward());
        let mut waiting: BTreeMap<StepIndex, usize> = BTreeMap::new();
        for edge in self.ahead(self.first).iter().flat_map(forward) {
            *waiting.entry(edge.to).or_default() += 1;
        }
        let mut passed = BTreeMap::from([(self.first, BTreeSet::new())]);
        let mut todo = vec![self.first];
        while let Some(at) = todo.pop() {
            let mut here: BTreeSet<StepIndex> = passed.get(&at).cloned().unwrap_or_default();
            here.insert(at);
            for edge in forward(&at) {
                passed
                    .entry(edge.to)
                    .and_modify(|common: &mut BTreeSet<StepIndex>| common.retain(|step| here.contains(step)))
                    .or_insert_with(|| here.clone());
                if let Some(left) = waiting.get_mut(&edge.to) {
                    *left -= 1;
                    if *left == 0 {
                        todo.push(edge.to);
                    }
                }
            }
        }
        passed
    }
}
