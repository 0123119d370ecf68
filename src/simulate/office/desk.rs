//! Tickets, pages and events, and a web page that shows all of them.

use std::fmt::Write as _;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Knobs, Note, Office};
use crate::simulate::page::{html, page as document};

pub(super) fn router() -> Router<Office> {
    Router::new()
        .route("/", get(overview))
        .route("/ticketing", any(ticket_at_top))
        .route("/ticketing/{*path}", any(ticket))
        .route("/paging", post(page))
        .route("/events", post(event))
        .route("/_sim/knobs", get(knobs).put(set_knobs))
        .route("/_sim/accounts", get(accounts))
        .route("/_sim/notes/{kind}", get(notes))
}

async fn knobs(State(office): State<Office>) -> Json<Knobs> {
    Json(office.with(|state| state.knobs.clone()))
}

async fn set_knobs(State(office): State<Office>, Json(knobs): Json<Knobs>) -> Json<Knobs> {
    office.turn(|own| own.clone_from(&knobs));
    Json(knobs)
}

async fn accounts(State(office): State<Office>) -> Json<Vec<Value>> {
    Json(office.accounts())
}

async fn notes(State(office): State<Office>, Path(kind): Path<String>) -> Json<Vec<Note>> {
    Json(office.notes(&kind))
}

async fn ticket_at_top(office: State<Office>, method: Method, headers: HeaderMap, body: String) -> Response {
    ticket(office, Path(String::new()), method, headers, body).await
}

async fn ticket(
    State(office): State<Office>,
    Path(path): Path<String>,
    method: Method,
    headers: HeaderMap,
    body: String,
) -> Response {
    let knobs = office.with(|state| state.knobs.clone());
    if knobs.down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let status = knobs.ticket_status.unwrap_or(201);
    if status < 300 {
        office.take(note(&office, "ticket", &method, &path, &headers, &body));
    }
    let number = office.notes("ticket").len();
    let mut answer = json!({ "ticket": format!("T-{number}") });
    if let Some(outcome) = knobs.ticket_outcome {
        answer["outcome"] = outcome.into();
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(answer)).into_response()
}

async fn page(State(office): State<Office>, headers: HeaderMap, body: String) -> Response {
    taken(&office, "page", &headers, &body)
}

async fn event(State(office): State<Office>, headers: HeaderMap, body: String) -> Response {
    taken(&office, "event", &headers, &body)
}

fn taken(office: &Office, kind: &str, headers: &HeaderMap, body: &str) -> Response {
    if office.with(|state| state.knobs.down) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    office.take(note(office, kind, &Method::POST, "", headers, body));
    (StatusCode::ACCEPTED, Json(json!({}))).into_response()
}

fn note(office: &Office, kind: &str, method: &Method, path: &str, headers: &HeaderMap, body: &str) -> Note {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Note {
        at: office.inner.clock.now(),
        kind: kind.to_owned(),
        method: method.to_string(),
        path: path.to_owned(),
        key: header("idempotency-key").or_else(|| header("webhook-id")),
        body: serde_json::from_str(body).unwrap_or_else(|_| body.into()),
    }
}

async fn overview(State(office): State<Office>) -> Response {
    let shown = |value: &Value| html(&serde_json::to_string_pretty(value).unwrap_or_default());
    let mut body =
        "<p>An HR system, a ticketing system, a pager and a collector of events, newest first.</p>"
            .to_owned();
    for (title, values) in [
        ("Accounts of the HR system", office.accounts()),
        ("Tickets", office.notes("ticket").into_iter().map(|note| json!(note)).collect()),
        ("Pages", office.notes("page").into_iter().map(|note| json!(note)).collect()),
        ("Events", office.notes("event").into_iter().map(|note| note.body).collect()),
    ] {
        // Writing to a string cannot fail.
        let _ = write!(body, "<h2>{title}</h2>");
        if values.is_empty() {
            body.push_str("<p class=\"empty\">None yet.</p>");
        }
        values.iter().rev().for_each(|value| {
            let _ = write!(body, "<pre>{}</pre>", shown(value));
        });
    }
    document(StatusCode::OK, "Office", &body)
}
