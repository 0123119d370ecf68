//! Events over HTTP: 202 only when all of a request are on disk, 400 with the place of what is wrong.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::engine::events::{EventsRefused, Unread};

use super::{Doors, Problem};

pub async fn receive(
    State(doors): State<Doors>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    match doors.engine.cloud_events(&headers, &body).await {
        Ok(count) => Ok((StatusCode::ACCEPTED, Json(json!({ "taken": count }))).into_response()),
        Err(EventsRefused::Store(error)) => Err(error.into()),
        Err(EventsRefused::Unread(unread)) => Err(refused(&unread)),
    }
}

fn refused(unread: &Unread) -> Problem {
    let status = match unread {
        Unread::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Unread::TooMany(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Unread::Malformed(_) | Unread::Event { .. } => StatusCode::BAD_REQUEST,
    };
    let problem = Problem::new(status, unread.to_string());
    match unread {
        Unread::Event { index, field, .. } => problem.with("index", json!(index)).with("field", json!(field)),
        Unread::MediaType(_) | Unread::TooMany(_) | Unread::Malformed(_) => problem,
    }
}
