//! The inputs of handlers, as types. An invalid input is refused with the name of the parameter or the path of the
//! body's member.

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::Problem;

/// The variable parts of the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

/// The query.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        let path = path.map_err(|error: PathRejection| Problem::new(error.status(), error.body_text()))?;
        Ok(Self(path.0))
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read_query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn read_query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let mut names = BTreeSet::new();
    if let Some((name, _)) = pairs.clone().find(|(name, _)| !names.insert(name.clone())) {
        return Err(refused(StatusCode::BAD_REQUEST, &name, "given more than once"));
    }
    let pairs = serde_urlencoded::Deserializer::new(pairs);
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let path = error.path().to_string();
        refused(StatusCode::BAD_REQUEST, &path, error.into_inner())
    })
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "expected Content-Type: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|error| Problem::new(error.status(), error.body_text()))?;
        read_body(&bytes).map(Self)
    }
}

fn read_body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let status = match error.inner().classify() {
            Category::Data => StatusCode::UNPROCESSABLE_ENTITY,
            Category::Io | Category::Syntax | Category::Eof => StatusCode::BAD_REQUEST,
        };
        let path = error.path().to_string();
        refused(status, &path, error.into_inner())
    })?;
    json.end().map_err(|error| refused(StatusCode::BAD_REQUEST, ".", error))?;
    Ok(read)
}

/// Builds the refusal. `path` is `.` if the whole input is invalid.
fn refused(status: StatusCode, path: &str, error: impl std::fmt::Display) -> Problem {
    match path {
        "." | "?" => Problem::new(status, error.to_string()),
        _ => Problem::new(status, format!("{path}: {error}")).about(path),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::api::cases::{CaseQuery, StartCase};

    fn check<T>(read: Result<T, Problem>, expected: Result<(), (u16, Option<&str>)>) {
        let refused = read.map(|_| ()).map_err(|problem| (problem.status().as_u16(), problem));
        match (refused, expected) {
            (Ok(()), Ok(())) => {}
            (Err((status, problem)), Err((expected, parameter))) => {
                assert_eq!((status, problem.parameter()), (expected, parameter), "{problem:?}");
            }
            (got, expected) => panic!("{got:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn an_invalid_query_error_names_the_parameter() {
        for (query, wrong) in [
            ("", None),
            ("policy=a%20b&limit=500&state=in_review&cursor=6c0a", None),
            ("limit=0", Some("limit")),
            ("limit=many", Some("limit")),
            ("policy=a&stat=open", Some("stat")),
            ("state=opened", Some("state")),
            ("cursor=zz", Some("cursor")),
            ("limit=1&limit=2", Some("limit")),
        ] {
            let expected = wrong.map_or(Ok(()), |name| Err((400, Some(name))));
            check(read_query::<CaseQuery>(query), expected);
        }
    }

    #[test]
    fn an_invalid_body_error_names_the_member() {
        let whole = r#"{"policy":"p","subject":{"type":"user","id":"1"},"reason":"r"}"#;
        for (body, expected) in [
            (whole.to_owned(), Ok(())),
            (format!("{whole} x"), Err((400, None))),
            (String::new(), Err((400, None))),
            ("[".to_owned(), Err((400, None))),
            (r#"{"policy":"p"}"#.to_owned(), Err((422, None))),
            (whole.replace("user", "robot"), Err((422, Some("subject.type")))),
            (whole.replace("\"r\"", "\" \""), Err((422, Some("reason")))),
            (whole.replace("reason", "raisin"), Err((422, Some("raisin")))),
        ] {
            check(read_body::<StartCase>(body.as_bytes()), expected);
        }
    }
}
