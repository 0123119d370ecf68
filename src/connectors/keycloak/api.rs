//! Keycloak's admin interface on the wire: token, requests, error shapes. Independent of the purpose of a call.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine as _;
use chrono::{DateTime, TimeDelta};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use crate::connectors::http::{Answer, TokenCache, Wire, failure, named, retry_after, under};
use crate::model::{Clock, Failure, Secret, Timestamp};

const SYSTEM: &str = "Keycloak";

/// A page of events of one millisecond may be large.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// One realm with one service account.
pub struct Api {
    wire: Wire,
    realm: String,
    admin: Url,
    token: Url,
    client_id: String,
    client_secret: Secret,
    clock: Arc<dyn Clock>,
    tokens: TokenCache,
    /// Keycloak's clock minus ours, in milliseconds, by the newest token.
    ahead: AtomicI64,
    own: Mutex<Option<Own>>,
}

/// The service account, as administrators' events name it. Names can be changed; these cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The id of the service account's user.
    pub user: String,
    /// The UUID of the client.
    pub client: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    iat: i64,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Api({})", self.admin)
    }
}

impl Api {
    pub fn new(
        url: &Url,
        realm: &str,
        client_id: String,
        client_secret: Secret,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        Ok(Self {
            wire: Wire::new(None)?,
            realm: realm.to_owned(),
            admin: under(url, &["admin", "realms", realm]),
            token: under(url, &["realms", realm, "protocol", "openid-connect", "token"]),
            client_id,
            client_secret,
            tokens: TokenCache::new(Arc::clone(&clock)),
            clock,
            ahead: AtomicI64::new(0),
            own: Mutex::new(None),
        })
    }

    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Returns the current time of Keycloak's clock, which sets the times of events and accounts.
    pub fn now(&self) -> Timestamp {
        self.there(self.clock.now())
    }

    /// Converts a time of our clock to Keycloak's: never later than that, and about a second earlier at most.
    pub fn there(&self, ours: Timestamp) -> Timestamp {
        ours + TimeDelta::milliseconds(self.ahead.load(Ordering::Relaxed))
    }

    /// Returns how far Keycloak's clock is ahead of ours.
    pub fn ahead(&self) -> TimeDelta {
        // The whole second of a token began half a second before, on average.
        TimeDelta::milliseconds(self.ahead.load(Ordering::Relaxed).saturating_add(500))
    }

    /// Returns a valid token, fetched if necessary.
    pub async fn token(&self) -> Result<Secret, Failure> {
        self.tokens.get(|| self.fetch_token()).await
    }

