//! Accepted events over HTTP, answered after they are on disk: the daemon and the ceiling in turn.

use std::time::Duration;

use crate::ceiling::Ceiling;
use crate::daemon::Daemon;
use crate::load::{self, Load, Measured};
use crate::{median, process};

const ROUNDS: usize = 3;

/// The measurement of one side in one round.
struct Round {
    measured: Measured,
    cpu: Duration,
}

impl Round {
    fn microseconds_per_event(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.measured.events as f64
    }
}

pub async fn print() {
    println!("\nEvents accepted (200 after disk), {} bytes each, 64 connections", load::event_bytes());
    let window = Duration::from_millis(2_500);
    let flood = Load { connections: 64, batch: 1, window, rate: None };
    compare("one event a request", flood).await;
    compare("the same, one tenth of the time", Load { window: window / 10, ..flood }).await;
    compare("100 events a request", Load { batch: 100, ..flood }).await;
    let calm = Load { connections: 16, rate: Some(150.0), ..flood };
    compare("150 requests a second of one event", calm).await;
}

async fn compare(what: &str, load: Load) {
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let ceiling = Ceiling::start();
        bare.push(round(&ceiling.address, ceiling.child.id(), load).await);
        drop(ceiling);
        let daemon = Daemon::start(1).await;
        ours.push(round(&daemon.address, daemon.child.id(), load).await);
    }
    println!("  {what}");
    let side = |name: &str, rounds: &[Round]| {
        let middle = |of: &dyn Fn(&Round) -> f64| median(rounds.iter().map(of));
        let events = middle(&|round| round.measured.events_per_second());
        let (p50, p99) =
            (middle(&|round| round.measured.quantile(0.5)), middle(&|round| round.measured.quantile(0.99)));
        let cpu = middle(&Round::microseconds_per_event);
        println!(
            "    {name:8} {:>9.0} requests/s {events:>9.0} events/s   p50 {p50:>7.2} ms   p99 {p99:>7.2} ms   {cpu:>6.1} µs of CPU an event",
            events / load.batch as f64
        );
        [events, p50, p99, cpu]
    };
    let bare = side("ceiling", &bare);
    let ours = side("proofd", &ours);
    let ratio = |at: usize| ours[at] / bare[at];
    println!(
        "    ratio    {:>8.0} % of the events; p50 {:.2} times, p99 {:.2} times, CPU {:.1} times the ceiling's",
        ratio(0) * 100.0,
        ratio(1),
        ratio(2),
        ratio(3)
    );
}

async fn round(address: &str, process: u32, load: Load) -> Round {
    let before = process::cpu(process);
    let measured = load::drive(address, load).await;
    Round { measured, cpu: process::cpu(process) - before }
}
