//! What activating another tree would do. The answer is lines of JSON: how far it is, and at last the plan.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::cases::malformed;
use super::{Caller, Doors, Problem};

/// Lines that nobody has read yet; progress beyond that is left out.
const WAITING: usize = 16;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// Path to text.
    files: BTreeMap<String, String>,
}

pub async fn plan(
    State(doors): State<Doors>,
    caller: Caller,
    body: Result<Json<Tree>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(tree) = body.map_err(malformed)?;
    tracing::info!(by = caller.name(), files = tree.files.len(), "plan asked for");
    let (lines, read) = mpsc::channel::<Value>(WAITING);
    let engine = doors.engine.clone();
    tokio::spawn(async move {
        let told = lines.clone();
        let files = tree.files.into_iter().collect();
        let progress = move |progress| {
            // Who does not read fast enough reads the next one.
            let _ = told.try_send(json!({ "progress": progress }));
        };
        let there = lines.clone();
        let last = match engine.plan_aside(files, progress, move || !there.is_closed()).await {
            Ok(plan) => json!({ "plan": plan }),
            Err(error) => {
                tracing::error!(%error, "a plan could not be made");
                json!({ "problem": "the plan could not be made; the daemon's log says why" })
            }
        };
        // Nobody reads it any more: then it is for nobody.
        let _ = lines.send(last).await;
    });
    let lines = stream::unfold(read, |mut read| async move {
        let line = read.recv().await?;
        Some((Ok::<_, Infallible>(format!("{line}\n")), read))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}
