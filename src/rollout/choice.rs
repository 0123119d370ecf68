//! The choice of the revision of each policy, as data: the result of a reload before it is stored and swapped in. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Timestamp;
use crate::policy::Policy;
use crate::store::{PolicyDeed, PolicyOrder};

use super::edited::{Edited, Newly};
use super::report::{PolicyState, PolicyStatus};

/// The choice for one policy.
#[derive(Debug)]
pub(super) struct ActiveRevision {
    pub name: String,
    pub runs: Option<Arc<Policy>>,
    pub state: PolicyState,
    pub why: Vec<String>,
    pub waiting: Option<Arc<Policy>>,
    /// The order to store for it.
    pub order: Option<PolicyOrder>,
    /// The edit to back-test before it runs: the running and the new revision.
    pub edited: Option<Edited>,
}

impl ActiveRevision {
    pub fn of(name: &str, runs: Option<Arc<Policy>>, state: PolicyState) -> Self {
        Self { name: name.to_owned(), runs, state, why: Vec::new(), waiting: None, order: None, edited: None }
    }
}

/// The choice for all policies.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub runs: Vec<Arc<Policy>>,
    pub statuses: Vec<PolicyStatus>,
    pub waiting: BTreeMap<String, Arc<Policy>>,
    pub orders: Vec<PolicyOrder>,
    /// Edits that are back-tested before they run.
    pub edited: Vec<Edited>,
}

impl Chosen {
    pub fn add(&mut self, chosen: ActiveRevision) {
        let ActiveRevision { name, runs, state, why, waiting, order, edited } = chosen;
        self.statuses.push(PolicyStatus {
            name: name.clone(),
            title: runs.as_ref().map(|policy| policy.title.clone()),
            mode: runs.as_ref().map(|policy| policy.mode),
            revision: runs.as_ref().map(|policy| policy.revision.clone()),
            state,
            why,
            waiting: waiting.as_ref().map(|policy| policy.revision.clone()),
        });
        self.runs.extend(runs);
        self.waiting.extend(waiting.map(|policy| (name, policy)));
        self.orders.extend(order);
        self.edited.extend(edited);
    }

    /// Applies a back-test. If it has reasons against an edit, the previous revision runs until a person releases the
    /// edit.
    pub fn park(&mut self, edited: &Edited, why: &[String], newly: Newly, at: Timestamp) {
        let Some(status) = self.statuses.iter_mut().find(|status| status.name == edited.name) else { return };
        if edited.judged {
            return;
        }
        let new: Vec<String> = why.iter().filter(|why| !status.why.contains(why)).cloned().collect();
        let holds = status.state == PolicyState::Active && !new.is_empty();
        // Recorded effects come before possible ones.
        status.why.splice(0..0, new);
        let passes = status.state == PolicyState::Active && !newly.is_empty();
        let Some(after) = edited.after.as_ref().filter(|_| holds || passes) else { return };
        self.orders.push(PolicyOrder {
            policy: edited.name.clone(),
            what: if holds { PolicyDeed::Parked } else { PolicyDeed::Passed },
            revision: after.revision.clone(),
            // If it does not run, the revision that ran last stays known.
            over: edited.before.as_ref().map(|before| before.revision.clone()),
            by: "back-test".to_owned(),
            reason: why.join("; "),
            at,
            newly: if holds { edited.earlier.clone() } else { newly },
            began: edited.began.clone(),
        });
        if holds {
            self.set_back(edited);
        }
    }

    /// Keeps the previous revision running.
    fn set_back(&mut self, edited: &Edited) {
        let Some(status) = self.statuses.iter_mut().find(|status| status.name == edited.name) else { return };
        let Some(after) = edited.after.clone() else { return };
        let runs = edited.runs.as_ref();
        status.state = PolicyState::NeedsRelease;
        status.waiting = Some(after.revision.clone());
        status.title = runs.map(|policy| policy.title.clone());
        status.mode = runs.map(|policy| policy.mode);
        status.revision = runs.map(|policy| policy.revision.clone());
        self.runs.retain(|policy| policy.name != edited.name);
        self.runs.extend(edited.runs.clone());
        self.waiting.insert(edited.name.clone(), after);
    }

    /// Keeps the previous revision running while the edit waits for a back-test.
    pub fn wait(&mut self, edited: &Edited, why: &str) {
        let Some(status) = self.statuses.iter_mut().find(|status| status.name == edited.name) else { return };
        if status.state == PolicyState::Active {
            status.why = vec![why.to_owned()];
            self.set_back(edited);
        }
    }
}
