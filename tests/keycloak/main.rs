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
//! | `journeys` | the daemon beside it: people from the form to the end |
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
mod gate;
mod journeys;
mod page;
mod person;
mod portal;
mod server;
#[path = "../world/mod.rs"]
mod world;
