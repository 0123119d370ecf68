//! Fault injection for requests and their answers. This module must not interpret them.

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use chrono::TimeDelta;
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::model::Clock;

/// One fault applied to requests to a simulated system (never to `/_sim`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub what: Mishap,
    /// Prefix of the paths that the fault applies to.
    #[serde(default)]
    pub path: String,
    /// Method that the fault applies to, in capitals; none: every method.
    #[serde(default)]
    pub method: Option<String>,
    /// Number of matching requests that pass first; counts down.
    #[serde(default)]
    pub skip: u32,
    /// Number of requests that the fault hits; none: every one until it is removed. Counts down.
    #[serde(default)]
    pub count: Option<u32>,
    /// The request takes effect and only its answer is replaced.
    #[serde(default)]
    pub after_effect: bool,
    /// Milliseconds of the clock to wait before the fault applies.
    #[serde(default)]
    pub delay_ms: u32,
    /// Seconds of `Retry-After` in the answer; none: no such header.
    #[serde(default)]
    pub retry_after: Option<u32>,
}

/// What happens to a request or its answer. The last four alter a real answer, so the request takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mishap {
    /// Only the fault's delay.
    Slow,
    /// A status, with the system's own error body.
    Status(u16),
    /// The connection is closed without an answer.
    Closed,
    /// The request is never answered.
    Hang,
    /// 200 with a page of HTML.
    Html,
    /// 10 MB of JSON.
    Huge,
    /// An answer that is cut off in the middle.
    Truncated,
    /// Strings become numbers, numbers strings, arrays objects.
    WrongTypes,
    /// Every second key is omitted.
    MissingFields,
    /// Additional keys that the API does not define.
    ExtraFields,
}

/// Returns the fault for a request, if any, and updates its counters.
pub(super) fn strike(faults: &mut [Fault], method: &str, path: &str) -> Option<Fault> {
    let matches = |fault: &Fault| {
        path.starts_with(&fault.path)
            && fault.method.as_ref().is_none_or(|wanted| wanted == method)
            && fault.count != Some(0)
    };
    for fault in faults.iter_mut().filter(|fault| matches(fault)) {
        if fault.skip > 0 {
            fault.skip -= 1;
            continue;
        }
        if let Some(count) = &mut fault.count {
            *count -= 1;
        }
        return Some(fault.clone());
    }
    None
}

impl Fault {
    /// A fault for every request without end; narrow it with struct update syntax.
    pub fn of(what: Mishap) -> Self {
        Self {
            what,
            path: String::new(),
            method: None,
            skip: 0,
            count: None,
            after_effect: false,
            delay_ms: 0,
            retry_after: None,
        }
    }

    /// Whether the request takes effect.
    pub(super) fn lets_act(&self) -> bool {
        self.after_effect
            || matches!(
                self.what,
                Mishap::Slow
                    | Mishap::Truncated
                    | Mishap::WrongTypes
                    | Mishap::MissingFields
                    | Mishap::ExtraFields
            )
    }

    /// The answer that the client receives. `act` executes the request; `refuse` builds the system's own refusal.
    pub(super) async fn inject(
        self,
        clock: &dyn Clock,
        refuse: impl FnOnce(u16) -> Response,
        act: impl Future<Output = Response>,
    ) -> Response {
        if self.delay_ms > 0 {
            clock.sleep_until(clock.now() + TimeDelta::milliseconds(self.delay_ms.into())).await;
        }
        let real = if self.lets_act() { act.await } else { Response::default() };
        let mut answer = match self.what {
            Mishap::Slow => real,
            Mishap::Status(code) => refuse(code),
            Mishap::Closed => closed(),
            Mishap::Hang => std::future::pending().await,
            Mishap::Html => Html("<html><body>We will be back soon.</body></html>").into_response(),
            Mishap::Huge => axum::Json(json!({"padding": "x".repeat(10_000_000)})).into_response(),
            Mishap::Truncated => altered(real, |value| half(value.to_string())).await,
            Mishap::WrongTypes => altered(real, |value| wrong(value).to_string()).await,
            Mishap::MissingFields => altered(real, |value| missing(value).to_string()).await,
            Mishap::ExtraFields => altered(real, |value| extra(value).to_string()).await,
        };
        if let Some(seconds) = self.retry_after {
            answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        answer
    }
}

/// An answer whose body fails before its first byte: the server then closes the connection.
fn closed() -> Response {
    let failing = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("simulated")) });
    (StatusCode::OK, [(header::CONTENT_LENGTH, "100")], Body::from_stream(failing)).into_response()
}

/// The same answer with another body, if it is JSON.
async fn altered(answer: Response, change: fn(Value) -> String) -> Response {
    let (mut head, body) = answer.into_parts();
    let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    head.headers.remove(header::CONTENT_LENGTH);
    let body = match serde_json::from_slice(&bytes) {
        Ok(value) => Body::from(change(value)),
        Err(_) => Body::from(bytes),
    };
    Response::from_parts(head, body)
}

fn half(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(text.len() / 2));
    text
}

fn wrong(value: Value) -> Value {
    match value {
        Value::String(_) => json!(17),
        Value::Number(number) => json!(format!("n{number}")),
        Value::Bool(flag) => json!(if flag { "yes" } else { "no" }),
        Value::Null => Value::Null,
        Value::Array(items) => json!({"items": items.into_iter().map(wrong).collect::<Vec<_>>()}),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, wrong(value))).collect(),
    }
}

fn missing(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(missing).collect(),
        Value::Object(map) => {
            let kept = map.into_iter().enumerate().filter(|(place, _)| place % 2 == 1);
            kept.map(|(_, (key, value))| (key, missing(value))).collect()
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

fn extra(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(extra).collect(),
        Value::Object(map) => {
            let mut map: Map<String, Value> =
                map.into_iter().map(|(key, value)| (key, extra(value))).collect();
            map.insert("unheard_of".into(), json!({"deep": [1, {"er": null}]}));
            Value::Object(map)
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}
