//! What a provider publishes about itself: its addresses and its keys. Both are kept for a while.

use std::sync::Arc;

use chrono::TimeDelta;
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::is_safe;
use super::keys::Key;
use super::options::{Endpoints, Options};
use crate::connectors::http::{Wire, failure, named, under};
use crate::model::{Clock, Failure, Timestamp};

/// How long metadata and keys are used before they are read again.
const KEPT: TimeDelta = TimeDelta::hours(1);

/// The shortest time between two reads of the keys: tokens with invented key names must not load the provider.
const KEYS_EVERY: TimeDelta = TimeDelta::minutes(1);

/// A provider's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    pub authorization: Url,
    pub token: Url,
    pub jwks: Url,
    pub pushed: Option<Url>,
    /// It names itself in what it gives to browsers (RFC 9207).
    pub names_itself: bool,
}

#[derive(Deserialize)]
struct Published {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    #[serde(default)]
    pushed_authorization_request_endpoint: Option<Url>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
}

/// A value with the time at which it was read.
type Kept<T> = Mutex<Option<(T, Timestamp)>>;

/// Reads and keeps what a provider publishes.
#[derive(Debug)]
pub(super) struct Publisher {
    wire: Wire,
    clock: Arc<dyn Clock>,
    issuer: String,
    base: Url,
    given: Option<Metadata>,
    metadata: Kept<Metadata>,
    keys: Kept<Arc<Vec<Key>>>,
}

impl Publisher {
    pub(super) fn new(options: &Options, wire: Wire, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let base = Url::parse(&options.issuer).map_err(|_| "issuer: expected an address".to_owned())?;
        let given = |Endpoints { authorization, token, jwks, pushed_authorization }: &Endpoints| Metadata {
            authorization: authorization.clone(),
            token: token.clone(),
            jwks: jwks.clone(),
            pushed: pushed_authorization.clone(),
            names_itself: false,
        };
        Ok(Self {
            wire,
            clock,
            issuer: options.issuer.clone(),
            base,
            given: options.endpoints.as_ref().map(given),
            metadata: Mutex::default(),
            keys: Mutex::default(),
        })
    }

    /// Returns the provider's addresses.
    pub(super) async fn metadata(&self) -> Result<Metadata, Failure> {
        if let Some(given) = &self.given {
            return Ok(given.clone());
        }
        let mut kept = self.metadata.lock().await;
        let now = self.clock.now();
        if let Some((metadata, at)) = &*kept
            && is_fresh(*at, now, KEPT)
        {
            return Ok(metadata.clone());
        }
        let metadata = match self.published().await {
            Ok(metadata) => metadata,
            // Addresses rarely change: the known ones are used while the provider cannot say.
            Err(failure) => return kept.as_ref().map(|(known, _)| known.clone()).ok_or(failure),
        };
        *kept = Some((metadata.clone(), now));
        Ok(metadata)
    }

    async fn published(&self) -> Result<Metadata, Failure> {
        let url = under(&self.base, &[".well-known", "openid-configuration"]);
        let published: Published = self.get(url, "the provider's metadata").await?;
        let wrong = |what: &str| {
            Failure::outage(format!("the provider's metadata {what}; check `issuer` in proofd.yaml"))
        };
        if published.issuer != self.issuer {
            return Err(wrong("is of another issuer"));
        }
        let pushed = published.pushed_authorization_request_endpoint;
        let always = [&published.authorization_endpoint, &published.token_endpoint, &published.jwks_uri];
        if always.into_iter().chain(&pushed).any(|url| !is_safe(url, &self.base)) {
            return Err(wrong("has an address that is not https"));
        }
        let methods = published.code_challenge_methods_supported;
        if methods.is_some_and(|methods| methods.iter().all(|method| method != "S256")) {
            return Err(wrong("does not offer PKCE with S256"));
        }
        Ok(Metadata {
            authorization: published.authorization_endpoint,
            token: published.token_endpoint,
            jwks: published.jwks_uri,
            pushed,
            names_itself: published.authorization_response_iss_parameter_supported,
        })
    }

    /// Returns the provider's keys; `anew`: a key is missing, and they are read again unless they just were.
    pub(super) async fn keys(&self, anew: bool) -> Result<Arc<Vec<Key>>, Failure> {
        let mut kept = self.keys.lock().await;
        let now = self.clock.now();
        if let Some((keys, at)) = &*kept
            && is_fresh(*at, now, if anew { KEYS_EVERY } else { KEPT })
        {
            return Ok(Arc::clone(keys));
        }
        let set: Value = self.get(self.metadata().await?.jwks, "the provider's keys").await?;
        let keys = Key::read(&set);
        let keys = Arc::new(keys.ok_or_else(|| Failure::outage("the provider's keys have an unknown form"))?);
        *kept = Some((Arc::clone(&keys), now));
        Ok(keys)
    }

    async fn get<T: DeserializeOwned>(&self, url: Url, what: &str) -> Result<T, Failure> {
        let request = self.wire.request(Method::GET, url).header(ACCEPT, "application/json");
        let answer = self.wire.send(request).await.map_err(|failure| named(failure, what))?;
        if !answer.status.is_success() {
            // Nobody's case can correct it.
            let failure = failure(&answer, what);
            return Err(Failure::outage(failure.reason).waiting(failure.retry_after_seconds));
        }
        answer.json().map_err(|failure: Failure| Failure::outage(named(failure, what).reason))
    }
}

/// Returns whether something that was read is still used. A clock that was set back makes nothing newer.
fn is_fresh(at: Timestamp, now: Timestamp, kept: TimeDelta) -> bool {
    (at..at + kept).contains(&now)
}
