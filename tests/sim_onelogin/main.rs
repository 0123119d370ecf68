//! The simulated OneLogin over real HTTP: what it answers, what it does without saying so, and its knobs.
#![allow(clippy::unwrap_used, reason = "what fails in a test's own plumbing fails the test")]

mod access;
mod api;
mod control;
mod events;
mod habits;
mod people;
mod tenant;
