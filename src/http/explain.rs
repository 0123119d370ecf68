//! Explains why each policy did or did not fire for a person, and runs dry runs.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use crate::api::explain::{DryRun, DryRunAnswer, ExplainQuery, Explanation};
use crate::config::Role;
use crate::engine::dry_run::Untried;

use super::answer::Answer;
use super::extract::{Body, Query};
use super::{AppState, Caller, Problem};

pub async fn explain(
    State(doors): State<AppState>,
    caller: Caller,
    Query(question): Query<ExplainQuery>,
) -> Result<Answer<Explanation>, Problem> {
    let whom = doors.engine.sources().whom(question.subject.as_str())?;
    let whom = whom.map_err(|why| Problem::bad_request(why).about("subject"))?;
    let explained = doors.engine.explanations().explain(&question, &whom, caller.raw_identity)?;
    let explained = explained.ok_or_else(|| Problem::not_found("policy"))?;
    if let Some(why) = doors.engine.explanations().missing_person(&question, &whom).await? {
        return Err(Problem::new(StatusCode::NOT_FOUND, why));
    }
    Ok(Answer(explained))
}

/// Runs a dry run, which changes nothing. A submitted tree can read any field of any person: it requires the right to
/// edit policies.
pub async fn attempt(
    State(doors): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Body(attempt): Body<DryRun>,
) -> Result<Answer<DryRunAnswer>, Problem> {
    if attempt.files.is_some() {
        doors.access.require(&headers, &[Role::Author])?;
    }
    Ok(Answer(doors.engine.dry_runs().run(&attempt, caller.raw_identity).await?))
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
