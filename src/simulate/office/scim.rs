//! The HR system's SCIM 2.0 interface (RFC 7644), limited to accounts.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::directory::Refused;
use super::{Office, TOKEN};

pub(super) fn router() -> Router<Office> {
    Router::new()
        .route("/scim/v2/ServiceProviderConfig", get(features))
        .route("/scim/v2/Users", get(search).post(create))
        .route("/scim/v2/Users/{id}", get(one).patch(patch))
}

#[derive(Debug, Deserialize)]
struct Search {
    #[serde(default)]
    filter: String,
}

fn error(status: u16, kind: &str, detail: &str) -> Response {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.to_string(),
        "detail": detail,
    });
    if !kind.is_empty() {
        body["scimType"] = kind.into();
    }
    answer(status, &body)
}

fn answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(body)).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/scim+json"));
    response
}

/// The refusal of a request before its content is read.
fn stopped(office: &Office, headers: &HeaderMap) -> Option<Response> {
    if office.with(|state| state.knobs.down) {
        return Some(error(503, "", "the HR system is down"));
    }
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let known = given.is_some_and(|given| given == format!("Bearer {TOKEN}"));
    (!known).then(|| error(401, "", "send the bearer token"))
}

fn lost(office: &Office) -> bool {
    office.with(|state| {
        let lose = state.knobs.lose_answers > 0;
        state.knobs.lose_answers = state.knobs.lose_answers.saturating_sub(1);
        lose
    })
}

fn changed(office: &Office, what: &str, status: u16, made: Result<Value, Refused>, asked: Value) -> Response {
    match made {
        Ok(account) => {
            office.record(what, account["id"].as_str().unwrap_or_default(), true, account.clone());
            if lost(office) {
                return error(500, "", "the answer got lost");
            }
            answer(status, &account)
        }
        Err(why) => {
            office.record(what, "", false, asked);
            error(why.status, why.kind, why.detail)
        }
    }
}

async fn features(State(office): State<Office>, headers: HeaderMap) -> Response {
    if let Some(response) = stopped(&office, &headers) {
        return response;
    }
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true}, "filter": {"supported": true, "maxResults": 100},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "changePassword": {"supported": false}, "sort": {"supported": false}, "etag": {"supported": true},
        "authenticationSchemes": [{"type": "oauthbearertoken", "name": "token", "description": "a bearer token"}],
    });
    answer(200, &body)
}

async fn search(State(office): State<Office>, headers: HeaderMap, Query(query): Query<Search>) -> Response {
    if let Some(response) = stopped(&office, &headers) {
        return response;
    }
    match office.with(|state| state.directory.search(&query.filter)) {
        Ok(found) => {
            let count = found.len();
            let body = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "totalResults": count, "startIndex": 1, "itemsPerPage": count, "Resources": found,
            });
            answer(200, &body)
        }
        Err(why) => error(why.status, why.kind, why.detail),
    }
}

async fn create(State(office): State<Office>, headers: HeaderMap, body: String) -> Response {
    if let Some(response) = stopped(&office, &headers) {
        return response;
    }
    let Ok(account) = serde_json::from_str::<Value>(&body) else {
        return error(400, "invalidSyntax", "the body is not JSON");
    };
    let made = office.with(|state| state.directory.create(account.clone()));
    changed(&office, "account.create", 201, made, account)
}

async fn one(State(office): State<Office>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if let Some(response) = stopped(&office, &headers) {
        return response;
    }
    match office.with(|state| state.directory.get(&id).cloned()) {
        Some(account) => answer(200, &account),
        None => error(404, "", "there is no such account"),
    }
}

async fn patch(
    State(office): State<Office>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: String,
) -> Response {
    if let Some(response) = stopped(&office, &headers) {
        return response;
    }
    let asked: Value = serde_json::from_str(&body).unwrap_or_default();
    let Some(operations) = asked["Operations"].as_array().cloned() else {
        return error(400, "invalidSyntax", "Operations is a list");
    };
    let version = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    let made = office.with(|state| state.directory.patch(&id, &operations, version));
    changed(&office, "account.update", 200, made, asked)
}
