//! Requests to Jumio's hosts with a token, and their failures. Independent of particular calls.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{ACCEPT, HeaderMap};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use url::Url;

use super::{Settings, Urls};
use crate::connectors::http::{Answer, TokenCache, Wire, failure, retry_after, under};
use crate::model::{Clock, Failure, Secret, Timestamp};

/// The host of a request; each needs its own permission of the OAuth client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    Account,
    Retrieval,
}

/// The tenant's API.
#[derive(Debug)]
pub(super) struct Api {
    wire: Wire,
    tokens: TokenCache,
    urls: Urls,
    client_id: String,
    client_secret: Secret,
    clock: Arc<dyn Clock>,
}

impl Api {
    pub(super) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let Settings { urls, client_id, client_secret, user_agent, web: _, starts_per_second: _ } = settings;
        let wire = Wire::new(Some(&user_agent))?;
        let tokens = TokenCache::new(Arc::clone(&clock));
        Ok(Self { wire, tokens, urls, client_id, client_secret, clock })
    }

    /// Sends one request. A rejected token is dropped and the request sent once more: the token may have been revoked
    /// early. Not twice, because Jumio may return the same token again.
    pub(super) async fn ask(
        &self,
        method: Method,
        host: Host,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let url = self.address(host, path);
        let token = self.token().await?;
        let answer = self.send(method.clone(), url.clone(), &token, body).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.tokens.invalidate(&token).await;
        let token = self.token().await?;
        self.send(method, url, &token, body).await
    }

    pub(super) async fn get(&self, host: Host, path: &[&str]) -> Result<Answer, Failure> {
        self.ask(Method::GET, host, path, None).await
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        token: &Secret,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let request = self.wire.request(method, url).header(ACCEPT, "application/json");
        let mut request = request.bearer_auth(token.expose());
        if let Some(body) = body {
            request = request.json(body);
        }
        self.wire.send(request).await
    }

    fn address(&self, host: Host, path: &[&str]) -> Url {
        let base = match host {
            Host::Account => &self.urls.account,
            Host::Retrieval => &self.urls.retrieval,
        };
        under(base, path)
    }

    async fn token(&self) -> Result<Secret, Failure> {
        self.tokens
            .get(|| async {
                let (token, seconds, _headers) = self.fetch_token().await?;
                Ok((token, seconds))
            })
            .await
    }

    /// Fetches a token from Jumio. Returns it with its remaining seconds and the headers of the answer.
    pub(super) async fn fetch_token(&self) -> Result<(Secret, i64, HeaderMap), Failure> {
        let request = self
            .wire
            .request(Method::POST, under(&self.urls.auth, &["oauth2", "token"]))
            .header(ACCEPT, "application/json")
            .basic_auth(&self.client_id, Some(self.client_secret.expose()))
            .form(&[("grant_type", "client_credentials")]);
        let answer = self.wire.send(request).await?;
        if matches!(answer.status.as_u16(), 400 | 401 | 403) {
            // Waits for the operator instead of being refused: no case can fix it.
            let reason = format!(
                "Jumio refused a token ({}): the id or secret of the OAuth client is wrong, revoked, or of \
                    another region; correct it in proofd.yaml",
                answer.status.as_u16()
            );
            return Err(Failure::outage(reason).waiting(retry_after(&answer)));
        }
        if !answer.status.is_success() {
            return Err(failure(&answer, "Jumio's token host"));
        }
        let granted: Granted = parse(&answer, "the token answer")?;
        let seconds = left(&granted, self.clock.now());
        Ok((Secret::new(granted.access_token), seconds, answer.headers))
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Value,
}

/// Returns the remaining seconds of a token. Jumio returns the same token while it is valid: the expiry in the token
/// takes precedence over the answer.
fn left(granted: &Granted, now: Timestamp) -> i64 {
    let stated = match &granted.expires_in {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let inside = expiry(&granted.access_token).map(|at| at - now.timestamp());
    // A token that seems expired already shows that the clocks differ; then the answer's value counts.
    inside.filter(|left| *left > 0).or(stated).unwrap_or(300).clamp(0, 3600)
}

/// Returns the `exp` of a JWT, if the token is one.
fn expiry(token: &str) -> Option<i64> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Map<String, Value>>(&claims).ok()?.get("exp")?.as_i64()
}

/// Parses an answer's JSON. The error names the place in the answer, never its content: that may be a name, a birth
/// date or a token.
pub(super) fn parse<T: DeserializeOwned>(answer: &Answer, what: &str) -> Result<T, Failure> {
    let mut reader = serde_json::Deserializer::from_slice(&answer.body);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let place = plain(&error.path().to_string(), 80);
        Failure::unavailable(if error.inner().is_data() {
            format!("{what} of Jumio has an unknown form at '{place}'; nothing was decided")
        } else {
            format!("{what} of Jumio is not JSON; nothing was decided")
        })
    })
}

/// Returns the failure of an unsuccessful answer, with Jumio's message.
pub(super) fn refusal(answer: &Answer) -> Failure {
    let outage = |reason: &str| Failure::outage(reason).waiting(retry_after(answer));
    match answer.status {
        // These two concern our credentials, not the person: they wait for the operator.
        StatusCode::UNAUTHORIZED => {
            outage("Jumio refused a new token (401): check that the OAuth client belongs to this region")
        }
        StatusCode::FORBIDDEN => outage(
            "Jumio refused the request (403): the OAuth client lacks the permission ('initiate' to start, \
                'retrieve & delete' to read), or the User-Agent is not accepted",
        ),
        _ => {
            let mut failure = failure(answer, "Jumio");
            if let Some(text) = error_text(&answer.body) {
                failure.reason = format!("{}: {text}", failure.reason);
            }
            failure
        }
    }
}

/// Returns the sentence of an error body, whose field differs by host. An error may repeat the request, whose callback
/// address is a secret: words that could be an address or a token are left out.
fn error_text(body: &[u8]) -> Option<String> {
    let body: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let text = ["message", "detail", "title", "error_description", "error"]
        .into_iter()
        .find_map(|key| body.get(key)?.as_str().filter(|text| !text.trim().is_empty()))?;
    let words = text.split_whitespace().map(|word| {
        let length = word.chars().count();
        let tokenlike = length > 40 || (length > 12 && word.contains(|c: char| c.is_ascii_digit()));
        if tokenlike || word.contains(['/', '@', '=']) { "[…]" } else { word }
    });
    Some(plain(&words.collect::<Vec<_>>().join(" "), 200))
}

/// Returns the vendor's text without control characters, shortened to `limit`.
pub(super) fn plain(text: &str, limit: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(limit).collect()
}
