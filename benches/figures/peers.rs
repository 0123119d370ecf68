//! The flow by which durable workflow engines are compared, as a policy: an event acknowledged when it is on
//! disk, a request, a durable wait, a call back by an event, a request, a durable end. The other side runs in this
//! process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use serde_json::{Value, json};
use tokio::sync::{OnceCell, Semaphore};

use crate::daemon::{Daemon, SOURCES, Setup};
use crate::{daemon, flow, median, process};

const ROUNDS: usize = 3;
/// So many that the delay before the call back weighs little.
const CASES: usize = 6_000;
/// Events in progress at the same time.
const AT_ONCE: usize = 64;
/// Delay of the call back after the answer: a case that does not wait yet would miss it.
const CALLS_BACK_AFTER: Duration = Duration::from_millis(500);
/// Timeout for all cases to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// The steps of its policy.
const STEPS: &str = r#"
  - id: first
    call: peer
    path: "/start/${applicant.id}"
    body: {case: "${this_case.id}"}
  - id: back
    wait: {for: custom.com.example.back, answer_within: 1d}
    outcomes:
      happened:
        - id: second
          call: peer
          path: "/finish/${applicant.id}"
          body: {case: "${this_case.id}"}
        - close: done
      timed_out:
        - close: too_late
"#;

/// State of the other side.
struct Peer {
    http: reqwest::Client,
    daemon: OnceCell<String>,
    finished: AtomicUsize,
    /// Requests to the daemon at the same time: it limits the connections of one address.
    turns: Semaphore,
}

pub async fn print() {
    println!("\nThe peers' flow as a policy: event, request, wait, call back, request");
    let (mut bare, mut rounds) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(flow::run(CASES).await);
        match run().await {
            Some(round) => rounds.push(round),
            None => return println!("  not all of {CASES} cases ended within {} s", PATIENCE.as_secs()),
        }
    }
    let cases = CASES as f64;
    let ceiling = median(bare.iter().map(|(elapsed, _)| cases / elapsed.as_secs_f64()));
    let rate = median(rounds.iter().map(|(elapsed, ..)| cases / elapsed.as_secs_f64()));
    let cpu = median(rounds.iter().map(|(_, cpu, _)| cpu.as_secs_f64() * 1e3 / cases));
    let bytes = median(rounds.iter().map(|(.., bytes)| *bytes as f64 / cases));
    println!(
        "  {CASES:>5} cases: {rate:>6.0} cases/s   {cpu:>5.2} ms of the daemon's CPU   {bytes:>6.0} bytes of journal a case"
    );
    println!("  ratio    {:>8.2} % of the ceiling's {ceiling:.0} cases/s", rate / ceiling * 100.0);
}

async fn run() -> Option<(Duration, Duration, usize)> {
    let peer = Arc::new(Peer {
        http: reqwest::Client::builder().no_proxy().build().unwrap(),
        daemon: OnceCell::new(),
        finished: AtomicUsize::new(0),
        turns: Semaphore::new(2 * AT_ONCE),
    });
    let router = Router::new().route("/start/{id}", post(start)).route("/finish/{id}", post(finish));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = format!("http://{}", listener.local_addr().unwrap());
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    let serving = tokio::spawn(axum::serve(listener, router.with_state(Arc::clone(&peer))).into_future());
    let peer_options = format!("url: {here}");
    let policy = daemon::policy("proofing", "The peers' flow", "started", STEPS);
    let setup = Setup { policy: Some(&policy), peer: Some(&peer_options), ..Setup::default() };
    let daemon = Daemon::with(1, setup).await;
    peer.daemon.set(daemon.address.clone()).unwrap();
    let (journal, before, began) = (daemon.journal().0, process::cpu(daemon.child.id()), Instant::now());
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    for number in 0..CASES {
        let turn = Arc::clone(&turns).acquire_owned().await.unwrap();
        let peer = Arc::clone(&peer);
        tokio::spawn(async move {
            peer.tell("started", number).await;
            drop(turn);
        });
    }
    while peer.finished.load(Ordering::Relaxed) < CASES && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = (began.elapsed(), process::cpu(daemon.child.id()) - before, daemon.journal().0 - journal);
    serving.abort();
    (peer.finished.load(Ordering::Relaxed) == CASES).then_some(took)
}

impl Peer {
    async fn tell(&self, what: &str, number: usize) {
        let id = number.to_string();
        let token = format!("t-source-of-the-bench-{}", number % SOURCES);
        let data =
            json!({"email": format!("p{id}@partner.test"), "first_name": "Ada", "last_name": "Tester"});
        let event: Value = json!({
            "specversion": "1.0", "id": format!("{what}-{id}"), "source": "/bench",
            "type": format!("com.example.{what}"), "subject": id, "subjecttype": "applicant", "data": data,
        });
        let url = format!("http://{}/v1/events", self.daemon.get().unwrap());
        let request = self.http.post(url).bearer_auth(token);
        let request = request.header("content-type", "application/cloudevents+json").body(event.to_string());
        let _turn = self.turns.acquire().await.unwrap();
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{} {}", answer.status(), answer.text().await.unwrap());
    }
}

async fn start(State(peer): State<Arc<Peer>>, Path(number): Path<usize>) -> StatusCode {
    tokio::spawn(async move {
        tokio::time::sleep(CALLS_BACK_AFTER).await;
        peer.tell("back", number).await;
    });
    StatusCode::OK
}

async fn finish(State(peer): State<Arc<Peer>>) -> StatusCode {
    peer.finished.fetch_add(1, Ordering::Relaxed);
    StatusCode::OK
}
