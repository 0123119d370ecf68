//! What happens over months, on a clock that is turned by hand, and the same walked again from the record.
//!
//! | file | what |
//! |---|---|
//! | `back_test` | the recorded past, with the policies that ran it and with edits |
//! | `fair_clock` | nobody loses time that they did not have |
//! | `recorded` | journals that earlier versions of the program wrote: they open, verify and go on |
//! | `replay` | what was decided can be decided again |
//! | `same_journal` | one journal in `proofd test`, in the daemon and in the back-test |
//! | `sweep_onelogin` | a sweep over OneLogin's users |
//! | `sweep_runs` | what a run does with one person or another |
//! | `sweep_year` | ten thousand people over eight months |
//! | `town` | a directory of people in memory |
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod back_test;
mod fair_clock;
mod recorded;
mod replay;
mod same_journal;
mod sweep_onelogin;
mod sweep_runs;
mod sweep_year;
mod town;
#[path = "../world/mod.rs"]
mod world;
