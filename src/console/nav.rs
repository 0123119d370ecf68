//! The navigation: every entry with the roles that its page needs. An entry that a person may not open is not shown.

use serde::Serialize;

use crate::config::Role;
use crate::http::Caller;
use crate::http::routes::{CASES, EXPLAIN, POLICIES};

/// A page in the navigation. `Other` is on no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Home,
    Queue,
    Cases,
    Explain,
    Policies,
    Changes,
    Sweeps,
    Calendar,
    Providers,
    Audit,
    Holds,
    Limits,
    Other,
}

struct Entry {
    group: &'static str,
    place: Place,
    label: &'static str,
    path: &'static str,
    /// Two keys after each other, the first is `g`.
    key: char,
    roles: &'static [Role],
}

const ENTRIES: &[Entry] = &[
    Entry { group: "Desk", place: Place::Home, label: "Home", path: "/", key: 'h', roles: EXPLAIN },
    Entry {
        group: "Desk",
        place: Place::Queue,
        label: "Queue",
        path: "/queue",
        key: 'q',
        roles: &[Role::Desk],
    },
    Entry { group: "Desk", place: Place::Cases, label: "Cases", path: "/cases", key: 'c', roles: CASES },
    Entry { group: "Desk", place: Place::Holds, label: "Holds", path: "/holds", key: 'o', roles: CASES },
    Entry {
        group: "Desk",
        place: Place::Limits,
        label: "Over limit",
        path: "/limits",
        key: 'l',
        roles: CASES,
    },
    entry(Place::Policies, "Policies", "/policies", 'p', POLICIES),
    entry(Place::Changes, "Changes", "/changes", 'r', POLICIES),
    entry(Place::Explain, "Explain", "/explain", 'e', EXPLAIN),
    entry(Place::Calendar, "Calendar", "/calendar", 't', CASES),
    entry(Place::Sweeps, "Sweeps", "/sweeps", 's', POLICIES),
    entry(Place::Providers, "Providers", "/providers", 'v', POLICIES),
    entry(Place::Audit, "Audit", "/audit", 'a', CASES),
];

/// An entry for people who own policies.
const fn entry(
    place: Place,
    label: &'static str,
    path: &'static str,
    key: char,
    roles: &'static [Role],
) -> Entry {
    Entry { group: "Policies", place, label, path, key, roles }
}

/// A group of entries, for the template.
#[derive(Debug, Serialize)]
pub struct Group {
    name: &'static str,
    entries: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    label: &'static str,
    path: &'static str,
    key: char,
    here: bool,
}

/// Returns the entries that a person may open.
pub fn groups(caller: Option<&Caller>, here: Place) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for entry in ENTRIES.iter().filter(|entry| caller.is_some_and(|caller| caller.may(entry.roles))) {
        let Entry { group, place, label, path, key, .. } = *entry;
        let line = Line { label, path, key, here: place == here };
        match groups.last_mut().filter(|last| last.name == group) {
            Some(last) => last.entries.push(line),
            None => groups.push(Group { name: group, entries: vec![line] }),
        }
    }
    groups
}
