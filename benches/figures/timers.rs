//! Many timers that are due at one instant, each with a call to a system whose limit is declared, while new people
//! arrive. Also: a slow system with a limit, which is to be used fully and never beyond.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use chrono::TimeDelta;
use proofd::engine::clock::System;
use proofd::model::Clock as _;

use crate::daemon::{Daemon, Place, Setup};
use crate::{built, daemon, process};

const SOME: usize = 20_000;
const MANY: usize = 100_000;
/// The limit of the system, in calls a second.
const LIMIT: usize = 1_000;
/// New people who arrive meanwhile, one each quarter of a second.
const ARRIVES: Duration = Duration::from_millis(250);
const SLOW: Duration = Duration::from_secs(2);
const SLOW_LIMIT: usize = 50;
const SLOW_CALLS: usize = 400;

/// The steps of a case with a timer, and of a new person's.
const TIMER: &str = r#"
  - id: pause
    wait: {for: custom.com.example.never, answer_within: 2h}
    outcomes:
      happened:
        - close: never
      timed_out:
        - id: due
          call: peer
          path: "/timer/${applicant.id}"
          body: {case: "${this_case.id}"}
        - close: done
"#;

const JOINING: &str = r#"
  - id: first
    call: peer
    path: "/join/${applicant.id}"
    body: {case: "${this_case.id}"}
  - close: done
"#;

fn joining() -> String {
    daemon::policy("joining", "A new person", "joined", JOINING)
}

/// What arrived at the other side.
#[derive(Default)]
struct Peer {
    timers: Mutex<Vec<(Instant, usize)>>,
    joined: Mutex<Vec<(Instant, usize)>>,
    /// Calls in progress: now, and at most.
    slow: Mutex<(usize, usize)>,
}

