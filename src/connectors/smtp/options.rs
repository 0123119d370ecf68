//! `connectors.smtp` of the configuration.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{Layout, Settings, Smtp};
use crate::config::{self, SecretSource};
use crate::connectors::options::{self, CallsPerSecond, Site, Target};

/// The mail server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Smtp")]
pub struct Options {
    /// `smtps://user@host` (TLS from the start), `smtp://host:587` (STARTTLS, required unless loopback).
    pub url: String,
    /// Password of the user in `url`.
    #[serde(default)]
    pub password: Option<SecretSource>,
    /// `Example IAM <iam@example.com>`.
    pub from: String,
    /// Calls per second that the system allows. proofd makes at most as many, and as many at once as use them fully.
    #[serde(default)]
    #[schemars(with = "Option<f64>", range(min = 0.0001, max = 10_000.0))]
    pub calls_per_second: Option<CallsPerSecond>,
}

impl options::Options for Options {
    fn secrets(&self) -> Vec<(String, &SecretSource)> {
        self.password.iter().map(|password| ("password".to_owned(), password)).collect()
    }

    fn calls_per_second(&self) -> Option<CallsPerSecond> {
        self.calls_per_second
    }

    fn addresses(&self) -> Vec<Target> {
        let url = self.url.parse::<Url>().ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or("the mail server");
        let mut target = Target::host("url", host);
        target.simulator = url.as_ref().is_some_and(config::is_loopback);
        vec![target]
    }
}

impl Options {
    pub fn build(&self, site: &Site<'_>) -> anyhow::Result<Smtp> {
        let settings = Settings {
            url: self.url.clone(),
            password: site.optional("password", self.password.as_ref())?,
            from: self.from.clone(),
            layout: Layout::new(site.letterhead),
            ..Settings::default()
        };
        Smtp::new(settings, Arc::clone(site.clock)).map_err(|why| site.refused(why))
    }
}
