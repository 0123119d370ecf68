//! Events over HTTP: 202 only when all events of a request are on disk, 400 with the place of an error.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode};
use utoipa::openapi::{ArrayBuilder, Ref};

use crate::api::events::{BATCH, CloudEvent, MOST_EVENTS, ONE, Taken};
use crate::engine::hooks::{EventsRefused, Unread};

use super::answer::Accepted;
use super::describe::{Asks, Description};
use super::{AppState, Problem};

/// One event or several, in one of the three modes of CloudEvents over HTTP.
#[derive(Debug)]
pub struct CloudEvents {
    headers: HeaderMap,
    body: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for CloudEvents {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
        Ok(Self { headers, body })
    }
}

impl Asks for CloudEvents {
    fn describe(into: &mut Description) {
        let one = into.named::<CloudEvent>();
        let batch = ArrayBuilder::new().items(Ref::clone(&one)).max_items(Some(MOST_EVENTS)).build();
        let description = "CloudEvents 1.0: one event, or a batch that is accepted or refused as a whole. In \
            binary mode the attributes are `ce-` headers, and the body, of any media type, is the data.";
        into.takes(description, [(ONE, one.into()), (BATCH, batch.into())]);
        into.refusals.extend([
            StatusCode::BAD_REQUEST,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ]);
    }
}

pub async fn receive(State(doors): State<AppState>, events: CloudEvents) -> Result<Accepted<Taken>, Problem> {
    match doors.engine.hooks().cloud_events(&events.headers, &events.body).await {
        Ok(taken) => Ok(Accepted(Taken { taken })),
        Err(EventsRefused::Store(error)) => Err(error.into()),
        Err(EventsRefused::Unread(unread)) => Err(refused(&unread)),
    }
}

fn refused(unread: &Unread) -> Problem {
    let status = match unread {
        Unread::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Unread::TooMany(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Unread::Malformed(_) | Unread::Event { .. } => StatusCode::BAD_REQUEST,
    };
    let problem = Problem::new(status, unread.to_string());
    match unread {
        Unread::Event { index, field, .. } => problem.of_event(*index, field),
        Unread::MediaType(_) | Unread::TooMany(_) | Unread::Malformed(_) => problem,
    }
}
