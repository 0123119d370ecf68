//! Cases over HTTP: lists, one case, its journal, decisions, orders, held effects.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query as UrlQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::desk::{Order, Query, is_cursor};
use crate::engine::sources::Whom;
use crate::model::{CaseId, SubjectRef};

use super::{Caller, Doors, Problem};

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
    query: Result<UrlQuery<Query>, QueryRejection>,
) -> Result<Response, Problem> {
    let UrlQuery(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    known_page(query.cursor.as_deref())?;
    Ok(Json(doors.engine.list_cases(&query)?).into_response())
}

pub async fn show(
    State(doors): State<Doors>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
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
    Path(id): Path<String>,
    query: Result<UrlQuery<From>, QueryRejection>,
) -> Result<Response, Problem> {
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
    caller: Caller,
    body: Result<Json<Start>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(start) = body.map_err(malformed)?;
    let reason = reason(&start.reason)?;
    match doors.engine.start_case(&start.policy, &start.subject, caller.actor.name, reason).await? {
        Ok(id) => Ok((StatusCode::CREATED, Json(json!({ "id": id }))).into_response()),
        Err(why) => Err(Problem::new(StatusCode::CONFLICT, why)),
    }
}

pub async fn decide(
    State(doors): State<Doors>,
    Path(id): Path<String>,
    caller: Caller,
    body: Result<Json<Decide>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(decide) = body.map_err(malformed)?;
    let id = CaseId(id);
    if let Err(error) = doors.engine.decide_case(&id, decide.decision, decide.reason, caller.actor).await {
        let allowed = doors.engine.case_sheet(&id)?.map(|sheet| sheet.decisions_allowed);
        return Err(Problem::from(error).with("decisions_allowed", json!(allowed.unwrap_or_default())));
    }
    after(&doors, &id)
}

pub async fn order(
    order: Order,
    State(doors): State<Doors>,
    Path(id): Path<String>,
    caller: Caller,
    body: Result<Json<WithReason>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(malformed)?;
    // Working on a review needs no reason; deciding it does.
    let reason = match order {
        Order::Take | Order::GiveBack => body.reason,
        _ => reason(&body.reason)?,
    };
    let id = CaseId(id);
    doors.engine.order(&id, order, caller.actor, reason).await?;
    after(&doors, &id)
}

pub async fn held(
    State(doors): State<Doors>,
    query: Result<UrlQuery<From>, QueryRejection>,
) -> Result<Response, Problem> {
    let UrlQuery(from) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    known_page(from.cursor.as_deref())?;
    Ok(Json(doors.engine.list_held(from.cursor, from.limit)?).into_response())
}

/// Suspensions and withheld roles, those that closed cases left included.
pub async fn holds(
    State(doors): State<Doors>,
    query: Result<UrlQuery<OfSubject>, QueryRejection>,
) -> Result<Response, Problem> {
    let UrlQuery(of) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let whom = of.subject.as_deref().map(|subject| doors.engine.whom(subject)).transpose()?;
    let whom = whom.transpose().map_err(Problem::bad_request)?;
    let items = doors.engine.list_holds(whom.as_ref().map(Whom::person).as_deref())?;
    Ok(Json(json!({ "items": items, "next": null })).into_response())
}

/// A change's answer: the case as it is now.
pub(super) fn after(doors: &Doors, id: &CaseId) -> Result<Response, Problem> {
    let sheet = doors.engine.case_sheet(id)?.ok_or_else(|| Problem::not_found("case"))?;
    Ok(Json(sheet.line).into_response())
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
