//! Checks before every handler, in this order: the client's rate limit, authentication, the body, and whether the same
//! change was sent before. No body is read for an unauthenticated client, except a vendor's hint.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::connections::Standing;
use super::listen::Bounds;
use super::routes::Needs;
use super::{AppState, Problem};

/// The requirements that a guard checks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gate {
    pub needs: Needs,
    pub largest: usize,
    pub change: bool,
}

pub(super) async fn guard(
    State((doors, gate)): State<(AppState, Gate)>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let sends_body = parts.headers.contains_key(TRANSFER_ENCODING)
        || parts.headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    let mut response = match doors.pass(gate, parts, body, next).await {
        Ok(response) => return response,
        Err(problem) => problem.into_response(),
    };
    if sends_body {
        // The rest of the body is not read: no other request can follow on this connection.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

impl AppState {
    async fn pass(&self, gate: Gate, mut parts: Parts, body: Body, next: Next) -> Result<Response, Problem> {
        self.count(gate.needs, &parts)?;
        self.admit(gate.needs, &mut parts)?;
        let bounds = parts.extensions.get::<Bounds>().copied().unwrap_or_default();
        let _room = self.bodies.room(gate, &parts).await?;
        // The form of an unknown link is not read; its page says that the link is not valid.
        let stranger = gate.needs == Needs::Link && self.link_of(parts.uri.path()).is_none();
        let body = match gate.largest {
            0 => Bytes::new(),
            _ if stranger => Bytes::new(),
            largest => match read(body, &parts, largest, bounds).await {
                // No vendor sends this. The answer is the same as for every other unknown hint.
                Err(_) if gate.needs == Needs::Hint => {
                    self.count_stranger(parts.extensions.get().copied())?;
                    return Err(Problem::not_found("hook"));
                }
                body => body?,
            },
        };
        if gate.change {
            return self.once(parts, body, next).await;
        }
        let peer = parts.extensions.get().copied();
        let response = next.run(Request::from_parts(parts, Body::from(body))).await;
        if matches!(gate.needs, Needs::Hint | Needs::Return) && response.status() == StatusCode::NOT_FOUND {
            self.count_stranger(peer)?;
        }
        Ok(response)
    }

    /// Returns whether a request has the shared header of its provider's webhook.
    pub(super) fn is_webhook(&self, parts: &Parts) -> bool {
        let provider = parts.uri.path().split('/').nth(2);
        provider.is_some_and(|provider| self.engine.hooks().is_webhook(provider, &parts.headers))
    }

    /// Refuses a request without the credentials that the route needs. Marks the connection of an authenticated client.
    fn admit(&self, needs: Needs, parts: &mut Parts) -> Result<(), Problem> {
        let known = match needs {
            Needs::Nothing | Needs::Hint | Needs::Return | Needs::Page(_) | Needs::SignIn => false,
            Needs::Role(roles) => {
                let caller = self.access.require(&parts.headers, roles)?;
                parts.extensions.insert(caller);
                true
            }
            Needs::Webhook => {
                if !self.is_webhook(parts) {
                    let detail = "the shared header is missing or wrong";
                    return Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
                }
                true
            }
            Needs::Link => self.link_of(parts.uri.path()).is_some(),
        };
        if let Some(standing) = parts.extensions.get::<Standing>().filter(|_| known) {
            standing.known();
        }
        Ok(())
    }
}

/// Reads a body to its end, if it arrives fast enough and is not too large.
pub(super) async fn read(
    mut body: Body,
    parts: &Parts,
    largest: usize,
    bounds: Bounds,
) -> Result<Bytes, Problem> {
    let too_large =
        || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {largest} bytes"));
    let announced = announced(parts);
    if announced.is_some_and(|bytes| bytes > largest) {
        return Err(too_large());
    }
    let began = Instant::now();
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0).min(64 << 10));
    loop {
        let due = began + bounds.body_within(bytes.len());
        let frame = match tokio::time::timeout_at(due, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(bytes.into()),
            Ok(Some(Err(_))) => return Err(Problem::bad_request("the body is incomplete")),
            Err(_) => {
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body is sent too slowly"));
            }
        };
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > largest {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
    }
}

fn announced(parts: &Parts) -> Option<usize> {
    parts.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Memory for bodies in progress, in KiB. Hints are small and do not use it: unauthenticated clients cannot exhaust it.
const ROOM: usize = 128 << 10;
const ROOM_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub(super) struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM)))
    }
}

impl Bodies {
    async fn room(&self, gate: Gate, parts: &Parts) -> Result<Option<SemaphorePermit<'_>>, Problem> {
        if gate.largest == 0 || gate.needs == Needs::Hint {
            return Ok(None);
        }
        let bytes = announced(parts).unwrap_or(gate.largest).min(gate.largest);
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        match tokio::time::timeout(ROOM_WITHIN, self.0.acquire_many(kib)).await {
            Ok(Ok(room)) => Ok(Some(room)),
            _ => {
                let detail = "too many large requests are in progress; try again later";
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
            }
        }
    }
}
