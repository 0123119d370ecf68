//! The poller of both kinds of stored events. Keycloak sorts events by their time only; events of one millisecond have
//! no order, and an event may become visible after later ones. Each round therefore begins a minute before the newest
//! event, and events are told apart by their ids. Pages follow each other by time: an offset would skip rows when old
//! ones expire. The whole state is the cursor's text.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::admin::{AdminRecord, Report};
use super::events::{self, UserRecord};
use super::{Keycloak, hints, people};
use crate::connectors::Page;
use crate::model::{Event, EventType, Failure, Timestamp};

/// Events become visible late: this much of the past is read again each time.
const OVERLAP_MS: i64 = 60_000;
/// Rows of a page. A page of events of one millisecond is read again with twice as many.
const PAGE: u32 = 100;
/// Largest page: Keycloak imports a thousand users in one millisecond.
const LARGEST: u32 = 12_800;

/// The position in one kind of events. Times are milliseconds of Keycloak's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Place {
    /// Start of the next query, inclusive.
    from: i64,
    /// Time of the newest event so far.
    newest: i64,
    rows: u32,
    /// Ids inside the overlap whose events were returned already.
    seen: BTreeMap<String, i64>,
    /// The round goes on.
    #[serde(default)]
    more: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    user: Place,
    admin: Place,
}

/// What a page of records means for the position.
#[derive(Debug, PartialEq, Eq)]
struct Taken {
    /// Indexes of records that were not seen before.
    fresh: Vec<usize>,
    /// None of the records seen before is there any more: they expired, or somebody deleted them.
    lost: bool,
}

impl Place {
    fn new(from: i64) -> Self {
        Self { from, newest: from, rows: PAGE, seen: BTreeMap::new(), more: false }
    }

    /// Takes a page of ids and times, in order. `now` is Keycloak's time: an event of the future must not move the
    /// position past current ones.
    fn take(&mut self, page: &[(String, i64)], now: i64) -> Taken {
        let known = page.iter().filter(|(id, _)| self.seen.contains_key(id)).count();
        let lost = known == 0 && !self.seen.is_empty();
        if lost {
            self.seen.clear();
        }
        let mut fresh = Vec::new();
        for (index, (id, time)) in page.iter().enumerate() {
            if self.seen.insert(id.clone(), *time).is_none() {
                fresh.push(index);
            }
            self.newest = self.newest.max((*time).min(now + OVERLAP_MS));
        }
        let full = u32::try_from(page.len()).is_ok_and(|rows| rows >= self.rows);
        let last = page.last().map_or(self.from, |(_, time)| *time);
        self.more = full;
        if !full {
            self.from = self.from.max(self.newest - OVERLAP_MS);
            self.rows = PAGE;
        } else if last > self.from {
            self.from = last;
            self.rows = PAGE;
        } else if self.rows < LARGEST {
            // The whole page is of one millisecond.
            self.rows *= 2;
        } else {
            self.from += 1;
            self.rows = PAGE;
        }
        let keep = self.from.min(self.newest - OVERLAP_MS);
        self.seen.retain(|_, time| *time >= keep);
        Taken { fresh, lost }
    }
}

