//! The real daemon as a child process, with simulated vendors.
//!
//! | file | what |
//! |---|---|
//! | `cli` | the command line |
//! | `crash` | a death at every single commit |
//! | `dev` | simulators and the daemon in one process |
//! | `events` | events of other programs |
//! | `explain` | why a policy did or did not open a case |
//! | `explain_try` | dry runs |
//! | `forget` | erasure and retention |
//! | `front` | what an unauthenticated client can hold or send |
//! | `full_disk` | a full disk |
//! | `http` | permissions of the HTTP interface |
//! | `lanes` | how many calls a system gets at once, how fast, and in which order |
//! | `links` | links to and in the policy tree |
//! | `limits` | rate limits of clients |
//! | `loss` | a store with lost data |
//! | `mission` | the use cases, row by row |
//! | `openid` | verification by OpenID Connect |
//! | `openapi` | the OpenAPI document, and the daemon compared with it |
//! | `operators` | what an operator reads about a problem |
//! | `outages` | unavailable vendors |
//! | `outside` | hooks, callbacks and the pages of a link |
//! | `plan` | an edit whose harm only the back-test shows |
//! | `registration` | the shipped registration policy, from the form to the end |
//! | `reload` | policies change, in every way in which files change |
//! | `repeated` | repeated change requests |
//! | `revisions` | release, revert, migration |
//! | `shadow` | shadow policies beside a live one |
//! | `standing` | the active revision of a policy that is removed, restored, renamed or loses its tests |
//! | `stranded` | a name that open cases need is removed from the configuration |
//! | `systemd` | notifications to systemd, and sockets from it |
//! | `toys` | providers outside of the program |
//! | `trust` | another person's proof admits no one |
//! | `watch` | data for monitoring |
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod cli;
mod crash;
mod dev;
mod events;
mod explain;
mod explain_try;
mod forget;
mod front;
mod full_disk;
mod http;
mod lanes;
mod limits;
mod links;
mod loss;
mod mission;
mod openapi;
mod openid;
mod operators;
mod outages;
mod outside;
mod people;
mod person;
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
