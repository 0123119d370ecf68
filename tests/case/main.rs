//! A case as a pure function of its inputs: these tests use no disk, no network and no real clock.
//!
//! | file | what |
//! |---|---|
//! | `attempts` | timing of retries |
//! | `brought` | results that only the person's browser brings |
//! | `holds` | several cases that hold one account |
//! | `intake` | decisions about an event, a manual start, a person of a sweep |
//! | `migrations` | open cases move to another revision |
//! | `names` | whether a registration and a document belong to one person |
//! | `properties` | thousands of random input sequences |
//! | `provider` | a provider with late, unusual or unknown answers |
//! | `scenarios` | a case from its opening to its end |
//! | `shipped` | paths through the shipped policies |
//! | `timing` | repeated, late and early inputs |
//! | `verbs` | each verb, as data |
//! | `tree` | policies and a desk for the tests |
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod attempts;
mod brought;
mod holds;
mod intake;
mod migrations;
mod names;
mod properties;
mod provider;
mod scenarios;
mod shipped;
mod timing;
mod tree;
mod verbs;
