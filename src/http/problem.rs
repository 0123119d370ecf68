//! Errors as RFC 9457 problem documents: a sentence for the caller, the cause only in the log.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;

use crate::api;
use crate::api::problem::More;
use crate::engine::cases::ApplyError;

use super::AppState;
use super::signed_in::Asked;

/// An error, for the caller.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    /// Seconds after which a retry is useful.
    retry_after: Option<i64>,
    more: Box<More>,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(30);
        Self { status, detail: detail.into(), retry_after, more: Box::default() }
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("no such {what}"))
    }

    /// The client exceeds its rate limit.
    pub fn too_many(wait: TimeDelta) -> Self {
        // Rounded up: a retry after whole seconds is admitted.
        let seconds = (wait.num_milliseconds().max(1) + 999) / 1_000;
        let detail = format!("too many requests; try again in {seconds} s");
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    /// An internal error: the cause is logged, not returned.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error; the daemon's log has the reason")
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Adds the invalid parameter, or the path of the body's invalid member.
    pub fn about(mut self, parameter: &str) -> Self {
        self.more.parameter = Some(parameter.to_owned());
        self
    }

    /// Adds the decisions that a case accepts now.
    pub fn allowing(mut self, decisions: Vec<String>) -> Self {
        self.more.decisions_allowed = Some(decisions);
        self
    }

    /// Adds the index of a request's invalid event, and its attribute.
    pub fn of_event(mut self, index: usize, field: &str) -> Self {
        self.more.index = Some(index);
        self.more.field = Some(field.to_owned());
        self
    }
}

/// The error of a response: a page shows it in its own way.
#[derive(Debug, Clone)]
pub(super) struct Said(Problem);

impl From<Said> for Problem {
    fn from(said: Said) -> Self {
        said.0
    }
}

impl Problem {
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Seconds after which a retry is useful.
    pub fn retry_after(&self) -> Option<i64> {
        self.retry_after
    }
}

#[cfg(test)]
impl Problem {
    pub(super) fn parameter(&self) -> Option<&str> {
        self.more.parameter.as_deref()
    }
}

impl From<ApplyError> for Problem {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::NoCase => Self::not_found("case"),
            ApplyError::Refused(refused) => Self::new(StatusCode::CONFLICT, refused.to_string()),
            ApplyError::Store(store) => Self::from(store),
            ApplyError::Revision(why) => Self::new(StatusCode::CONFLICT, why),
        }
    }
}

impl From<crate::engine::StoreError> for Problem {
    fn from(error: crate::engine::StoreError) -> Self {
        match error {
            crate::engine::StoreError::Full => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            other => Self::internal(&other),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let said = Said(self.clone());
        let document = api::problem::Problem {
            kind: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            more: *self.more,
        };
        let mut response = (self.status, Json(document)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(said);
        response
    }
}

pub(super) async fn no_such_path(
    State(doors): State<AppState>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let problem = Problem::new(StatusCode::NOT_FOUND, format!("no such path: {}", uri.path()));
    let signed = doors.signed(&headers);
    doors.refuse_unknown(Asked { method, uri, headers, signed }, problem)
}

pub(super) async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not support {method}", uri.path()))
}
