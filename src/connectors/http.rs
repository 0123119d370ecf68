//! Outgoing HTTP for connectors: one client with limits, an answer with a capped body, a token cache.
//! It must not know any vendor.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::model::{Failure, FailureKind, Secret, Timestamp};

/// No vendor's answer that we read is near this; a longer one is a mistake or an attack.
const LONGEST_BODY: usize = 1024 * 1024;

/// The client that a connector sends with.
#[derive(Debug, Clone)]
pub struct Wire {
    client: Client,
}

impl Wire {
    pub fn new(user_agent: Option<&str>) -> Result<Self, String> {
        // Another connector may have installed it before: the same one, so the error says nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(30))
            .timeout(Duration::from_secs(60))
            .pool_idle_timeout(Duration::from_secs(30));
        if let Some(name) = user_agent {
            builder = builder.user_agent(name);
        }
        let client = builder.build().map_err(|error| format!("the HTTP client cannot be built: {error}"))?;
        Ok(Self { client })
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let mut response = request.send().await.map_err(|error| unreachable(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
            if body.len() + chunk.len() > LONGEST_BODY {
                return Err(Failure::unavailable("the answer is longer than 1 MiB and was not read"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body })
    }
}

fn unreachable(error: &reqwest::Error) -> Failure {
    // Never the error's own text: it holds the address with its query.
    Failure::unavailable(if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection: check the address, the name service and TLS"
    } else {
        "the connection broke before the answer was complete"
    })
}

/// What came back, whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

impl Answer {
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body)
            .map_err(|_| Failure::unavailable("the answer is not the expected JSON"))
    }
}

/// What an answer that is not a success means.
pub fn failure(answer: &Answer, system: &str) -> Failure {
    let status = answer.status;
    let again = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    let kind =
        if again || !status.is_client_error() { FailureKind::Unavailable } else { FailureKind::Refused };
    let retry_after_seconds = answer
        .headers
        .get(RETRY_AFTER)
        .filter(|_| again)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse().ok());
    Failure { kind, reason: format!("{system} answered {}", status.as_u16()), retry_after_seconds }
}

/// A bearer token that is fetched once for all who need it at the same time.
#[derive(Default)]
pub struct TokenCache {
    held: Mutex<Option<(Secret, Timestamp)>>,
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenCache")
    }
}

impl TokenCache {
    pub async fn get<F, R>(&self, now: Timestamp, fetch: F) -> Result<Secret, Failure>
    where
        F: FnOnce() -> R,
        R: Future<Output = Result<(Secret, Timestamp), Failure>>,
    {
        let mut held = self.held.lock().await;
        if let Some((token, until)) = held.as_ref()
            && now < *until
        {
            return Ok(token.clone());
        }
        let (token, until) = fetch().await?;
        *held = Some((token.clone(), until));
        Ok(token)
    }

    /// Forgets the token, unless it was replaced since.
    pub async fn invalidate(&self, used: &Secret) {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|(token, _)| token == used) {
            *held = None;
        }
    }
}
