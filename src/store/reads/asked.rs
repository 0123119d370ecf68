//! Reads of the decision log by person: newest first, day after day.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::model::{Event, Timestamp};
use crate::policy::Revision;
use crate::store::Error;
use crate::store::asked::{Place, deciders, of_class, verdicts};
use crate::store::commit::{Asked, AskedAbout, AskedOf, Class, Consumed, Inputs};
use crate::store::handle::Store;
use crate::store::keys::{self, Key, Kind};
use crate::store::values::{Listed, Logged};

/// Most entries about one person that are looked through: more than a person has sign-ins in the retention.
const LOOKED_THROUGH: usize = 50_000;

/// Lists of revisions, by their hash.
type Lists = HashMap<String, Vec<(String, Revision)>>;

/// The last verdict of each policy on a person.
#[derive(Debug, Default)]
pub struct LastAsked {
    pub by_policy: BTreeMap<String, AskedOf>,
    /// Entries before this time were not looked at; `None`: all were.
    pub from: Option<Timestamp>,
}

impl Store {
    /// Returns an event that a policy evaluated, as long as its mark is kept.
    pub fn event(&self, key: &str) -> Result<Option<Event>, Error> {
        let mut entries = self.logged_of(key)?.into_iter();
        Ok(entries.find_map(|(_, logged)| logged.event))
    }

    /// Returns every policy's verdict on an event, as long as its mark is kept.
    pub fn verdicts(&self, key: &str) -> Result<Option<Consumed>, Error> {
        let Some(Some(at)) = self.state().value::<Option<Timestamp>>(&keys::seen(key))? else {
            return Ok(None);
        };
        let (mut said, mut lists) = (Vec::new(), Lists::new());
        for (place, logged) in self.logged_of(key)? {
            let all = self.all_of(&place, &logged, &mut lists)?;
            said.extend(all.into_iter().map(|asked| asked.said));
        }
        Ok(Some(Consumed { key: key.to_owned(), at, verdicts: said, ..Consumed::default() }))
    }

    fn logged_of(&self, key: &str) -> Result<Vec<(Place, Logged)>, Error> {
        let Some(Some(at)) = self.state().value::<Option<Timestamp>>(&keys::seen(key))? else {
            return Ok(Vec::new());
        };
        let mut entries = Vec::new();
        for class in Class::ALL {
            let prefix = of_class(class).time(at).text(key).end();
            self.state().walk(&prefix, &prefix, &mut |key, logged| {
                entries.extend(Place::of_logged(key).map(|place| (place, logged)));
                true
            })?;
        }
        Ok(entries)
    }

    /// Returns whether the log has an entry about a person.
    pub fn is_asked(&self, person: &str) -> Result<bool, Error> {
        let mut any = false;
        self.walk_about(AskedAbout::person(person, Timestamp::MAX_UTC), &mut |_, _| {
            any = true;
            false
        })?;
        Ok(any)
    }

    /// Returns verdicts on a person, newest first; among those on one event, the most informative first.
    pub fn asked(&self, about: AskedAbout<'_>, limit: usize) -> Result<Vec<AskedOf>, Error> {
        let (mut found, mut lists) = (Vec::new(), Lists::new());
        let mut failed = None;
        self.walk_about(about, &mut |place, listed| {
            let all = self.of_policies(&place, &listed, about.policy, &mut lists);
            match all {
                Ok(all) => found.extend(all),
                Err(error) => failed = Some(error),
            }
            failed.is_none() && found.len() < limit
        })?;
        found.truncate(limit);
        failed.map_or(Ok(found), Err)
    }

    /// Returns each policy's last verdict on a person.
    pub fn last_asked(&self, about: AskedAbout<'_>) -> Result<LastAsked, Error> {
        let (mut last, mut lists) = (LastAsked::default(), Lists::new());
        let (mut failed, mut looked) = (None, 0);
        // Of a list whose policies are all found, an entry need not be read.
        let mut done = HashSet::new();
        self.walk_about(about, &mut |place, listed| {
            looked += 1;
            if looked > LOOKED_THROUGH {
                last.from = Some(place.at);
                return false;
            }
            let new = listed.policies.iter().any(|policy| !last.by_policy.contains_key(policy));
            if !new && listed.by.as_ref().is_none_or(|by| done.contains(by)) {
                return true;
            }
            match self.of_policies(&place, &listed, about.policy, &mut lists) {
                Ok(all) => {
                    for one in all {
                        last.by_policy.entry(one.asked.said.policy.clone()).or_insert(one);
                    }
                }
                Err(error) => failed = Some(error),
            }
            if let Some((by, list)) = listed.by.as_ref().and_then(|by| Some((by, lists.get(by)?)))
                && list.iter().all(|(policy, _)| last.by_policy.contains_key(policy))
            {
                done.insert(by.clone());
            }
            let found = about.policy.is_some_and(|policy| last.by_policy.contains_key(policy));
            failed.is_none() && !found
        })?;
        failed.map_or(Ok(last), Err)
    }