    async fn fetch_token(&self) -> Result<(Secret, i64), Failure> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", self.client_secret.expose()),
        ];
        let request = self.wire.request(Method::POST, self.token.clone()).header("Accept", JSON).form(&form);
        let answer = self.send(request).await?;
        if !answer.status.is_success() {
            return Err(self.no_token(&answer));
        }
        let body: Value = answer.json().map_err(|failure| named(failure, SYSTEM))?;
        let token = body.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| Failure::unavailable("Keycloak's answer has no token"))?;
        let claims = claims(token)
            .ok_or_else(|| Failure::unavailable("Keycloak's token is not of the expected form"))?;
        // Keycloak's answers have no date. The token's time is the beginning of its second.
        let issued = DateTime::from_timestamp_millis(claims.iat.saturating_mul(1000));
        if let Some(issued) = issued {
            self.ahead.store((issued - self.clock.now()).num_milliseconds(), Ordering::Relaxed);
        }
        // Five minutes are usual; without a lifetime the token is used for a minute.
        let seconds = body.get("expires_in").and_then(Value::as_i64).unwrap_or(60);
        Ok((Secret::new(token), seconds))
    }

    fn no_token(&self, answer: &Answer) -> Failure {
        let body = ErrorBody::of(answer);
        match (answer.status, body.error.as_str()) {
            (StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST, "unauthorized_client") => Failure::outage(
                "Keycloak refused client_secret, or the client has no service account; correct it in proofd.yaml, or \
                 switch on Service account roles of the client",
            ),
            (StatusCode::UNAUTHORIZED, "invalid_client") => Failure::outage(
                "Keycloak has no such client_id, or the client is disabled; correct client_id in proofd.yaml, or enable \
                 the client",
            ),
            (StatusCode::NOT_FOUND, error) if !error.is_empty() => Failure::outage(format!(
                "Keycloak has no realm named {}; correct realm in proofd.yaml, or restore the realm",
                self.realm
            )),
            (StatusCode::FORBIDDEN, error) if !error.is_empty() => {
                Failure::outage("Keycloak refused a token: the realm is disabled; enable it")
            }
            _ => self.failed(answer, &Method::POST, &["token"]),
        }
    }

    /// Returns how Keycloak names the service account.
    pub async fn own(&self) -> Result<Own, Failure> {
        let mut held = self.own.lock().await;
        if let Some(own) = held.as_ref() {
            return Ok(own.clone());
        }
        let token = self.token().await?;
        let claims = claims(token.expose())
            .ok_or_else(|| Failure::unavailable("Keycloak's token is not of the expected form"))?;
        let client = self.client_uuid(&self.client_id).await?;
        let client =
            client.ok_or_else(|| Failure::outage("Keycloak does not list the client of client_id"))?;
        Ok(held.insert(Own { user: claims.sub, client }).clone())
    }

    /// Returns the UUID of a client.
    pub async fn client_uuid(&self, client_id: &str) -> Result<Option<String>, Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Row {
            id: String,
            client_id: String,
        }
        let rows: Option<Vec<Row>> = self.read(&["clients"], &[("clientId", client_id)]).await?;
        Ok(rows.unwrap_or_default().into_iter().find(|row| row.client_id == client_id).map(|row| row.id))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, Failure> {
        self.wire.send_up_to(request, LARGEST_ANSWER).await.map_err(|failure| named(failure, SYSTEM))
    }

    /// Sends a request and returns any answer except a 401. A 401 drops the token and the request is sent once more: a
    /// token ends early when its client is changed.
    async fn call(
        &self,
        method: &Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let mut token = self.token().await?;
        let mut again = true;
        loop {
            let request = self.wire.request(method.clone(), under(&self.admin, path));
            // With another `Accept` Keycloak answers errors with a page.
            let mut request = request.header("Accept", JSON).bearer_auth(token.expose()).query(query);
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = self.send(request).await?;
            if answer.status != StatusCode::UNAUTHORIZED || !again {
                return Ok(answer);
            }
            again = false;
            self.tokens.invalidate(&token).await;
            token = self.token().await?;
        }
    }

    /// Reads JSON as a type; `None` is a 404 of Keycloak itself.
    pub async fn read<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Option<T>, Failure> {
        let answer = self.call(&Method::GET, path, query, None).await?;
        if answer.status.is_success() {
            return answer.json().map(Some).map_err(|failure| named(failure, SYSTEM));
        }
        let body = ErrorBody::of(&answer);
        // A 404 page of a proxy does not concern the record.
        if answer.status == StatusCode::NOT_FOUND && body.is_keycloaks() && !body.is_about_the_realm() {
            return Ok(None);
        }
        Err(self.failed(&answer, &Method::GET, path))
    }

    /// Reads JSON that every realm has.
    pub async fn must<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Failure> {
        let found = self.read(path, query).await?;
        found.ok_or_else(|| {
            let what = path.first().copied().unwrap_or("realm");
            Failure::outage(format!(
                "Keycloak has no {what} at this address (404); check url and realm in proofd.yaml"
            ))
        })
    }

    /// Writes; success is any 2xx, whatever its body.
    pub async fn write(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<(), Refusal> {
        let answer = self.call(&method, path, query, body).await.map_err(Refusal::from)?;
        if answer.status.is_success() {
            return Ok(());
        }
        let failure = self.failed(&answer, &method, path);
        Err(Refusal { status: Some(answer.status), body: ErrorBody::of(&answer), failure })
    }

    /// Returns the failure of an unsuccessful answer. Errors of the service account affect every call and wait for the
    /// operator: no case can fix them, so none may end because of them.
    fn failed(&self, answer: &Answer, method: &Method, path: &[&str]) -> Failure {
        let body = ErrorBody::of(answer);
        if !body.is_keycloaks() && answer.status.is_client_error() {
            return Failure::outage(format!(
                "something else than Keycloak answered {} with a page; check url in proofd.yaml and the proxy before \
                 Keycloak",
                answer.status.as_u16()
            ))
            .waiting(retry_after(answer));
        }
        match answer.status {
            StatusCode::UNAUTHORIZED => Failure::outage(
                "Keycloak refused a new token (401): the client is disabled or was deleted; enable it",
            ),
            StatusCode::FORBIDDEN => Failure::outage(format!(
                "Keycloak refused the request (403): the service account lacks the role {} of realm-management; give it \
                 back",
                right(method, path)
            )),
            StatusCode::NOT_FOUND if body.is_about_the_realm() => {
                Failure::outage(format!("Keycloak has no realm named {}; restore it", self.realm))
            }
            StatusCode::BAD_REQUEST => match &body.field {
                Some(field) if body.mentions("read-only") => Failure::refused(format!(
                    "the account's {field} is read-only (400): a user federation or the user profile keeps it; change it \
                     at its source"
                )),
                Some(field) => Failure::refused(format!(
                    "Keycloak refused the account's {field} as invalid (400); correct the attribute, or its rules in the \
                     user profile"
                )),
                None if body.mentions("read only") || body.mentions("read-only") => Failure::refused(
                    "the account comes from a user federation that cannot be changed here; change it at its source",
                ),
                None => failure(answer, SYSTEM),
            },
            status if status.is_redirection() => Failure::outage(format!(
                "Keycloak answered {} and redirects are not followed; correct url in proofd.yaml",
                status.as_u16()
            )),
            _ => failure(answer, SYSTEM),
        }
    }
}

