//! Files to a checked set of policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::files::Files;
use super::tree::Policy;
use crate::model::{Event, EventType};

/// Names that `proofd.yaml` defines and policies may use. Empty sets are not judged.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub endpoints: Option<Vec<String>>,
    pub systems: Option<Vec<String>>,
    pub providers: Option<Vec<String>>,
}

/// What loading a tree gave: the policies without an error, and everything that was found.
#[derive(Debug)]
pub struct Loaded {
    pub set: PolicySet,
    pub diagnostics: Vec<Diagnostic>,
    /// Every policy name that the tree declares, those with errors included.
    pub declared: Vec<String>,
}

/// The policies that run, indexed by what opens them.
#[derive(Debug, Default)]
pub struct PolicySet {
    pub policies: BTreeMap<String, Arc<Policy>>,
    by_type: BTreeMap<EventType, Vec<Arc<Policy>>>,
}

impl PolicySet {
    pub fn new(_policies: impl IntoIterator<Item = Arc<Policy>>) -> Self {
        Self::default()
    }

    /// Policies that a `when` of theirs names this event for (by type or by one of its other names) and
    /// whose subject kind is the event's. Clauses are not looked at.
    pub fn matching<'a>(&'a self, _event: &Event) -> Vec<&'a Arc<Policy>> {
        Vec::new()
    }

    /// Policies with an open-case interest in the event: their `cancel_when` names it.
    pub fn cancelled_by<'a>(&'a self, _event: &Event) -> Vec<&'a Arc<Policy>> {
        Vec::new()
    }
}

/// Loads a whole tree: every mistake of every file in one go. The same function serves the daemon's start,
/// its reloads, `proofd check` and an old revision's files out of the store.
pub fn load(_files: &Files, _known: &Known) -> Loaded {
    Loaded { set: PolicySet::default(), diagnostics: Vec::new(), declared: Vec::new() }
}
