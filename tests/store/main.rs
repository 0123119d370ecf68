//! The store on a real disk: what was committed is there, whatever happens to the process or the files.
//!
//! | file | what |
//! |---|---|
//! | `asked` | what policies said, found again |
//! | `damage` | broken files |
//! | `end` | what proves the end of the journal: the high-water mark, a torn end, a failed sync |
//! | `full_disk` | a disk that runs full |
//! | `kill` | a process that is killed while it commits |
//! | `loss` | what is missing is refused, and accepted by a person |
//! | `model` | random commits against a plain map |
//! | `reads` | what looks for something finds it |
//! | `salvage` | damage in the middle, and the cases that it touches |
//! | `support` | the smallest records that a store takes |
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod asked;
mod damage;
#[path = "../world/disk.rs"]
mod disk;
mod end;
mod full_disk;
mod kill;
mod loss;
mod model;
mod reads;
mod salvage;
mod support;
