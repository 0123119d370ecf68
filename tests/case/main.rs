//! A case as a pure function of what comes: nothing here has a disk, a network or a clock.
//!
//! | file | what |
//! |---|---|
//! | `attempts` | when attempts come again |
//! | `holds` | several cases that hold one account |
//! | `intake` | what is done with an event, a start by hand, a person of a sweep |
//! | `migrations` | open cases move to another revision |
//! | `names` | whether a registration and a document are of one person |
//! | `properties` | thousands of random ways |
//! | `provider` | a provider that answers late, oddly or in new words |
//! | `scenarios` | a case from its opening to its end |
//! | `shipped` | the shipped policies, walked |
//! | `timing` | what comes twice, late or early |
//! | `verbs` | each verb, as data |
//! | `tree` | policies and a desk to play with |
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod attempts;
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
