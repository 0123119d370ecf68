//! Target systems, endpoints and sinks over real HTTP, against a small server that answers what a row says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by failing"
)]

mod endpoint;
mod peer;
mod scim;
mod sink;
