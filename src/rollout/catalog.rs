//! Looks up and shows revisions of policies: the effects of each, and the differences. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::api::policies::{Covered, RevisionDiff, RevisionLine, RevisionSheet};
use crate::api::steps::RevisionSource;
use crate::policy::effects::{diff, effects};
use crate::policy::{Policy, Revision};
use crate::store::{self, Store};

use super::active::{Active, Running};
use super::compiled::{PolicyError, Revisions};

/// Why a lookup has no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoRevision {
    #[error("no such policy; `proofd policy list` lists them")]
    NoPolicy,
    /// The requested revision does not exist, or the action is not possible now.
    #[error("{0}")]
    No(String),
    #[error("{0}")]
    Store(#[from] store::Error),
}

/// A policy that is no longer in the tree and has open cases.
#[derive(Debug)]
pub struct Gone {
    pub name: String,
    /// The newest revision that ran.
    pub revision: Option<Revision>,
    pub open_cases: u64,
}

/// A handle on lookups.
#[derive(Debug, Clone)]
pub struct Catalog {
    pub(super) store: Store,
    pub(super) running: Running,
    pub(super) revisions: Revisions,
}

impl Catalog {
    /// Finds a revision by the first digits of its hash, or `running`, `waiting` or `last` (the one that runs or ran
    /// last).
    pub fn at(&self, name: &str, which: &str) -> Result<Arc<Policy>, NoRevision> {
        let active = self.running.load();
        let (running, waiting) = (active.set.policies.get(name), active.waiting.get(name));
        let stored: BTreeSet<Revision> =
            self.store.revisions(name)?.into_iter().map(|stored| stored.revision).collect();
        if running.is_none() && waiting.is_none() && stored.is_empty() {
            return Err(NoRevision::NoPolicy);
        }
        match which {
            "running" => {
                return running.cloned().ok_or_else(|| {
                    no(&format!(
                        "policy {name} is not active; `proofd policy show {name}` shows the last active \
                            revision"
                    ))
                });
            }
            "waiting" => return waiting.cloned().ok_or_else(|| no("no revision is parked")),
            "last" => {
                let last = || {
                    self.revisions.last(name)?.ok_or_else(|| no(&format!("policy {name} was never active")))
                };
                return running.cloned().map_or_else(|| self.load(name, &last()?), Ok);
            }
            _ => {}
        }
        let at_hand = running.into_iter().chain(waiting).find(|policy| matches(&policy.revision, which));
        let mut found = stored.into_iter().filter(|revision| matches(revision, which));
        match (found.next(), found.next(), at_hand) {
            (None, _, Some(policy)) => Ok(Arc::clone(policy)),
            (None, _, None) => Err(no(&format!("policy {name} has no revision {which}"))),
            (Some(_), Some(_), _) => {
                Err(no(&format!("several revisions start with {which}; use more digits")))
            }
            (Some(revision), None, _) => self.load(name, &revision),
        }
    }

    /// Loads a stored revision, to show or to run it.
    fn load(&self, name: &str, revision: &Revision) -> Result<Arc<Policy>, NoRevision> {
        self.revisions.get_or_advise(name, revision).map_err(|error| match error {
            PolicyError::Unloadable(why) => NoRevision::No(why),
            PolicyError::Store(error) => no(&error.to_string()),
        })
    }

    /// Finds a revision to which an open case may be moved. A parked revision is released first: a case must not follow
    /// a revision that was never allowed to run.
    pub fn that_ran(&self, name: &str, which: &str) -> Result<Arc<Policy>, NoRevision> {
        let policy = self.at(name, which)?;
        if self.ran(name, &policy.revision)? {
            return Ok(policy);
        }
        Err(no(&format!("revision {} is parked", policy.revision.short())))
    }

    /// Returns whether a revision ever ran.
    pub(super) fn ran(&self, name: &str, revision: &Revision) -> Result<bool, store::Error> {
        Ok(self.store.revisions(name)?.iter().any(|stored| stored.revision == *revision))
    }

    /// Returns policies that are no longer in the tree and have open cases.
    pub fn gone(&self) -> Result<Vec<Gone>, store::Error> {
        let active = self.running.load();
        let mut open: BTreeMap<String, u64> = BTreeMap::new();
        for ((policy, _), count) in self.store.open_counts()? {
            *open.entry(policy).or_default() += count;
        }
        let there = |name: &str| active.report.policies.iter().any(|status| status.name == name);
        let gone = open.into_iter().filter(|(name, count)| *count > 0 && !there(name));
        gone.map(|(name, open_cases)| Ok(Gone { revision: self.revisions.last(&name)?, name, open_cases }))
            .collect()
    }

