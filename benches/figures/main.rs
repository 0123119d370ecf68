//! `cargo bench` prints how fast the daemon is, as ratios within one run: the daemon and a bare program that
//! does the least that the same promise costs, in turn, medians of three rounds. Nothing is asserted; the
//! machines that run this are shared, and only ratios mean anything.
//!
//! | file | what |
//! |---|---|
//! | `daemon` | the real daemon as a child, with a directory of its own |
//! | `ceiling` | the bare program: parses, appends, syncs in groups |
//! | `flow` | the bare program's way of one case: event, request, wait, call back, request |
//! | `load` | requests over many connections, and how long each took |
//! | `intake` | events accepted, against the ceiling |
//! | `peers` | the same flow as a policy of the daemon |
//! | `cases` | whole registrations, and how their cost grows |
//! | `past` | 100,000 recorded events, walked with an edit of a policy |
//! | `start` | start-up, idle memory, size |
//! | `process` | what the system says a process has used |
//!
//! `cargo bench -- intake` prints one part. The binary runs itself again as the ceiling.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that cannot be made says so by failing, and figures are printed"
)]

mod cases;
mod ceiling;
mod daemon;
mod flow;
mod intake;
mod load;
mod past;
mod peers;
mod process;
mod start;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Some(dir) = std::env::var_os(ceiling::ROLE) {
        return runtime.block_on(ceiling::serve(dir.as_ref()));
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let chosen: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wanted = |part: &str| chosen.is_empty() || chosen.iter().any(|word| word == part);
    if wanted("start") {
        runtime.block_on(start::print());
    }
    if wanted("intake") {
        runtime.block_on(intake::print());
    }
    if wanted("peers") {
        runtime.block_on(peers::print());
    }
    if wanted("cases") {
        runtime.block_on(cases::print());
    }
    if wanted("past") {
        runtime.block_on(past::print());
    }
}

/// The middle one of an odd number of rounds.
fn median(rounds: impl IntoIterator<Item = f64>) -> f64 {
    let mut rounds: Vec<f64> = rounds.into_iter().collect();
    rounds.sort_by(f64::total_cmp);
    rounds.get(rounds.len() / 2).copied().unwrap_or(f64::NAN)
}