const JSON: &str = "application/json";

/// Returns the right that a request needs, as a role of `realm-management`.
fn right(method: &Method, path: &[&str]) -> &'static str {
    match path {
        ["events" | "admin-events", ..] => "view-events",
        // Only the client's part of a person's roles needs more than the person.
        ["clients", ..] | ["users", _, "role-mappings", "clients", ..] => "view-clients",
        ["identity-provider", ..] => "view-identity-providers",
        ["organizations", ..] => "view-organizations",
        ["users", "profile"] => "view-realm",
        ["users" | "groups" | "attack-detection", ..] => "manage-users",
        _ if *method == Method::GET => "view-realm",
        _ => "manage-users",
    }
}

fn claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&json).ok()
}

/// A write that was not accepted. The message is only compared, never shown: it may name people.
#[derive(Debug)]
pub struct Refusal {
    status: Option<StatusCode>,
    body: ErrorBody,
    pub failure: Failure,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { status: None, body: ErrorBody::default(), failure }
    }
}

impl Refusal {
    pub fn mentions(&self, words: &str) -> bool {
        self.body.mentions(words)
    }

    /// Returns whether the record is missing, reported by Keycloak and not by a proxy.
    pub fn is_gone(&self) -> bool {
        self.status == Some(StatusCode::NOT_FOUND)
            && self.body.is_keycloaks()
            && !self.body.is_about_the_realm()
    }

    pub fn is(&self, status: StatusCode) -> bool {
        self.status == Some(status)
    }
}

/// The error in an answer, which has four forms.
#[derive(Debug, Default)]
struct ErrorBody {
    error: String,
    message: String,
    /// The attribute that it is about.
    field: Option<String>,
}

impl ErrorBody {
    fn of(answer: &Answer) -> Self {
        let Ok(Value::Object(body)) = serde_json::from_slice(&answer.body) else { return Self::default() };
        let several = body.get("errors").and_then(|errors| errors.get(0)).and_then(Value::as_object);
        let body = several.unwrap_or(&body);
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        Self {
            error: text("error").unwrap_or_default(),
            message: text("errorMessage").or_else(|| text("error_description")).unwrap_or_default(),
            field: text("field"),
        }
    }

    fn is_keycloaks(&self) -> bool {
        !self.error.is_empty() || !self.message.is_empty()
    }

    fn is_about_the_realm(&self) -> bool {
        self.error.starts_with("Realm")
    }

