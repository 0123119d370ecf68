//! The keys by which a case is found, computed from the case alone.

use std::collections::{BTreeMap, BTreeSet};

use super::commit::Holding;
use super::keys::{self, Key, Kind};
use super::values::Closed;
use super::{Error, shape};
use crate::case::Case;
use crate::model::{Forgotten, search};

/// Keys with their payloads.
pub(super) type Index = BTreeMap<Vec<u8>, Vec<u8>>;

/// Returns the keys that follow the progress of a case.
pub(super) fn progress(case: &Case) -> Result<Index, Error> {
    let id = case.id.as_str();
    let own = shape::json(&case.id)?;
    let open = !case.is_closed();
    let subject = case.subject.reference();
    let mut index = Index::new();
    if let Some(at) = case.wake_at() {
        index.insert(Key::new(Kind::Wake).time(at).text(id).end(), own.clone());
    }
    for (number, pending) in &case.calls {
        let at = u64::from(*number);
        match pending.begun {
            None => {
                let target = pending.action.target();
                let queue = keys::queue(target.lane(), &target.to_string(), case.urgency(pending));
                let key = queue.time(pending.due).text(id).number(at).end();
                index.insert(key, shape::json(&(case.id.clone(), *number))?);
            }
            Some(_) => {
                let key = Key::new(Kind::Begun).text(id).number(at).end();
                index.insert(key, shape::json(&(case.id.clone(), *number, pending.attempt))?);
            }
        }
    }
    let listings = [
        Some(keys::listing(open)),
        Some(keys::listing_of_policy(&case.policy, open)),
        keys::listing_of_state(case.standing()),
    ];
    for listing in listings.into_iter().flatten() {
        index.insert(listing.time_descending(case.opened_at).text(id).end(), own.clone());
    }
    if open {
        let key = keys::open(&case.policy, &case.key).time_descending(case.opened_at).text(id).end();
        index.insert(key, own.clone());
        index.insert(keys::subject(&subject).text(id).end(), own.clone());
    }
    if let Some(at) = case.closed_at.filter(|_| !open && case.redacted < Some(Forgotten::Case)) {
        let closed = Closed { case: case.id.clone(), policy: case.policy.clone(), redacted: case.redacted };
        index.insert(keys::kept(at).text(id).end(), shape::json(&closed)?);
    }
    let person = &case.subject.person();
    if !case.holds.is_empty() {
        let holding = Holding {
            case: case.id.clone(),
            policy: case.policy.clone(),
            subject,
            closed: !open,
            holds: case.holds.clone(),
        };
        index.insert(keys::hold(person).text(id).end(), shape::json(&holding)?);
    }
    if !case.echoes.is_empty() {
        index
            .insert(keys::echo(person).text(id).end(), shape::json(&(case.id.clone(), case.echoes.clone()))?);
    }
    for (execution, account) in &case.sessions {
        index.insert(keys::execution(execution), own.clone());
        for id in [execution, account] {
            index.insert(term_key(case, &search::folded(id)), own.clone());
        }
    }
    Ok(index)
}

/// Returns the keys of the search terms that follow only from a case's person, id and opening.
pub(super) fn terms(case: &Case) -> Result<Index, Error> {
    let own = shape::json(&case.id)?;
    Ok(lasting_terms(case).map(|term| (term_key(case, &term), own.clone())).collect())
}

/// Returns whether two states of a case have the same lasting search terms.
pub(super) fn same_terms(old: &Case, new: &Case) -> bool {
    old.subject == new.subject && old.opened_at == new.opened_at
}

/// Returns all search terms of a case, sorted.
pub(super) fn all_terms(case: &Case) -> BTreeSet<String> {
    let ids = case.sessions.iter().flat_map(|(execution, account)| [execution, account]);
    lasting_terms(case).chain(ids.map(|id| search::folded(id))).collect()
}

fn lasting_terms(case: &Case) -> impl Iterator<Item = String> {
    search::terms(&case.subject).into_iter().chain([case.id.as_str().to_owned()])
}

/// Returns the key of one of a case's search terms.
pub(super) fn term_key(case: &Case, term: &str) -> Vec<u8> {
    keys::term(term).time_descending(case.opened_at).text(case.id.as_str()).end()
}
