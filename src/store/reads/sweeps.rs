//! Reads of sweep data.

use std::collections::BTreeMap;

use crate::model::Timestamp;
use crate::store::Error;
use crate::store::commit::{SweepPart, SweepRun, SweepState};
use crate::store::handle::Store;
use crate::store::keys::{Key, Kind};
use crate::store::sweeps::{first_seen, part, past, state};

impl Store {
    /// Returns the progress of a sweep; `None` if it never existed.
    pub fn sweep(&self, schedule: &str) -> Result<Option<SweepState>, Error> {
        self.state().value(&state(schedule))
    }

    /// Returns all sweeps that ever existed, by schedule.
    pub fn sweeps(&self) -> Result<BTreeMap<String, SweepState>, Error> {
        let prefix = Key::new(Kind::Sweep).end();
        let sweeps: Vec<SweepState> = self.some(&prefix, &prefix, usize::MAX)?;
        Ok(sweeps.into_iter().map(|sweep| (sweep.schedule.clone(), sweep)).collect())
    }

    /// Returns the last runs of a sweep, newest first.
    pub fn sweep_runs(&self, schedule: &str, limit: usize) -> Result<Vec<SweepRun>, Error> {
        let prefix = past(schedule).end();
        self.some(&prefix, &prefix, limit)
    }

    /// Returns a part of the people that a sweep's run selected.
    pub fn sweep_part(&self, schedule: &str, number: u32) -> Result<Vec<String>, Error> {
        let found: Option<SweepPart> = self.state().value(&part(schedule, number))?;
        Ok(found.map(|part| part.people).unwrap_or_default())
    }

    /// Returns the numbers of all stored parts of a sweep.
    pub fn sweep_parts(&self, schedule: &str) -> Result<Vec<u32>, Error> {
        let prefix = Key::new(Kind::SweepPart).text(schedule).end();
        let parts: Vec<SweepPart> = self.some(&prefix, &prefix, usize::MAX)?;
        Ok(parts.into_iter().map(|part| part.number).collect())
    }

    /// Returns when the policy's sweeps first saw a person with an unknown date.
    pub fn first_seen(&self, policy: &str, shadow: bool, person: &str) -> Result<Option<Timestamp>, Error> {
        self.state().value(&first_seen(policy, shadow, person))
    }
}
