//! The policies that run, and which of them an event concerns.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Event, EventType};
use crate::policy::tree::{Mode, Policy, Trigger};

/// The policies that run, indexed by what opens and what cancels their cases.
#[derive(Debug, Default)]
pub struct PolicySet {
    pub policies: BTreeMap<String, Arc<Policy>>,
    opened_by: BTreeMap<EventType, Vec<Arc<Policy>>>,
    cancelled_by: BTreeMap<EventType, Vec<Arc<Policy>>>,
}

impl PolicySet {
    pub fn new(policies: impl IntoIterator<Item = Arc<Policy>>) -> Self {
        let mut set = Self::default();
        for policy in policies {
            set.policies.insert(policy.name.clone(), policy);
        }
        for policy in set.policies.values() {
            for trigger in &policy.when {
                match trigger {
                    Trigger::Event(kind) => add(&mut set.opened_by, kind, policy),
                    Trigger::Manual | Trigger::Sweep(_) => {}
                }
            }
            for kind in &policy.cancel_when {
                add(&mut set.cancelled_by, kind, policy);
            }
        }
        set
    }

    /// Policies that a `when` of theirs names this event for (by type or by one of its other names) and
    /// whose subject kind is the event's. Clauses are not looked at; disabled policies open nothing.
    pub fn matching<'a>(&'a self, event: &Event) -> Vec<&'a Arc<Policy>> {
        let mut found = self.naming(event);
        found.retain(|policy| policy.mode != Mode::Disabled);
        found
    }

    /// The same with the disabled ones: what they would do if they were not.
    pub fn naming<'a>(&'a self, event: &Event) -> Vec<&'a Arc<Policy>> {
        let mut found = named(&self.opened_by, event);
        found.retain(|policy| policy.takes(&event.subject.source));
        found
    }

    /// Policies with an open-case interest in the event: their `cancel_when` names it. Disabled ones too,
    /// as their open cases go on.
    pub fn cancelled_by<'a>(&'a self, event: &Event) -> Vec<&'a Arc<Policy>> {
        named(&self.cancelled_by, event)
    }
}

type Index = BTreeMap<EventType, Vec<Arc<Policy>>>;

fn add(index: &mut Index, kind: &EventType, policy: &Arc<Policy>) {
    let policies = index.entry(kind.clone()).or_default();
    if !policies.iter().any(|other| Arc::ptr_eq(other, policy)) {
        policies.push(policy.clone());
    }
}

/// Each policy once, whichever of the event's names found it, in the order of their names.
fn named<'a>(index: &'a Index, event: &Event) -> Vec<&'a Arc<Policy>> {
    let names = std::iter::once(&event.kind).chain(&event.also);
    let found = names.filter_map(|kind| index.get(kind)).flatten();
    // Whom a custom event is about is said by the policy that names it.
    let custom = event.kind.as_str().starts_with("custom.");
    let fitting = found.filter(|policy| custom || policy.subject == event.subject.kind);
    let unique: BTreeMap<_, _> = fitting.map(|policy| (policy.name.as_str(), policy)).collect();
    unique.into_values().collect()
}
