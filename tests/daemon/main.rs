//! The real daemon, as a child process with simulated vendors beside it.
//!
//! | file | what |
//! |---|---|
//! | `cli` | the command line |
//! | `crash` | a death at every single commit |
//! | `events` | events of other programs |
//! | `explain` | why a policy did or did not fire |
//! | `explain_try` | what policies would say |
//! | `front` | what a client can hold or send before it has shown who it is |
//! | `full_disk` | a disk that runs full |
//! | `http` | who may do what at the doors |
//! | `limits` | how much one client may ask |
//! | `loss` | a store that lost something |
//! | `mission` | what proofd is for, row by row |
//! | `openapi` | the document of the API, and the daemon against it |
//! | `operators` | what an operator reads when something is wrong |
//! | `outages` | vendors that are down |
//! | `plan` | an edit whose harm only the past shows |
//! | `registration` | the shipped registration policy, from the form to the end |
//! | `reload` | policies change, in every way in which files change |
//! | `repeated` | a change that is asked for twice |
//! | `revisions` | released, reverted, migrated |
//! | `shadow` | shadow policies beside a live one |
//! | `standing` | what runs of a policy that left, came back, got another name or lost its tests |
//! | `stranded` | a name that open cases need is gone from the configuration |
//! | `systemd` | what systemd is told |
//! | `toys` | providers that are no part of the program |
//! | `trust` | proofs of somebody else let nobody in |
//! | `watch` | what monitoring reads |
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod cli;
mod crash;
mod events;
mod explain;
mod explain_try;
mod front;
mod full_disk;
mod http;
mod limits;
mod loss;
mod mission;
mod openapi;
mod operators;
mod outages;
mod people;
mod plan;
mod registration;
mod reload;
mod repeated;
mod revisions;
mod shadow;
mod standing;
mod stranded;
mod systemd;
mod toys;
mod trust;
mod watch;
#[path = "../world/mod.rs"]
mod world;