impl Keycloak {
    /// Reads the next page of both kinds of events.
    pub(super) async fn next(&self, cursor: Option<&str>) -> Result<Page, Failure> {
        let own = self.api.own().await?;
        // Keycloak's clock is known now.
        let now = self.api.now();
        let mut cursor = self.place(cursor, now);
        let (users, lost_users) = self.page::<UserRecord>("events", &mut cursor.user, now).await?;
        let (admins, lost_admins) = self.page::<AdminRecord>("admin-events", &mut cursor.admin, now).await?;
        let names = people::reversed(&self.names);
        let mut found: Vec<Event> = Vec::new();
        for record in &users {
            let events = events::read(&self.name, record, &names).into_iter();
            found.extend(events.filter_map(|event| self.kept(event)).map(registered));
        }
        let mut reports: Vec<(&AdminRecord, Report)> = admins
            .iter()
            .filter(|record| !record.is_refused())
            .map(|record| (record, record.report()))
            .collect();
        let touched =
            reports.iter().any(|(_, report)| matches!(report, Report::Realm | Report::GroupRoles { .. }));
        if touched {
            self.catalog.clear().await;
        }
        reports.sort_by_key(|(_, report)| !hints::is_named(report));
        for (record, report) in reports {
            found.extend(self.explain(record, report, &own).await?);
        }
        if lost_users || lost_admins {
            self.lost(&cursor, now);
            found.extend(self.waiting_since(now).await?);
        }
        found.sort_by_key(|event| event.time);
        self.guard(touched).await;
        let more = cursor.user.more || cursor.admin.more;
        let cursor = serde_json::to_string(&cursor)
            .map_err(|_| Failure::refused("storing the position in Keycloak's events failed"))?;
        Ok(Page { events: found, cursor: Some(cursor), more })
    }

    fn place(&self, cursor: Option<&str>, now: Timestamp) -> Cursor {
        let stored = cursor.and_then(|text| {
            let read = serde_json::from_str(text);
            if read.is_err() {
                // Events are identified by their keys: reading them again is harmless.
                tracing::warn!(
                    realm = self.name,
                    "reading the stored position in Keycloak's events failed; starting again from the beginning"
                );
            }
            read.ok()
        });
        stored.unwrap_or_else(|| {
            let from = (now - self.lookback).timestamp_millis();
            Cursor { user: Place::new(from), admin: Place::new(from) }
        })
    }

