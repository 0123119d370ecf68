//! Orders of people: release a parked revision, or revert to an older one.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::policies::RevisionSheet;
use crate::model::{Actor, Clock};
use crate::policy::Revision;
use crate::store::{About, Commit, PolicyDeed, PolicyOrder, Requests, Store, to_its_end};

use super::active::Running;
use super::catalog::{Catalog, NoRevision, matches, no};
use super::releasing::{Pushes, Release, parked};
use super::reload::Reload;
use super::report::{Observer, PolicyState, PolicyStatus};

/// A handle on orders.
#[derive(Debug, Clone)]
pub struct Orders {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) requests: Requests,
    pub(super) running: Running,
    pub(super) catalog: Catalog,
    pub(super) reload: Reload,
    pub(super) pushes: Pushes,
    pub(super) observer: Arc<dyn Observer>,
    /// A parked revision must be released by a person other than the author of the edit.
    pub(super) release_by_other: bool,
}

impl Orders {
    /// Activates a parked revision. `revision`: the one that the person reviewed; another is not released.
    pub async fn release(
        &self,
        name: &str,
        revision: Option<&str>,
        by: Actor,
        reason: String,
    ) -> Result<RevisionSheet, NoRevision> {
        let active = self.running.load();
        let waits = |status: &&PolicyStatus| status.state == PolicyState::NeedsRelease;
        let status = active.report.policies.iter().find(|status| status.name == name);
        let status = status.ok_or(NoRevision::NoPolicy)?;
        if let Some(runs) = status.revision.clone().filter(|_| waits(&status) && status.waiting.is_none()) {
            return self.drop_policy(name, runs, revision, by, reason).await;
        }
        let waiting = Some(status).filter(waits).and_then(|status| status.waiting.clone());
        let waiting = waiting.ok_or_else(|| no(&format!("no revision of {name} is parked")))?;
        if revision.is_some_and(|looked_at| !matches(&waiting, looked_at)) {
            let short = waiting.short();
            return Err(no(&format!(
                "the files were edited meanwhile: revision {short} is parked now; review it first"
            )));
        }
        let by = self.released_by(name, &waiting, &by)?;
        let what = PolicyDeed::Released;
        let earlier = self.store.policy_order(name)?;
        self.ordered(PolicyOrder {
            policy: name.to_owned(),
            what,
            revision: waiting,
            // The revision to which the files can be restored.
            over: status.revision.clone(),
            by,
            reason,
            at: self.clock.now(),
            newly: BTreeMap::new(),
            began: earlier.as_ref().and_then(PolicyOrder::base).or(status.revision.as_ref()).cloned(),
        })
        .await?;
        self.catalog.sheet(name, "running")
    }

    /// Stops a policy that is no longer in the tree: it opens no cases, and its open cases continue.
    async fn drop_policy(
        &self,
        name: &str,
        runs: Revision,
        revision: Option<&str>,
        by: Actor,
        reason: String,
    ) -> Result<RevisionSheet, NoRevision> {
        if revision.is_some_and(|looked_at| !matches(&runs, looked_at)) {
            let short = runs.short();
            return Err(no(&format!("the policy is no longer in the tree; revision {short} would stop")));
        }
        let by = self.released_by(name, &runs, &by)?;
        let (policy, what, over, at) = (name.to_owned(), PolicyDeed::Dropped, None, self.clock.now());
        let (revision, newly) = (runs, BTreeMap::new());
        self.ordered(PolicyOrder { policy, what, revision, over, by, reason, at, newly, began: None })
            .await?;
        self.catalog.sheet(name, "last")
    }

    /// Rejects a parked revision: the running one stays until the files of the policy are edited again. `revision`: the
    /// one that the person reviewed; another is not rejected.
    pub async fn reject(
        &self,
        name: &str,
        revision: Option<&str>,
        by: Actor,
        reason: String,
    ) -> Result<RevisionSheet, NoRevision> {
        let active = self.running.load();
        let status = active.report.policies.iter().find(|status| status.name == name);
        let status = status.ok_or(NoRevision::NoPolicy)?;
        let parked = Some(status).filter(|status| status.state == PolicyState::NeedsRelease);
        let waiting = parked.and_then(|status| status.waiting.clone());
        let waiting = waiting.ok_or_else(|| no(&format!("no revision of {name} is parked")))?;
        if revision.is_some_and(|looked_at| !matches(&waiting, looked_at)) {
            let short = waiting.short();
            return Err(no(&format!(
                "the files were edited meanwhile: revision {short} is parked now; review it first"
            )));
        }
        let Some(runs) = status.revision.clone() else {
            return Err(no("no revision runs that could stay; remove the policy from the tree instead"));
        };
        // The order is a revert to what runs: it holds as long as the tree has the rejected revision.
        self.ordered(PolicyOrder {
            policy: name.to_owned(),
            what: PolicyDeed::Reverted,
            revision: runs,
            over: Some(waiting),
            by: by.name,
            reason: format!("rejected: {reason}"),
            at: self.clock.now(),
            newly: BTreeMap::new(),
            began: None,
        })
        .await?;
        self.catalog.sheet(name, "running")
    }

