//! The decision log as an order leaves it: nothing about the person, or their events without data.

use super::project::first_key;
use super::record;
use super::who::Who;
use crate::store::Error;
use crate::store::asked::{Place, last};
use crate::store::keys::{self, Key, Kind};
use crate::store::state::Draft;
use crate::store::values::{Last, Listed, Logged};

/// Returns the starts of the log's days. Looks at one entry of each.
fn days(draft: &Draft<'_>) -> Result<Vec<Vec<u8>>, Error> {
    let prefix = Key::new(Kind::Listed).end();
    let (mut days, mut from) = (Vec::new(), prefix.clone());
    while let Some(key) = first_key::<Listed>(draft, &prefix, &from)? {
        // The kind, and the day in four bytes.
        let Some(day) = key.get(..5).map(<[u8]>::to_vec) else { break };
        from = keys::after(&day);
        days.push(day);
    }
    Ok(days)
}

/// Returns where the entries about a person are.
fn places(draft: &Draft<'_>, person: &str) -> Result<Vec<Place>, Error> {
    let mut places = Vec::new();
    for mut prefix in days(draft)? {
        prefix.extend(Key::bare(person));
        draft.state.walk(&prefix, &prefix, &mut |key, _: Listed| {
            places.extend(Place::of_listed(key));
            true
        })?;
    }
    Ok(places)
}

/// Returns whether the log has an entry about a person.
pub(super) fn has(draft: &Draft<'_>, person: &str) -> Result<bool, Error> {
    Ok(!places(draft, person)?.is_empty())
}

/// Returns everybody whom the log has. Looks at one entry of each person and day.
pub(super) fn people(draft: &Draft<'_>) -> Result<Vec<String>, Error> {
    let mut people = Vec::new();
    for day in days(draft)? {
        let mut from = day.clone();
        while let Some(key) = first_key::<Listed>(draft, &day, &from)? {
            let Some((person, next)) = keys::text_at(&key, day.len()) else { break };
            from = keys::after(key.get(..next).unwrap_or(&key));
            people.push(person);
        }
    }
    Ok(people)
}

/// Removes the verdicts on a person.
pub(super) fn forget(draft: &mut Draft<'_>, person: &str) -> Result<(), Error> {
    for place in places(draft, person)? {
        let key = place.logged();
        if let Some(logged) = draft.get::<Logged>(&key)? {
            for said in &logged.said {
                let of = last(&said.policy, place.class);
                if draft.get::<Last>(&of)?.is_some_and(|last| last.key == key) {
                    draft.remove(of);
                }
            }
        }
        draft.remove(place.listed());
        draft.remove(key);
    }
    Ok(())
}

/// Removes the data of events that an order names, in the entries about a person.
pub(super) fn strip_events(draft: &mut Draft<'_>, who: &Who<'_>, person: &str) -> Result<(), Error> {
    for place in places(draft, person)? {
        if !who.events.contains(place.event.as_str()) {
            continue;
        }
        let key = place.logged();
        let Some(mut logged) = draft.get::<Logged>(&key)? else { continue };
        if let Some(event) = &mut logged.event {
            record::event(event, who);
            draft.put(key, &logged)?;
        }
    }
    Ok(())
}
