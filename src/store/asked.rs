//! The decision log: why a policy did or did not fire. One entry holds the verdicts of one class on one event about one
//! person, ordered by class and time: expired entries are the first of their class. A second, small entry by day and
//! person finds it; new ones of a day lie together. The last match, error and shadow match of each policy are kept
//! forever.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::commit::{Asked, Class, Consumed, PolicyVerdict};
use super::keys::{self, Key, Kind};
use super::state::Draft;
use super::values::{Anything, Last, Listed, Logged};
use super::{Error, shape};
use crate::model::{Event, SubjectKind, SubjectRef, Timestamp, Verdict};
use crate::policy::Revision;
use data_encoding::HEXLOWER;

/// Entries or marks that are removed between two writes.
const AT_ONCE: usize = 1_000;
/// Bytes of the hash that names a list of revisions.
const HASH: usize = 10;

/// What identifies an entry. Both of its keys are made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) class: Class,
    pub(super) at: Timestamp,
    /// The event's key, or its substitute.
    pub(super) event: String,
    pub(super) kind: SubjectKind,
    pub(super) person: String,
}

impl Place {
    /// Returns the key of the entry.
    pub(super) fn logged(&self) -> Vec<u8> {
        of_class(self.class)
            .time(self.at)
            .text(&self.event)
            .byte(kind_byte(self.kind))
            .text(&self.person)
            .end()
    }

    /// Returns the key of the small entry by day and person: newest first, and within one event the most informative
    /// class first.
    pub(super) fn listed(&self) -> Vec<u8> {
        Key::new(Kind::Listed)
            .day_descending(self.at)
            .text(&self.person)
            .time_descending(self.at)
            .byte(self.class as u8)
            .byte(kind_byte(self.kind))
            .text(&self.event)
            .end()
    }

    /// Reads the place from an entry's key.
    pub(super) fn of_logged(key: &[u8]) -> Option<Self> {
        let class = Class::of_byte(*key.get(1)?)?;
        let at = keys::time_at(key, 2)?;
        let (event, next) = keys::text_at(key, 10)?;
        let kind = kind_of(*key.get(next)?)?;
        let (person, _) = keys::text_at(key, next + 1)?;
        Some(Self { class, at, event, kind, person })
    }

    /// Reads the place from the key of a small entry.
    pub(super) fn of_listed(key: &[u8]) -> Option<Self> {
        let (person, next) = keys::text_at(key, 5)?;
        let at = keys::time_descending_at(key, next)?;
        let class = Class::of_byte(*key.get(next + 8)?)?;
        let kind = kind_of(*key.get(next + 9)?)?;
        let (event, _) = keys::text_at(key, next + 10)?;
        Some(Self { class, at, event, kind, person })
    }
}

pub(super) fn of_class(class: Class) -> Key {
    Key::new(Kind::Logged).byte(class as u8)
}

/// Returns the key of a list of revisions.
pub(super) fn deciders(hash: &str) -> Vec<u8> {
    Key::new(Kind::Deciders).text(hash).end()
}

fn decided(hash: &str) -> Vec<u8> {
    Key::new(Kind::DecidersUsed).text(hash).end()
}

pub(super) fn last(policy: &str, class: Class) -> Vec<u8> {
    Key::new(Kind::LastLogged).text(policy).byte(class as u8).end()
}

fn kind_byte(kind: SubjectKind) -> u8 {
    match kind {
        SubjectKind::Registration => 1,
        SubjectKind::User => 2,
        SubjectKind::Applicant => 3,
    }
}

fn kind_of(byte: u8) -> Option<SubjectKind> {
    SubjectKind::ALL.into_iter().find(|kind| kind_byte(*kind) == byte)
}

/// The verdicts of one class about one person, where it is not the event's subject.
type Group<'a> = ((Class, Option<&'a SubjectRef>), Vec<&'a PolicyVerdict>);