    /// Activates an older revision in the place of the tree's, until the files of the policy are edited again.
    pub async fn revert(
        &self,
        name: &str,
        to: &str,
        by: Actor,
        reason: String,
    ) -> Result<RevisionSheet, NoRevision> {
        let active = self.running.load();
        let status = active.report.policies.iter().find(|status| status.name == name).ok_or_else(|| {
            no(&format!(
                "the tree no longer has the policy {name}; put its directory back (`proofd policy show \
                    {name}` lists its files), run `proofd policy reload`, then revert"
            ))
        })?;
        let target = self.catalog.at(name, to)?;
        if !self.catalog.ran(name, &target.revision)? {
            return Err(no("this revision was never active; use `proofd policy release`"));
        }
        if status.revision.as_ref() == Some(&target.revision) {
            return Err(no("this revision is active already"));
        }
        // Returning to the tree's revision ends a revert and is no revert itself.
        let tree = status.waiting.clone().or_else(|| status.revision.clone());
        let ends = tree.as_ref() == Some(&target.revision);
        let by = match parked(&active).get(name) == Some(&target.revision) {
            true => self.released_by(name, &target.revision, &by)?,
            false => by.name,
        };
        let (what, over) = if ends { (PolicyDeed::Released, None) } else { (PolicyDeed::Reverted, tree) };
        let (policy, revision, at) = (name.to_owned(), target.revision.clone(), self.clock.now());
        let (newly, began) = (BTreeMap::new(), None);
        self.ordered(PolicyOrder { policy, what, revision, over, by, reason, at, newly, began }).await?;
        self.catalog.sheet(name, "running")
    }

    /// Returns the names of the people who release a revision, once there are enough.
    fn released_by(&self, name: &str, revision: &Revision, by: &Actor) -> Result<String, NoRevision> {
        if !self.release_by_other {
            return Ok(by.name.clone());
        }
        let short = revision.short();
        match self.pushes.release(name, revision, by) {
            Release::Done(persons) => {
                Ok(persons.iter().map(|person| person.name.as_str()).collect::<Vec<_>>().join(" and "))
            }
            Release::Counted => {
                tracing::info!(policy = name, revision = short, by = by.name, "first of two releases");
                Err(NoRevision::No(format!(
                    "the release of {} is recorded; the author of the edit is unknown, so another person \
                        must release revision {short} too",
                    by.name
                )))
            }
            Release::Refused { word, reason } => {
                self.observer.release_refused(word);
                let by = &by.name;
                tracing::warn!(policy = name, revision = short, by, reason = word, "release refused");
                Err(NoRevision::No(reason))
            }
        }
    }

    /// Stores the order; the next reload applies it.
    async fn ordered(&self, order: PolicyOrder) -> Result<(), NoRevision> {
        tracing::warn!(
            policy = order.policy,
            what = word(order.what),
            revision = order.revision.short(),
            by = order.by,
            "policy order"
        );
        let requests = self.requests.mark(About::Policy(order.policy.clone()));
        self.store.commit(Commit { policy_orders: vec![order], requests, ..Commit::default() }).await?;
        // The order applies even if the caller disconnects.
        let reload = self.reload.clone();
        to_its_end(async move { reload.reload_aside(true).await }).await;
        Ok(())
    }
}

/// The word of an order for the log.
const fn word(deed: PolicyDeed) -> &'static str {
    match deed {
        PolicyDeed::Released => "released",
        PolicyDeed::Reverted => "reverted",
        PolicyDeed::Superseded => "superseded",
        PolicyDeed::Parked => "parked",
        PolicyDeed::Gone => "gone",
        PolicyDeed::Passed => "passed",
        PolicyDeed::Edited => "edited",
        PolicyDeed::Returned => "returned",
        PolicyDeed::Dropped => "dropped",
    }
}
