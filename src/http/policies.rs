//! Policies over HTTP: what runs, its revisions, and a reload that answers with its verdict.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query as UrlQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::{PolicyStatus, Report};

use super::{Caller, Doors, Problem};

pub async fn list(State(doors): State<Doors>) -> Result<Response, Problem> {
    let active = doors.engine.active();
    let report = &active.report;
    let last_reload = json!({
        "at": report.at, "ok": report.ok, "tree": report.tree, "problem": report.problem,
        "diagnostics": report.diagnostics,
    });
    let items = lines(&doors, report)?;
    Ok(Json(json!({ "items": items, "next": null, "last_reload": last_reload })).into_response())
}

/// Programs find the same keys in every line.
pub(super) fn every_key(status: &PolicyStatus) -> Value {
    let mut line = json!(status);
    line["why"] = json!(status.why);
    line["waiting"] = json!(status.waiting);
    line
}

/// What the tree has, and what it has no more while cases of it are open. Every line has every key.
fn lines(doors: &Doors, report: &Report) -> Result<Vec<Value>, Problem> {
    let mut lines: Vec<Value> = report
        .policies
        .iter()
        .map(|policy| {
            let mut line = every_key(policy);
            line["notes"] = json!(doors.engine.policy_notes(&policy.name));
            line
        })
        .collect();
    for gone in doors.engine.gone_policies()? {
        let cases = if gone.open_cases == 1 {
            "1 open case goes".to_owned()
        } else {
            format!("{} open cases go", gone.open_cases)
        };
        lines.push(json!({
            "name": gone.name, "title": null, "mode": null, "revision": gone.revision, "state": "gone",
            "why": [], "waiting": null, "notes": [format!("gone from the tree, {cases} on")],
        }));
    }
    Ok(lines)
}

/// Schedules over the population: the last runs of each, and when the next is.
pub async fn sweeps(State(doors): State<Doors>) -> Result<Response, Problem> {
    Ok(Json(json!({ "items": doors.engine.sweeps()?, "next": null })).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// So many people, the newest first.
    #[serde(default)]
    limit: Option<usize>,
}

/// What a shadow policy would have done, person by person, against what happened.
pub async fn shadow(
    State(doors): State<Doors>,
    Path(name): Path<String>,
    query: Result<UrlQuery<People>, QueryRejection>,
) -> Result<Response, Problem> {
    let UrlQuery(people) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let limit = people.limit.unwrap_or(100).clamp(1, 1_000);
    let report = doors.engine.shadow_report(&name, limit)?.ok_or_else(|| Problem::not_found("policy"))?;
    Ok(Json(report).into_response())
}

pub async fn revisions(State(doors): State<Doors>, Path(name): Path<String>) -> Result<Response, Problem> {
    let revisions = doors.engine.policy_revisions(&name)?;
    if revisions.is_empty() {
        return Err(Problem::not_found("policy"));
    }
    Ok(Json(json!({ "items": revisions, "next": null })).into_response())
}

/// 200 if everything in the tree runs afterwards, 422 if something does not; the report either way.
pub async fn reload(State(doors): State<Doors>, caller: Caller) -> Result<Response, Problem> {
    tracing::info!(by = caller.name(), "reload asked for");
    let active = doors.engine.reload_by(Some(caller.actor)).await;
    let status = if active.report.ok { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let mut report = serde_json::to_value(&active.report).map_err(|error| Problem::internal(&error))?;
    if let Some(members) = report.as_object_mut() {
        members.insert("text".to_owned(), json!(active.report.rendered));
        members.insert("policies".to_owned(), lines(&doors, &active.report)?.into());
    }
    Ok((status, Json(report)).into_response())
}
