//! The store on a real disk: committed data is present, whatever happens to the process or the files.
//!
//! | file | what |
//! |---|---|
//! | `asked` | finding the decisions of policies |
//! | `backup` | backups of an open and a closed store, and stores made of them |
//! | `backup_export` | exports as JSON Lines, and stores made of them |
//! | `damage` | broken files |
//! | `end` | detection of the journal's end: the high-water mark, a torn end, a failed sync |
//! | `full_disk` | a full disk |
//! | `kill` | a process that is killed during commits |
//! | `loss` | lost data is refused until a person accepts the loss |
//! | `model` | random commits compared with a plain map |
//! | `power`, `power_disk` | power cuts: what was not synced is dropped, torn or reordered |
//! | `reads` | queries find committed data |
//! | `redact` | data of people that is removed on purpose |
//! | `salvage` | damage in the middle, and the cases that it touches |
//! | `search` | lists and searches of cases |
//! | `support` | minimal valid records |
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod asked;
mod backup;
mod backup_export;
mod damage;
#[path = "../world/disk.rs"]
mod disk;
mod end;
mod full_disk;
mod kill;
mod loss;
mod model;
mod power;
mod power_disk;
mod reads;
mod redact;
mod salvage;
mod search;
mod support;
