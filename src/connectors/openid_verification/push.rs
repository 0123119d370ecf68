//! Pushes an authorization request (RFC 9126), just before the person is sent to the provider.

use chrono::TimeDelta;
use reqwest::header::ACCEPT;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::options::{Authentication, Par};
use super::request::parameters;
use super::{LIFE, OpenId};
use crate::connectors::http::{Answer, named, trouble};
use crate::model::{Failure, StartSession, Timestamp};

#[derive(Deserialize)]
struct Pushed {
    request_uri: String,
    expires_in: i64,
}

/// Bounds for the life of a pushed request, in seconds.
const LONGEST_LINK: i64 = 600;
const LARGEST_URI: usize = 1_024;

/// Error words of the standards, which may be repeated. Everything else may name people.
const ERRORS: [&str; 9] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "invalid_scope",
    "invalid_redirect_uri",
    "invalid_request_object",
];

impl OpenId {
    /// Returns the address for the person, and until when it works.
    pub(super) async fn push(&self, start: &StartSession) -> Result<(String, Timestamp), Failure> {
        let options = &self.settings.options;
        let metadata = self.publisher.metadata().await?;
        let parameters = parameters(options, &self.deriver, &self.settings.redirect, start)?;
        let pushed = match (options.par, &metadata.pushed) {
            (Par::Required | Par::IfOffered, Some(pushed)) => pushed,
            (Par::Required, None) => {
                return Err(Failure::outage(
                    "the provider does not take pushed requests; set par: if_offered in proofd.yaml, or \
                        use another provider",
                ));
            }
            (Par::IfOffered, None) | (Par::Never, _) => {
                let link = with(
                    &metadata.authorization,
                    parameters.iter().map(|(name, value)| (*name, value.as_str())),
                );
                return Ok((link, self.clock.now() + LIFE));
            }
        };
        let answer = self.post(pushed, parameters).await?;
        if !answer.status.is_success() {
            return Err(refusal(&answer));
        }
        let Pushed { request_uri, expires_in } = answer.json()?;
        let plain = request_uri.bytes().all(|b| b.is_ascii_graphic());
        if request_uri.is_empty() || request_uri.len() > LARGEST_URI || !plain {
            return Err(Failure::unavailable(
                "the provider's answer to a pushed request has no valid request_uri",
            ));
        }
        let used = [("client_id", options.client_id.as_str()), ("request_uri", request_uri.as_str())];
        let life = TimeDelta::seconds(expires_in.clamp(0, LONGEST_LINK));
        Ok((with(&metadata.authorization, used), self.clock.now() + life))
    }

    /// Sends a form with the proof of the client.
    pub(super) async fn post(&self, url: &Url, mut form: Vec<(&str, String)>) -> Result<Answer, Failure> {
        let options = &self.settings.options;
        let (id, secret) = (&options.client_id, self.settings.secret.expose());
        let request = self.wire.request(Method::POST, url.clone()).header(ACCEPT, "application/json");
        let request: RequestBuilder = match options.authentication {
            Authentication::Post => {
                if form.iter().all(|(name, _)| *name != "client_id") {
                    form.push(("client_id", id.clone()));
                }
                form.push(("client_secret", secret.to_owned()));
                request
            }
            // RFC 6749, 2.3.1: both are encoded like a form first.
            Authentication::Basic => request.basic_auth(encoded(id), Some(encoded(secret))),
        };
        self.wire.send(request.form(&form)).await.map_err(|failure| named(failure, "the provider"))
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn with<'a>(url: &Url, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut url = url.clone();
    url.query_pairs_mut().extend_pairs(parameters);
    url.into()
}

/// Returns the error word of an answer, if it is one of a standard.
pub(super) fn error(answer: &Answer) -> Option<&'static str> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let word = body.get("error")?.as_str()?;
    ERRORS.into_iter().find(|known| *known == word)
}

/// Returns the failure of a refused request.
pub(super) fn refusal(answer: &Answer) -> Failure {
    let word = error(answer);
    let client = matches!(word, Some("invalid_client" | "unauthorized_client"));
    if client || answer.status == StatusCode::UNAUTHORIZED {
        // It concerns our credentials, not the person: it waits for the operator.
        return Failure::outage(
            "the provider refused the client; correct client_id, client_secret or authentication in \
                proofd.yaml",
        );
    }
    let mut failure = trouble(answer, "the provider");
    if let Some(word) = word {
        failure.reason = format!("{} ({word})", failure.reason);
    }
    failure
}