async fn serve() -> (Arc<Peer>, String) {
    let peer = Arc::new(Peer::default());
    let router = Router::new()
        .route("/timer/{id}", post(timer))
        .route("/join/{id}", post(join))
        .route("/slow/join/{id}", post(slow))
        .with_state(Arc::clone(&peer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = format!("http://{}", listener.local_addr().unwrap());
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    tokio::spawn(axum::serve(listener, router).into_future());
    (peer, here)
}

async fn timer(State(peer): State<Arc<Peer>>, Path(id): Path<usize>) -> StatusCode {
    peer.timers.lock().unwrap().push((Instant::now(), id));
    StatusCode::OK
}

async fn join(State(peer): State<Arc<Peer>>, Path(id): Path<usize>) -> StatusCode {
    peer.joined.lock().unwrap().push((Instant::now(), id));
    StatusCode::OK
}

async fn slow(State(peer): State<Arc<Peer>>, Path(id): Path<usize>) -> StatusCode {
    {
        let mut slow = peer.slow.lock().unwrap();
        slow.0 += 1;
        slow.1 = slow.1.max(slow.0);
    }
    peer.joined.lock().unwrap().push((Instant::now(), id));
    tokio::time::sleep(SLOW).await;
    peer.slow.lock().unwrap().0 -= 1;
    StatusCode::OK
}

pub async fn print(full: bool) {
    let count = if full { MANY } else { SOME };
    println!(
        "\n{count} timers due at one instant; a system that allows {LIMIT} calls a second; new people meanwhile"
    );
    flood(count).await;
    println!("\nA system that takes {} s for a call and allows {SLOW_LIMIT} calls a second", SLOW.as_secs());
    slow_system().await;
}

async fn flood(count: usize) {
    let (peer, here) = serve().await;
    let options = format!("url: {here}, calls_per_second: {LIMIT}");
    let (timer, joining) = (daemon::policy("proofing", "A timer", "started", TIMER), joining());
    let setup = Setup {
        policy: Some(&timer),
        second: Some(("joining", &joining)),
        peer: Some(&options),
        ..Setup::default()
    };
    let place = Place::new(1, setup).await;
    // They become due some seconds after the start, in the order of their numbers.
    let due = System.now() + TimeDelta::seconds(12) + TimeDelta::milliseconds(count as i64 / 3);
    built::fill(place.path(), count, |number| {
        due - TimeDelta::hours(2) + TimeDelta::microseconds(number as i64)
    })
    .await;
    let daemon = place.start();
    let process = daemon.child.id();
    let (idle, _) = arrivals(&daemon, &peer, 0, 20).await;
    while System.now() < due {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (before, cpu, began) = (process::resident(process), process::cpu(process), Instant::now());
    let mut most = before;
    let (mut delays, mut number) = (Vec::new(), 1_000);
    while peer.timers.lock().unwrap().len() < count {
        let (some, _) = arrivals(&daemon, &peer, number, 4).await;
        delays.extend(some);
        number += 4;
        most = most.max(process::resident(process));
        let patience = Duration::from_secs(30 + 3 * (count / LIMIT) as u64);
        assert!(began.elapsed() < patience, "the timers do not end\n{}", daemon.log());
    }
    let timers = peer.timers.lock().unwrap().clone();
    let took = timers.last().unwrap().0 - began;
    let rate = count as f64 / took.as_secs_f64();
    let used = process::cpu(process) - cpu;
    println!(
        "  drained in {:.1} s: {:.0} % of the limit, {:.2} ms of CPU each; at most {} in a second",
        took.as_secs_f64(),
        rate / LIMIT as f64 * 100.0,
        used.as_secs_f64() * 1e3 / count as f64,
        busiest(&timers)
    );
    let mut moved: Vec<f64> =
        timers.iter().enumerate().map(|(place, (_, id))| place.abs_diff(*id) as f64).collect();
    println!(
        "  order: half of the calls within {:.0} places of their turn, 99 % within {:.0}",
        quantile(&mut moved, 0.5),
        quantile(&mut moved, 0.99)
    );
    println!("  memory: {before:.0} MiB before, at most {most:.0} MiB");
    let (mut idle, mut delays) = (idle, delays);
    println!(
        "  a new person's first call: p50 {:.1} ms, p99 {:.1} ms ({:.1} and {:.1} ms before the flood)",
        quantile(&mut delays, 0.5),
        quantile(&mut delays, 0.99),
        quantile(&mut idle, 0.5),
        quantile(&mut idle, 0.99)
    );
}

/// Sends events about new people; returns the milliseconds until each one's call arrived.
async fn arrivals(daemon: &Daemon, peer: &Peer, first: usize, count: usize) -> (Vec<f64>, usize) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut delays = Vec::new();
    for number in first..first + count {
        let began = Instant::now();
        let answer = daemon.tell(&http, "joined", number).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        let mut arrived = None;
        while arrived.is_none() && began.elapsed() < Duration::from_secs(60) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let joined = peer.joined.lock().unwrap();
            arrived = joined.iter().find(|(_, id)| *id == number).map(|(at, _)| *at);
        }
        delays.push(arrived.map_or(60_000.0, |at| (at - began).as_secs_f64() * 1e3));
        tokio::time::sleep(ARRIVES.saturating_sub(began.elapsed())).await;
    }
    (delays, first + count)
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len().saturating_sub(1) as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// The most calls that arrived within any second.
fn busiest(calls: &[(Instant, usize)]) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (place, (at, _)) in calls.iter().enumerate() {
        while *at - calls[first].0 >= Duration::from_secs(1) {
            first += 1;
        }
        most = most.max(place + 1 - first);
    }
    most
}

async fn slow_system() {
    let (peer, here) = serve().await;
    let options = format!("url: {here}/slow, calls_per_second: {SLOW_LIMIT}");
    let joining = joining();
    let setup = Setup { second: Some(("joining", &joining)), peer: Some(&options), ..Setup::default() };
    let daemon = Daemon::with(1, setup).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for number in 0..SLOW_CALLS {
        assert!(daemon.tell(&http, "joined", number).send().await.unwrap().status().is_success());
    }
    let began = Instant::now();
    while peer.joined.lock().unwrap().len() < SLOW_CALLS && began.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let joined = peer.joined.lock().unwrap().clone();
    let span = joined.last().unwrap().0 - joined[0].0;
    println!(
        "  {} calls: {:.1} a second, {:.0} % of the limit; at most {} in a second, {} at once",
        joined.len(),
        (joined.len() - 1) as f64 / span.as_secs_f64(),
        (joined.len() - 1) as f64 / span.as_secs_f64() / SLOW_LIMIT as f64 * 100.0,
        busiest(&joined),
        peer.slow.lock().unwrap().1
    );
}
