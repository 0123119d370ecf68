//! Revisions of a policy over HTTP: what one can do, what another can do otherwise, releasing and going back.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query as UrlQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::revisions::{NoRevision, RevisionSheet};

use super::cases::{malformed, once, reason};
use super::policies::{LOOK, every_key};
use super::{Doors, Problem};

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

pub async fn running(
    State(doors): State<Doors>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    doors.access.require(&headers, LOOK)?;
    Ok(Json(sheet(&doors.engine.revision_sheet(&name, "last")?)?).into_response())
}

pub async fn show(
    State(doors): State<Doors>,
    headers: HeaderMap,
    Path((name, revision)): Path<(String, String)>,
) -> Result<Response, Problem> {
    doors.access.require(&headers, LOOK)?;
    Ok(Json(sheet(&doors.engine.revision_sheet(&name, &revision)?)?).into_response())
}

pub async fn diff(
    State(doors): State<Doors>,
    headers: HeaderMap,
    Path(name): Path<String>,
    query: Result<UrlQuery<Between>, QueryRejection>,
) -> Result<Response, Problem> {
    doors.access.require(&headers, LOOK)?;
    let UrlQuery(between) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let diff = doors.engine.revision_diff(&name, &between.from, &between.to)?;
    Ok(Json(json!(diff)).into_response())
}

/// `release` and `revert`; both are an admin's.
pub async fn order(
    State(doors): State<Doors>,
    headers: HeaderMap,
    Path((name, order)): Path<(String, String)>,
    body: Result<Json<Order>, JsonRejection>,
) -> Result<Response, Problem> {
    let caller = doors.access.require(&headers, &[])?;
    if order != "release" && order != "revert" {
        let detail = format!("{order} is not an order; there are release and revert");
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    }
    let Json(body) = body.map_err(malformed)?;
    let reason = reason(&body.reason)?;
    let request = format!("{order} {name} {}", body.revision.as_deref().unwrap_or_default());
    once(&doors, &headers, &caller, request, async || {
        let by = caller.name.clone();
        let done = match (order.as_str(), &body.revision) {
            ("revert", Some(to)) => doors.engine.revert_policy(&name, to, by, reason).await?,
            ("revert", None) => {
                return Err(Problem::bad_request("revision: say which one to go back to"));
            }
            (_, revision) => doors.engine.release_policy(&name, revision.as_deref(), by, reason).await?,
        };
        Ok((StatusCode::OK, sheet(&done)?))
    })
    .await
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
