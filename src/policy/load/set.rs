//! The set of running policies, and the lookup of policies for an event.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Event, EventType};
use crate::policy::tree::{Mode, Policy, Trigger};

/// The running policies, indexed by the events that open and cancel their cases.
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

    /// Returns the policies whose `when` names this event (by type or by an alternative type) and whose subject kind is
    /// the event's. Clauses are not evaluated; disabled policies are left out.
    pub fn matching<'a>(&'a self, event: &Event) -> Vec<&'a Arc<Policy>> {
        let mut found = self.naming(event);
        found.retain(|policy| policy.mode != Mode::Disabled);
        found
    }

    /// Returns the same including disabled policies, to show what they would do.
    pub fn naming<'a>(&'a self, event: &Event) -> Vec<&'a Arc<Policy>> {
        let mut found = named(&self.opened_by, event);
        found.retain(|policy| policy.takes(&event.subject.source));
        found
    }

    /// Returns the policies whose `cancel_when` names the event, including disabled ones, whose open cases continue.
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

/// Returns each policy once, even if several of the event's types match, ordered by policy name.
fn named<'a>(index: &'a Index, event: &Event) -> Vec<&'a Arc<Policy>> {
    let names = std::iter::once(&event.kind).chain(&event.also);
    let found = names.filter_map(|kind| index.get(kind)).flatten();
    // The policy that names a custom event determines its subject kind.
    let custom = event.kind.as_str().starts_with("custom.");
    let fitting = found.filter(|policy| custom || policy.subject == event.subject.kind);
    let unique: BTreeMap<_, _> = fitting.map(|policy| (policy.name.as_str(), policy)).collect();
    unique.into_values().collect()
}
