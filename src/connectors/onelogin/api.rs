//! OneLogin's API on the wire: token, requests, error shapes. Independent of the purpose of a call.

use std::fmt;
use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::events::text;
use crate::connectors::http::{Answer, TokenCache, Wire, failure, retry_after};
use crate::model::{Clock, Failure, Secret};

const SYSTEM: &str = "OneLogin";

/// One tenant with one credential.
pub struct Api {
    wire: Wire,
    base: String,
    client_id: String,
    client_secret: Secret,
    tokens: TokenCache,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Api({})", self.base)
    }
}

impl Api {
    pub fn new(
        url: &url::Url,
        client_id: String,
        client_secret: Secret,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { wire: Wire::new(None)?, base, client_id, client_secret, tokens: TokenCache::new(clock) })
    }

    /// Returns a valid token, fetched if necessary.
    pub async fn token(&self) -> Result<Secret, Failure> {
        self.tokens.get(|| self.fetch_token()).await
    }

    async fn fetch_token(&self) -> Result<(Secret, i64), Failure> {
        let request = self
            .wire
            .request(Method::POST, format!("{}/auth/oauth2/v2/token", self.base))
            .basic_auth(&self.client_id, Some(self.client_secret.expose()))
            .json(&json!({"grant_type": "client_credentials"}));
        let answer = self.wire.send(request).await.map_err(named)?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(Failure::outage(
                "OneLogin refused client_id and client_secret; correct them in proofd.yaml",
            )
            .waiting(retry_after(&answer)));
        }
        if !answer.status.is_success() {
            return Err(failed(&answer));
        }
        let body: Value = answer.json().map_err(named)?;
        let token = body.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| Failure::unavailable("OneLogin's answer has no token"))?;
        // Ten hours are usual; without a lifetime the token is used for a minute.
        let seconds = body.get("expires_in").and_then(Value::as_i64).unwrap_or(60);
        Ok((Secret::new(token), seconds))
    }

    /// Sends a request and returns any answer except a 401. A 401 drops the token and the request is sent once more:
    /// another program that shares the credential may have revoked the token.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let mut token = self.token().await?;
        let mut again = true;
        loop {
            let mut request = self
                .wire
                .request(method.clone(), format!("{}{path}", self.base))
                .bearer_auth(token.expose())
                .query(query);
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = self.wire.send(request).await.map_err(named)?;
            if answer.status != StatusCode::UNAUTHORIZED || !again {
                return Ok(answer);
            }
            again = false;
            self.tokens.invalidate(&token).await;
            token = self.token().await?;
        }
    }

    /// Reads JSON; `None` is a 404 of OneLogin itself.
    pub async fn read(&self, path: &str, query: &[(&str, &str)]) -> Result<Option<Value>, Failure> {
        self.read_as(path, query).await
    }

    /// Reads JSON as a type.
    pub async fn read_as<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, Failure> {
        let answer = self.call(Method::GET, path, query, None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            // A 404 page of a proxy does not concern the record.
            return answer.json::<Value>().map(|_| None).map_err(named);
        }
        if !answer.status.is_success() {
            return Err(failed(&answer));
        }
        answer.json().map(Some).map_err(named)
    }

    /// Writes; success is any 2xx, whatever its body. `Err` has the answer's message in `Refusal`.
    pub async fn write(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(), Refusal> {
        let answer = self.call(method, path, &[], body).await.map_err(Refusal::from)?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(Refusal { status: Some(answer.status), complaint: complaint(&answer), failure: failed(&answer) })
    }
}

/// A write that was not accepted. The message is only compared, never shown: it may name people.
pub struct Refusal {
    pub status: Option<StatusCode>,
    pub complaint: String,
    pub failure: Failure,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { status: None, complaint: String::new(), failure }
    }
}

impl Refusal {
    pub fn mentions(&self, words: &str) -> bool {
        self.complaint.contains(words)
    }

    /// Returns whether the record is missing, reported by OneLogin and not by a proxy.
    pub fn is_gone(&self) -> bool {
        self.status == Some(StatusCode::NOT_FOUND) && !self.complaint.is_empty()
    }
}

/// Returns the message of an error body, which has five forms; empty for a page that is not JSON.
fn complaint(answer: &Answer) -> String {
    let Ok(Value::Object(body)) = serde_json::from_slice(&answer.body) else { return String::new() };
    let message = match body.get("status") {
        Some(Value::Object(status)) => status.get("message"),
        Some(_) | None => body.get("message").or_else(|| body.get("description")),
    };
    match message {
        Some(Value::Object(detail)) => text(detail, "description").unwrap_or_default(),
        Some(Value::String(message)) => message.clone(),
        Some(_) | None => "unknown".into(),
    }
}

/// Returns the failure of an unsuccessful answer. Errors of the credential affect every call and wait for the operator:
/// no case can fix them, so none may end because of them.
pub fn failed(answer: &Answer) -> Failure {
    let outage = |reason: &str| Failure::outage(reason).waiting(retry_after(answer));
    match answer.status {
        StatusCode::UNAUTHORIZED => {
            outage("OneLogin refused a new token (401): the credential is wrong or revoked; replace it")
        }
        StatusCode::FORBIDDEN => {
            outage("OneLogin refused the request (403); give the credential the scope Manage All")
        }
        StatusCode::INTERNAL_SERVER_ERROR => {
            let mut failure = failure(answer, SYSTEM);
            failure.reason += "; if this continues, the administrator who created the credential may have left: create a \
                    new one";
            failure
        }
        _ => failure(answer, SYSTEM),
    }
}

fn named(mut failure: Failure) -> Failure {
    failure.reason = failure.reason.replacen("the other side", SYSTEM, 1);
    failure
}

/// Returns the rows of an answer: a bare array, or an array under one of the known names.
pub fn rows(answer: Value, name: &str) -> Result<Vec<Value>, Failure> {
    let list = match answer {
        Value::Array(rows) => return Ok(rows),
        Value::Object(mut object) => object.remove(name).or_else(|| object.remove("data")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    match list {
        Some(Value::Array(rows)) => Ok(rows),
        Some(_) | None => Err(Failure::unavailable("OneLogin's answer is not a list")),
    }
}