    /// Returns the events about a person that policies evaluated, newest first.
    pub fn events_of(&self, about: AskedAbout<'_>, limit: usize) -> Result<Vec<Event>, Error> {
        let (mut events, mut seen) = (Vec::new(), HashSet::new());
        let mut failed = None;
        self.walk_about(about, &mut |place, _| {
            if seen.insert(place.event.clone()) {
                match self.state().value::<Logged>(&place.logged()) {
                    Ok(logged) => events.extend(logged.and_then(|logged| logged.event)),
                    Err(error) => failed = Some(error),
                }
            }
            failed.is_none() && events.len() < limit && seen.len() < LOOKED_THROUGH
        })?;
        failed.map_or(Ok(events), Err)
    }

    /// Returns entries of a class over all people, oldest first.
    pub fn asked_in(&self, class: Class, limit: usize) -> Result<Vec<Asked>, Error> {
        let (prefix, mut entries) = (of_class(class).end(), Vec::new());
        if limit > 0 {
            self.state().walk(&prefix, &prefix, &mut |key, logged: Logged| {
                entries.extend(Place::of_logged(key).map(|place| (place, logged)));
                entries.len() < limit
            })?;
        }
        let (mut found, mut lists) = (Vec::new(), Lists::new());
        for (place, logged) in entries {
            found.extend(self.all_of(&place, &logged, &mut lists)?);
        }
        Ok(found)
    }

    /// Walks the entries about a person, newest first. A day without any costs one look.
    fn walk_about(
        &self,
        about: AskedAbout<'_>,
        visit: &mut dyn FnMut(Place, Listed) -> bool,
    ) -> Result<(), Error> {
        let all = Key::new(Kind::Listed);
        let first = all.clone().day_descending(about.until).text(about.person).time_descending(about.until);
        let mut from = Some(first.end());
        while let Some(at) = from.take() {
            self.state().walk(&all.clone().end(), &at, &mut |key, listed: Listed| {
                let Some(day) = key.get(..5) else { return false };
                let of_person = all.clone().raw(day.get(1..).unwrap_or_default()).text(about.person).end();
                if !key.starts_with(&of_person) {
                    // Another person: to this person's place on the same day, or on the next older one.
                    from = if key < of_person.as_slice() {
                        Some(of_person)
                    } else {
                        Some([&keys::after(day), of_person.get(5..).unwrap_or_default()].concat())
                    };
                    return false;
                }
                let Some(place) = Place::of_listed(key) else { return true };
                let wanted = about.kind.is_none_or(|kind| place.kind == kind)
                    && about.event.is_none_or(|event| place.event == event);
                !wanted || visit(place, listed)
            })?;
        }
        Ok(())
    }

    /// Returns the verdicts of an entry, of one policy or of all. Reads the entry only if the policy may be in it.
    fn of_policies(
        &self,
        place: &Place,
        listed: &Listed,
        policy: Option<&str>,
        lists: &mut Lists,
    ) -> Result<Vec<AskedOf>, Error> {
        if let Some(by) = &listed.by {
            self.list(by, lists)?;
        }
        let has = |wanted: &str| {
            let list = listed.by.as_ref().and_then(|by| lists.get(by));
            listed.policies.iter().any(|policy| policy == wanted)
                || list.is_some_and(|list| list.iter().any(|(policy, _)| policy == wanted))
        };
        if policy.is_some_and(|wanted| !has(wanted)) {
            return Ok(Vec::new());
        }
        let Some(logged) = self.state().value::<Logged>(&place.logged())? else { return Ok(Vec::new()) };
        let mut all = self.all_of(place, &logged, lists)?;
        all.retain(|asked| policy.is_none_or(|wanted| asked.said.policy == wanted));
        let Logged { event, named, .. } = logged;
        let inputs = event.map(|event| Arc::new(Inputs { event, named }));
        Ok(all.into_iter().map(|asked| AskedOf { asked, inputs: inputs.clone() }).collect())
    }

    fn all_of(&self, place: &Place, logged: &Logged, lists: &mut Lists) -> Result<Vec<Asked>, Error> {
        let by = match &logged.by {
            Some(by) => self.list(by, lists)?,
            None => &[],
        };
        Ok(verdicts(place, logged, by))
    }

    fn list<'a>(&self, by: &str, lists: &'a mut Lists) -> Result<&'a [(String, Revision)], Error> {
        if !lists.contains_key(by) {
            let list = self.state().value(&deciders(by))?.unwrap_or_default();
            lists.insert(by.to_owned(), list);
        }
        Ok(lists.get(by).map(Vec::as_slice).unwrap_or_default())
    }
}
