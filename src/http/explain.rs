//! Why each policy did or did not fire for a person.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as UrlQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::config::Role;
use crate::engine::explain::Question;

use super::{Doors, Problem};

const LOOK: &[Role] = &[Role::Viewer, Role::Desk, Role::Author, Role::Operator];

pub async fn explain(
    State(doors): State<Doors>,
    headers: HeaderMap,
    query: Result<UrlQuery<Question>, QueryRejection>,
) -> Result<Response, Problem> {
    let caller = doors.access.require(&headers, LOOK)?;
    let UrlQuery(question) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    if question.subject.trim().is_empty() {
        return Err(Problem::bad_request("subject: say who, such as user/17"));
    }
    let explained = doors.engine.explain(&question, caller.raw_identity)?;
    let explained = explained.ok_or_else(|| Problem::not_found("policy"))?;
    let mut answer = serde_json::to_value(explained).map_err(|error| Problem::internal(&error))?;
    answer["next"] = json!(null);
    Ok(Json(answer).into_response())
}
