//! The answers of handlers, as types: the API document derives each route's answers from its type.

use std::borrow::Cow;
use std::marker::PhantomData;

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt as _};
use serde::Serialize;

/// 200 with a value.
#[derive(Debug)]
pub struct Answer<T>(pub T);

/// 201 with the created resource.
#[derive(Debug)]
pub struct Created<T>(pub T);

/// 202: the request is on disk and will be processed.
#[derive(Debug)]
pub struct Accepted<T>(pub T);

/// 200, or 422 if the result is negative; the value has the reason.
#[derive(Debug)]
pub struct Verdict<T> {
    pub ok: bool,
    pub value: T,
}

/// 200 with a stream of JSON lines.
#[derive(Debug)]
pub struct Lines<T> {
    body: Body,
    of: PhantomData<fn() -> T>,
}

/// The media type of JSON lines.
pub const LINES: &str = "application/x-ndjson";

/// 200 or 503, with a text for people and monitoring.
#[derive(Debug)]
pub struct Words {
    pub ok: bool,
    pub text: String,
}

/// A text in a format of its own.
#[derive(Debug)]
pub struct Text<F> {
    text: Cow<'static, str>,
    /// How long it may be cached, as a `Cache-Control` value.
    kept: Option<&'static str>,
    of: PhantomData<fn() -> F>,
}

impl<F> Text<F> {
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), kept: None, of: PhantomData }
    }

    pub fn kept_for(self, how: &'static str) -> Self {
        Self { kept: Some(how), ..self }
    }
}

/// A media type, as a type.
pub trait Format {
    const KIND: &'static str;
    const DESCRIPTION: &'static str;
}

#[derive(Debug)]
pub enum OpenApi {}

impl Format for OpenApi {
    const KIND: &'static str = "application/json";
    const DESCRIPTION: &'static str = "This document";
}

/// The page behind a person's link.
#[derive(Debug)]
pub struct PersonPage(pub Response);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        Json(self.0).into_response()
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self.0)).into_response()
    }
}

impl<T: Serialize> IntoResponse for Verdict<T> {
    fn into_response(self) -> Response {
        let status = if self.ok { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        (status, Json(self.value)).into_response()
    }
}

impl<T: Serialize + 'static> Lines<T> {
    pub fn new(lines: impl Stream<Item = T> + Send + 'static) -> Self {
        let lines = lines.map(|line| serde_json::to_string(&line).map(|text| text + "\n"));
        Self { body: Body::from_stream(lines), of: PhantomData }
    }
}

impl<T> IntoResponse for Lines<T> {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, LINES)], self.body).into_response()
    }
}

impl IntoResponse for Words {
    fn into_response(self) -> Response {
        let status = if self.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, self.text).into_response()
    }
}

impl<F: Format> IntoResponse for Text<F> {
    fn into_response(self) -> Response {
        let mut response = ([(header::CONTENT_TYPE, F::KIND)], self.text).into_response();
        if let Some(how) = self.kept {
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(how));
        }
        response
    }
}

impl IntoResponse for PersonPage {
    fn into_response(self) -> Response {
        self.0
    }
}
