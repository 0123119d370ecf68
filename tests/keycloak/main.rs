//! A real Keycloak with the example realm, which people use over HTTP and with a real browser. Nothing here is
//! simulated but the mailbox and the verification provider.
//!
//! The first run fetches Keycloak with Maven (180 MB) into `~/.cache/proofd-tests` or `PROOFD_TEST_CACHE`. Without
//! Maven, Java 17 or newer, Python or Chromium the tests say so and are skipped; with `CI` set that is a failure.
//!
//! | file | what |
//! |---|---|
//! | `server` | the server that all tests share |
//! | `admin` | an administrator of a realm |
//! | `page`, `person` | a person with a browser over plain HTTP |
//! | `chromium` | a person with a real browser |
//! | `portal` | a small application that signs people in |
//! | `gate` | nobody gets past the realm's gate |
//! | `own_realm` | the gate is added to a realm by hand |
//! | `journeys` | the daemon beside it: people from the form to the end |
//! | `readback` | what another client of Keycloak reads of our changes |
//! | `kill` | the campaign of `tests/kill`, with fewer people; `evidence`, `invariants`, `lives` and `tampered` are its files |
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod admin;
mod chromium;
mod connector;
#[path = "../kill/evidence.rs"]
mod evidence;
mod gate;
#[path = "../kill/invariants.rs"]
mod invariants;
mod journeys;
mod kill;
#[path = "../kill/lives.rs"]
mod lives;
mod own_realm;
mod page;
mod person;
mod portal;
mod readback;
mod server;
#[path = "../kill/tampered.rs"]
mod tampered;
#[path = "../world/mod.rs"]
mod world;
