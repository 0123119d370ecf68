//! The policies that run, swapped as a whole, and why other policies of the tree do not run.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::policy::{Policy, PolicySet};
use crate::store::Examined;

use super::back_tested::BackTest;
use super::edited::Edited;
use super::report::{PolicyState, Report};

/// The policies that run now.
#[derive(Debug, Default)]
pub struct Active {
    pub set: PolicySet,
    /// Good policies of the tree that do not run: parked, or replaced by a revert.
    pub waiting: BTreeMap<String, Arc<Policy>>,
    /// What the tests of the running policies covered when they passed.
    pub tests: BTreeMap<String, Examined>,
    /// What the tests of parked policies cover; all of them passed.
    pub waiting_tests: BTreeMap<String, Examined>,
    pub report: Report,
    /// The back-tests of parked revisions.
    pub back_tests: BTreeMap<String, Arc<BackTest>>,
    /// An edit that still needs a back-test, with all policies that differ.
    pub untested: Vec<Edited>,
}

/// Publishes the running set. Clones share it; readers never wait.
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

/// Logs which policies changed, and why others do not run.
pub(super) fn log_changes(before: &Active, active: &Active) {
    for policy in active.set.policies.values() {
        let old = before.set.policies.get(&policy.name);
        if old.is_none_or(|old| old.revision != policy.revision) {
            tracing::info!(
                policy = policy.name,
                revision = policy.revision.short(),
                mode = policy.mode.word(),
                "policy active"
            );
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
    /// Returns the problem of a tree that is unreadable or empty while older policies run.
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

    /// Returns the result of the last reload, for a status line.
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

    /// Returns `Ok` if policies are loaded, or the reason why no case can open.
    pub fn ready(&self) -> Result<(), String> {
        match &self.report.problem {
            Some(problem) if self.set.policies.is_empty() => Err(problem.clone()),
            _ if self.report.at.is_none() => Err("the policies are not loaded yet".to_owned()),
            // The last policy was removed: no case opens, and open cases continue.
            _ if self.report.ok && self.report.policies.is_empty() => Ok(()),
            _ if self.set.policies.is_empty() => Err("no policy of the tree is active".to_owned()),
            _ => Ok(()),
        }
    }
}
