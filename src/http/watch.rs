//! What monitoring asks. Open to everybody who reaches the private listener: it names no person.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;

use super::{Doors, Problem};

pub async fn metrics(State(doors): State<Doors>) -> Result<Response, Problem> {
    let text = doors.engine.metrics_text().map_err(|error| Problem::internal(&error))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

pub async fn live(State(doors): State<Doors>) -> (StatusCode, &'static str) {
    if doors.engine.alive(TimeDelta::seconds(60)).await {
        (StatusCode::OK, "alive\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no progress\n")
    }
}

pub async fn ready(State(doors): State<Doors>) -> (StatusCode, String) {
    match doors.engine.ready() {
        Ok(()) => {
            // The others are served, so it is ready; whoever looks is told all the same.
            let degraded: Vec<String> =
                doors.engine.tree_says().into_iter().chain(doors.engine.degraded_says()).collect();
            let word = if degraded.is_empty() { "ready" } else { "degraded" };
            let says =
                doors.engine.stranded_says().into_iter().chain(degraded).chain(doors.engine.loss_lines());
            let says: String = says.map(|says| format!("{says}\n")).collect();
            (StatusCode::OK, format!("{word}\n{says}"))
        }
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
