//! Revisions of a policy over HTTP: effects, differences, releases and reverts.

use axum::extract::State;
use axum::http::StatusCode;

use crate::api::policies::{DiffQuery, Reject, Release, Revert, RevisionDiff, RevisionSheet};
use crate::api::steps::RevisionSource;
use crate::rollout::NoRevision;

use super::answer::Answer;
use super::extract::{Body, Path, Query};
use super::{AppState, Caller, Problem};

pub async fn running(
    State(doors): State<AppState>,
    Path(name): Path<String>,
) -> Result<Answer<RevisionSheet>, Problem> {
    Ok(Answer(doors.engine.rollout().catalog.sheet(&name, "last")?))
}

pub async fn show(
    State(doors): State<AppState>,
    Path((name, revision)): Path<(String, String)>,
) -> Result<Answer<RevisionSheet>, Problem> {
    Ok(Answer(doors.engine.rollout().catalog.sheet(&name, &revision)?))
}

/// Shows the files and the steps of a revision. `revision`: its first digits, `running`, `waiting` or `last`.
pub async fn source(
    State(doors): State<AppState>,
    Path((name, revision)): Path<(String, String)>,
) -> Result<Answer<RevisionSource>, Problem> {
    Ok(Answer(doors.engine.rollout().catalog.source(&name, &revision)?))
}

pub async fn diff(
    State(doors): State<AppState>,
    Path(name): Path<String>,
    Query(between): Query<DiffQuery>,
) -> Result<Answer<RevisionDiff>, Problem> {
    let from = between.from.as_deref().unwrap_or("running");
    let to = between.to.as_deref().unwrap_or("waiting");
    Ok(Answer(doors.engine.rollout().catalog.diff(&name, from, to)?))
}

pub async fn release(
    State(doors): State<AppState>,
    Path(name): Path<String>,
    caller: Caller,
    Body(body): Body<Release>,
) -> Result<Answer<RevisionSheet>, Problem> {
    let Release { reason, revision } = body;
    let done = doors
        .engine
        .rollout()
        .orders
        .release(&name, revision.as_deref(), caller.actor, reason.into())
        .await?;
    Ok(Answer(done))
}

pub async fn reject(
    State(doors): State<AppState>,
    Path(name): Path<String>,
    caller: Caller,
    Body(body): Body<Reject>,
) -> Result<Answer<RevisionSheet>, Problem> {
    let Reject { reason, revision } = body;
    let orders = &doors.engine.rollout().orders;
    Ok(Answer(orders.reject(&name, revision.as_deref(), caller.actor, reason.into()).await?))
}

pub async fn revert(
    State(doors): State<AppState>,
    Path(name): Path<String>,
    caller: Caller,
    Body(body): Body<Revert>,
) -> Result<Answer<RevisionSheet>, Problem> {
    let Revert { reason, revision } = body;
    Ok(Answer(doors.engine.rollout().orders.revert(&name, &revision, caller.actor, reason.into()).await?))
}

/// Returns the running revision of a policy.
pub(super) fn now(doors: &AppState, name: &str) -> Result<Answer<RevisionSheet>, Problem> {
    Ok(Answer(doors.engine.rollout().catalog.sheet(name, "running")?))
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
