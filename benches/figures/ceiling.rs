//! The minimal cost of "answered after it is on disk": a bare axum server that parses the events, appends the
//! bytes to a file and syncs once for all waiting requests. `flow` measures the additional cost of a case. It
//! shares no code with the daemon.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::serve::ListenerExt as _;
use tokio::sync::{mpsc, oneshot};

use crate::{flow, load};

/// If this variable is set, the binary runs as the ceiling; its value is the directory.
pub const ROLE: &str = "PROOFD_FIGURES_CEILING";

/// The writer's side of the file.
pub type Log = mpsc::Sender<Line>;
type Line = (Bytes, oneshot::Sender<()>);

/// The ceiling as a child process.
pub struct Ceiling {
    pub child: Child,
    pub address: String,
    _dir: tempfile::TempDir,
}

impl Ceiling {
    pub fn start() -> Self {
        let dir = crate::daemon::directory();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(ROLE, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        Self { child, address: said.trim().to_owned(), _dir: dir }
    }
}

impl Drop for Ceiling {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub async fn serve(dir: &Path) {
    let file = File::options().create(true).append(true).open(dir.join("log")).unwrap();
    let (queue, lines) = mpsc::channel(1024);
    std::thread::spawn(move || write(file, lines));
    let router = Router::new().route(load::PATH, post(take)).with_state(queue.clone());
    let router = router.merge(flow::router(queue));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    axum::serve(listener, router).await.unwrap();
}

async fn take(State(log): State<Log>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if headers.get("authorization").is_none_or(|value| value != load::SECRET) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(events) = serde_json::from_slice::<Vec<serde_json::Value>>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    if events.is_empty() {
        return StatusCode::BAD_REQUEST;
    }
    append(&log, body).await;
    StatusCode::OK
}

/// Appends bytes; they are on disk when it returns.
pub async fn append(log: &Log, bytes: Bytes) {
    let (done, synced) = oneshot::channel();
    log.send((bytes, done)).await.unwrap();
    synced.await.unwrap();
}

fn write(mut file: File, mut lines: mpsc::Receiver<Line>) {
    while let Some(first) = lines.blocking_recv() {
        let mut group = vec![first];
        while group.len() < 512
            && let Ok(next) = lines.try_recv()
        {
            group.push(next);
        }
        let bytes: Vec<u8> = group.iter().flat_map(|(line, _)| line.iter().copied()).collect();
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
        for (_, done) in group {
            let _ = done.send(());
        }
    }
}
