//! The daemon before the first event: its size, its start-up time, its memory.

use std::time::Duration;

use crate::daemon::Daemon;
use crate::{median, process};

pub async fn print() {
    let binary = std::fs::metadata(env!("CARGO_BIN_EXE_proofd")).unwrap().len();
    println!("\nThe daemon with an empty store");
    let (mut within, mut resident, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        let daemon = Daemon::start(1).await;
        within.push(daemon.started_within.as_secs_f64() * 1e3);
        let before = process::cpu(daemon.child.id());
        // The daemon idles for this period.
        tokio::time::sleep(Duration::from_secs(1)).await;
        resident.push(process::resident(daemon.child.id()));
        idle.push((process::cpu(daemon.child.id()) - before).as_secs_f64() * 100.0);
    }
    println!("  listens after   {:>7.1} ms", median(within));
    println!("  resident memory {:>7.1} MiB, idle", median(resident));
    println!("  CPU when idle   {:>7.1} % of a core", median(idle));
    println!(
        "  size of binary  {:>7.1} MiB, without link-time optimisation",
        binary as f64 / (1 << 20) as f64
    );
}
