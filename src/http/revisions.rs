//! Revisions of a policy over HTTP: what one can do, what another can do otherwise, releasing and going back.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query as UrlQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::revisions::{NoRevision, RevisionSheet};

use super::cases::{malformed, reason};
use super::policies::every_key;
use super::{Caller, Doors, Problem};

/// Revisions by the first digits of their names, or `running` or `waiting`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Between {
    #[serde(default = "running_word")]
    from: String,
    #[serde(default = "waiting_word")]
    to: String,
}

fn running_word() -> String {
    "running".to_owned()
}

fn waiting_word() -> String {
    "waiting".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    reason: String,
    /// For a release, the revision that was looked at.
    #[serde(default)]
    revision: Option<String>,
}

pub async fn running(State(doors): State<Doors>, Path(name): Path<String>) -> Result<Response, Problem> {
    Ok(Json(sheet(&doors.engine.revision_sheet(&name, "last")?)?).into_response())
}

pub async fn show(
    State(doors): State<Doors>,
    Path((name, revision)): Path<(String, String)>,
) -> Result<Response, Problem> {
    Ok(Json(sheet(&doors.engine.revision_sheet(&name, &revision)?)?).into_response())
}

pub async fn diff(
    State(doors): State<Doors>,
    Path(name): Path<String>,
    query: Result<UrlQuery<Between>, QueryRejection>,
) -> Result<Response, Problem> {
    let UrlQuery(between) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let diff = doors.engine.revision_diff(&name, &between.from, &between.to)?;
    Ok(Json(json!(diff)).into_response())
}

/// What an admin orders about the revisions of a policy.
#[derive(Debug, Clone, Copy)]
pub enum PolicyOrder {
    Release,
    Revert,
}

pub async fn order(
    order: PolicyOrder,
    State(doors): State<Doors>,
    Path(name): Path<String>,
    caller: Caller,
    body: Result<Json<Order>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(malformed)?;
    let (by, reason) = (caller.actor, reason(&body.reason)?);
    let revision = body.revision.as_deref();
    let done = match (order, revision) {
        (PolicyOrder::Release, revision) => doors.engine.release_policy(&name, revision, by, reason).await?,
        (PolicyOrder::Revert, Some(to)) => doors.engine.revert_policy(&name, to, by, reason).await?,
        (PolicyOrder::Revert, None) => {
            return Err(Problem::bad_request("revision: say which one to go back to"));
        }
    };
    Ok(Json(sheet(&done)?).into_response())
}

/// The policy as it runs now.
pub(super) fn now(doors: &Doors, name: &str) -> Result<Response, Problem> {
    Ok(Json(sheet(&doors.engine.revision_sheet(name, "running")?)?).into_response())
}

fn sheet(sheet: &RevisionSheet) -> Result<Value, Problem> {
    let mut value = serde_json::to_value(sheet).map_err(|error| Problem::internal(&error))?;
    value["status"] = json!(sheet.status.as_ref().map(every_key));
    Ok(value)
}

impl From<NoRevision> for Problem {
    fn from(error: NoRevision) -> Self {
        match error {
            NoRevision::NoPolicy => Self::not_found("policy"),
            NoRevision::No(why) => Self::new(StatusCode::CONFLICT, why),
            NoRevision::Store(error) => error.into(),
        }
    }
}
