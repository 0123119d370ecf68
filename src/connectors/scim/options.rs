//! A system under `connectors.scim` of the configuration.

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{Scim, Settings};
use crate::config::SecretSource;
use crate::connectors::options::{self, Site, Target};
use crate::model::Span;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Scim")]
pub struct Options {
    /// The address that `/Users` is appended to.
    #[schemars(with = "String")]
    pub url: Url,
    /// A bearer token.
    pub token: SecretSource,
    /// How long the system may not find an account that it has just made. After an attempt to make one whose
    /// end is not known, it is searched for no earlier.
    #[serde(default = "default_consistency")]
    #[schemars(with = "String")]
    pub consistency: Span,
}

fn default_consistency() -> Span {
    Span::Elapsed(TimeDelta::seconds(30))
}

impl options::Options for Options {
    fn secrets(&self) -> Vec<(String, &SecretSource)> {
        vec![("token".to_owned(), &self.token)]
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
