//! `Idempotency-Key`: the same change sent twice gets the first answer. Kept in memory for a while; after a
//! restart the case's own state refuses what was done already.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::{Caller, Problem};

const KEPT: usize = 4_096;

type Answer = (StatusCode, Value);

/// Keys share this many turns.
const TURNS: usize = 64;

#[derive(Debug)]
pub struct Repeats {
    kept: Mutex<VecDeque<(String, String, Answer)>>,
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
    /// The key of a request, made the caller's own; none if the caller sent none.
    pub fn key(headers: &HeaderMap, caller: &Caller) -> Result<Option<String>, Problem> {
        let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
        match key.to_str() {
            Ok(key) if (1..=255).contains(&key.len()) => Ok(Some(format!("{}\n{key}", caller.name))),
            _ => Err(Problem::bad_request("Idempotency-Key: expected 1 to 255 visible characters")),
        }
    }

    /// Held from looking for an answer to keeping one; none without a key.
    pub async fn turn(&self, key: Option<&str>) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        key?.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % TURNS as u64).unwrap_or(0);
        Some(self.turns.get(at)?.lock().await)
    }

    /// The answer given before to the same request; an error if the key was used for another one.
    pub fn before(&self, key: Option<&str>, request: &str) -> Result<Option<Answer>, Problem> {
        let Some(key) = key else { return Ok(None) };
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.iter().find(|(known, _, _)| known == key) {
            Some((_, same, answer)) if same == request => Ok(Some(answer.clone())),
            Some(_) => Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "this Idempotency-Key was used for another request",
            )),
            None => Ok(None),
        }
    }

    pub fn keep(&self, key: Option<String>, request: String, answer: Answer) {
        let Some(key) = key else { return };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back((key, request, answer));
    }
}
