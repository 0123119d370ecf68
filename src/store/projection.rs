//! Applies a journal record to the state. The result depends only on the records in their order: a rebuilt state is
//! equal, key by key.

use std::sync::Arc;

use super::Error;
use super::commit::{
    Body, Changed, Commit, Consumed, Deferred, MARKS_KEPT, Salvage, StoredRevision, Waiting,
};
use super::keys::{self, Key, Kind};
use super::shape::state_word;
use super::state::Draft;
use super::{asked, index, redact, requests, shape, sweeps};
use crate::case::Case;
use crate::model::{Event, Timestamp};

/// Adds a record to a draft.
pub(super) fn apply(draft: &mut Draft<'_>, sequence: u64, body: Body) -> Result<(), Error> {
    match body {
        Body::Commit(commit) => apply_commit(draft, commit),
        Body::Prune(before) => {
            // Pruning walks the state. After an interruption the record is applied again from its start.
            draft.write(sequence - 1)?;
            let now = before + MARKS_KEPT;
            asked::prune_marks(draft, sequence, before)?;
            asked::prune(draft, sequence, now)?;
            requests::prune(draft, sequence, now)
        }
        Body::Loss(loss) => draft.put(keys::loss(sequence), &*loss),
        Body::Salvage(salvage) => restore(draft, sequence, *salvage),
        Body::Redact(order) => redact::apply(draft, sequence, &order, &change),
        Body::Redacted(done) => redact::certify(draft, &done),
        Body::Deletion(deletion) => redact::note_deletion(draft, &deletion),
    }
}

/// Restores the effects of damaged records that the state held, and quarantines the affected cases.
fn restore(draft: &mut Draft<'_>, sequence: u64, salvage: Salvage) -> Result<(), Error> {
    for (key, payload) in salvage.restored {
        let key = keys::from_hex(&key)
            .ok_or_else(|| Error::Damaged(format!("reading record {sequence} of the journal failed")))?;
        // Keys that follow from a case are computed, because the version that wrote the record may have had others.
        if keys::follows_from_a_case(&key) || asked::restored(draft, &key, payload.as_ref())?.is_some() {
            continue;
        }
        match payload {
            Some(payload) if keys::is_case(&key) => {
                let case = shape::from_json(payload.as_bytes())
                    .ok_or_else(|| Error::Damaged(format!("record {sequence} holds an unreadable case")))?;
                replace(draft, &Arc::new(case))?;
            }
            Some(payload) => draft.put_json(key, payload.into_bytes()),
            None => {
                if keys::is_case(&key) {
                    let old = draft.case(&key)?;
                    move_keys(draft, old.as_deref(), None)?;
                }
                draft.remove(key);
            }
        }
    }
    for changed in salvage.cases {
        change(draft, changed)?;
    }
    draft.put(keys::loss(sequence), &salvage.loss)
}

fn apply_commit(draft: &mut Draft<'_>, commit: Commit) -> Result<(), Error> {
    for changed in commit.cases {
        change(draft, changed)?;
    }
    for event in commit.received {
        receive(draft, event)?;
    }
    for deferred in &commit.deferred {
        defer(draft, deferred)?;
    }
    for consumed in &commit.consumed {
        consume(draft, consumed)?;
    }
    for (source, cursor) in &commit.cursors {
        draft.put(keys::cursor(source), cursor)?;
    }
    for stored in &commit.revisions {
        store_revision(draft, stored)?;
    }
    if let Some(active) = &commit.active {
        draft.put(keys::active(), active)?;
    }
    for order in &commit.policy_orders {
        draft.put(keys::policy_order(&order.policy), order)?;
    }
    for enrolled in &commit.enrolled {
        draft.put(keys::enrolled(&enrolled.provider, &enrolled.person), &enrolled.enrolment)?;
    }
    for shown in &commit.documents {
        let person = shown.person.first().map_or("", String::as_str);
        draft.put(keys::document(&shown.document).text(person).end(), shown)?;
    }
    for pause in &commit.pauses {
        draft.put(keys::pause(pause), pause)?;
    }
    for change in &commit.sweeps {
        sweeps::apply(draft, change)?;
    }
    for asked in &commit.asked {
        asked::apply(draft, asked)?;
    }
    for request in &commit.requests {
        requests::apply(draft, request)?;
    }
    Ok(())
}

/// Replaces the keys that follow from a case, and its part in the counts. `None`: there was none, or is none any more.
fn move_keys(draft: &mut Draft<'_>, old: Option<&Case>, new: Option<&Case>) -> Result<(), Error> {
    index::replace(draft, old, new);
    let counted = |case: Option<&Case>| {
        case.filter(|case| !case.is_closed()).map(|case| (case.policy.clone(), state_word(case.standing())))
    };
    let (was, is) = (counted(old), counted(new));
    if was != is {
        if let Some((policy, word)) = was {
            count(draft, &policy, word, |count| count.saturating_sub(1))?;
        }
        if let Some((policy, word)) = is {
            count(draft, &policy, word, |count| count + 1)?;
        }
    }
    Ok(())
}

