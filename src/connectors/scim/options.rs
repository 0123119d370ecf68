//! A system under `connectors.scim` of the configuration.

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{Scim, Settings};
use crate::config::SecretSource;
use crate::connectors::options::{self, CallsPerSecond, Site, Target};
use crate::model::Span;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Scim")]
pub struct Options {
    /// Base address; `/Users` is appended.
    #[schemars(with = "String")]
    pub url: Url,
    /// A bearer token.
    pub token: SecretSource,
    /// Time after which the system finds a new account. After an attempt to create one with an unknown
    /// result, proofd searches not earlier.
    #[serde(default = "default_consistency")]
    #[schemars(with = "String")]
    pub consistency: Span,
    /// Calls per second that the system allows. proofd makes at most as many, and as many at once as use them fully.
    #[serde(default)]
    #[schemars(with = "Option<f64>", range(min = 0.0001, max = 10_000.0))]
    pub calls_per_second: Option<CallsPerSecond>,
}

fn default_consistency() -> Span {
    Span::Elapsed(TimeDelta::seconds(30))
}

impl options::Options for Options {
    fn secrets(&self) -> Vec<(String, &SecretSource)> {
        vec![("token".to_owned(), &self.token)]
    }

    fn calls_per_second(&self) -> Option<CallsPerSecond> {
        self.calls_per_second
    }

    fn addresses(&self) -> Vec<Target> {
        vec![Target::with_simulator("url", &self.url)]
    }
}

impl Options {
    pub fn build(&self, site: &Site<'_>) -> anyhow::Result<Scim> {
        let token = site.secret("token", &self.token)?;
        let settings = Settings { name: site.name.to_owned(), url: self.url.clone(), token };
        Scim::new(settings).map_err(|why| site.refused(why))
    }
}
