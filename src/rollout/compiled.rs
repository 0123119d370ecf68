//! Stored revisions of policies, compiled: those that open cases still follow, and those that edits are compared with.
//! Explains why a revision is unloadable and what to do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::case::Case;
use crate::policy::diagnostic::{Diagnostic, Severity};
use crate::policy::{self, Known, Policy, Revision};
use crate::store::{self, PolicyDeed, PolicyOrder, Store};

use super::active::Running;

/// Why a policy is unusable at a revision.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The revision does not load; cases that follow it wait until it does.
    #[error("{0}")]
    Unloadable(String),
    #[error("{0}")]
    Store(#[from] store::Error),
}

/// A revision that no longer loads, for example because a name that it uses was removed from the configuration.
#[derive(Debug)]
pub struct Unloadable {
    /// Why, and what to do.
    pub why: String,
    /// The same policy, loaded without a check of names: enough to show a case's position, never to continue it.
    pub readable: Option<Arc<Policy>>,
}

/// A handle on the revisions. Clones share the compiled policies.
#[derive(Debug, Clone)]
pub struct Revisions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    known: Known,
    running: Running,
    compiled: Mutex<HashMap<Revision, Arc<Policy>>>,
    /// The names that revisions may use are fixed at start, so this holds until the daemon ends.
    unloadable: Mutex<HashMap<Revision, Arc<Unloadable>>>,
}

