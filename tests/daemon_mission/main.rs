//! What proofd is for, row by row: every kind of person and everything that makes one prove who they are, with
//! the shipped policies and the real daemon. What counts is what the simulated systems recorded.
//!
//! | who or why | where |
//! |---|---|
//! | somebody registers: passed, rejected, silent, warned, contested | `tests/daemon_registration.rs` |
//! | somebody calls the help desk | `caller` |
//! | the proof is too old | `quarter` |
//! | a login is risky; two people decide, and escalate | `risk` |
//! | a role is given | `role` |
//! | two cases hold one account | `holds` |
//! | a partner with a sponsor | `partner` |
//! | a hire, and attributes in the HR system | `hire` |
//! | a provider or the daemon is away | `outage`, and `tests/fair_clock.rs` |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by failing"
)]

mod caller;
mod hire;
mod holds;
mod outage;
mod partner;
mod quarter;
mod risk;
mod role;
#[path = "../world/mod.rs"]
mod world;

use std::path::Path;

use world::World;

/// The daemon with the shipped policies; a minute is a second.
async fn shipped() -> World {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    world.start();
    world
}
