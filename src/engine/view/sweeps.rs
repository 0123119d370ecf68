//! Runs of sweeps.

use crate::api::sweeps::SweepRun;
use crate::store;

impl From<store::SweepRun> for SweepRun {
    fn from(run: store::SweepRun) -> Self {
        let store::SweepRun {
            nominal,
            revision,
            shadow,
            began,
            ended,
            end,
            picked,
            position,
            looked_at,
            due,
            opened,
            would_open,
            left,
            skipped,
            not_noted,
        } = run;
        Self {
            nominal,
            revision: revision.0,
            shadow,
            began,
            ended,
            end,
            picked,
            position,
            looked_at,
            due,
            opened,
            would_open,
            left,
            skipped,
            not_noted,
        }
    }
}
