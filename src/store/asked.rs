//! The decision log, indexed by person and by policy: why a policy did or did not fire. Retention depends on the
//! verdict; the last match and the last error of each policy are kept forever.

use super::Error;
use super::commit::{Asked, Class, Consumed, PolicyVerdict, class, kept_for};
use super::keys::{self, Key, Kind};
use super::state::Draft;
use super::values::Pointer;
use crate::model::{Event, Timestamp};

/// Builds the key of an entry: newest first, and within one event the most informative verdict first.
fn key(asked: &Asked, number: u64) -> Vec<u8> {
    of_person(&asked.subject.person(), &asked.said.policy)
        .time_descending(asked.at)
        .text(&asked.event)
        .byte(asked.said.class() as u8)
        .number(number)
        .end()
}

pub(super) fn of_person(person: &str, policy: &str) -> Key {
    Key::new(Kind::Asked).text(person).text(policy)
}

pub(super) fn of_policy(policy: &str, class: Class) -> Key {
    Key::new(Kind::AskedOf).text(policy).byte(class as u8)
}

/// Stores each policy's verdict on an event under the person, and the event itself, for later evaluation by other
/// policies.
pub(super) fn consumed(
    draft: &mut Draft<'_>,
    consumed: &Consumed,
    event: Option<&Event>,
) -> Result<(), Error> {
    let Some(event) = event else { return Ok(()) };
    if consumed.verdicts.iter().any(|said| !said.policy.is_empty()) {
        draft.put(keys::heard(&event.key), event)?;
    }
    for (number, said) in (0..).zip(&consumed.verdicts) {
        // A verdict without a policy is not indexed.
        if said.policy.is_empty() {
            continue;
        }
        let asked = Asked {
            at: consumed.at,
            subject: said.about.clone().unwrap_or_else(|| event.subject.clone()),
            event: event.key.clone(),
            kind: event.kind.to_string(),
            also: event.also.clone(),
            time: event.time,
            said: said.clone(),
        };
        apply(draft, &asked, number)?;
    }
    Ok(())
}

pub(super) fn apply(draft: &mut Draft<'_>, asked: &Asked, number: u64) -> Result<(), Error> {
    let key = key(asked, number);
    let said = &asked.said;
    let pointer =
        Pointer { policy: said.policy.clone(), verdict: said.verdict, at: asked.at, key: key.clone() };
    let by_policy = of_policy(&said.policy, said.class())
        .time_descending(asked.at)
        .text(&asked.subject.person())
        .text(&asked.event)
        .number(number);
    draft.put(by_policy.end(), &pointer)?;
    draft.put(key, asked)
}

/// Removes expired entries. Depends only on the state and `now`, which makes it idempotent.
pub(super) fn prune(draft: &mut Draft<'_>, sequence: u64, now: Timestamp) -> Result<(), Error> {
    const AT_ONCE: usize = 1_000;
    let prefix = Key::new(Kind::AskedOf).end();
    let mut from = Some(prefix.clone());
    let mut group = None;
    while let Some(start) = from.take() {
        let mut old = Vec::new();
        draft.state.walk(&prefix, &start, &mut |key, pointer: Pointer| {
            let class = class(pointer.verdict);
            let first = group.as_ref() != Some(&(pointer.policy.clone(), class));
            if first {
                group = Some((pointer.policy.clone(), class));
            }
            let stays = first && class != Class::NoMatch;
            if !stays && pointer.at < now - kept_for(pointer.verdict) {
                old.push((key.to_vec(), pointer.key));
            }
            // Continues where it stopped: the first entries of a class were handled already.
            from = (old.len() == AT_ONCE).then(|| key.to_vec());
            from.is_none()
        })?;
        for (by_policy, by_person) in old {
            draft.remove(by_policy);
            draft.remove(by_person);
        }
        draft.write(sequence - 1)?;
    }
    Ok(())
}

/// Removes expired verdicts by event key. They are kept as long as the longest retention of their verdicts, and at
/// least as long as the event's dedupe mark.
pub(super) fn prune_events(
    draft: &mut Draft<'_>,
    sequence: u64,
    before: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    const AT_ONCE: usize = 1_000;
    let prefix = Key::new(Kind::Verdict).end();
    let mut from = prefix.clone();
    loop {
        let mut old = Vec::new();
        draft.state.walk(&prefix, &from, &mut |key, consumed: Consumed| {
            let kept = |said: &PolicyVerdict| consumed.at >= now - kept_for(said.verdict);
            if consumed.at < before && !consumed.verdicts.iter().any(kept) {
                old.push((key.to_vec(), keys::heard(&consumed.key)));
            }
            old.len() < AT_ONCE
        })?;
        let Some((last, _)) = old.last() else { return Ok(()) };
        from.clone_from(last);
        for (verdict, event) in old {
            draft.remove(verdict);
            draft.remove(event);
        }
        draft.write(sequence - 1)?;
    }
}
