//! The most overdue people of a population, in memory that does not grow with it, and the people already seen.

use std::collections::{BTreeSet, HashSet};

use sha2::{Digest as _, Sha256};

use crate::model::Timestamp;
use crate::policy::sweep::spread_out;

/// The people who are due longest, up to a bound. People who are due since the same moment come in an order that
/// differs from run to run. `at_most` therefore does not always leave out the same people.
#[derive(Debug)]
pub(super) struct Picked {
    room: usize,
    nominal: String,
    people: BTreeSet<(Timestamp, u64, String)>,
}

impl Picked {
    pub(super) fn new(room: usize, nominal: Timestamp) -> Self {
        Self { room, nominal: nominal.to_rfc3339(), people: BTreeSet::new() }
    }

    pub(super) fn offer(&mut self, due: Timestamp, person: &str) {
        let full = self.people.len() >= self.room;
        if full && self.people.last().is_none_or(|(last, ..)| *last < due) {
            return;
        }
        self.people.insert((due, spread_out(&[&self.nominal, person]), person.to_owned()));
        if self.people.len() > self.room {
            self.people.pop_last();
        }
    }

    /// Returns the people, most overdue first.
    pub(super) fn into_people(self) -> Vec<String> {
        self.people.into_iter().map(|(_, _, person)| person).collect()
    }
}

/// The people that a run has seen. A list that changes while it is read returns people twice, even much later. Half a
/// hash each identifies them in 16 bytes, where their records would not fit.
#[derive(Debug, Default)]
pub(super) struct Met(HashSet<u128>);

impl Met {
    /// Returns true if the person was not seen before.
    pub(super) fn is_new(&mut self, person: &str) -> bool {
        let hash = Sha256::digest(person.as_bytes());
        self.0.insert(hash.iter().take(16).fold(0, |number, byte| (number << 8) | u128::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::Picked;
    use crate::model::Timestamp;

    #[test]
    fn the_most_overdue_people_are_picked_in_any_order() {
        let at = |day: i64| Timestamp::UNIX_EPOCH + TimeDelta::days(day);
        let mut picked = Picked::new(3, at(0));
        for day in [5, 3, 9, 1, 7, 3, 2] {
            picked.offer(at(day), &format!("p{day}"));
        }
        assert_eq!(picked.into_people(), ["p1", "p2", "p3"]);
    }

    #[test]
    fn equal_due_dates_rotate_between_runs() {
        let at = |day: i64| Timestamp::UNIX_EPOCH + TimeDelta::days(day);
        let run = |day| {
            let mut picked = Picked::new(10, at(day));
            (0..100).for_each(|person| picked.offer(at(0), &person.to_string()));
            picked.into_people()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
