//! Cases over HTTP: lists, one case, its journal, decisions, orders, held effects.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query as UrlQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::Role;
use crate::engine::desk::{Order, Query, is_cursor};
use crate::model::{CaseId, SubjectRef};

use super::repeat::Repeats;
use super::{Caller, Doors, Problem};

/// Who may look at cases.
const LOOK: &[Role] = &[Role::Viewer, Role::Desk, Role::Operator];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    policy: String,
    subject: SubjectRef,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    decision: String,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithReason {
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfSubject {
    /// An account's id.
    #[serde(default)]
    subject: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

pub async fn list(
    State(doors): State<Doors>,
    headers: HeaderMap,
    query: Result<UrlQuery<Query>, QueryRejection>,
) -> Result<Response, Problem> {
    doors.access.require(&headers, LOOK)?;
    let UrlQuery(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    known_page(query.cursor.as_deref())?;
    Ok(Json(doors.engine.list_cases(&query)?).into_response())
}

pub async fn show(
    State(doors): State<Doors>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let caller = doors.access.require(&headers, LOOK)?;
    let mut sheet = doors.engine.case_sheet(&CaseId(id))?.ok_or_else(|| Problem::not_found("case"))?;
    if !caller.raw_identity {
        // What was read from a document is a permission of its own.
        for step in sheet.steps.values_mut().filter_map(Value::as_object_mut) {
            if step.contains_key("document") {
                step.insert("document".to_owned(), Value::Null);
            }
        }
    }
    Ok(Json(sheet).into_response())
}

pub async fn journal(
    State(doors): State<Doors>,
    headers: HeaderMap,
    Path(id): Path<String>,
    query: Result<UrlQuery<From>, QueryRejection>,
) -> Result<Response, Problem> {
    doors.access.require(&headers, LOOK)?;
    let UrlQuery(from) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let start = from.cursor.as_deref().map_or(Ok(0), str::parse::<u64>);
    let start = start.map_err(|_| Problem::bad_request(CURSOR))?;
    let id = CaseId(id);
    if doors.engine.case(&id)?.is_none() {
        return Err(Problem::not_found("case"));
    }
    let limit = from.limit.unwrap_or(200).clamp(1, 1_000);
    let items = doors.engine.journal(&id, start, limit)?;
    let next =
        (items.len() == limit).then(|| items.last().map(|entry| (entry.number + 1).to_string())).flatten();
    Ok(Json(json!({ "items": items, "next": next })).into_response())
}

pub async fn start(
    State(doors): State<Doors>,
    headers: HeaderMap,
    body: Result<Json<Start>, JsonRejection>,
) -> Result<Response, Problem> {
    let caller = doors.access.require(&headers, &[Role::Operator])?;
    let Json(start) = body.map_err(malformed)?;
    let reason = reason(&start.reason)?;
    let request = format!("start {} {}", start.policy, start.subject);
    once(&doors, &headers, &caller, request, async || {
        let name = caller.name.clone();
        match doors.engine.start_case(&start.policy, &start.subject, name, reason).await? {
            Ok(id) => Ok((StatusCode::CREATED, json!({ "id": id }))),
            Err(why) => Err(Problem::new(StatusCode::CONFLICT, why)),
        }
    })
    .await
}

pub async fn decide(
    State(doors): State<Doors>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Result<Json<Decide>, JsonRejection>,
) -> Result<Response, Problem> {
    let caller = doors.access.require(&headers, &[Role::Desk])?;
    let Json(decide) = body.map_err(malformed)?;
    let id = CaseId(id);
    let request = format!("decide {id} {}", decide.decision);
    once(&doors, &headers, &caller, request, async || {
        let name = caller.name.clone();
        if let Err(error) = doors.engine.decide_case(&id, decide.decision, decide.reason, name).await {
            let allowed = doors.engine.case_sheet(&id)?.map(|sheet| sheet.decisions_allowed);
            return Err(Problem::from(error).with("decisions_allowed", json!(allowed.unwrap_or_default())));
        }
        after(&doors, &id)
    })
    .await
}

pub async fn order(
    State(doors): State<Doors>,
    headers: HeaderMap,
    Path((id, order)): Path<(String, String)>,
    body: Result<Json<WithReason>, JsonRejection>,
) -> Result<Response, Problem> {
    let (order, role) = match order.as_str() {
        "retry" => (Order::Retry, Role::Operator),
        "cancel" => (Order::Cancel, Role::Operator),
        "remind" => (Order::Remind, Role::Operator),
        "undo" => (Order::Undo, Role::Operator),
        "lift" => (Order::Lift, Role::Operator),
        "take" => (Order::Take, Role::Desk),
        "give_back" => (Order::GiveBack, Role::Desk),
        other => {
            let detail = format!(
                "{other} is not an order; there are retry, cancel, remind, undo, lift, take and give_back"
            );
            return Err(Problem::new(StatusCode::NOT_FOUND, detail));
        }
    };
    carry_out(&doors, &headers, id, order, &[role], body).await
}

pub async fn held(
    State(doors): State<Doors>,
    headers: HeaderMap,
    query: Result<UrlQuery<From>, QueryRejection>,
) -> Result<Response, Problem> {
    doors.access.require(&headers, LOOK)?;
    let UrlQuery(from) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    known_page(from.cursor.as_deref())?;
    Ok(Json(doors.engine.list_held(from.cursor, from.limit)?).into_response())
}

/// Suspensions and withheld roles, those that closed cases left included.
pub async fn holds(
    State(doors): State<Doors>,
    headers: HeaderMap,
    query: Result<UrlQuery<OfSubject>, QueryRejection>,
) -> Result<Response, Problem> {
    doors.access.require(&headers, LOOK)?;
    let UrlQuery(of) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let items = doors.engine.list_holds(of.subject.as_deref())?;
    Ok(Json(json!({ "items": items, "next": null })).into_response())
}

pub async fn held_order(
    State(doors): State<Doors>,
    headers: HeaderMap,
    Path((id, order)): Path<(String, String)>,
    body: Result<Json<WithReason>, JsonRejection>,
) -> Result<Response, Problem> {
    let order = match order.as_str() {
        "release" => Order::Release,
        "drop" => Order::Drop,
        other => {
            let detail = format!("{other} is not an order; there are release and drop");
            return Err(Problem::new(StatusCode::NOT_FOUND, detail));
        }
    };
    carry_out(&doors, &headers, id, order, &[], body).await
}

async fn carry_out(
    doors: &Doors,
    headers: &HeaderMap,
    id: String,
    order: Order,
    roles: &[Role],
    body: Result<Json<WithReason>, JsonRejection>,
) -> Result<Response, Problem> {
    let caller = doors.access.require(headers, roles)?;
    let Json(body) = body.map_err(malformed)?;
    // Working on a review needs no reason; deciding it does.
    let reason = match order {
        Order::Take | Order::GiveBack => body.reason,
        _ => reason(&body.reason)?,
    };
    let id = CaseId(id);
    once(doors, headers, &caller, format!("{order:?} {id}"), async || {
        doors.engine.order(&id, order, caller.name.clone(), reason).await?;
        after(doors, &id)
    })
    .await
}

/// A change's answer: the case as it is now.
fn after(doors: &Doors, id: &CaseId) -> Result<(StatusCode, Value), Problem> {
    let sheet = doors.engine.case_sheet(id)?.ok_or_else(|| Problem::not_found("case"))?;
    let line = serde_json::to_value(sheet.line).map_err(|error| Problem::internal(&error))?;
    Ok((StatusCode::OK, line))
}

pub(super) async fn once(
    doors: &Doors,
    headers: &HeaderMap,
    caller: &Caller,
    request: String,
    change: impl AsyncFnOnce() -> Result<(StatusCode, Value), Problem>,
) -> Result<Response, Problem> {
    let key = Repeats::key(headers, caller)?;
    let _turn = doors.repeats.turn(key.as_deref()).await;
    if let Some((status, answer)) = doors.repeats.before(key.as_deref(), &request)? {
        return Ok((status, Json(answer)).into_response());
    }
    let (status, answer) = change().await?;
    doors.repeats.keep(key, request, (status, answer.clone()));
    Ok((status, Json(answer)).into_response())
}

const CURSOR: &str = "cursor: expected what `next` of the page before said";

/// A cursor that nobody gave out would quietly show the first page again.
fn known_page(cursor: Option<&str>) -> Result<(), Problem> {
    if cursor.is_none_or(is_cursor) { Ok(()) } else { Err(Problem::bad_request(CURSOR)) }
}

pub(super) fn reason(text: &str) -> Result<String, Problem> {
    match text.trim() {
        "" => Err(Problem::bad_request("reason: say why; it stands in the journal")),
        text if text.len() > 2_000 => Err(Problem::bad_request("reason: at most 2000 characters")),
        text => Ok(text.to_owned()),
    }
}

pub(super) fn malformed(error: JsonRejection) -> Problem {
    Problem::new(error.status(), error.body_text())
}
