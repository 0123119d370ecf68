//! A server that answers each request with the next scripted answer and records the requests.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, Response};
use proofd::model::{Action, Call, Outcome};
use serde_json::Value;

/// A personal value in every request, which must never appear in a failure.
pub const PRIVATE: &str = "ada.private@example.com";
pub const TOKEN: &str = "TOKENTEXT";

#[derive(Debug, Clone)]
pub struct Seen {
    /// Method, path and query.
    pub line: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// An answer: status, headers, body.
#[derive(Debug, Clone)]
pub struct Reply(pub u16, pub Vec<(&'static str, &'static str)>, pub String);

pub fn reply(status: u16, body: impl ToString) -> Reply {
    Reply(status, Vec::new(), body.to_string())
}

pub fn with(status: u16, header: (&'static str, &'static str), body: impl ToString) -> Reply {
    Reply(status, vec![header], body.to_string())
}

/// Marks a request that is never answered: the connection stays open.
pub const NEVER: u16 = 0;

pub struct Peer {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Peer {
    /// Starts the server; the last answer is repeated.
    pub async fn start(replies: Vec<Reply>) -> Self {
        let seen = Arc::new(Mutex::new(Vec::<Seen>::new()));
        let log = Arc::clone(&seen);
        let app = axum::Router::new().fallback(move |request: Request<Body>| {
            let (log, replies) = (Arc::clone(&log), replies.clone());
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap().to_vec();
                let number = {
                    let mut log = log.lock().unwrap();
                    let line = format!("{} {}", head.method, head.uri);
                    log.push(Seen { line, headers: head.headers, body });
                    log.len() - 1
                };
                let Reply(status, headers, body) = replies.get(number).or(replies.last()).unwrap().clone();
                if status == NEVER {
                    std::future::pending::<()>().await;
                }
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(body)).unwrap()
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, seen }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }
}

/// An address without a listener.
pub fn unused_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

pub fn call(action: Action, attempt: u32) -> Call {
    let mut attempt = crate::perform::attempt("c77", 3, attempt, proofd::model::Timestamp::UNIX_EPOCH);
    attempt.in_doubt = false;
    Call { attempt, action }
}

/// The outcome in one line; asserts that it contains no private value.
pub fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(done) => format!("{done:?}"),
        Outcome::Failed(failure) => {
            for private in [PRIVATE, TOKEN, "SECRETPATH", "127.0.0.1"] {
                assert!(!failure.reason.contains(private), "{private} is in: {}", failure.reason);
            }
            let wait = failure.retry_after_seconds.map(|s| format!(" after {s} s")).unwrap_or_default();
            format!("{:?}{wait}: {}", failure.kind, failure.reason)
        }
    }
}
