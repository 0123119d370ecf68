//! The console of the real daemon: who sees which page, what a foreign page cannot do, and the ways of people through it
//! in a real browser.
//!
//! | file | what |
//! |---|---|
//! | `admin` | the pages of people who own policies |
//! | `client` | a browser without a screen: cookies, forms, redirects |
//! | `journeys` | people decide in a real browser, in two themes and at two widths |
//! | `matrix` | every page with every role |
//! | `security` | sessions, forged forms, injected names, redirects |
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod admin;
mod client;
mod journeys;
mod matrix;
mod security;
#[path = "../world/mod.rs"]
mod world;
