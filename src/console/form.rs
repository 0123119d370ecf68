//! Forms of pages.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use crate::http::{AppState, Problem};

/// The fields of a form. Unknown ones are ignored: every form has the session's secret.
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, doors: &AppState) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, doors).await;
        let bytes = bytes.map_err(|error| Problem::new(error.status(), error.body_text()))?;
        let read = serde_urlencoded::from_bytes(&bytes);
        read.map(Self).map_err(|error| Problem::bad_request(format!("the form is not complete: {error}")))
    }
}