/// Stores the verdicts on an event with the event, and the values that the conditions read.
pub(super) fn consumed(
    draft: &mut Draft<'_>,
    consumed: &Consumed,
    event: Option<&Event>,
) -> Result<(), Error> {
    let Some(event) = event else { return Ok(()) };
    // A verdict without a policy is the daemon's own and not of the log.
    let said: Vec<&PolicyVerdict> = consumed.verdicts.iter().filter(|said| !said.policy.is_empty()).collect();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for one in &said {
        let of = (one.class(), one.about.as_ref());
        match groups.iter_mut().find(|(group, _)| *group == of) {
            Some((_, said)) => said.push(one),
            None => groups.push((of, vec![one])),
        }
    }
    if groups.is_empty() {
        return Ok(());
    }
    // The marks of the event have done their work.
    let event = Event { near: Vec::new(), leaves: Vec::new(), ..event.clone() };
    for ((class, about), group) in groups {
        let subject = about.unwrap_or(&event.subject);
        let place = Place {
            class,
            at: consumed.at,
            event: consumed.key.clone(),
            kind: subject.kind,
            person: subject.person(),
        };
        let named = consumed.named.iter().find(|person| person.kind == subject.kind);
        let mut logged = Logged {
            subject: about.cloned(),
            event: Some(event.clone()),
            named: named.map(|person| person.fields.clone()).unwrap_or_default(),
            ..Logged::default()
        };
        let by = if group.iter().any(|said| said.is_reference()) { By::of(&said) } else { By::default() };
        logged.clauses = vec![None; by.list.len()];
        for one in group {
            let at = by.places.get(&(&one.policy, &one.revision)).filter(|_| one.is_reference());
            match at.and_then(|at| logged.clauses.get_mut(*at)) {
                Some(clause) => *clause = one.clause,
                None => logged.said.push(kept(one)),
            }
        }
        if !by.list.is_empty() {
            logged.by = Some(use_deciders(draft, &by.list, consumed.at)?);
        }
        put(draft, &place, &logged)?;
    }
    Ok(())
}

/// Stores a verdict without an event.
pub(super) fn apply(draft: &mut Draft<'_>, asked: &Asked) -> Result<(), Error> {
    let place = Place {
        class: asked.said.class(),
        at: asked.at,
        event: asked.event.clone(),
        kind: asked.subject.kind,
        person: asked.subject.person(),
    };
    let logged = Logged {
        subject: Some(asked.subject.clone()),
        kind: asked.kind.clone(),
        also: asked.also.clone(),
        time: Some(asked.time),
        said: vec![kept(&asked.said)],
        ..Logged::default()
    };
    put(draft, &place, &logged)
}

/// Returns a verdict as the state keeps it: the inputs of an opening are in the journal only.
fn kept(said: &PolicyVerdict) -> PolicyVerdict {
    PolicyVerdict { would_open: None, ..said.clone() }
}

fn put(draft: &mut Draft<'_>, place: &Place, logged: &Logged) -> Result<(), Error> {
    let key = place.logged();
    if place.class.stays() {
        for said in &logged.said {
            let of = last(&said.policy, place.class);
            let newer = draft.get::<Last>(&of)?.is_none_or(|last| last.at <= place.at);
            if newer {
                draft.put(of, &Last { at: place.at, key: key.clone() })?;
            }
        }
    }
    let policies = logged.said.iter().map(|said| said.policy.clone()).collect();
    // Read rarely and never changed: encoded now, they take less memory than as values.
    draft.put_json(place.listed(), shape::json(&Listed { by: logged.by.clone(), policies })?);
    draft.put_json(key, shape::json(logged)?);
    Ok(())
}

/// The policies of an event's verdicts with their revisions, each once, in their order.
#[derive(Default)]
struct By<'a> {
    list: Vec<(&'a String, &'a Revision)>,
    places: HashMap<(&'a String, &'a Revision), usize>,
}