    /// Reads one page of one kind. Returns the new records, and whether earlier ones are gone.
    async fn page<T: DeserializeOwned + Record>(
        &self,
        kind: &str,
        place: &mut Place,
        now: Timestamp,
    ) -> Result<(Vec<T>, bool), Failure> {
        let (from, rows) = (place.from.max(0).to_string(), place.rows.to_string());
        let query = [("dateFrom", from.as_str()), ("direction", "asc"), ("max", rows.as_str())];
        let page: Vec<Value> = self.api.must(&[kind], &query).await?;
        let head = |value: &Value| {
            let id = value.get("id").and_then(Value::as_str)?;
            Some((id.to_owned(), value.get("time").and_then(Value::as_i64)?))
        };
        let heads: Option<Vec<(String, i64)>> = page.iter().map(head).collect();
        let heads = heads.ok_or_else(|| {
            Failure::outage("Keycloak's events have no ids; proofd needs Keycloak 26.2 or newer")
        })?;
        let taken = place.take(&heads, now.timestamp_millis());
        let mut found = Vec::with_capacity(taken.fresh.len());
        for (index, value) in page.into_iter().enumerate() {
            if taken.fresh.binary_search(&index).is_err() {
                continue;
            }
            match serde_json::from_value(value) {
                Ok(record) => found.push(record),
                // One unreadable record must not block all others.
                Err(_) => {
                    self.skipped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Ok((found, taken.lost))
    }

    /// Returns an event unless it is about a registration in a realm that has none.
    fn kept(&self, mut event: Event) -> Option<Event> {
        if self.registrations {
            return Some(event);
        }
        match event.kind.as_str() {
            EventType::REGISTRATION_CREATED => {
                event.kind = EventType::new("user.created");
                event.subject.kind = crate::model::SubjectKind::User;
                Some(event)
            }
            EventType::REGISTRATION_DELETED => None,
            _ => Some(event),
        }
    }
}

/// A stored record.
trait Record {}
impl Record for UserRecord {}
impl Record for AdminRecord {}

/// Adds the mark by which a registration counts as seen, whatever reported it.
pub(super) fn registered(mut event: Event) -> Event {
    if event.kind.as_str() == EventType::REGISTRATION_CREATED {
        let mark = format!("{}:registered:{}", event.source, event.subject.id);
        event.near = vec![mark.clone()];
        event.leaves = vec![mark];
    }
    event
}

impl Keycloak {
    /// Records that stored events are gone before or after they were read.
    fn lost(&self, cursor: &Cursor, now: Timestamp) {
        let newest = events::moment(cursor.user.newest.max(cursor.admin.newest));
        self.watch.lost(now, newest);
    }
}

#[cfg(test)]
mod tests {
    use super::{OVERLAP_MS, PAGE, Place};

    /// A store of events sorted by time, and a reader that pages through it.
    fn read_all(store: &[(String, i64)], place: &mut Place, now: i64) -> (Vec<String>, u32) {
        let (mut found, mut turns) = (Vec::new(), 0);
        loop {
            turns += 1;
            let rows = usize::try_from(place.rows).unwrap();
            let page: Vec<_> = store.iter().filter(|(_, at)| *at >= place.from).take(rows).cloned().collect();
            let taken = place.take(&page, now);
            found.extend(taken.fresh.iter().map(|index| page[*index].0.clone()));
            if !place.more {
                return (found, turns);
            }
            assert!(turns < 100, "the round does not end");
        }
    }

    fn store(times: impl IntoIterator<Item = i64>) -> Vec<(String, i64)> {
        times.into_iter().enumerate().map(|(number, at)| (format!("e{number}"), at)).collect()
    }

    #[test]
    fn events_with_equal_timestamps_are_returned_once() {
        let many = i64::from(PAGE) * 9 + 54;
        for (name, times) in [
            ("none", vec![]),
            ("one", vec![5]),
            ("an exact page", (0..100).collect::<Vec<_>>()),
            ("an exact page of one millisecond", vec![7; 100]),
            ("ties across the edge of a page", (0..99).chain([99; 150]).chain(100..350).collect()),
            ("an import", (0..50).chain(vec![50; usize::try_from(many).unwrap()]).chain([51, 52]).collect()),
        ] {
            let store = store(times);
            let mut place = Place::new(0);
            let (found, _) = read_all(&store, &mut place, 1_000_000);
            let all: Vec<_> = store.iter().map(|(id, _)| id.clone()).collect();
            assert_eq!(found, all, "{name}");
            let (again, _) = read_all(&store, &mut place, 1_000_000);
            assert!(again.is_empty(), "{name}: {again:?} again");
        }
    }

    #[test]
    fn a_late_event_within_the_overlap_is_returned() {
        let mut store = store([0, 100_000]);
        let mut place = Place::new(0);
        read_all(&store, &mut place, 200_000);
        store.insert(1, ("late".to_owned(), 100_000 - OVERLAP_MS));
        assert_eq!(read_all(&store, &mut place, 200_000).0, ["late"]);
    }

    #[test]
    fn a_future_event_does_not_move_the_cursor_past_now() {
        let mut store = store([1_000, 9_000_000]);
        let mut place = Place::new(0);
        read_all(&store, &mut place, 2_000);
        store.insert(1, ("now".to_owned(), 2_500));
        assert_eq!(read_all(&store, &mut place, 3_000).0, ["now"]);
    }

    #[test]
    fn cleared_events_are_detected() {
        let mut place = Place::new(0);
        let page = store([1_000]);
        assert!(!place.take(&page, 2_000).lost);
        assert!(!place.take(&page, 2_000).lost);
        assert!(place.take(&[], 2_000).lost);
        assert!(!place.take(&[], 2_000).lost, "once");
        let new = [("new".to_owned(), 3_000)];
        assert_eq!(place.take(&new, 4_000).fresh, [0]);
        let newer = [("newer".to_owned(), 3_500)];
        let taken = place.take(&newer, 4_000);
        assert!(taken.lost && taken.fresh == [0], "what is new is returned all the same");
    }
}