/// Writes a case and the keys that follow from it.
fn replace(draft: &mut Draft<'_>, case: &Arc<Case>) -> Result<(), Error> {
    let old = draft.case(&keys::case(&case.id))?;
    move_keys(draft, old.as_deref(), Some(case))?;
    draft.put_shared(keys::case(&case.id), Arc::clone(case));
    Ok(())
}

fn change(draft: &mut Draft<'_>, changed: Changed) -> Result<(), Error> {
    let Changed { case, entries, effects, at, recorded: _ } = changed;
    let case = Arc::new(case);
    replace(draft, &case)?;
    for entry in entries {
        draft.put_shared(keys::entry(&case.id, entry.number), Arc::new(entry));
    }
    for (number, effect) in effects.into_iter().enumerate() {
        let key = Key::new(Kind::Effect)
            .time(at)
            .text(&case.policy)
            .text(case.id.as_str())
            .number(case.next_entry)
            .number(number as u64);
        draft.put(key.end(), &(case.policy.clone(), effect, at))?;
    }
    Ok(())
}

fn count(draft: &mut Draft<'_>, policy: &str, word: &str, new: impl Fn(u64) -> u64) -> Result<(), Error> {
    let key = keys::count(policy, word);
    let (_, _, old): (String, String, u64) = draft.get(&key)?.unwrap_or_default();
    match new(old) {
        0 => draft.remove(key),
        new => draft.put(key, &(policy.to_owned(), word.to_owned(), new))?,
    }
    Ok(())
}

/// Receives an event once: drops it if it or a dedupe alias was received before. New events sort before deferred ones,
/// and by their own times.
fn receive(draft: &mut Draft<'_>, event: Event) -> Result<(), Error> {
    for mark in std::iter::once(&event.key).chain(&event.near) {
        if draft.get::<Option<Timestamp>>(&keys::seen(mark))?.is_some() {
            return Ok(());
        }
    }
    for mark in std::iter::once(&event.key).chain(&event.leaves) {
        draft.put(keys::seen(mark), &None::<Timestamp>)?;
    }
    // An event that was never received is not in the inbox.
    let waiting = Waiting { event, due: Timestamp::UNIX_EPOCH, attempts: 0 };
    draft.put_new(inbox_due(&waiting), &waiting.event.key)?;
    draft.put_new_shared(keys::inbox(&waiting.event.key), Arc::new(waiting));
    Ok(())
}

fn inbox_due(waiting: &Waiting) -> Vec<u8> {
    let event = &waiting.event;
    Key::new(Kind::InboxDue).time(waiting.due).time(event.time).text(&event.key).end()
}

fn defer(draft: &mut Draft<'_>, deferred: &Deferred) -> Result<(), Error> {
    let Some(mut waiting) = draft.get::<Waiting>(&keys::inbox(&deferred.key))? else { return Ok(()) };
    draft.remove(inbox_due(&waiting));
    waiting.due = deferred.due;
    waiting.attempts = deferred.attempts;
    draft.put(inbox_due(&waiting), &waiting.event.key)?;
    draft.put_shared(keys::inbox(&waiting.event.key), Arc::new(waiting));
    Ok(())
}

fn consume(draft: &mut Draft<'_>, consumed: &Consumed) -> Result<(), Error> {
    let waiting = draft.shared::<Waiting>(&keys::inbox(&consumed.key))?;
    asked::consumed(draft, consumed, waiting.as_ref().map(|waiting| &waiting.event))?;
    let mut leaves = Vec::new();
    if let Some(waiting) = waiting {
        draft.remove(inbox_due(&waiting));
        draft.remove(keys::inbox(&consumed.key));
        leaves.clone_from(&waiting.event.leaves);
    }
    for mark in std::iter::once(&consumed.key).chain(&leaves) {
        draft.put(keys::seen(mark), &Some(consumed.at))?;
    }
    draft.put(keys::seen_at(consumed.at, &consumed.key), &leaves)
}

fn store_revision(draft: &mut Draft<'_>, stored: &StoredRevision) -> Result<(), Error> {
    // Files of a revision never change; the first stored version counts. Its test coverage may improve.
    if let Some(known) = draft.get::<StoredRevision>(&keys::revision(&stored.revision))? {
        let tests = stored.tests.clone();
        return draft.put(keys::revision(&stored.revision), &StoredRevision { tests, ..known });
    }
    let key = Key::new(Kind::RevisionOf).text(&stored.policy).time(stored.at).text(&stored.revision.0);
    draft.put(key.end(), &stored.revision)?;
    draft.put(keys::revision(&stored.revision), stored)
}
