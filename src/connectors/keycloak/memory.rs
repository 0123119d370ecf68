//! What was read of people before a change: a bounded cache. Some events of administrators say only whom they concern;
//! with an earlier read they also say what changed. Without one they say no more than Keycloak does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;

use super::wire::Account;
use crate::model::{Event, Timestamp};

/// Most people that are remembered.
const MOST_PEOPLE: usize = 20_000;
/// Most records whose events are remembered.
const MOST_RECORDS: usize = 4_096;
/// Age at which a read replaces an earlier one. A change of which no event tells is then no longer noticed.
const OLD: TimeDelta = TimeDelta::days(1);
/// Uncertainty of Keycloak's clock, which is known by the whole seconds of its tokens.
const UNCERTAIN_MS: i64 = 3_000;

/// The memory. `Debug` leaves out its content, which is personal.
#[derive(Default)]
pub struct Memory(Mutex<Inner>);

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} people)", self.lock().people.len())
    }
}

#[derive(Default)]
struct Inner {
    people: BTreeMap<String, Known>,
    explained: BTreeMap<String, Vec<Event>>,
    order: VecDeque<String>,
}

/// What is known of a person.
#[derive(Clone, Default)]
pub struct Known {
    /// The time of the read or of the last event that is included, by Keycloak's clock.
    pub(super) at: i64,
    /// The time is that of an event.
    pub(super) exact: bool,
    /// Names of all roles, however held.
    pub roles: BTreeSet<String>,
    pub enabled: bool,
    /// Fields and attributes by Keycloak's names.
    pub values: BTreeMap<String, String>,
}

impl Known {
    fn of(account: &Account, roles: &[String], at: i64) -> Self {
        let own = [
            ("username", &account.username),
            ("email", &account.email),
            ("firstName", &account.first_name),
            ("lastName", &account.last_name),
        ];
        let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        let more = account.attributes.iter().map(|(name, values)| (name.clone(), joined(values)));
        Self {
            at,
            exact: false,
            roles: roles.iter().cloned().collect(),
            enabled: account.enabled,
            values: own.chain(more).collect(),
        }
    }
}

/// Returns several values as Keycloak's events write them.
pub fn joined(values: &[String]) -> String {
    values.join("::")
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a person who was read from `begun` on, unless an earlier read is remembered: a change since then may
    /// still have its event to come.
    pub fn learn(&self, account: &Account, roles: &[String], begun: Timestamp) {
        let mut inner = self.lock();
        let at = begun.timestamp_millis();
        let recent = |known: &Known| at - known.at < OLD.num_milliseconds();
        if inner.people.get(&account.id).is_some_and(recent) {
            return;
        }
        if inner.people.len() >= MOST_PEOPLE {
            inner.people.pop_first();
        }
        inner.people.insert(account.id.clone(), Known::of(account, roles, at));
    }

    /// Returns what a person was before a change; `None`: it is not known.
    pub fn before(&self, user: &str, time: i64) -> Option<Known> {
        let was = |known: &&Known| known.at <= if known.exact { time } else { time - UNCERTAIN_MS };
        self.lock().people.get(user).filter(was).cloned()
    }

    /// Includes a change into what is known of a person.
    pub fn follow(&self, user: &str, time: i64, change: impl FnOnce(&mut Known)) {
        if let Some(known) = self.lock().people.get_mut(user) {
            change(known);
            if time >= known.at {
                known.at = time;
                known.exact = true;
            }
        }
    }

    pub fn forget(&self, user: &str) {
        self.lock().people.remove(user);
    }

    /// Returns the events of a record that was told before: its page may not have become durable.
    pub fn events_of(&self, record: &str) -> Option<Vec<Event>> {
        self.lock().explained.get(record).cloned()
    }

    pub fn remember(&self, record: &str, events: &[Event]) {
        let mut inner = self.lock();
        if inner.explained.insert(record.to_owned(), events.to_vec()).is_none() {
            inner.order.push_back(record.to_owned());
        }
        if inner.order.len() > MOST_RECORDS
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.explained.remove(&oldest);
        }
    }
}
