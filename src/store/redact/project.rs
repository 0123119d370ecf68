//! The state as an order leaves it. Everything here gives the same state, whether the earlier records were applied as
//! they were written or as the order leaves them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::decisions;
use super::record;
use super::strip;
use super::who::{Who, names};
use crate::case::{Case, Entry};
use crate::model::{CaseId, DocumentUse, Enrolment, Forgotten, Timestamp};
use crate::store::Error;
use crate::store::commit::{Certified, Changed, Deletion, Keyed, Redact, Redacted, Redaction, SweepPart};
use crate::store::keys::{self, Key, Kind};
use crate::store::shape::Stored;
use crate::store::state::Draft;
use crate::store::sweeps;

/// Writes a case with its listings.
type Change<'a> = dyn Fn(&mut Draft<'_>, Changed) -> Result<(), Error> + 'a;

/// Applies an order. Walks the state, and therefore writes the draft first.
pub(in crate::store) fn apply(
    draft: &mut Draft<'_>,
    sequence: u64,
    order: &Redact,
    change: &Change<'_>,
) -> Result<(), Error> {
    draft.write(sequence - 1)?;
    let who = Who::new(order);
    let people = match order.class {
        Forgotten::Evidence => BTreeSet::new(),
        Forgotten::Case => people_of_cases(draft, order)?,
        Forgotten::Person => people(draft, order, &who)?,
    };
    let mut whole = false;
    for id in &order.cases {
        whole |= case(draft, order, &who, id, change)?;
    }
    if !order.events.is_empty() {
        for person in &people {
            decisions::strip_events(draft, &who, person)?;
        }
    }
    for person in people.iter().filter(|_| who.has_people()) {
        person_of(draft, &who, person)?;
    }
    if whole && who.has_people() {
        documents(draft, &who)?;
        requests(draft, &who)?;
    }
    for account in &order.deletions {
        let deletion = Deletion {
            account: account.clone(),
            entry: sequence,
            at: order.at,
            attempts: 0,
            due: Some(order.at),
            failure: None,
        };
        draft.put(keys::deletion(account), &deletion)?;
    }
    let kept = Redact { known: Vec::new(), ..order.clone() };
    draft.put(keys::redaction(sequence), &Redaction { entry: sequence, order: kept, records: None })
}

/// Redacts a case and its entries. Returns whether something of it was there.
fn case(
    draft: &mut Draft<'_>,
    order: &Redact,
    who: &Who<'_>,
    id: &CaseId,
    change: &Change<'_>,
) -> Result<bool, Error> {
    let Some(case) = draft.case(&keys::case(id))? else { return Ok(false) };
    // An order names closed cases.
    if !case.is_closed() {
        return Ok(false);
    }
    let whole = case.redacted < Some(order.class);
    let prefix = Key::new(Kind::Entry).text(id.as_str()).end();
    let mut entries: Vec<Entry> = Vec::new();
    draft.state.walk(&prefix, &prefix, &mut |_, entry| {
        entries.push(entry);
        true
    })?;
    let (case, at) = (Arc::unwrap_or_clone(case), order.at);
    let mut changed = Changed { case, entries, effects: Vec::new(), at, recorded: None };
    strip::changed(&mut changed, who);
    change(draft, changed)?;
    Ok(whole)
}

/// Returns the keys under which the cases of an order know their people.
fn people_of_cases(draft: &Draft<'_>, order: &Redact) -> Result<BTreeSet<String>, Error> {
    let mut people = BTreeSet::new();
    for id in &order.cases {
        let Some(case) = draft.case(&keys::case(id))? else { continue };
        let Case { subject, .. } = &*case;
        people.extend([Some(subject.person()), subject.account()].into_iter().flatten());
    }
    Ok(people)
}

/// Returns the keys under which the state may know the person: the real ones, and those that replace them.
fn people(draft: &Draft<'_>, order: &Redact, who: &Who<'_>) -> Result<BTreeSet<String>, Error> {
    let mut people: BTreeSet<String> = order.aliases.iter().cloned().collect();
    people.extend(order.known.iter().cloned());
    let mut found = !order.known.is_empty();
    let of_cases = people_of_cases(draft, order)?;
    found |= !of_cases.is_empty();
    people.extend(of_cases);
    if !found {
        for alias in &order.aliases {
            found |= decisions::has(draft, alias)?;
        }
    }
    if !found {
        // A person without a case, after an interruption: only the decision log knows the name.
        people.extend(decisions::people(draft)?.into_iter().filter(|person| who.is_name(person)));
    }
    Ok(people)
}

