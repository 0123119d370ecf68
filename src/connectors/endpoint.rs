//! A named HTTP endpoint: one request of a policy, or a target system with plain JSON. It must not leave the configured
//! address: no redirect, no proxy of the environment, no path above the base.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::http::{self, Answer, Wire, check_address, named, trouble};
use super::options::{self, CallsPerSecond, Site, Target};
use super::{Connector, Created, EndpointAnswer, EndpointClient, Finding, TargetSystem};
use crate::config::SecretSource;
use crate::model::{Attempt, Failure, FailureKind, Fields, HttpRequest, Repeat, Secret};

/// Headers that the connector or HTTP itself sets.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "idempotency-key",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
];

/// Attempts after which a missing account counts as nonexistent. With the usual delays that is four minutes.
const PATIENT_ATTEMPTS: u32 = 4;

/// The address of an endpoint, and what it requires.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name that policies use; failures contain it.
    pub name: String,
    pub url: Url,
    pub headers: Vec<(String, Secret)>,
    /// For one request, from the connection to the end of the answer.
    pub timeout: Duration,
}

impl Settings {
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
}

/// An endpoint under `connectors.http` of the configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Http")]
pub struct Options {
    /// Base address. Paths of policies are appended and cannot leave it. Accounts are created by POST and
    /// changed by PATCH to the address itself.
    #[schemars(with = "String")]
    pub url: Url,
    /// Headers of every request, such as `Authorization`.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretSource>,
    /// Calls per second that the system allows. proofd makes at most as many, and as many at once as use them fully.
    #[serde(default)]
    #[schemars(with = "Option<f64>", range(min = 0.0001, max = 10_000.0))]
    pub calls_per_second: Option<CallsPerSecond>,
}

impl options::Options for Options {
    fn secrets(&self) -> Vec<(String, &SecretSource)> {
        self.headers.iter().map(|(header, value)| (format!("headers.{header}"), value)).collect()
    }

    fn calls_per_second(&self) -> Option<CallsPerSecond> {
        self.calls_per_second
    }

    fn addresses(&self) -> Vec<Target> {
        vec![Target::with_simulator("url", &self.url)]
    }
}

impl Options {
    pub fn build(&self, site: &Site<'_>) -> anyhow::Result<Endpoint> {
        let headers = self
            .headers
            .iter()
            .map(|(header, value)| Ok((header.clone(), site.secret(&format!("headers.{header}"), value)?)));
        let settings = Settings {
            name: site.name.to_owned(),
            url: self.url.clone(),
            headers: headers.collect::<anyhow::Result<_>>()?,
            timeout: Settings::DEFAULT_TIMEOUT,
        };
        Endpoint::new(settings).map_err(|why| site.refused(why))
    }
}

/// The connector.
pub struct Endpoint {
    name: String,
    wire: Wire,
    base: Url,
    headers: HeaderMap,
    timeout: Duration,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.name)
    }
}

