//! Months of simulated time, on a clock that the test advances, and back-tests of the record.
//!
//! | file | what |
//! |---|---|
//! | `back_test` | back-tests with the policies that ran, and with edits |
//! | `fair_clock` | time lost in outages is given back |
//! | `recorded` | journals of earlier versions of the program: they open, verify and continue |
//! | `replay` | decisions can be repeated from the journal |
//! | `same_journal` | the same journal in `proofd test`, in the daemon and in the back-test |
//! | `sweep_onelogin` | a sweep over OneLogin's users |
//! | `sweep_runs` | the handling of single people in a run |
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
