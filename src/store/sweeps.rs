//! Sweep data: a state for each sweep, the selected people of a run in progress, and the first sight of people with
//! unknown data.

use super::Error;
use super::commit::SweepChange;
use super::keys::{Key, Kind};
use super::state::Draft;
use crate::model::Timestamp;

pub(super) fn state(schedule: &str) -> Vec<u8> {
    Key::new(Kind::Sweep).text(schedule).end()
}

pub(super) fn past(schedule: &str) -> Key {
    Key::new(Kind::SweepPast).text(schedule)
}

pub(super) fn part(schedule: &str, number: u32) -> Vec<u8> {
    Key::new(Kind::SweepPart).text(schedule).number(number.into()).end()
}

pub(super) fn first_seen(policy: &str, shadow: bool, person: &str) -> Vec<u8> {
    Key::new(Kind::FirstSeen).text(policy).byte(shadow.into()).text(person).end()
}

pub(super) fn apply(draft: &mut Draft<'_>, change: &SweepChange) -> Result<(), Error> {
    match change {
        SweepChange::State(sweep) => draft.put(state(&sweep.schedule), sweep),
        SweepChange::Ended { schedule, run } => {
            draft.put(past(schedule).time_descending(run.nominal).end(), run)
        }
        SweepChange::Part(picked) => {
            let key = part(&picked.schedule, picked.number);
            if picked.people.is_empty() {
                draft.remove(key);
                return Ok(());
            }
            draft.put(key, picked)
        }
        SweepChange::FirstSeen(seen) => {
            let key = first_seen(&seen.policy, seen.shadow, &seen.person);
            match draft.get::<Timestamp>(&key)? {
                Some(_) => Ok(()),
                None => draft.put(key, &seen.at),
            }
        }
    }
}
