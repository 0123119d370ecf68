//! The policies that run, swapped as a whole, and what keeps others of the tree from running.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::policy::{Policy, PolicySet};
use crate::store::Examined;

use super::back_tested::BackTest;
use super::edited::Edited;
use super::report::{PolicyState, Report};

/// What runs now.
#[derive(Debug, Default)]
pub struct Active {
    pub set: PolicySet,
    /// Good policies of the tree that do not run, and would otherwise: parked, or stood in for by a revert.
    pub waiting: BTreeMap<String, Arc<Policy>>,
    /// What the tests of what runs walked when they were good.
    pub tests: BTreeMap<String, Examined>,
    pub report: Report,
    /// Of those that wait, what they would have done in the recorded past.
    pub back_tests: BTreeMap<String, Arc<BackTest>>,
    /// An edit that is still to be back-tested, with everything that differs.
    pub untested: Vec<Edited>,
}

/// Where the set that runs is published. Clones share it; readers never wait.
#[derive(Debug, Clone, Default)]
pub(super) struct Running(Arc<ArcSwap<Active>>);

impl Running {
    pub fn load(&self) -> Arc<Active> {
        self.0.load_full()
    }

    pub fn swap(&self, next: Arc<Active>) {
        self.0.store(next);
    }
}

/// Logs what runs otherwise than before, and why others do not run.
pub(super) fn log_changes(before: &Active, active: &Active) {
    for policy in active.set.policies.values() {
        let old = before.set.policies.get(&policy.name);
        if old.is_none_or(|old| old.revision != policy.revision) {
            tracing::info!(policy = policy.name, revision = policy.revision.short(), mode = ?policy.mode,
                "policy active");
        }
    }
    for name in before.set.policies.keys().filter(|name| !active.set.policies.contains_key(*name)) {
        tracing::warn!(
            policy = name,
            "policy removed from the tree: it opens no cases, its open cases \
            continue"
        );
    }
    active.report.log();
}

impl Active {
    /// What is not as it should be while cases are served: the tree cannot be read, or is empty.
    pub fn tree_problem(&self) -> Option<String> {
        let problem = self.report.problem.as_ref()?;
        let since = self.report.problem_since.map(|at| at.format(" since %Y-%m-%d %H:%M:%S UTC").to_string());
        let names: Vec<_> = self.set.policies.keys().map(String::as_str).collect();
        Some(format!(
            "policies{}: {problem}; these policies keep running: {}",
            since.unwrap_or_default(),
            names.join(", ")
        ))
    }

    /// The result of the last look at the tree, for a status line.
    pub fn verdict(&self) -> String {
        let report = &self.report;
        match (&report.problem, report.ok) {
            (Some(problem), _) => format!("last reload failed: {problem}"),
            (None, true) => "last reload ok".to_owned(),
            (None, false) => {
                let kept =
                    report.policies.iter().filter(|policy| policy.state != PolicyState::Active).count();
                format!("last reload: {kept} of {} policies not as in the tree", report.policies.len())
            }
        }
    }

    /// Why no case can open; `Ok`: policies are loaded.
    pub fn ready(&self) -> Result<(), String> {
        match &self.report.problem {
            Some(problem) if self.set.policies.is_empty() => Err(problem.clone()),
            _ if self.report.at.is_none() => Err("the policies are not loaded yet".to_owned()),
            // The last policy was taken away: no case opens, and the open ones go on.
            _ if self.report.ok && self.report.policies.is_empty() => Ok(()),
            _ if self.set.policies.is_empty() => Err("no policy of the tree is active".to_owned()),
            _ => Ok(()),
        }
    }
}
