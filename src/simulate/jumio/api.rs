//! The vendor's auth, account, upload and status hosts. This module must not know results.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post, put};
use base64::Engine as _;
use serde_json::{Value, json};

use super::Simulator;
use super::callback::time;
use super::execution::Execution;
use super::result::classifiers;
use super::token::{Limited, Token};
use super::world::Denied;

pub(super) fn routes() -> Router<Simulator> {
    let parts = "/api/api/v1/accounts/{account}/workflow-executions/{execution}/credentials/{credential}/parts/{part}";
    Router::new()
        .route("/auth/oauth2/token", post(hand_out_token))
        .route("/account/api/v1/accounts", post(create))
        .route("/account/api/v1/accounts/{account}", put(update))
        .route("/api/api/v1/accounts/{account}/workflow-executions/{execution}", put(finalize))
        .route(parts, post(upload))
        .route("/status", get(health))
}

/// A host: it determines the format of error bodies and the required permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    Account,
    Retrieval,
}

pub(super) fn answer(code: u16, body: &Value) -> Response {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (code, axum::Json(body)).into_response()
}

pub(super) fn refuse(host: Host, code: u16, message: &str, uri: &Uri) -> Response {
    match host {
        Host::Account => {
            answer(code, &json!({"message": message, "httpStatus": code, "requestURI": uri.path()}))
        }
        Host::Retrieval => {
            let title = StatusCode::from_u16(code).ok().and_then(|code| code.canonical_reason());
            answer(code, &json!({"title": title.unwrap_or("Error"), "status": code, "detail": message}))
        }
    }
}

/// Refuses a request without a user agent. The vendor's edge does so before any host, and not in JSON.
fn nameless(headers: &HeaderMap) -> Option<Response> {
    let agent = headers.get(header::USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
    let page = || (StatusCode::FORBIDDEN, Html("<html><h1>403 Forbidden</h1></html>")).into_response();
    agent.trim_ascii().is_empty().then(page)
}

fn too_many() -> Response {
    answer(429, &json!({"title": "Too Many Requests", "status": 429, "detail": "Request limit exceeded"}))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

impl Simulator {
    /// The refusal of a request without a user agent or a valid token, not permitted, or over the rate limit.
    pub(super) fn refusal(
        &self,
        host: Host,
        headers: &HeaderMap,
        uri: &Uri,
        limited: Option<Limited>,
    ) -> Option<Response> {
        if let Some(refusal) = nameless(headers) {
            return Some(refusal);
        }
        self.act(|world, now| {
            let good = bearer(headers)
                .zip(world.token.as_ref())
                .is_some_and(|(sent, token)| sent == token.value && now < token.expires);
            let permitted = match host {
                Host::Account => world.knobs.permissions.initiate,
                Host::Retrieval => world.knobs.permissions.retrieve,
            };
            if !good {
                return Some(refuse(host, 401, "Unauthorized: invalid or expired token", uri));
            }
            if !permitted {
                return Some(refuse(host, 403, "Forbidden: insufficient permissions", uri));
            }
            match limited {
                Some(what) if world.knobs.rate_limits && !world.limits.allow(what, now) => Some(too_many()),
                Some(_) | None => None,
            }
        })
    }
}

async fn hand_out_token(State(simulator): State<Simulator>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refusal) = nameless(&headers) {
        return refusal;
    }
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned())));
    let sent = basic.or_else(|| field("client_id").zip(field("client_secret")));
    let options = &simulator.inner.options;
    let error =
        |code, error: &str, text: &str| answer(code, &json!({"error": error, "error_description": text}));
    if sent != Some((options.client_id.clone(), options.client_secret.clone())) {
        return error(401, "invalid_client", "Client authentication failed");
    }
    if field("grant_type").as_deref() != Some("client_credentials") {
        return error(400, "unsupported_grant_type", "grant_type must be client_credentials");
    }
    simulator.act(|world, now| {
        if world.knobs.rate_limits && !world.limits.allow(Limited::Token, now) {
            return too_many();
        }
        let seconds = world.knobs.token_seconds;
        let token = match world.token.take().filter(|token| now < token.expires) {
            Some(token) => token,
            None => Token::new(&world.uuid(), now, seconds),
        };
        let left = (token.expires - now).num_seconds();
        let expires_in = if world.knobs.full_expires_in { i64::from(seconds) } else { left };
        let body = json!({"access_token": token.value, "expires_in": expires_in, "token_type": "Bearer"});
        world.token = Some(token);
        answer(200, &body)
    })
}

async fn create(State(simulator): State<Simulator>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    start(&simulator, None, &uri, &headers, &body)
}

async fn update(
    State(simulator): State<Simulator>,
    Path(account): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    start(&simulator, Some(&account), &uri, &headers, &body)
}