impl Revisions {
    pub(super) fn new(store: Store, known: Known, running: Running) -> Self {
        let (compiled, unloadable) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { store, known, running, compiled, unloadable }))
    }

    /// Returns a revision of a policy and keeps it compiled.
    pub fn get(&self, name: &str, revision: &Revision) -> Result<Arc<Policy>, PolicyError> {
        let policy = self.peek(name, revision)?;
        let mut compiled = self.0.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.insert(revision.clone(), Arc::clone(&policy));
        Ok(policy)
    }

    /// Returns a revision without keeping it compiled.
    pub(super) fn peek(&self, name: &str, revision: &Revision) -> Result<Arc<Policy>, PolicyError> {
        let compiled = self.0.compiled.lock().unwrap_or_else(PoisonError::into_inner).get(revision).cloned();
        if let Some(policy) = compiled {
            return Ok(policy);
        }
        let unloadable = |why: &str| {
            PolicyError::Unloadable(format!(
                "loading revision {} of policy {name} failed: {why}",
                revision.short()
            ))
        };
        let files = self.0.store.revision(revision)?;
        let files = files.ok_or_else(|| unloadable("its files are not in the store"))?;
        let loaded = policy::load(&files, &self.0.known);
        let policy = loaded.set.policies.get(name);
        policy.cloned().ok_or_else(|| unloadable("its files have errors in this version"))
    }

    /// Returns the policy of a case at the revision that the case opened with. An error explains what to do.
    pub fn of_case(&self, case: &Case) -> Result<Arc<Policy>, PolicyError> {
        let active = self.0.running.load();
        let running = active.set.policies.get(&case.policy);
        if let Some(policy) = running.filter(|policy| policy.revision == case.revision) {
            return Ok(Arc::clone(policy));
        }
        if let Some(known) = self.known_unloadable(&case.revision) {
            return Err(PolicyError::Unloadable(known.why.clone()));
        }
        self.get_or_advise(&case.policy, &case.revision)
    }

    /// Returns the policy to show a case's position, even if the case cannot continue with it.
    pub fn readable(&self, case: &Case) -> Option<Arc<Policy>> {
        let usable = self.of_case(case).ok();
        usable.or_else(|| self.known_unloadable(&case.revision)?.readable.clone())
    }

    /// Returns a revision to explain its verdicts, even if cases cannot follow it. It is not kept compiled.
    pub fn to_explain(&self, name: &str, revision: &Revision) -> Result<Arc<Policy>, PolicyError> {
        let running = self.0.running.load().set.policies.get(name).cloned();
        if let Some(policy) = running.filter(|policy| policy.revision == *revision) {
            return Ok(policy);
        }
        let error = match self.peek(name, revision) {
            Err(PolicyError::Unloadable(why)) => PolicyError::Unloadable(why),
            found => return found,
        };
        let Some(files) = self.0.store.revision(revision)? else { return Err(error) };
        let loaded = policy::load(&files, &self.0.known.of_any_configuration());
        loaded.set.policies.get(name).cloned().ok_or(error)
    }

    /// Returns a revision and keeps it compiled. An error explains what to do.
    pub(super) fn get_or_advise(&self, name: &str, revision: &Revision) -> Result<Arc<Policy>, PolicyError> {
        match self.get(name, revision) {
            Err(PolicyError::Unloadable(_)) => {
                let unloadable = self.unloadable(name, revision)?;
                Err(PolicyError::Unloadable(unloadable.why.clone()))
            }
            found => found,
        }
    }

    pub(super) fn known_unloadable(&self, revision: &Revision) -> Option<Arc<Unloadable>> {
        self.0.unloadable.lock().unwrap_or_else(PoisonError::into_inner).get(revision).cloned()
    }

    /// Returns why a revision is unloadable, and what to do.
    fn unloadable(&self, name: &str, revision: &Revision) -> Result<Arc<Unloadable>, store::Error> {
        if let Some(known) = self.known_unloadable(revision) {
            return Ok(known);
        }
        let (mut because, mut readable) = (None, None);
        if let Some(files) = self.0.store.revision(revision)? {
            let loaded = policy::load(&files, &self.0.known);
            because = loaded.diagnostics.iter().find(|found| stops(found, name)).map(sentence);
            let loaded = policy::load(&files, &self.0.known.of_any_configuration());
            readable = loaded.set.policies.get(name).cloned();
        }
        let because = because.unwrap_or_else(|| "its files are not in the store".to_owned());
        let put_right = if readable.is_some() {
            "put it back into proofd.yaml and restart the daemon"
        } else {
            "run the earlier version of proofd"
        };
        let why = format!(
            "loading revision {} of policy {name} failed: {because}; {put_right}, or move its open cases \
                to another revision with `proofd case migrate --policy {name}`",
            revision.short()
        );
        let unloadable = Arc::new(Unloadable { why, readable });
        let mut known = self.0.unloadable.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(revision.clone(), Arc::clone(&unloadable));
        Ok(unloadable)
    }

    /// Returns the last revision that ran of a policy that does not run.
    pub(super) fn ran_last(
        &self,
        name: &str,
        order: Option<&PolicyOrder>,
    ) -> Result<Option<Revision>, store::Error> {
        match order.and_then(named_by) {
            Some(revision) => Ok(Some(revision)),
            None => Ok(self.0.store.revisions(name)?.pop().map(|stored| stored.revision)),
        }
    }

    /// Returns the same, by the stored order.
    pub(super) fn last(&self, name: &str) -> Result<Option<Revision>, store::Error> {
        self.ran_last(name, self.0.store.policy_order(name)?.as_ref())
    }
}

/// Returns the revision that ran last, by the last order.
fn named_by(order: &PolicyOrder) -> Option<Revision> {
    match order.what {
        PolicyDeed::Gone | PolicyDeed::Edited | PolicyDeed::Returned | PolicyDeed::Dropped => {
            Some(order.revision.clone())
        }
        PolicyDeed::Parked | PolicyDeed::Passed | PolicyDeed::Superseded => order.over.clone(),
        PolicyDeed::Released | PolicyDeed::Reverted => None,
    }
}

fn sentence(found: &Diagnostic) -> String {
    format!("{}: {}", found.place, found.message)
}

/// Returns whether an error keeps this policy from running.
fn stops(found: &Diagnostic, name: &str) -> bool {
    found.severity == Severity::Error && found.policy.as_deref().is_none_or(|policy| policy == name)
}