    /// Returns how to restore a policy that does not run.
    fn way_back(&self, name: &str) -> Result<Vec<String>, store::Error> {
        let active = self.running.load();
        let in_tree = active.report.policies.iter().any(|status| status.name == name);
        if in_tree || active.set.policies.contains_key(name) {
            return Ok(Vec::new());
        }
        let open = self
            .store
            .open_counts()?
            .iter()
            .filter(|((policy, _), _)| policy == name)
            .map(|(_, count)| count)
            .sum();
        Ok(vec![format!(
            "the policy is gone from the tree: it opens no cases, {} continue. To restore it, put these \
                files back into the tree and run `proofd policy reload`; then `proofd policy revert` can \
                activate an older revision",
            open_cases(open)
        )])
    }

    /// Returns the effects of one revision.
    pub fn sheet(&self, name: &str, which: &str) -> Result<RevisionSheet, NoRevision> {
        let policy = self.at(name, which)?;
        let active = self.running.load();
        let effects = effects(&policy);
        Ok(RevisionSheet {
            policy: name.to_owned(),
            revision: policy.revision.0.clone(),
            status: active.report.policies.iter().find(|status| status.name == name).map(Into::into),
            runs: active.set.policies.get(name).is_some_and(|runs| runs.revision == policy.revision),
            text: effects.to_string(),
            notes: self.way_back(name)?,
            tests: tests(&active, &policy),
            effects: effects.into(),
            files: policy.files.0.keys().cloned().collect(),
            foreseen: active
                .back_tests
                .get(name)
                .filter(|test| test.revision == policy.revision)
                .map(|test| test.past.as_ref().into()),
        })
    }

    /// Returns the files and the steps of one revision.
    pub fn source(&self, name: &str, which: &str) -> Result<RevisionSource, NoRevision> {
        Ok(RevisionSource::from(self.at(name, which)?.as_ref()))
    }

    /// Returns how the effects of another revision differ.
    pub fn diff(&self, name: &str, from: &str, to: &str) -> Result<RevisionDiff, NoRevision> {
        let (from, to) = (self.at(name, from)?, self.at(name, to)?);
        let effects = diff(Some(&effects(&from)), Some(&effects(&to)));
        Ok(RevisionDiff {
            policy: name.to_owned(),
            from: from.revision.0.clone(),
            to: to.revision.0.clone(),
            text: effects.to_string(),
            effects: effects.into(),
            files: files(Some(&from), Some(&to)),
        })
    }

    /// Returns every stored revision of a policy, newest first.
    pub fn list(&self, name: &str) -> Result<Vec<RevisionLine>, store::Error> {
        let active = self.running.load();
        let runs = active.set.policies.get(name).map(|policy| policy.revision.clone());
        let stored = self.store.revisions(name)?.into_iter();
        let mut lines: Vec<_> = stored
            .map(|stored| RevisionLine {
                active: runs.as_ref() == Some(&stored.revision),
                revision: stored.revision.0,
                at: stored.at,
                files: stored.files.into_keys().collect(),
            })
            .collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.at));
        Ok(lines)
    }
}

/// Returns what the tests of a revision cover, if it runs or is parked.
fn tests(active: &Active, policy: &Policy) -> Option<Covered> {
    let is = |other: Option<&Arc<Policy>>| other.is_some_and(|other| other.revision == policy.revision);
    let (running, waiting) = (active.set.policies.get(&policy.name), active.waiting.get(&policy.name));
    let tests = match (is(running), is(waiting)) {
        (true, _) => active.tests.get(&policy.name),
        (false, true) => active.waiting_tests.get(&policy.name),
        (false, false) => None,
    };
    tests.map(Into::into)
}

pub(super) fn no(why: &str) -> NoRevision {
    NoRevision::No(why.to_owned())
}

fn open_cases(count: u64) -> String {
    if count == 1 { "1 open case".to_owned() } else { format!("{count} open cases") }
}

/// Returns whether the digits identify the revision; at least four are needed.
pub(super) fn matches(revision: &Revision, start: &str) -> bool {
    start.len() >= 4 && revision.0.starts_with(start)
}

pub(super) fn files(from: Option<&Policy>, to: Option<&Policy>) -> String {
    let text = |policy: Option<&Policy>, path: &str| {
        let bytes = policy.and_then(|policy| policy.files.get(path));
        bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    };
    let paths: BTreeSet<&String> =
        from.into_iter().chain(to).flat_map(|policy| policy.files.0.keys()).collect();
    let mut shown = String::new();
    for path in paths {
        if let Some(to) = to.filter(|to| to.files.get(path).is_none()) {
            // A diff would show the file as removed; other policies may still use it.
            let _ = writeln!(shown, "{path}: {} no longer uses it", to.name);
            continue;
        }
        let (old, new) = (text(from, path), text(to, path));
        if old != new {
            let lines = similar::TextDiff::from_lines(&old, &new);
            let _ =
                write!(shown, "{}", lines.unified_diff().header(&format!("a/{path}"), &format!("b/{path}")));
        }
    }
    shown
}
