//! The keys by which a case is found, computed from the case alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::commit::Holding;
use super::keys::{self, Key, Kind};
use super::state::Draft;
use super::values::Closed;
use crate::case::{Case, Echo};
use crate::model::{CaseId, Forgotten, search};

/// Keys with their values.
type Index = BTreeMap<Vec<u8>, Value>;

/// The value of a key. It stays typed: most values are replaced before the disk needs them.
#[derive(Debug, PartialEq)]
enum Value {
    Case,
    Call(u32),
    Begun { call: u32, attempt: u32 },
    Holding(Box<Holding>),
    Echoes(Vec<Echo>),
    Closed(Box<Closed>),
}

/// Keys that follow from the same fields of a case: while these stay, nothing is computed.
struct Facet {
    same: fn(&Case, &Case) -> bool,
    keys: fn(&Case, &mut Index),
}

const FACETS: [Facet; 7] = [
    Facet { same: |_, _| false, keys: progress },
    Facet {
        same: |old, new| old.standing() == new.standing() && same_place(old, new),
        keys: listing_of_state,
    },
    Facet { same: same_place, keys: listings },
    Facet {
        same: |old, new| {
            old.closed_at == new.closed_at && old.redacted == new.redacted && same_place(old, new)
        },
        keys: kept,
    },
    Facet { same: |old, new| old.holds == new.holds && same_place(old, new), keys: holds },
    Facet { same: |old, new| old.echoes == new.echoes && old.subject == new.subject, keys: echoes },
    Facet { same: |old, new| old.sessions == new.sessions && old.opened_at == new.opened_at, keys: sessions },
];

/// Replaces the keys that follow from a case. `None`: there was none, or is none any more.
pub(super) fn replace(draft: &mut Draft<'_>, old: Option<&Case>, new: Option<&Case>) {
    let Some(id) = new.or(old).map(|case| Arc::new(case.id.clone())) else { return };
    let (mut before, mut after) = (Index::new(), Index::new());
    let both = old.zip(new);
    let mut add = |keys: &dyn Fn(&Case, &mut Index)| {
        old.into_iter().for_each(|case| keys(case, &mut before));
        new.into_iter().for_each(|case| keys(case, &mut after));
    };
    for facet in FACETS {
        if !both.is_some_and(|(old, new)| (facet.same)(old, new)) {
            add(&facet.keys);
        }
    }
    if !both.is_some_and(|(old, new)| same_terms(old, new)) {
        add(&terms);
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        draft.remove(key.clone());
    }
    for (key, value) in after {
        match before.get(&key) {
            Some(old) if *old == value => {}
            // Such a key names the case: without it before, the state does not have it.
            None => value.put(draft, keys::is_fleeting(&key), key, &id),
            Some(_) => value.put(draft, false, key, &id),
        }
    }
}

impl Value {
    fn put(self, draft: &mut Draft<'_>, new: bool, key: Vec<u8>, id: &Arc<CaseId>) {
        let own = || CaseId::clone(id);
        match self {
            Self::Case => draft.put_either(key, Arc::clone(id), new),
            Self::Call(call) => draft.put_either(key, Arc::new((own(), call)), new),
            Self::Begun { call, attempt } => draft.put_either(key, Arc::new((own(), call, attempt)), new),
            Self::Holding(holding) => draft.put_either(key, Arc::new(*holding), new),
            Self::Echoes(echoes) => draft.put_either(key, Arc::new((own(), echoes)), new),
            Self::Closed(closed) => draft.put_either(key, Arc::new(*closed), new),
        }
    }
}

/// Returns whether two states of a case have the same place in the listings of their cases.
fn same_place(old: &Case, new: &Case) -> bool {
    old.is_closed() == new.is_closed()
        && old.opened_at == new.opened_at
        && old.policy == new.policy
        && old.key == new.key
        && old.subject == new.subject
}

/// Adds the keys of the next wake time and of the calls.
fn progress(case: &Case, index: &mut Index) {
    let id = case.id.as_str();
    if let Some(at) = case.wake_at() {
        index.insert(Key::new(Kind::Wake).time(at).text(id).end(), Value::Case);
    }
    for (number, pending) in &case.calls {
        let at = u64::from(*number);
        match pending.begun {
            None => {
                let target = pending.action.target();
                let queue = keys::queue(target.lane(), &target.to_string(), case.urgency(pending));
                index.insert(queue.time(pending.due).text(id).number(at).end(), Value::Call(*number));
            }
            Some(_) => {
                let key = Key::new(Kind::Begun).text(id).number(at).end();
                index.insert(key, Value::Begun { call: *number, attempt: pending.attempt });
            }
        }
    }
}

fn listing_of_state(case: &Case, index: &mut Index) {
    if let Some(listing) = keys::listing_of_state(case.standing()) {
        index.insert(listing.time_descending(case.opened_at).text(case.id.as_str()).end(), Value::Case);
    }
}

fn listings(case: &Case, index: &mut Index) {
    let (id, open) = (case.id.as_str(), !case.is_closed());
    for listing in [keys::listing(open), keys::listing_of_policy(&case.policy, open)] {
        index.insert(listing.time_descending(case.opened_at).text(id).end(), Value::Case);
    }
    if open {
        let key = keys::open(&case.policy, &case.key).time_descending(case.opened_at).text(id).end();
        index.insert(key, Value::Case);
        index.insert(keys::subject(&case.subject.reference()).text(id).end(), Value::Case);
    }
}

fn kept(case: &Case, index: &mut Index) {
    let closed = case.closed_at.filter(|_| case.is_closed() && case.redacted < Some(Forgotten::Case));
    if let Some(at) = closed {
        let closed = Closed { case: case.id.clone(), policy: case.policy.clone(), redacted: case.redacted };
        index.insert(keys::kept(at).text(case.id.as_str()).end(), Value::Closed(Box::new(closed)));
    }
}

fn holds(case: &Case, index: &mut Index) {
    if case.holds.is_empty() {
        return;
    }
    let holding = Holding {
        case: case.id.clone(),
        policy: case.policy.clone(),
        subject: case.subject.reference(),
        closed: case.is_closed(),
        holds: case.holds.clone(),
    };
    let key = keys::hold(&case.subject.person()).text(case.id.as_str()).end();
    index.insert(key, Value::Holding(Box::new(holding)));
}

fn echoes(case: &Case, index: &mut Index) {
    if !case.echoes.is_empty() {
        let key = keys::echo(&case.subject.person()).text(case.id.as_str()).end();
        index.insert(key, Value::Echoes(case.echoes.clone()));
    }
}

fn sessions(case: &Case, index: &mut Index) {
    for (execution, account) in &case.sessions {
        index.insert(keys::execution(execution), Value::Case);
        for id in [execution, account] {
            index.insert(term_key(case, &search::folded(id)), Value::Case);
        }
    }
}

/// Adds the keys of the search terms that follow only from a case's person, id and opening.
fn terms(case: &Case, index: &mut Index) {
    index.extend(lasting_terms(case).map(|term| (term_key(case, &term), Value::Case)));
}

/// Returns whether two states of a case have the same lasting search terms.
fn same_terms(old: &Case, new: &Case) -> bool {
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