fn start(
    simulator: &Simulator,
    account: Option<&str>,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    if let Some(refusal) = simulator.refusal(Host::Account, headers, uri, Some(Limited::Start)) {
        return refusal;
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return refuse(Host::Account, 400, "Content-Type must be application/json", uri);
    }
    simulator.act(|world, now| match world.start(account, body, now) {
        Ok(index) => {
            let mut body = started(&world.executions[index], &world.base);
            body["timestamp"] = json!(time(now));
            answer(world.knobs.create_status, &body)
        }
        Err(Denied { code, body: Some(body), .. }) => answer(code, &body),
        Err(Denied { code, message, body: None }) => refuse(Host::Account, code, &message, uri),
    })
}

/// The body of the answer to a start.
fn started(one: &Execution, base: &str) -> Value {
    let mut body = json!({"timestamp": "", "account": {"id": one.account}});
    if let Some(href) = &one.href {
        body["web"] = json!({"href": href});
        for (name, url) in [("successUrl", &one.order.success_url), ("errorUrl", &one.order.error_url)] {
            if let Some(url) = url {
                body["web"][name] = json!(url);
            }
        }
    }
    if one.plan.sdk {
        body["sdk"] = json!({"token": one.link_token});
    }
    let execution =
        format!("{base}/api/api/v1/accounts/{}/workflow-executions/{}", one.account, one.execution);
    let credentials: Vec<Value> = one
        .credentials
        .iter()
        .map(|credential| {
            let by_api = one.plan.api && credential.category != "FACEMAP";
            let channels = [(one.plan.web, "WEB"), (by_api, "API"), (one.plan.sdk, "SDK")];
            let allowed: Vec<&str> = channels
                .into_iter()
                .filter(|(open, _)| *open && !credential.existing)
                .map(|(_, name)| name)
                .collect();
            let mut out =
                json!({"id": credential.id, "category": credential.category, "allowedChannels": allowed});
            if by_api && !credential.existing {
                let mut parts = json!({});
                for part in classifiers(credential.category) {
                    let address = format!("{execution}/credentials/{}/parts/{part}", credential.id);
                    parts[part.to_lowercase()] = json!(address);
                }
                out["api"] = json!({"token": one.api_token, "parts": parts, "workflowExecution": execution});
            }
            out
        })
        .collect();
    body["workflowExecution"] = json!({"id": one.execution, "credentials": credentials});
    body
}

async fn upload(
    State(simulator): State<Simulator>,
    Path((account, execution, credential, part)): Path<(String, String, String, String)>,
    uri: Uri,
    headers: HeaderMap,
    _body: Bytes,
) -> Response {
    if let Some(refusal) = nameless(&headers) {
        return refusal;
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let multipart = kind.starts_with("multipart/form-data");
    simulator.act(|world, now| {
        let Some(index) = world.find(&execution).filter(|index| world.executions[*index].account == account)
        else {
            return refuse(Host::Account, 404, "Workflow execution not found", &uri);
        };
        let one = &world.executions[index];
        if bearer(&headers) != Some(one.api_token.as_str()) {
            return refuse(Host::Account, 401, "Unauthorized", &uri);
        }
        let known = |one: &super::execution::Credential| {
            one.id == credential && !one.existing && classifiers(one.category).contains(&part.as_str())
        };
        let Some(place) = one.credentials.iter().position(known) else {
            return refuse(Host::Account, 404, "Credential or part not found", &uri);
        };
        if !multipart {
            return refuse(Host::Account, 400, "multipart/form-data expected", &uri);
        }
        match world.touch(index, now) {
            Ok(()) => {
                world.executions[index].credentials[place].captured = true;
                answer(200, &json!({"timestamp": time(now), "account": {"id": account}}))
            }
            Err((code, message)) => refuse(Host::Account, code, &message, &uri),
        }
    })
}

async fn finalize(
    State(simulator): State<Simulator>,
    Path((account, execution)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = nameless(&headers) {
        return refusal;
    }
    simulator.act(|world, now| {
        let Some(index) = world.find(&execution).filter(|index| world.executions[*index].account == account)
        else {
            return refuse(Host::Account, 404, "Workflow execution not found", &uri);
        };
        if bearer(&headers) != Some(world.executions[index].api_token.as_str()) {
            return refuse(Host::Account, 401, "Unauthorized", &uri);
        }
        match world.finish(index, None, now) {
            Ok(()) => answer(
                200,
                &json!({"timestamp": time(now), "account": {"id": account},
                    "workflowExecution": {"id": execution}}),
            ),
            Err((code, message)) => refuse(Host::Account, code, &message, &uri),
        }
    })
}

async fn health(State(simulator): State<Simulator>) -> Response {
    let state = simulator.act(|world, _| world.knobs.health.clone());
    let names = ["api", "callback", "mobile", "processing", "retrieval", "web"];
    let details: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!(state))).collect();
    answer(200, &json!({"status": state, "details": details}))
}
