//! `Idempotency-Key`: a repeated change gets the first answer, also after a restart. The key belongs to the caller and
//! identifies the whole request: method, path, query and body.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use data_encoding::HEXLOWER;
use http_body_util::BodyExt as _;
use sha2::{Digest as _, Sha256};

use crate::api::events::Taken;
use crate::engine::{About, Answer};

use super::answer::Accepted;
use super::{AppState, Caller, Problem, cases, revisions};

/// Number of locks that all keys share.
const TURNS: usize = 64;

/// Locks for a request that is sent twice at once: the second waits for the first one's answer.
#[derive(Debug)]
pub struct Turns(Vec<tokio::sync::Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| tokio::sync::Mutex::new(())).collect())
    }
}

impl Turns {
    async fn turn(&self, key: &str) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % TURNS as u64).unwrap_or(0);
        Some(self.0.get(at)?.lock().await)
    }
}

impl AppState {
    /// Runs a change, or returns its first answer.
    pub(super) async fn once(&self, parts: Parts, body: Bytes, next: Next) -> Result<Response, Problem> {
        let Some(key) = key(&parts)? else {
            return Ok(next.run(Request::from_parts(parts, Body::from(body))).await);
        };
        let request = fingerprint(&parts, &body);
        let doors = self.clone();
        // The change continues if the client disconnects: a repeated request waits for its end.
        let change = tokio::spawn(async move {
            let _turn = doors.turns.turn(&key).await;
            match doors.before(&key, &request)? {
                Some(answer) => Ok(answer),
                None => {
                    doors.change(&key, &request, Request::from_parts(parts, Body::from(body)), next).await
                }
            }
        });
        change.await.map_err(|error| Problem::internal(&error))?
    }

    async fn change(&self, key: &str, request: &str, sent: Request, next: Next) -> Result<Response, Problem> {
        if !self.engine.requests().remembers_more() {
            return Err(Problem::too_many(TimeDelta::hours(1)));
        }
        let (response, marked) = self.engine.requests().under_key(key, request, next.run(sent)).await;
        if !(marked || response.status().is_success()) {
            // Nothing was changed: the same request may succeed later.
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| Problem::internal(&error))?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        let answer = Answer { status: head.status.as_u16(), body: text };
        self.engine.requests().keep_answer(key, request, answer).await?;
        Ok(Response::from_parts(head, Body::from(body)))
    }

    /// Returns the answer to the same request sent before, or an error if the key was used for another one.
    fn before(&self, key: &str, request: &str) -> Result<Option<Response>, Problem> {
        let Some(known) = self.engine.requests().keyed(key)? else { return Ok(None) };
        if known.request != request {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "this Idempotency-Key was used for another request",
            ));
        }
        match (known.answer, known.about) {
            (Some(answer), _) => Ok(Some(again(answer))),
            (None, Some(about)) => self.of_now(&about).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Returns the subject's current state if the change happened and its answer was lost or too long to keep.
    fn of_now(&self, about: &About) -> Result<Response, Problem> {
        match about {
            About::Case(id) => Ok(cases::after(self, id)?.into_response()),
            About::Policy(name) => Ok(revisions::now(self, name)?.into_response()),
            About::Events(taken) => Ok(Accepted(Taken { taken: *taken }).into_response()),
        }
    }
}

fn again(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    (status, [(header::CONTENT_TYPE, kind)], answer.body).into_response()
}

/// Returns the key of a request, qualified by its caller, or `None` without a key.
fn key(parts: &Parts) -> Result<Option<String>, Problem> {
    let mut given = parts.headers.get_all("idempotency-key").iter();
    let Some(key) = given.next() else { return Ok(None) };
    let caller = parts.extensions.get::<Caller>().map(Caller::name).unwrap_or_default();
    match (key.to_str(), given.next()) {
        (Ok(key), None)
            if (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Ok(Some(hash([caller, "\n", key])))
        }
        _ => {
            let detail = "Idempotency-Key: expected 1 to 255 visible characters, once";
            Err(Problem::bad_request(detail).about("Idempotency-Key"))
        }
    }
}

fn fingerprint(parts: &Parts, body: &[u8]) -> String {
    let target = parts.uri.path_and_query().map(|target| target.as_str()).unwrap_or_default();
    hash([parts.method.as_str().as_bytes(), b" ", target.as_bytes(), b"\n", body])
}

fn hash<const N: usize>(pieces: [impl AsRef<[u8]>; N]) -> String {
    let digest = pieces.iter().fold(Sha256::new(), |hash, piece| hash.chain_update(piece)).finalize();
    HEXLOWER.encode(&digest)
}
