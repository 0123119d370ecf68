//! 200 people register while the daemon is killed 30 times at random moments and one policy is edited. The
//! simulators' records and the daemon's journal are then checked against the invariants, one by one.
//! `PROOFD_KILLS=100` makes a longer run with proportionally more people; `PROOFD_SEED` repeats a run.
//!
//! | file | what |
//! |---|---|
//! | `campaign` | the kills |
//! | `backups` | backups under load, and stores made of them |
//! | `lives` | the people |
//! | `evidence` | the records of a run: the simulators' ledger, the journal, logs |
//! | `invariants` | the invariants of the evidence, one function each |
//! | `tampered` | tests that each invariant detects a violation |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what went wrong by failing"
)]

mod backups;
mod campaign;
mod evidence;
mod invariants;
mod lives;
mod tampered;
#[path = "../world/mod.rs"]
mod world;

#[tokio::test(flavor = "multi_thread")]
async fn kills_do_not_change_the_results() {
    let seed = std::env::var("PROOFD_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed_u64);
    let size = campaign::Size::asked();
    println!("campaign=kill seed={seed} people={} kills={}", size.people, size.kills);
    let evidence = campaign::run(seed, size).await;
    println!("{}", evidence.summary());
    let mut broken = Vec::new();
    for (name, check) in invariants::ALL {
        broken.extend(check(&evidence).into_iter().map(|what| format!("{name}: {what}")));
    }
    assert!(broken.is_empty(), "campaign=kill seed={seed} {broken:#?}");
    tampered::is_noticed(&evidence);
}
