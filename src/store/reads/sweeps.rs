//! How far sweeps are.

use std::collections::BTreeMap;

use crate::model::Timestamp;
use crate::store::Error;
use crate::store::commit::{SweepPart, SweepRun, SweepState};
use crate::store::handle::Store;
use crate::store::keys::{Key, Kind};
use crate::store::sweeps::{first_seen, part, past, state};

impl Store {
    /// How far a sweep is; none, if it was never there.
    pub fn sweep(&self, schedule: &str) -> Result<Option<SweepState>, Error> {
        self.state().value(&state(schedule))
    }

    /// Every sweep that ever was there, by schedule.
    pub fn sweeps(&self) -> Result<BTreeMap<String, SweepState>, Error> {
        let prefix = Key::new(Kind::Sweep).end();
        let sweeps: Vec<SweepState> = self.some(&prefix, &prefix, usize::MAX)?;
        Ok(sweeps.into_iter().map(|sweep| (sweep.schedule.clone(), sweep)).collect())
    }

    /// The last runs of a sweep, newest first.
    pub fn sweep_runs(&self, schedule: &str, limit: usize) -> Result<Vec<SweepRun>, Error> {
        let prefix = past(schedule).end();
        self.some(&prefix, &prefix, limit)
    }

    /// A part of the people that a sweep's run has picked.
    pub fn sweep_part(&self, schedule: &str, number: u32) -> Result<Vec<String>, Error> {
        let found: Option<SweepPart> = self.state().value(&part(schedule, number))?;
        Ok(found.map(|part| part.people).unwrap_or_default())
    }

    /// The numbers of all parts that are kept of a sweep.
    pub fn sweep_parts(&self, schedule: &str) -> Result<Vec<u32>, Error> {
        let prefix = Key::new(Kind::SweepPart).text(schedule).end();
        let parts: Vec<SweepPart> = self.some(&prefix, &prefix, usize::MAX)?;
        Ok(parts.into_iter().map(|part| part.number).collect())
    }

    /// When the policy's sweeps first saw a person about whom nothing was known.
    pub fn first_seen(&self, policy: &str, shadow: bool, person: &str) -> Result<Option<Timestamp>, Error> {
        self.state().value(&first_seen(policy, shadow, person))
    }
}
