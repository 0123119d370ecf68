//! Moves an open case to another revision over HTTP. With `?preview=true` nothing changes.

use axum::extract::State;
use axum::http::StatusCode;

use crate::api::migrations::{Migrate, MigrateQuery, MigrationLine, TableQuery};
use crate::api::plan::OpenCases;
use crate::engine::migrations::MigrateError;
use crate::model::CaseId;

use super::answer::Answer;
use super::extract::{Body, Path, Query};
use super::{AppState, Caller, Problem};

/// Shows where the open cases of a policy would be in another revision. Moves nothing.
pub async fn table(
    State(doors): State<AppState>,
    Path(name): Path<String>,
    Query(query): Query<TableQuery>,
) -> Result<Answer<OpenCases>, Problem> {
    let to = query.to.unwrap_or_else(|| "waiting".to_owned());
    Ok(Answer(doors.engine.migrations().table(name, to).await?))
}

pub async fn migrate(
    State(doors): State<AppState>,
    Path(id): Path<String>,
    caller: Caller,
    Query(how): Query<MigrateQuery>,
    Body(body): Body<Migrate>,
) -> Result<Answer<MigrationLine>, Problem> {
    let id = CaseId(id);
    if how.preview {
        return Ok(Answer(doors.engine.migrations().migrate(&id, &body.to, None).await?));
    }
    let reason = body.reason.ok_or_else(|| {
        let detail = "reason: required to move a case; ?preview=true needs none and moves nothing";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).about("reason")
    })?;
    let by = Some((caller.actor.name, reason.into()));
    let line = doors.engine.migrations().migrate(&id, &body.to, by).await?;
    match line.why_not {
        None => Ok(Answer(line)),
        Some(why) => Err(Problem::new(StatusCode::CONFLICT, why)),
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