impl Endpoint {
    /// Checks the settings; makes no connection.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let Settings { name, url, headers, timeout } = settings;
        check_address(&url)?;
        let headers = headers_of(&headers)?;
        Ok(Self { name, wire: Wire::new(None)?, base: url, headers, timeout })
    }

    async fn requested(&self, attempt: &Attempt, request: &HttpRequest) -> Result<EndpointAnswer, Failure> {
        let HttpRequest { method, path, body, repeat } = request;
        let url = address(&self.base, path).map_err(|why| {
            Failure::refused(format!("the request to {} was not sent: its path {why}", self.name))
        })?;
        let method = verb(method)?;
        if *repeat == Repeat::None && attempt.is_repeated() {
            return Err(self.once_only("an earlier attempt began"));
        }
        let key = (*repeat == Repeat::Key).then_some(attempt);
        let sent = self.send(method, url, body.as_ref(), key).await;
        sent.and_then(|answer| self.answered(&answer)).map_err(|failure| {
            let may_have_been_done = failure.kind == FailureKind::Unavailable;
            if *repeat == Repeat::None && may_have_been_done {
                self.once_only(&failure.reason)
            } else {
                failure
            }
        })
    }

    async fn created(
        &self,
        attempt: &Attempt,
        external_id: &str,
        attributes: &Fields,
    ) -> Result<Created, Failure> {
        let body = json!({"externalId": external_id, "attributes": attributes});
        let answer = self.send(Method::POST, self.base.clone(), Some(&body), Some(attempt)).await?;
        let body = self.read_change(&answer, &[409])?;
        Ok(Created { id: id(&body), already: already(&body) })
    }

    async fn updated(
        &self,
        attempt: &Attempt,
        matching: &Fields,
        attributes: &Fields,
    ) -> Result<bool, Failure> {
        let body = json!({"match": matching, "attributes": attributes});
        let answer = self.send(Method::PATCH, self.base.clone(), Some(&body), Some(attempt)).await?;
        if answer.status == StatusCode::NOT_FOUND && attempt.number < PATIENT_ATTEMPTS {
            let reason = format!("{} answered 404; the account may be too new", self.name);
            return Err(Failure::unavailable(reason).waiting(http::retry_after(&answer)));
        }
        Ok(already(&self.read_change(&answer, &[404, 409, 412])?))
    }

    /// Returns an answer that a policy may branch on: a success, or a refusal of this request.
    fn answered(&self, answer: &Answer) -> Result<EndpointAnswer, Failure> {
        let status = answer.status;
        let may_pass = matches!(status.as_u16(), 408 | 425 | 429);
        if status.is_success() || (status.is_client_error() && !may_pass) {
            return Ok(EndpointAnswer { status: status.as_u16(), body: value(&answer.body) });
        }
        Err(trouble(answer, &self.name))
    }

    /// Reads a target system's answer to a change of an account. `other` lists the statuses which mean that the account
    /// differs from the case's snapshot.
    fn read_change(&self, answer: &Answer, other: &[u16]) -> Result<Value, Failure> {
        if answer.status.is_success() {
            return Ok(value(&answer.body));
        }
        let status = answer.status.as_u16();
        if other.contains(&status) {
            return Err(Failure::changed(format!(
                "{} answered {status}: the account differs from what this case read; check it by hand",
                self.name
            )));
        }
        Err(trouble(answer, &self.name))
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
        key: Option<&Attempt>,
    ) -> Result<Answer, Failure> {
        let mut request = self.wire.request(method, url).timeout(self.timeout).headers(self.headers.clone());
        if let Some(attempt) = key {
            let id = attempt.call.to_string();
            // The full stop is a separator in signatures over such ids.
            request = request.header("webhook-id", id.replace('.', "-")).header("idempotency-key", id);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.wire.send(request).await.map_err(|failure| named(failure, &self.name))
    }

    fn once_only(&self, why: &str) -> Failure {
        Failure::changed(format!(
            "the request to {} may have been executed ({why}), and repeating it is not safe; check it by \
                hand",
            self.name
        ))
    }
}

impl Connector for Endpoint {
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>> {
        async { vec![http::reach(&self.name, &self.base).await] }.boxed()
    }
}

impl EndpointClient for Endpoint {
    fn request<'a>(
        &'a self,
        attempt: &'a Attempt,
        request: &'a HttpRequest,
    ) -> BoxFuture<'a, Result<EndpointAnswer, Failure>> {
        self.requested(attempt, request).boxed()
    }
}

impl TargetSystem for Endpoint {
    fn create<'a>(
        &'a self,
        attempt: &'a Attempt,
        external_id: &'a str,
        attributes: &'a Fields,
    ) -> BoxFuture<'a, Result<Created, Failure>> {
        self.created(attempt, external_id, attributes).boxed()
    }

    fn update<'a>(
        &'a self,
        attempt: &'a Attempt,
        matching: &'a Fields,
        attributes: &'a Fields,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        self.updated(attempt, matching, attributes).boxed()
    }
}

fn headers_of(given: &[(String, Secret)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, text) in given {
        let wrong = || format!("headers.{name}: expected the name of an HTTP header");
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        if RESERVED.contains(&header.as_str()) {
            return Err(format!("headers.{name}: the configuration cannot set this header"));
        }
        let mut value = HeaderValue::from_str(text.expose())
            .map_err(|_| format!("headers.{name}: the value has characters that a header cannot have"))?;
        value.set_sensitive(true);
        if headers.insert(header, value).is_some() {
            return Err(format!("headers.{name}: is set twice"));
        }
    }
    Ok(headers)
}

