//! A sink of CloudEvents: one POST of the event's JSON form, signed if a secret is configured. It must not change the
//! event: the receiver recognizes a repetition by the event's id.
//!
//! The signature is written by hand: `standardwebhooks` (1.0) takes a secret of any length and adds 8 packages for ten
//! lines. They include a second HMAC, a second base64 and a second time library. We verify no such signature. them a
//! second HMAC, a second base64 and a second time library, for ten lines. We verify no such signature.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;
use url::Url;

use super::http::{self, Wire, check_address, named, trouble};
use super::options::{self, CallsPerSecond, Site, Target};
use super::{Connector, EventSink, Finding};
use crate::config::SecretSource;
use crate::model::{Attempt, Clock, Failure, Secret};

/// The settings of a sink.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name that policies use; failures contain it.
    pub name: String,
    pub url: Url,
    /// `whsec_` and the base64 of 24 to 64 random bytes, as Standard Webhooks defines it.
    pub signing_secret: Option<Secret>,
    /// For one event, from the connection to the end of the answer.
    pub timeout: Duration,
}

impl Settings {
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
}

/// A sink under `connectors.events` of the configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sink")]
pub struct Options {
    /// Address that receives one POST per event.
    #[schemars(with = "String")]
    pub url: Url,
    /// `whsec_` and the base64 of 24 to 64 random bytes; events are then signed as Standard Webhooks.
    #[serde(default)]
    pub signing_secret: Option<SecretSource>,
    /// Calls per second that the system allows. proofd makes at most as many, and as many at once as use them fully.
    #[serde(default)]
    #[schemars(with = "Option<f64>", range(min = 0.0001, max = 10_000.0))]
    pub calls_per_second: Option<CallsPerSecond>,
}

impl options::Options for Options {
    fn secrets(&self) -> Vec<(String, &SecretSource)> {
        self.signing_secret.iter().map(|secret| ("signing_secret".to_owned(), secret)).collect()
    }

    fn calls_per_second(&self) -> Option<CallsPerSecond> {
        self.calls_per_second
    }

    fn addresses(&self) -> Vec<Target> {
        vec![Target::with_simulator("url", &self.url)]
    }
}

impl Options {
    pub fn build(&self, site: &Site<'_>) -> anyhow::Result<Sink> {
        let settings = Settings {
            name: site.name.to_owned(),
            url: self.url.clone(),
            signing_secret: site.optional("signing_secret", self.signing_secret.as_ref())?,
            timeout: Settings::DEFAULT_TIMEOUT,
        };
        Sink::new(settings, Arc::clone(site.clock)).map_err(|why| site.refused(why))
    }
}

/// The connector.
pub struct Sink {
    name: String,
    wire: Wire,
    url: Url,
    key: Option<Key>,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

/// The bytes of the signing key.
struct Key(Vec<u8>);

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sink({})", self.name)
    }
}

impl Sink {
    /// Checks the settings; makes no connection.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let Settings { name, url, signing_secret, timeout } = settings;
        check_address(&url)?;
        let key = signing_secret.as_ref().map(Key::new).transpose()?;
        Ok(Self { name, wire: Wire::new(None)?, url, key, timeout, clock })
    }

    async fn send(&self, attempt: &Attempt, event: &Value) -> Result<(), Failure> {
        let body = body(event)?;
        let mut request = self
            .wire
            .request(Method::POST, self.url.clone())
            .timeout(self.timeout)
            .header(CONTENT_TYPE, "application/cloudevents+json; charset=utf-8");
        if let Some(key) = &self.key {
            // The same for every attempt. A full stop separates the signed parts: the id must not contain one.
            let id = attempt.call.to_string().replace('.', "-");
            let at = self.clock.now().timestamp();
            request = request
                .header("webhook-signature", key.sign(&id, at, &body)?)
                .header("webhook-timestamp", at)
                .header("webhook-id", id);
        }
        let answer =
            self.wire.send(request.body(body)).await.map_err(|failure| named(failure, &self.name))?;
        if answer.status.is_success() { Ok(()) } else { Err(trouble(&answer, &self.name)) }
    }
}

impl Connector for Sink {
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>> {
        async { vec![http::reach(&self.name, &self.url).await] }.boxed()
    }
}

impl EventSink for Sink {
    fn emit<'a>(&'a self, attempt: &'a Attempt, event: &'a Value) -> BoxFuture<'a, Result<(), Failure>> {
        self.send(attempt, event).boxed()
    }
}

fn body(event: &Value) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(event).map_err(|_| Failure::refused("writing the event as JSON failed"))
}

impl Key {
    fn new(secret: &Secret) -> Result<Self, String> {
        let wrong = || "signing_secret: expected 'whsec_' and the base64 of 24 to 64 random bytes".to_owned();
        let text = secret.expose().strip_prefix("whsec_").ok_or_else(wrong)?;
        let bytes = STANDARD.decode(text).map_err(|_| wrong())?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(wrong()) }
    }

    fn sign(&self, id: &str, at: i64, body: &[u8]) -> Result<String, Failure> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .map_err(|_| Failure::refused("the signing secret is invalid"))?;
        mac.update(format!("{id}.{at}.").as_bytes());
        mac.update(body);
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in the tests of the specification's own libraries.
    #[test]
    fn the_signature_matches_the_standard_webhooks_example() {
        let key = Key::new(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_must_be_a_standard_webhooks_secret() {
        for (text, good) in [
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false),
            ("whsec_c2hvcnQ=", false),
            ("whsec_not base64", false),
        ] {
            assert_eq!(Key::new(&Secret::new(text)).is_ok(), good, "{text}");
        }
    }
}
