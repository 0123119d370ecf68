//! What is known about one person, and its erasure, over HTTP.

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;

use crate::api::subjects::{EraseSubject, Erased, SubjectQuery, SubjectReport};
use crate::engine::retention::EraseRefused;

use super::answer::Answer;
use super::extract::{Body, Query};
use super::{AppState, Caller, Problem};

pub async fn show(
    State(doors): State<AppState>,
    caller: Caller,
    Query(query): Query<SubjectQuery>,
) -> Result<Answer<SubjectReport>, Problem> {
    let SubjectQuery { subject, reason: _ } = query;
    let report = doors.engine.retention().show(subject.as_str()).await?;
    let mut report = report.map_err(|why| Problem::bad_request(why).about("subject"))?;
    if !(caller.privacy || caller.raw_identity) {
        report.cases.iter_mut().for_each(without_documents);
    }
    tracing::info!(by = caller.name(), cases = report.cases.len(), "the data of a person was looked at");
    Ok(Answer(report))
}

/// Hides values of documents, which an administrator alone may not read.
fn without_documents(case: &mut Value) {
    let steps = case["case"]["steps"].as_object_mut().into_iter().flatten();
    for (_, step) in steps {
        if let Some(document) = step.get_mut("document") {
            *document = Value::Null;
        }
    }
}

pub async fn erase(
    State(doors): State<AppState>,
    caller: Caller,
    Body(body): Body<EraseSubject>,
) -> Result<Answer<Erased>, Problem> {
    let EraseSubject { subject, reason, close_cases } = body;
    let retention = doors.engine.retention().clone();
    let reason: String = reason.into();
    // A client that disconnects does not stop an erasure halfway.
    let erasing =
        tokio::spawn(
            async move { retention.erase(subject.as_str(), &caller.actor, &reason, close_cases).await },
        );
    let erased = erasing.await.map_err(|error| Problem::internal(&error))?;
    erased.map(Answer).map_err(Problem::from)
}

impl From<EraseRefused> for Problem {
    fn from(refused: EraseRefused) -> Self {
        match refused {
            EraseRefused::Wrong(why) => Self::bad_request(why).about("subject"),
            EraseRefused::Unknown(_) => Self::new(StatusCode::NOT_FOUND, refused.to_string()),
            EraseRefused::Conflict(why) => Self::new(StatusCode::CONFLICT, why),
            EraseRefused::Apply(error) => Self::from(error),
        }
    }
}
