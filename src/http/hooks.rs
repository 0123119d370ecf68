//! Receives requests of vendors. A hook answers 200 only when its events are on disk; their content is a hint.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use crate::engine::HookRefused;

use super::extract::Path;
use super::{AppState, Problem};

pub async fn events(
    State(doors): State<AppState>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    match doors.engine.hooks().webhook(&provider, &headers, &body).await {
        Ok(_) => Ok(StatusCode::OK),
        Err(HookRefused::NotAuthentic) => {
            Err(Problem::new(StatusCode::UNAUTHORIZED, "the shared header is missing or wrong"))
        }
        Err(HookRefused::Malformed(why)) => Err(Problem::bad_request(why)),
        Err(HookRefused::NotConfigured) => Err(Problem::not_found("hook")),
        Err(HookRefused::Store(error)) => Err(error.into()),
    }
}

/// Receives a callback. A known and an unknown path give the same answer until the secret is right.
pub async fn hint(
    State(doors): State<AppState>,
    Path((provider, secret)): Path<(String, String)>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    match doors.engine.hooks().vendor_hint(&provider, &secret, &body).await {
        Ok(true) => Ok(StatusCode::OK),
        Ok(false) => Err(Problem::not_found("hook")),
        Err(error) => Err(error.into()),
    }
}
