//! The options of a connector before it is built: its secrets, its addresses, its rules.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::config::{self, SecretSource};
use crate::model::{Clock, Failure, Secret, Span};

/// The options of one configured connector.
pub trait Options: std::fmt::Debug + Send + Sync {
    /// Returns every secret with its key below the connector's own.
    fn secrets(&self) -> Vec<(String, &SecretSource)>;

    /// Returns every address that the connector will call.
    fn addresses(&self) -> Vec<Target>;

    /// Returns the calls per second that the system allows, if the configuration declares them. A verification provider
    /// has its `pace` instead.
    fn calls_per_second(&self) -> Option<CallsPerSecond> {
        None
    }

    /// Checks rules between keys.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A declared limit: calls per second, above 0 and at most 10,000. One call a minute is 0.0167.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct CallsPerSecond(f64);

impl CallsPerSecond {
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for CallsPerSecond {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        if (0.0001..=10_000.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err("expected calls per second from 0.0001 to 10000, such as 20")
        }
    }
}

/// One address that a connector calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    key: String,
    url: Option<Url>,
    /// The host, for messages.
    pub host: String,
    /// Whether a simulator answers there, which may be called on an accelerated clock.
    pub simulator: bool,
}

impl Target {
    /// Returns an address of a system that has a simulator: on this machine it is one.
    pub fn with_simulator(key: &str, url: &Url) -> Self {
        Self { simulator: config::is_loopback(url), ..Self::real(key, url) }
    }

    /// Returns an address of a system without a simulator, wherever it is.
    pub fn real(key: &str, url: &Url) -> Self {
        let host = url.host_str().unwrap_or("an address without a host").to_owned();
        Self { key: key.to_owned(), url: Some(url.clone()), host, simulator: false }
    }

    /// Returns a host with its own kind of encryption.
    pub fn host(key: &str, host: impl Into<String>) -> Self {
        Self { key: key.to_owned(), url: None, host: host.into(), simulator: false }
    }

    /// Returns the warning about it, if any. `path` is the place of the connector's options.
    pub fn warning(&self, path: &str) -> Option<String> {
        config::plain_http(&format!("{path}.{}", self.key), self.url.as_ref()?)
    }
}

/// What a connector needs besides its options.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The name by which policies and subjects refer to this connector.
    pub name: &'a str,
    /// The place of its options in the configuration, such as `connectors.scim.hr`.
    pub path: &'a str,
    /// The directory of the configuration.
    pub base: &'a Path,
    pub clock: &'a Arc<dyn Clock>,
    /// The address at which people reach this daemon.
    pub public_url: &'a Url,
    pub letterhead: Letterhead<'a>,
}

/// The look of what people receive.
#[derive(Debug, Clone, Copy)]
pub struct Letterhead<'a> {
    pub organization: &'a str,
    /// `#` and six hexadecimal digits.
    pub color: &'a str,
}

impl Site<'_> {
    /// Reads a secret. The error has its key and none of its text.
    pub fn secret(&self, key: &str, source: &SecretSource) -> anyhow::Result<Secret> {
        source.reveal(self.base).with_context(|| format!("while reading {}.{key}", self.path))
    }

    pub fn optional(&self, key: &str, source: Option<&SecretSource>) -> anyhow::Result<Option<Secret>> {
        source.map(|source| self.secret(key, source)).transpose()
    }

    /// Returns the address to which a provider sends a person's browser back.
    pub fn return_url(&self) -> Url {
        super::http::under(self.public_url, &["return", self.name])
    }

    /// Returns an error with the place of the options.
    pub fn refused(&self, why: impl std::fmt::Display) -> anyhow::Error {
        anyhow::anyhow!("{}: {why}", self.path)
    }
}

/// Returns a pause between two reads. Business days and less than a second become one minute.
pub fn at_least_a_second(every: Span) -> TimeDelta {
    every.elapsed().filter(|every| *every >= TimeDelta::seconds(1)).unwrap_or(TimeDelta::seconds(60))
}

/// Returns the text that an attribute of a person gets from a value of a policy; `None` clears it.
pub fn attribute_text(name: &str, value: &Value) -> Result<Option<String>, Failure> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Value::Bool(flag) => Ok(Some(flag.to_string())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Array(_) | Value::Object(_) => {
            Err(Failure::refused(format!("{name} can be set to a text, a number, true or false only")))
        }
    }
}