    fn mentions(&self, words: &str) -> bool {
        self.message.contains(words) || self.error.contains(words)
    }
}

#[cfg(test)]
mod tests {
    use super::{Api, ErrorBody, right};
    use crate::connectors::http::Answer;
    use crate::model::{Clock, FailureKind, Secret, Timestamp};
    use futures::future::BoxFuture;
    use reqwest::{Method, StatusCode, header::HeaderMap};
    use std::sync::Arc;

    #[derive(Debug)]
    struct Never;

    impl Clock for Never {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn sleep_until(&self, _at: Timestamp) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    fn answer(status: u16, body: &str) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn error_bodies_are_parsed_in_every_form() {
        for (body, keycloaks, field) in [
            (r#"{"error":"User not found"}"#, true, None),
            (r#"{"errorMessage":"User is disabled"}"#, true, None),
            (r#"{"field":"cost","errorMessage":"error-invalid-length","params":[1]}"#, true, Some("cost")),
            (r#"{"errors":[{"field":"email","errorMessage":"error-invalid-email"}]}"#, true, Some("email")),
            (r#"{"error":"invalid_request","error_description":"x"}"#, true, None),
            ("<html><body>404</body></html>", false, None),
            ("", false, None),
        ] {
            let body = ErrorBody::of(&answer(400, body));
            assert_eq!((body.is_keycloaks(), body.field.as_deref()), (keycloaks, field), "{body:?}");
        }
    }

    #[test]
    fn a_failure_names_the_missing_or_conflicting_resource() {
        use FailureKind::{Refused, Unavailable};
        let url = url::Url::parse("http://127.0.0.1:9").unwrap();
        let api = Api::new(&url, "staff", "proofd".to_owned(), Secret::new("x"), Arc::new(Never)).unwrap();
        for (status, body, kind, outage, says) in [
            (400, r#"{"errorMessage":"User is read only!"}"#, Refused, false, "comes from a user federation"),
            (
                400,
                r#"{"field":"email","errorMessage":"error-user-attribute-read-only"}"#,
                Refused,
                false,
                "the account's email is read-only",
            ),
            (
                400,
                r#"{"field":"cost","errorMessage":"error-invalid-length"}"#,
                Refused,
                false,
                "the account's cost",
            ),
            (400, r#"{"errorMessage":"Jane Doe is odd"}"#, Refused, false, "Keycloak answered 400"),
            (401, r#"{"error":"HTTP 401 Unauthorized"}"#, Unavailable, true, "the client is disabled"),
            (403, r#"{"error":"HTTP 403 Forbidden"}"#, Unavailable, true, "lacks the role manage-users"),
            (404, r#"{"error":"Realm not found."}"#, Unavailable, true, "has no realm named staff"),
            (404, "<html>", Unavailable, true, "something else than Keycloak"),
            (302, "", Unavailable, true, "redirects are not followed"),
            (
                409,
                r#"{"errorMessage":"User exists with same email"}"#,
                Refused,
                false,
                "Keycloak answered 409",
            ),
            (500, r#"{"error":"unknown_error"}"#, Unavailable, true, "Keycloak answered 500"),
            (503, "<html>", Unavailable, true, "Keycloak answered 503"),
        ] {
            let failure = api.failed(&answer(status, body), &Method::PUT, &["users", "u"]);
            assert_eq!((failure.kind, failure.outage), (kind, outage), "{status} {body}: {}", failure.reason);
            assert!(failure.reason.contains(says), "{status} {body}: {}", failure.reason);
            assert!(!failure.reason.contains("Jane"), "{}", failure.reason);
        }
    }

    #[test]
    fn a_forbidden_request_names_the_missing_role() {
        for (path, needs) in [
            (&["admin-events"][..], "view-events"),
            (&["clients", "c", "roles"], "view-clients"),
            (&["users", "profile"], "view-realm"),
            (&["users", "u", "groups"], "manage-users"),
            (&["users", "u", "role-mappings", "clients", "c"], "view-clients"),
            (&["authentication", "flows"], "view-realm"),
            (&[], "view-realm"),
        ] {
            assert_eq!(right(&Method::GET, path), needs, "{path:?}");
        }
    }
}
