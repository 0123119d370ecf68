//! Breaks answers on purpose. It must not know what they mean.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::Simulator;
use super::api::answer;
use super::knobs::{Fault, Mode};

impl Simulator {
    /// The fault that hits this request; uses up one of its count.
    fn fault(&self, method: &str, path: &str) -> Option<Fault> {
        self.act(|world, _| {
            let hit = world.knobs.faults.iter_mut().find(|fault| {
                path.starts_with(&fault.path)
                    && fault.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
                    && fault.count != Some(0)
            })?;
            if let Some(count) = &mut hit.count {
                *count -= 1;
            }
            Some(hit.clone())
        })
    }
}

pub(super) async fn inject(State(simulator): State<Simulator>, request: Request, next: Next) -> Response {
    let Some(fault) = simulator.fault(request.method().as_str(), request.uri().path()) else {
        return next.run(request).await;
    };
    match fault.mode {
        Mode::Status => {
            let code = fault.status.unwrap_or(503);
            answer(code, &json!({"title": "Service Unavailable", "status": code, "detail": "Simulated"}))
        }
        Mode::Close => close(),
        Mode::LostAnswer => {
            drop(next.run(request).await);
            close()
        }
        Mode::Hang => std::future::pending().await,
        Mode::Html => Html("<html><body><h1>We will be back soon</h1></body></html>").into_response(),
        Mode::Huge => {
            let text = format!(r#"{{"padding":"{}"}}"#, "x".repeat(10 * 1024 * 1024));
            ([(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        Mode::WrongTypes => altered(next.run(request).await, swap_types).await,
        Mode::MissingFields => altered(next.run(request).await, drop_fields).await,
        Mode::ExtraFields => altered(next.run(request).await, add_fields).await,
    }
}

/// An answer whose body fails before its first byte: the server then closes the connection.
fn close() -> Response {
    let failing = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("simulated")) });
    (StatusCode::OK, [(header::CONTENT_LENGTH, "100")], Body::from_stream(failing)).into_response()
}

async fn altered(answer: Response, change: fn(&mut Value)) -> Response {
    let (mut head, body) = answer.into_parts();
    let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(head, Body::from(bytes));
    };
    change(&mut value);
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(value.to_string()))
}

fn swap_types(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(swap_types),
        Value::Array(items) => items.iter_mut().for_each(swap_types),
        Value::String(_) => *value = json!(7),
        Value::Number(number) => *value = json!(number.to_string()),
        Value::Null | Value::Bool(_) => *value = json!({}),
    }
}

fn drop_fields(value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, value| !value.is_object() && name != "access_token");
    }
}

fn add_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(add_fields);
            fields.insert("x-unknown".into(), json!({"list": [1, "two", null], "deep": {"er": true}}));
        }
        Value::Array(items) => items.iter_mut().for_each(add_fields),
        Value::String(_) | Value::Number(_) | Value::Null | Value::Bool(_) => {}
    }
}
