//! `Idempotency-Key`: the same change sent twice gets the first answer. The key is the caller's own and stands
//! for the whole request: method, path, query and body.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use sha2::{Digest as _, Sha256};

use super::{Caller, Problem};

const KEPT: usize = 4_096;

/// Keys share this many turns.
const TURNS: usize = 64;

type Fingerprint = [u8; 32];

#[derive(Debug)]
struct Kept {
    key: String,
    request: Fingerprint,
    status: StatusCode,
    body: Bytes,
}

#[derive(Debug)]
pub struct Repeats {
    kept: Mutex<VecDeque<Kept>>,
    /// The same request sent twice at once: the second waits for the first one's answer.
    turns: Vec<tokio::sync::Mutex<()>>,
}

impl Default for Repeats {
    fn default() -> Self {
        let turns = (0..TURNS).map(|_| tokio::sync::Mutex::new(())).collect();
        Self { kept: Mutex::default(), turns }
    }
}

impl Repeats {
    /// Runs a change, or answers as the first time.
    pub(super) async fn once(&self, parts: Parts, body: Bytes, next: Next) -> Result<Response, Problem> {
        let Some(key) = key(&parts)? else {
            return Ok(next.run(Request::from_parts(parts, Body::from(body))).await);
        };
        let request = fingerprint(&parts, &body);
        let _turn = self.turn(&key).await;
        if let Some(answer) = self.before(&key, request)? {
            return Ok(answer);
        }
        let response = next.run(Request::from_parts(parts, Body::from(body))).await;
        if !response.status().is_success() {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| Problem::internal(&error))?.to_bytes();
        self.keep(Kept { key, request, status: head.status, body: body.clone() });
        Ok(Response::from_parts(head, Body::from(body)))
    }

    /// Held from looking for an answer to keeping one.
    async fn turn(&self, key: &str) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % TURNS as u64).unwrap_or(0);
        Some(self.turns.get(at)?.lock().await)
    }

    /// The answer given before to the same request; an error if the key was used for another one.
    fn before(&self, key: &str, request: Fingerprint) -> Result<Option<Response>, Problem> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.iter().find(|kept| kept.key == key) {
            Some(kept) if kept.request == request => {
                let kind = [(header::CONTENT_TYPE, "application/json")];
                Ok(Some((kept.status, kind, kept.body.clone()).into_response()))
            }
            Some(_) => Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "this Idempotency-Key was used for another request",
            )),
            None => Ok(None),
        }
    }

    fn keep(&self, answer: Kept) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(answer);
    }
}

/// The key of a request, made the caller's own; none if the caller sent none.
fn key(parts: &Parts) -> Result<Option<String>, Problem> {
    let Some(key) = parts.headers.get("idempotency-key") else { return Ok(None) };
    let caller = parts.extensions.get::<Caller>().map(Caller::name).unwrap_or_default();
    match key.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(Some(format!("{caller}\n{key}"))),
        _ => Err(Problem::bad_request("Idempotency-Key: expected 1 to 255 visible characters")),
    }
}

fn fingerprint(parts: &Parts, body: &[u8]) -> Fingerprint {
    let target = parts.uri.path_and_query().map(|target| target.as_str()).unwrap_or_default();
    let head = format!("{} {target}\n", parts.method);
    Sha256::new().chain_update(head).chain_update(body).finalize().into()
}
