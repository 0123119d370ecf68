//! The use cases of proofd, row by row: every kind of person and every reason for a proof, with the shipped policies
//! and the real daemon. The tests assert the records of the simulated systems.
//!
//! | who or why | where |
//! |---|---|
//! | a person registers: passed, rejected, silent, warned, objecting | `registration`, beside this |
//! | a person calls the help desk | `caller` |
//! | the proof is too old | `quarter` |
//! | a login is risky; two people decide, and escalate | `risk` |
//! | a role is given | `role` |
//! | two cases hold one account | `holds` |
//! | a partner with a sponsor | `partner` |
//! | a hire, and attributes in the HR system | `hire` |
//! | a provider or the daemon is away | `outage`, and `tests/past/fair_clock.rs` |
mod caller;
mod hire;
mod holds;
mod outage;
mod partner;
mod quarter;
mod risk;
mod role;
use std::path::Path;

use crate::world::World;

/// The daemon with the shipped policies; a minute takes a second.
async fn shipped() -> World {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    world.start();
    world
}
