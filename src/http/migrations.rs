//! Moving an open case to another revision over HTTP. With `?preview=true` nothing is changed.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query as UrlQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::engine::migrating::MigrateError;
use crate::model::CaseId;

use super::cases::{malformed, reason};
use super::{Caller, Doors, Problem};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct How {
    #[serde(default)]
    preview: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migrate {
    /// The first digits of a revision; otherwise the one that runs.
    #[serde(default = "running")]
    to: String,
    #[serde(default)]
    reason: String,
}

fn running() -> String {
    "running".to_owned()
}

pub async fn migrate(
    State(doors): State<Doors>,
    Path(id): Path<String>,
    caller: Caller,
    how: Result<UrlQuery<How>, QueryRejection>,
    body: Result<Json<Migrate>, JsonRejection>,
) -> Result<Response, Problem> {
    let UrlQuery(how) = how.map_err(|error| Problem::bad_request(error.body_text()))?;
    let Json(body) = body.map_err(malformed)?;
    let id = CaseId(id);
    if how.preview {
        let line = doors.engine.migrate_case(&id, &body.to, None).await?;
        return Ok(Json(json!(line)).into_response());
    }
    let reason = reason(&body.reason)?;
    let line = doors.engine.migrate_case(&id, &body.to, Some((caller.actor.name, reason))).await?;
    match &line.why_not {
        None => Ok(Json(json!(line)).into_response()),
        Some(why) => Err(Problem::new(StatusCode::CONFLICT, why.clone())),
    }
}

impl From<MigrateError> for Problem {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Case(error) => error.into(),
            MigrateError::Revision(error) => error.into(),
        }
    }
}
