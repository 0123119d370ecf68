//! `cargo bench` prints how fast the daemon is, as ratios within one run. The daemon and a bare program with the
//! minimal work for the same guarantee run in turn, and medians of three rounds are printed. Nothing is asserted:
//! the machines that run this are shared, and only ratios are meaningful.
//!
//! | file | what |
//! |---|---|
//! | `daemon` | the real daemon as a child process, with a directory of its own |
//! | `ceiling` | the bare program: parses, appends, syncs in groups |
//! | `flow` | one case in the bare program: event, request, wait, call back, request |
//! | `load` | requests over many connections, and their latencies |
//! | `intake` | accepted events, compared with the ceiling |
//! | `peers` | the same flow as a policy of the daemon |
//! | `cases` | whole registrations, and how their cost grows |
//! | `nowhere` | events that lead nowhere: CPU, disk, memory, explanations |
//! | `waiting` | waiting cases: memory, disk, start, listings; and the rebuild of the state |
//! | `timers` | timers that are due at one instant; a slow system with a limit |
//! | `sweep` | a sweep over a population |
//! | `built` | a store of waiting cases, built without sockets |
//! | `past` | back-test of an edited policy over 100,000 recorded events |
//! | `policies` | many small policies: memory, start, reload |
//! | `start` | start-up, idle memory, size |
//! | `stored` | the store alone, with many waiting cases |
//! | `process` | resource usage of a process |
//!
//! `cargo bench -- intake` prints one part; `--full` measures the largest sizes too, which takes much longer. The binary
//! starts itself again as the ceiling.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that cannot be made says so by failing, and figures are printed"
)]

mod built;
mod cases;
mod ceiling;
mod daemon;
mod flow;
mod intake;
mod load;
mod nowhere;
mod past;
mod peers;
mod policies;
mod process;
mod start;
mod stored;
mod sweep;
mod timers;
mod waiting;

/// As the daemon: some parts measure the store in this process.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
    if wanted("stored") {
        runtime.block_on(stored::print());
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
    if wanted("nowhere") {
        runtime.block_on(nowhere::print());
    }
    if wanted("policies") {
        runtime.block_on(policies::print());
    }
    let full = std::env::args().any(|word| word == "--full");
    if wanted("waiting") || wanted("rebuild") {
        runtime.block_on(waiting::print(full, wanted("waiting"), wanted("rebuild")));
    }
    if wanted("timers") {
        runtime.block_on(timers::print(full));
    }
    if wanted("sweep") {
        runtime.block_on(sweep::print(full));
    }
    if wanted("past") {
        runtime.block_on(past::print());
    }
}

/// The median of an odd number of rounds.
fn median(rounds: impl IntoIterator<Item = f64>) -> f64 {
    let mut rounds: Vec<f64> = rounds.into_iter().collect();
    rounds.sort_by(f64::total_cmp);
    rounds.get(rounds.len() / 2).copied().unwrap_or(f64::NAN)
}
