//! Why each policy did or did not fire for a person, and what policies would say.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query as UrlQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::config::Role;
use crate::engine::attempt::{Attempt, Untried};
use crate::engine::explain::Question;

use super::cases::malformed;
use super::{Caller, Doors, Problem};

pub async fn explain(
    State(doors): State<Doors>,
    caller: Caller,
    query: Result<UrlQuery<Question>, QueryRejection>,
) -> Result<Response, Problem> {
    let UrlQuery(question) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let whom = doors.engine.whom(&question.subject)?.map_err(Problem::bad_request)?;
    let explained = doors.engine.explain(&question, &whom, caller.raw_identity)?;
    let explained = explained.ok_or_else(|| Problem::not_found("policy"))?;
    if let Some(why) = doors.engine.nobody(&question, &whom).await? {
        return Err(Problem::new(StatusCode::NOT_FOUND, why));
    }
    let mut answer = serde_json::to_value(explained).map_err(|error| Problem::internal(&error))?;
    answer["next"] = json!(null);
    Ok(Json(answer).into_response())
}

/// Nothing is changed. A tree of one's own can ask for any field of anybody, so it takes who may edit policies.
pub async fn attempt(
    State(doors): State<Doors>,
    caller: Caller,
    headers: HeaderMap,
    body: Result<Json<Attempt>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(attempt) = body.map_err(malformed)?;
    if attempt.files.is_some() {
        doors.access.require(&headers, &[Role::Author])?;
    }
    let attempted = doors.engine.try_policies(&attempt, caller.raw_identity).await?;
    let mut answer = serde_json::to_value(attempted).map_err(|error| Problem::internal(&error))?;
    answer["next"] = json!(null);
    Ok(Json(answer).into_response())
}

impl From<Untried> for Problem {
    fn from(untried: Untried) -> Self {
        match untried {
            Untried::Wrong(says) => Self::bad_request(says),
            Untried::Missing(what) => Self::not_found(what),
            Untried::Unreachable(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, untried.to_string()),
            Untried::Store(error) => Self::from(error),
        }
    }
}