/// Removes what the state has under one key of the person.
fn person_of(draft: &mut Draft<'_>, who: &Who<'_>, person: &str) -> Result<(), Error> {
    decisions::forget(draft, person)?;
    let names = names(person);
    for prefix in groups::<Enrolment>(draft, &Key::new(Kind::Enrolled).end())? {
        for name in &names {
            let mut key = prefix.clone();
            key.extend(text(name));
            draft.remove(key);
        }
    }
    // Policy and shadow, then the person.
    for prefix in groups::<Timestamp>(draft, &Key::new(Kind::FirstSeen).end())? {
        for shadow in [0, 1] {
            let mut key = prefix.clone();
            key.push(shadow);
            key.extend(text(person));
            if draft.get::<Timestamp>(&key)?.is_some() {
                draft.remove(key);
            }
        }
    }
    let prefix = Key::new(Kind::SweepPart).end();
    let mut parts: Vec<SweepPart> = Vec::new();
    draft.state.walk(&prefix, &prefix, &mut |_, mut part: SweepPart| {
        if record::people(&mut part.people, who) {
            parts.push(part);
        }
        true
    })?;
    for part in parts {
        draft.put(sweeps::part(&part.schedule, part.number), &part)?;
    }
    Ok(())
}

fn text(text: &str) -> Vec<u8> {
    Key::bare(text)
}

/// Returns the first key of a listing from one on.
pub(super) fn first_key<T: Stored>(
    draft: &Draft<'_>,
    prefix: &[u8],
    from: &[u8],
) -> Result<Option<Vec<u8>>, Error> {
    let mut first = None;
    draft.state.walk(prefix, from, &mut |key, _: T| {
        first = Some(key.to_vec());
        false
    })?;
    Ok(first)
}

/// Returns the distinct starts of a listing's keys, up to the first text. Looks at one key of each.
pub(super) fn groups<T: Stored>(draft: &Draft<'_>, prefix: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let (mut groups, mut from) = (Vec::new(), prefix.to_vec());
    loop {
        let next = first_key::<T>(draft, prefix, &from)?;
        let Some(group) = next.and_then(|key| keys::start(&key, prefix.len())) else { return Ok(groups) };
        from = keys::after(&group);
        groups.push(group);
    }
}

/// Removes the uses of documents by the person or in their cases.
fn documents(draft: &mut Draft<'_>, who: &Who<'_>) -> Result<(), Error> {
    let prefix = Key::new(Kind::Document).end();
    let mut gone = Vec::new();
    draft.state.walk(&prefix, &prefix, &mut |key, shown: DocumentUse| {
        if who.has_case(&CaseId(shown.case.clone())) || shown.person.iter().any(|name| who.is_name(name)) {
            gone.push(key.to_vec());
        }
        true
    })?;
    gone.into_iter().for_each(|key| draft.remove(key));
    Ok(())
}

/// Removes the answers to requests about the cases.
fn requests(draft: &mut Draft<'_>, who: &Who<'_>) -> Result<(), Error> {
    let prefix = Key::new(Kind::Request).end();
    let mut stripped = Vec::new();
    draft.state.walk(&prefix, &prefix, &mut |key, mut request: Keyed| {
        if record::request(&mut request, who) {
            stripped.push((key.to_vec(), request));
        }
        true
    })?;
    stripped.into_iter().try_for_each(|(key, request)| draft.put(key, &request))
}

/// Notes the hashes of rewritten segments, and the fulfilled orders.
pub(in crate::store) fn certify(draft: &mut Draft<'_>, done: &Redacted) -> Result<(), Error> {
    for Certified { segment, hash } in &done.segments {
        draft.put(keys::certificate(*segment), &Certified { segment: *segment, hash: hash.clone() })?;
    }
    for fulfilled in &done.orders {
        let key = keys::redaction(fulfilled.entry);
        if let Some(redaction) = draft.get::<Redaction>(&key)? {
            draft.put(key, &shortened(redaction, fulfilled.records))?;
        }
    }
    Ok(())
}

/// Keeps what a certificate needs: a fulfilled order lists no cases and events.
fn shortened(redaction: Redaction, records: u64) -> Redaction {
    let order = Redact { cases: Vec::new(), events: Vec::new(), ..redaction.order };
    Redaction { order, records: Some(records), ..redaction }
}

/// Notes an attempt to delete an account at a provider.
pub(in crate::store) fn note_deletion(draft: &mut Draft<'_>, deletion: &Deletion) -> Result<(), Error> {
    draft.put(keys::deletion(&deletion.account), deletion)
}
