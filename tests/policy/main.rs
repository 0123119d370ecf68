//! What the loader finds in policies, what scripts, schedules and templates say, and the commands and editors that
//! need no daemon.
//!
//! | file | what |
//! |---|---|
//! | `brackets` | files that are made to take long |
//! | `check` | every mistake that the loader knows, as data |
//! | `check_cli` | `check` and `explain-code`, as a person and a build use them |
//! | `editor_schema` | the schemas that editors read |
//! | `effects` | what policies can do, as expected files |
//! | `gate` | which edits of shipped policies wait for a release |
//! | `lsp` | `proofd lsp`, spoken to as an editor does |
//! | `newcomer` | what somebody gets wrong on the first day |
//! | `schedule` | nominal times against an oracle |
//! | `script` | what scripts decide, refuse and survive |
//! | `shipped` | what is shipped fits together |
//! | `template` | mails, and what a hostile registrant can put into them |
//! | `tests` | `proofd test` |
//! | `trace` | what a condition says of itself |
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod beneath;
mod brackets;
mod check;
mod check_cli;
mod editor_schema;
mod effects;
mod gate;
mod lsp;
mod newcomer;
mod schedule;
mod script;
mod shipped;
mod template;
mod tests;
mod trace;
