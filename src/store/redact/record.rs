//! A record of the journal as an order leaves it. Items of the person keep their place under another name, which keeps
//! what the record does to the rest of the state; items that concern only them are dropped.

use std::collections::HashSet;

use super::strip;
use super::who::Who;
use crate::model::{CaseId, Event, Fields, Verdict};
use crate::store::commit::{
    About, Asked, Body, Changed, Commit, Consumed, Keyed, PolicyVerdict, SweepChange,
};

/// Keys of the person's events. An event is received before its verdicts are recorded.
pub(in crate::store) type Events = HashSet<String>;

/// Redacts a record. Returns whether the order concerns it.
pub(in crate::store) fn record(body: &mut Body, who: &Who<'_>, events: &mut Events) -> Result<bool, String> {
    match body {
        Body::Commit(it) => Ok(commit(it, who, events)),
        Body::Salvage(salvage) => {
            let mut concerns = false;
            for changed in &mut salvage.cases {
                concerns |= strip::changed(changed, who);
            }
            let holds = |key: &String, payload: &Option<String>| {
                let text = payload.as_deref().unwrap_or_default();
                names_case(text, who) || key_names(key, who)
            };
            if salvage.restored.iter().any(|(key, payload)| holds(key, payload)) {
                return Err("it is the record of a salvage and holds values of the person, which cannot be \
                    redacted; restore a backup from before the salvage, or ask for help"
                    .to_owned());
            }
            Ok(concerns)
        }
        Body::Prune(_) | Body::Loss(_) | Body::Redact(_) | Body::Redacted(_) | Body::Deletion(_) => Ok(false),
    }
}

/// Returns whether a text contains an id of a case, which is a hash.
fn names_case(text: &str, who: &Who<'_>) -> bool {
    text.split('"').any(|word| who.has_case(&CaseId(word.to_owned())) || who.is_name(word))
}

fn key_names(key: &str, who: &Who<'_>) -> bool {
    let bytes = crate::store::keys::from_hex(key).unwrap_or_default();
    let words = bytes.get(1..).unwrap_or_default().split(|byte| *byte == 0);
    words
        .filter_map(|word| std::str::from_utf8(word).ok())
        .any(|word| who.is_name(word) || who.has_case(&CaseId(word.to_owned())))
}

fn commit(commit: &mut Commit, who: &Who<'_>, events: &mut Events) -> bool {
    let mut concerns = false;
    for changed in &mut commit.cases {
        concerns |= strip::changed(changed, who) || others(changed, who);
    }
    for event in &mut commit.received {
        if is_event(event, who) {
            events.insert(event.key.clone());
            self::event(event, who);
            concerns = true;
        }
    }
    for consumed in &mut commit.consumed {
        let own = events.contains(&consumed.key);
        concerns |= self::consumed(consumed, own, who);
    }
    if who.has_people() {
        concerns |= of_person(commit, who);
    }
    let gone = commit.documents.len();
    commit.documents.retain(|shown| {
        let case = who.has_people() && who.has_case(&CaseId(shown.case.clone()));
        !case && !shown.person.iter().any(|name| who.is_name(name))
    });
    concerns | (commit.documents.len() < gone)
}

/// Items that only the erasure of a person removes.
fn of_person(commit: &mut Commit, who: &Who<'_>) -> bool {
    let mut concerns = false;
    let before = commit.enrolled.len();
    commit.enrolled.retain(|enrolled| !who.is_name(&enrolled.person));
    concerns |= commit.enrolled.len() < before;
    for asked in &mut commit.asked {
        concerns |= self::asked(asked, who);
    }
    for change in &mut commit.sweeps {
        concerns |= sweep(change, who);
    }
    for request in &mut commit.requests {
        concerns |= self::request(request, who);
    }
    concerns
}

/// Replaces the person in what a decision about somebody else has read.
fn others(changed: &mut Changed, who: &Who<'_>) -> bool {
    let Some(recorded) = changed.recorded.as_mut().filter(|_| who.has_people()) else { return false };
    let names = recorded.facts.documents.iter_mut().flat_map(|shown| &mut shown.person);
    let theirs = names.filter(|name| who.is_name(name));
    theirs.map(|name| *name = who.alias_of(name)).count() > 0
}

pub(super) fn is_event(event: &Event, who: &Who<'_>) -> bool {
    who.is(&event.subject) || who.events.contains(event.key.as_str())
}

/// Leaves keys, type, source and time. The reference stays with a case's retention: the decision log, which has its own,
/// is indexed by it.
pub(super) fn event(event: &mut Event, who: &Who<'_>) {
    if who.has_people() {
        event.subject = who.alias(&event.subject);
    }
    (event.actor, event.actor_id, event.ip) = (None, None, None);
    event.fields = Fields::new();
}

/// `own`: the event is the person's.
pub(super) fn consumed(consumed: &mut Consumed, own: bool, who: &Who<'_>) -> bool {
    if !who.has_people() {
        return false;
    }
    let mut concerns = false;
    for said in &mut consumed.verdicts {
        let theirs = said.about.as_ref().map_or(own, |about| who.is(about));
        if theirs {
            concerns = true;
            verdict(said);
            said.about = said.about.as_ref().map(|about| who.alias(about));
        }
    }
    let before = consumed.people.len();
    consumed.people.retain(|person| !who.is_subject(person));
    let named = consumed.named.len();
    consumed.named.retain(|person| !who.is_subject(person));
    concerns | (consumed.people.len() < before) | (consumed.named.len() < named)
}

fn verdict(said: &mut PolicyVerdict) {
    (said.trace, said.would_open) = (None, None);
    if !said.verdict.has_case() && said.verdict != Verdict::Clause {
        said.detail.clear();
    }
}

fn asked(asked: &mut Asked, who: &Who<'_>) -> bool {
    if !who.is(&asked.subject) {
        return false;
    }
    asked.subject = who.alias(&asked.subject);
    verdict(&mut asked.said);
    true
}

pub(super) fn sweep(change: &mut SweepChange, who: &Who<'_>) -> bool {
    match change {
        SweepChange::Part(part) => people(&mut part.people, who),
        SweepChange::FirstSeen(seen) if who.is_name(&seen.person) => {
            seen.person = who.alias_of(&seen.person);
            true
        }
        SweepChange::FirstSeen(_) | SweepChange::State(_) | SweepChange::Ended { .. } => false,
    }
}

/// Replaces the person in a list; the position of everybody else stays.
pub(super) fn people(people: &mut [String], who: &Who<'_>) -> bool {
    let theirs = people.iter_mut().filter(|name| who.is_name(name));
    theirs.map(|name| *name = who.alias_of(name)).count() > 0
}

pub(super) fn request(request: &mut Keyed, who: &Who<'_>) -> bool {
    let theirs = match &request.about {
        Some(About::Case(id)) => who.has_case(id),
        Some(About::Policy(_) | About::Events(_)) | None => false,
    };
    theirs && request.answer.take().is_some()
}