impl<'a> By<'a> {
    fn of(said: &[&'a PolicyVerdict]) -> Self {
        let mut by = Self::default();
        for one in said {
            let of = (&one.policy, &one.revision);
            by.places.entry(of).or_insert_with(|| {
                by.list.push(of);
                by.list.len() - 1
            });
        }
        by
    }
}

/// Stores a list of revisions once, and the last day of its use. Returns the hash that names it.
fn use_deciders(draft: &mut Draft<'_>, by: &[(&String, &Revision)], at: Timestamp) -> Result<String, Error> {
    let mut hash = Sha256::new();
    for (policy, revision) in by {
        for text in [policy.as_str(), revision.0.as_str()] {
            hash.update(text.as_bytes());
            hash.update([0]);
        }
    }
    let digest = hash.finalize();
    let name = HEXLOWER.encode(digest.get(..HASH).unwrap_or(&digest));
    let day = keys::day(at);
    match draft.get::<u32>(&decided(&name))? {
        Some(used) if used >= day => {}
        used => {
            if used.is_none() {
                let list: Vec<(String, Revision)> =
                    by.iter().map(|(policy, revision)| ((*policy).clone(), (*revision).clone())).collect();
                draft.put(deciders(&name), &list)?;
            }
            draft.put(decided(&name), &day)?;
        }
    }
    Ok(name)
}

/// Removes expired entries. Depends only on the state and `now`, which makes it idempotent.
pub(super) fn prune(draft: &mut Draft<'_>, sequence: u64, now: Timestamp) -> Result<(), Error> {
    for class in Class::ALL {
        prune_class(draft, sequence, class, now - class.kept_for())?;
    }
    let longest = Class::ALL.into_iter().map(Class::kept_for).max().unwrap_or_default();
    let mut old = Vec::new();
    let prefix = Key::new(Kind::DecidersUsed).end();
    let before = keys::day(now - longest);
    draft.state.walk(&prefix, &prefix, &mut |key, used: u32| {
        if used < before {
            old.extend(keys::text_at(key, 1).map(|(name, _)| name));
        }
        true
    })?;
    for name in old {
        draft.remove(deciders(&name));
        draft.remove(decided(&name));
    }
    draft.write(sequence - 1)
}

/// Removes the first entries of a class, up to a time. Only the last one of a policy stays among them.
fn prune_class(draft: &mut Draft<'_>, sequence: u64, class: Class, before: Timestamp) -> Result<(), Error> {
    let prefix = of_class(class).end();
    let end = of_class(class).time(before).end();
    let mut from = prefix.clone();
    loop {
        let mut old = Vec::new();
        draft.state.walk(&prefix, &from, &mut |key, _: Anything| {
            if key >= end.as_slice() {
                return false;
            }
            old.push(key.to_vec());
            old.len() < AT_ONCE
        })?;
        let Some(last) = old.last() else { return Ok(()) };
        from = keys::after(last);
        for key in old {
            let Some(place) = Place::of_logged(&key) else { continue };
            if !(class.stays() && is_last(draft, class, &key)?) {
                draft.remove(place.listed());
                draft.remove(key);
            }
        }
        draft.write(sequence - 1)?;
    }
}

/// Returns whether an entry is the last of its class for a policy.
fn is_last(draft: &Draft<'_>, class: Class, key: &[u8]) -> Result<bool, Error> {
    let Some(logged) = draft.get::<Logged>(key)? else { return Ok(false) };
    for said in &logged.said {
        if draft.get::<Last>(&last(&said.policy, class))?.is_some_and(|last| last.key == key) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the marks of events that were consumed before a time.
pub(super) fn prune_marks(draft: &mut Draft<'_>, sequence: u64, before: Timestamp) -> Result<(), Error> {
    let prefix = Key::new(Kind::SeenAt).end();
    let end = Key::new(Kind::SeenAt).time(before).end();
    let mut from = prefix.clone();
    loop {
        let mut old = Vec::new();
        draft.state.walk(&prefix, &from, &mut |key, leaves: Vec<String>| {
            if key >= end.as_slice() {
                return false;
            }
            old.push((key.to_vec(), leaves));
            old.len() < AT_ONCE
        })?;
        let Some((last, _)) = old.last() else { return Ok(()) };
        from = keys::after(last);
        for (key, mut marks) in old {
            marks.extend(keys::text_at(&key, 9).map(|(mark, _)| mark));
            for mark in marks {
                // Another event may have left the same mark since.
                let seen = keys::seen(&mark);
                if draft.get::<Option<Timestamp>>(&seen)?.flatten().is_some_and(|at| at < before) {
                    draft.remove(seen);
                }
            }
            draft.remove(key);
        }
        draft.write(sequence - 1)?;
    }
}

/// Converts what a salvage of an earlier version restored. `None`: it is not of the log.
pub(super) fn restored(
    draft: &mut Draft<'_>,
    key: &[u8],
    payload: Option<&String>,
) -> Result<Option<()>, Error> {
    let Some(kind) = key.first().and_then(|kind| keys::Retired::of(*kind)) else { return Ok(None) };
    if let (keys::Retired::Asked, Some(payload)) = (kind, payload)
        && let Some(asked) = shape::from_json::<Asked>(payload.as_bytes())
    {
        apply(draft, &asked)?;
    }
    Ok(Some(()))
}

/// Returns the verdicts of an entry, as records of the log.
pub(super) fn verdicts(place: &Place, logged: &Logged, by: &[(String, Revision)]) -> Vec<Asked> {
    let event = logged.event.as_ref();
    let subject = logged.subject.clone().or_else(|| event.map(|event| event.subject.clone()));
    let Some(subject) = subject else { return Vec::new() };
    let about = event.is_some().then(|| logged.subject.clone()).flatten();
    let referred = logged.clauses.iter().zip(by).filter_map(|(clause, (policy, revision))| {
        let said = PolicyVerdict::new(policy, revision, Verdict::Clause, String::new());
        Some(PolicyVerdict { clause: Some((*clause)?), about: about.clone(), ..said })
    });
    let asked = |said| Asked {
        at: place.at,
        subject: subject.clone(),
        event: place.event.clone(),
        kind: event.map_or_else(|| logged.kind.clone(), |event| event.kind.to_string()),
        also: event.map_or_else(|| logged.also.clone(), |event| event.also.clone()),
        time: event.map_or_else(|| logged.time.unwrap_or(place.at), |event| event.time),
        said,
    };
    logged.said.iter().cloned().chain(referred).map(asked).collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{Place, restored};
    use crate::model::{SubjectKind, SubjectRef, Timestamp, Verdict};
    use crate::policy::Revision;
    use crate::store::commit::{Asked, Class, PolicyVerdict};
    use crate::store::keys;
    use crate::store::shape;
    use crate::store::state::{Draft, State};
    use crate::store::values::{Listed, Logged};

    #[test]
    fn both_keys_of_an_entry_name_its_place() {
        for (class, event, person) in [(Class::Match, "e\0\0", "one/7"), (Class::NoMatch, "", "")] {
            let place = Place {
                class,
                at: Timestamp::UNIX_EPOCH + TimeDelta::milliseconds(1_800_000_000_123),
                event: event.to_owned(),
                kind: SubjectKind::Applicant,
                person: person.to_owned(),
            };
            assert_eq!(Place::of_logged(&place.logged()).as_ref(), Some(&place));
            assert_eq!(Place::of_listed(&place.listed()).as_ref(), Some(&place));
        }
    }

    #[test]
    fn a_salvage_of_an_earlier_version_restores_log_entries() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state")).unwrap();
        let mut draft = Draft::new(&state);
        let subject = SubjectRef { source: String::new(), kind: SubjectKind::User, id: "7".to_owned() };
        let revision = Revision("0".to_owned());
        let asked = Asked {
            at: Timestamp::UNIX_EPOCH,
            subject: subject.clone(),
            event: "e".to_owned(),
            kind: "login.risk".to_owned(),
            also: Vec::new(),
            time: Timestamp::UNIX_EPOCH,
            said: PolicyVerdict::new("p", &revision, Verdict::Clause, "p.yaml:1:1: x".to_owned()),
        };
        let payload = String::from_utf8(shape::json(&asked).unwrap()).unwrap();
        assert_eq!(restored(&mut draft, b"W7\0p\0", Some(&payload)).unwrap(), Some(()));
        assert_eq!(restored(&mut draft, b"X", Some(&payload)).unwrap(), Some(()));
        assert_eq!(restored(&mut draft, &keys::cursor("s"), Some(&payload)).unwrap(), None);
        let place = Place {
            class: Class::NoMatch,
            at: asked.at,
            event: asked.event.clone(),
            kind: subject.kind,
            person: subject.person(),
        };
        let logged = draft.get::<Logged>(&place.logged()).unwrap().unwrap();
        assert_eq!(super::verdicts(&place, &logged, &[]), [asked]);
        assert_eq!(draft.get::<Listed>(&place.listed()).unwrap().unwrap().policies, ["p"]);
        assert_eq!(draft.len(), 2, "the older listing is left out");
    }
}
