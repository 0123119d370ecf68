//! Diagnoses of the loader, the behavior of scripts, schedules and templates, and the commands and editors that need no
//! daemon.
//!
//! | file | what |
//! |---|---|
//! | `brackets` | files that are made to take long |
//! | `check` | every diagnosis of the loader, as data |
//! | `check_cli` | `check` and `explain-code`, for people and builds |
//! | `editor_schema` | the schemas that editors read |
//! | `effects` | the possible effects of policies, as expected files |
//! | `gate` | edits of shipped policies that wait for a release |
//! | `init` | what `proofd init` writes |
//! | `lsp` | `proofd lsp`, used as by an editor |
//! | `newcomer` | typical errors of new users |
//! | `schedule` | nominal times compared with an oracle |
//! | `script` | decisions, errors and limits of scripts |
//! | `shipped` | consistency of the shipped files |
//! | `template` | mails, and hostile values of a registrant in them |
//! | `tests` | `proofd test` |
//! | `trace` | the explanation of a condition |
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
mod init;
mod lsp;
mod newcomer;
mod schedule;
mod script;
mod shipped;
mod template;
mod tests;
mod trace;
