//! Policies that run and left the tree, and edits that need no release. Records the revision to which the files can be
//! restored.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::policy::Policy;
use crate::policy::effects::{effects, reasons, reasons_to_stay};
use crate::store::{PolicyDeed, PolicyOrder};

use super::active::Active;
use super::active_revision::{Chooser, TOGETHER};
use super::choice::{ActiveRevision, Chosen};
use super::edited::succeeds;
use super::report::PolicyState;

/// Decides about policies that run and are no longer in the tree. A policy whose successor is parked keeps running
/// until the successor runs: otherwise a rename would leave neither active.
pub(super) fn let_go(
    chooser: &Chooser<'_>,
    chosen: &mut Chosen,
    before: &Active,
    declared: &[String],
    keep_back: bool,
) {
    let gone = before.set.policies.values().filter(|old| !declared.contains(&old.name));
    for old in gone {
        let newcomer = |name: &&String| {
            let waits = chosen.statuses.iter().any(|one| one.name == **name && one.revision.is_none());
            waits && chosen.waiting.get(*name).is_some_and(|new| succeeds(new, old))
        };
        let newcomer = chosen.waiting.keys().find(newcomer).cloned();
        let why = newcomer.map(|new| {
            format!(
                "is not in the tree and stays active until {new}, which may replace it, is released or \
                gone"
            )
        });
        if keep_back || why.is_some() {
            // Removing a policy from the tree is an edit like any other.
            let kept = ActiveRevision::of(&old.name, Some(Arc::clone(old)), PolicyState::KeptBack);
            chosen.add(ActiveRevision { why: why.into_iter().collect(), ..kept });
            continue;
        }
        let stays = stays(chooser, old, chosen, before);
        if !stays.is_empty() {
            let kept = ActiveRevision::of(&old.name, Some(Arc::clone(old)), PolicyState::NeedsRelease);
            chosen.add(ActiveRevision { why: stays, ..kept });
            continue;
        }
        let (policy, revision) = (old.name.clone(), old.revision.clone());
        let (by, reason) = ("edit".to_owned(), "the tree no longer has this policy".to_owned());
        let (what, over) = (PolicyDeed::Gone, None);
        let (at, newly) = (chooser.now, BTreeMap::new());
        let known = chooser.store.policy_order(&old.name).ok().flatten();
        let began = known.as_ref().and_then(PolicyOrder::base).or(Some(&old.revision)).cloned();
        chosen.orders.push(PolicyOrder { policy, what, revision, over, by, reason, at, newly, began });
    }
}

/// Returns why a policy that is no longer in the tree keeps running until a person releases its removal.
fn stays(chooser: &Chooser<'_>, old: &Policy, chosen: &Chosen, before: &Active) -> Vec<String> {
    let watched = chooser.watched;
    let order = chooser.store.policy_order(&old.name).ok().flatten();
    let dropped =
        order.is_some_and(|order| order.what == PolicyDeed::Dropped && order.revision == old.revision);
    // The successor was released, or protects equally well.
    let replaces = |new: &&Arc<Policy>| {
        let fresh = before.set.policies.get(&new.name).is_none_or(|was| was.revision != new.revision);
        let order = chooser.store.policy_order(&new.name).ok().flatten();
        let released =
            order.is_some_and(|order| order.what == PolicyDeed::Released && order.revision == new.revision);
        let as_well = || reasons(Some(&effects(old)), &effects(new), watched).is_empty();
        fresh && succeeds(new, old) && (released || as_well())
    };
    if dropped || chosen.runs.iter().any(|new| replaces(&new)) {
        return Vec::new();
    }
    let why = reasons_to_stay(&effects(old), watched);
    why.into_iter()
        .map(|why| {
            format!(
                "is no longer in the tree and stays active until its removal is released: it \
            {why}"
            )
        })
        .collect()
}

/// Records the revision before an edit that needs no release: the files can be restored to it.
pub(super) fn note_edits(chooser: &Chooser<'_>, chosen: &mut Chosen, before: &Active) {
    let mut orders = Vec::new();
    for policy in &chosen.runs {
        let Some(old) = before.set.policies.get(&policy.name) else { continue };
        let known = chooser.store.policy_order(&policy.name).ok().flatten();
        // A release or a revert records it already.
        let stated = known.as_ref().is_some_and(|order| order.revision == policy.revision);
        let ordered = chosen.orders.iter().any(|order| order.policy == policy.name);
        if old.revision == policy.revision || stated || ordered {
            continue;
        }
        let began = known.as_ref().and_then(PolicyOrder::base).or(Some(&old.revision)).cloned();
        let earlier = known.filter(|order| chooser.now - order.at < TOGETHER);
        orders.push(PolicyOrder {
            policy: policy.name.clone(),
            what: PolicyDeed::Edited,
            revision: policy.revision.clone(),
            over: Some(old.revision.clone()),
            by: "edit".to_owned(),
            reason: "the files were edited".to_owned(),
            at: chooser.now,
            newly: earlier.map(|order| order.newly).unwrap_or_default(),
            began,
        });
    }
    chosen.orders.extend(orders);
}
