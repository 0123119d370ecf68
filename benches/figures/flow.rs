//! The minimal cost of a case that sends a request and waits for the answer: an event acknowledged when it is on
//! disk, a request, a durable wait, a call back, a request, a durable end. A bare axum program with a log; the
//! other side, which answers and calls back at once, runs in this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use tokio::sync::{Semaphore, oneshot};

use crate::ceiling::{Ceiling, Log, append};
use crate::process;

/// Cases that are open at the same time.
const AT_ONCE: usize = 64;

/// State of the bare program.
struct Flow {
    log: Log,
    http: reqwest::Client,
    waiting: Mutex<HashMap<u64, oneshot::Sender<()>>>,
}

pub fn router(log: Log) -> Router {
    let flow = Flow { log, http: client(), waiting: Mutex::default() };
    Router::new()
        .route("/cases/{number}", post(open))
        .route("/back/{number}", post(back))
        .with_state(Arc::new(flow))
}

/// Handles an event, which contains the address of the other side.
async fn open(State(flow): State<Arc<Flow>>, Path(number): Path<u64>, event: Bytes) -> StatusCode {
    let Ok(read) = serde_json::from_slice::<serde_json::Value>(&event) else {
        return StatusCode::BAD_REQUEST;
    };
    let stub = read["stub"].as_str().unwrap_or_default().to_owned();
    append(&flow.log, event).await;
    tokio::spawn(async move {
        let (told, back) = oneshot::channel();
        flow.waiting.lock().unwrap().insert(number, told);
        ask(&flow.http, &format!("{stub}/start/{number}")).await;
        append(&flow.log, format!("{number} waits\n").into()).await;
        back.await.unwrap();
        ask(&flow.http, &format!("{stub}/finish/{number}")).await;
        append(&flow.log, format!("{number} is done\n").into()).await;
    });
    StatusCode::OK
}

async fn back(State(flow): State<Arc<Flow>>, Path(number): Path<u64>) -> StatusCode {
    append(&flow.log, format!("{number} was called back\n").into()).await;
    let told = flow.waiting.lock().unwrap().remove(&number);
    told.map_or(StatusCode::NOT_FOUND, |told| told.send(()).map_or(StatusCode::GONE, |()| StatusCode::OK))
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn ask(http: &reqwest::Client, url: &str) {
    assert_eq!(http.post(url).body("{}").send().await.unwrap().status(), 200, "{url}");
}

/// State of the other side.
struct Stub {
    http: reqwest::Client,
    ceiling: String,
    finished: AtomicUsize,
}

async fn start(State(stub): State<Arc<Stub>>, Path(number): Path<u64>) -> StatusCode {
    tokio::spawn(async move { ask(&stub.http, &format!("{}/back/{number}", stub.ceiling)).await });
    StatusCode::OK
}

async fn finish(State(stub): State<Arc<Stub>>) -> StatusCode {
    stub.finished.fetch_add(1, Ordering::Relaxed);
    StatusCode::OK
}

/// Runs cases; returns the time they took and the CPU time of the bare program.
pub async fn run(cases: usize) -> (Duration, Duration) {
    let ceiling = Ceiling::start();
    let address = format!("http://{}", ceiling.address);
    let stub = Arc::new(Stub { http: client(), ceiling: address.clone(), finished: AtomicUsize::new(0) });
    let router = Router::new().route("/start/{number}", post(start)).route("/finish/{number}", post(finish));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = format!("http://{}", listener.local_addr().unwrap());
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    let serving = tokio::spawn(axum::serve(listener, router.with_state(Arc::clone(&stub))).into_future());
    let event = serde_json::json!({ "stub": here, "event": "x".repeat(600) }).to_string();
    let before = process::cpu(ceiling.child.id());
    let began = Instant::now();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    for number in 0..cases {
        let turn = Arc::clone(&turns).acquire_owned().await.unwrap();
        let (http, url, event) = (stub.http.clone(), format!("{address}/cases/{number}"), event.clone());
        tokio::spawn(async move {
            assert_eq!(http.post(url).body(event).send().await.unwrap().status(), 200);
            drop(turn);
        });
    }
    while stub.finished.load(Ordering::Relaxed) < cases {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = (began.elapsed(), process::cpu(ceiling.child.id()) - before);
    serving.abort();
    took
}