fn verb(method: &str) -> Result<Method, Failure> {
    match method.to_ascii_uppercase().as_str() {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "DELETE" => Ok(Method::DELETE),
        _ => Err(Failure::refused("expected GET, POST, PUT, PATCH or DELETE")),
    }
}

/// Appends a policy's path to the base. The path may have a query; it cannot leave the base, whatever a person's name
/// in it contains. The reason contains no part of the path, which may name people.
fn address(base: &Url, path: &str) -> Result<Url, &'static str> {
    if path.chars().any(char::is_control) {
        return Err("has a control character");
    }
    if path.contains(['\\', '#']) {
        return Err("has a '\\' or a '#'");
    }
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.starts_with('/') || path.contains("://") {
        return Err("starts with another address");
    }
    // Segments that servers may treat as a parent directory, including encoded forms.
    let plain = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    let step = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    if plain.split('/').any(step) {
        return Err("leads out of the endpoint's address");
    }
    let mut url = base.clone();
    if !path.is_empty() {
        let root = base.path().trim_end_matches('/');
        url.set_path(&format!("{root}/{path}"));
        if url.origin() != base.origin() || !url.path().starts_with(&format!("{root}/")) {
            return Err("leads out of the endpoint's address");
        }
    }
    let queries: Vec<_> = base.query().into_iter().chain(query).filter(|query| !query.is_empty()).collect();
    url.set_query((!queries.is_empty()).then(|| queries.join("&")).as_deref());
    Ok(url)
}

/// Parses an answer's body: JSON if valid, else a text.
fn value(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

fn id(body: &Value) -> Option<String> {
    match body.get("id")? {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

fn already(body: &Value) -> bool {
    body.get("already").and_then(Value::as_bool).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, path: &str, expected: Result<&str, &str>) {
        let got = address(&base.parse().unwrap(), path);
        match expected {
            Ok(url) => assert_eq!(got.map(String::from).as_deref(), Ok(url), "{path:?}"),
            Err(says) => {
                let why = got.expect_err(path);
                assert!(why.contains(says), "{path:?}: {why}");
            }
        }
    }

    #[test]
    fn a_request_path_stays_below_the_base_url() {
        const BASE: &str = "https://x.example/api";
        check(BASE, "", Ok("https://x.example/api"));
        check(BASE, "/tickets", Ok("https://x.example/api/tickets"));
        check(BASE, "tickets/7/", Ok("https://x.example/api/tickets/7/"));
        check(BASE, "/t?a=b&c=d", Ok("https://x.example/api/t?a=b&c=d"));
        check(BASE, "?a=b", Ok("https://x.example/api?a=b"));
        check(BASE, "/Ada Löve", Ok("https://x.example/api/Ada%20L%C3%B6ve"));
        check(BASE, "/a@evil.example:80", Ok("https://x.example/api/a@evil.example:80"));
        check(BASE, "/v..2/...", Ok("https://x.example/api/v..2/..."));
        check("https://x.example", "t", Ok("https://x.example/t"));
        check("https://x.example/api/?k=v", "t?a=b", Ok("https://x.example/api/t?k=v&a=b"));
        for out in ["..", "/../x", "a/../../x", "a/.", "%2e%2E/x", ".%2e", "a/..%2fx", "..%5Cx", "..;a=b/x"] {
            check(BASE, out, Err("leads out"));
        }
        for other in ["//evil.example/x", "https://evil.example/x", "///x"] {
            check(BASE, other, Err("another address"));
        }
        check(BASE, "..\\x", Err("'\\'"));
        check(BASE, "/x#y", Err("'#'"));
        check(BASE, "/x\ny", Err("control"));
    }

    #[test]
    fn invalid_headers_are_refused() {
        for (name, text, says) in [
            ("X-Key", "k", ""),
            ("Host", "x", "configuration cannot set"),
            ("Idempotency-Key", "x", "configuration cannot set"),
            ("X Key", "x", "expected the name"),
            ("X-Key", "a\nb", "characters that a header cannot have"),
        ] {
            let got = headers_of(&[(name.to_owned(), Secret::new(text))]).err().unwrap_or_default();
            assert!(got.contains(says) && got.is_empty() == says.is_empty(), "{name}: {got}");
        }
    }
}
