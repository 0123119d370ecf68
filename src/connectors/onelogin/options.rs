//! `connectors.onelogin` of the configuration, and OneLogin's vocabulary.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{OneLogin, RegistrationsMode, Settings, attributes};
use crate::config::SecretSource;
use crate::connectors::options::{Site, Target};
use crate::connectors::registry::Provider;
use crate::connectors::{IdentityOptions, IdentityProvider, options};
use crate::model::{IdentityWords, Pattern, Span};

pub const PROVIDER: Provider = Provider::identity::<Options>(
    "onelogin",
    IdentityWords {
        events: Pattern {
            regex: "[0-9]+",
            matches: |id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()),
            expected: "the number of an event type of OneLogin, such as onelogin.100",
        },
        risk_scores: "OneLogin sends scores only if SmartFactor authentication is on in the users' \
            OneLogin policy",
        settable: &attributes::PLAIN,
        refuses: |_, _| None,
        refuses_role: |_| None,
        never_sends: |_| None,
    },
);

/// How far back the very first poll of events reads: it includes people who registered just before the daemon was
/// installed.
const FIRST_LOOKBACK: TimeDelta = TimeDelta::hours(24);

/// OneLogin, an identity provider.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OneLogin")]
pub struct Options {
    /// `https://<subdomain>.onelogin.com`.
    #[schemars(with = "String")]
    pub url: Url,
    /// Client id of an API credential with *Manage All*.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretSource,
    /// API that approves and rejects registrations; `auto` checks it at start.
    #[serde(default)]
    pub registrations: RegistrationsMode,
    /// How often the Events API is read. A webhook only saves this time.
    #[serde(default = "default_poll_every")]
    #[schemars(with = "String")]
    pub poll_every: Span,
    /// The shared header of OneLogin's event webhook.
    #[serde(default)]
    pub webhook: Option<Webhook>,
    /// Custom attribute short names by field name (`verified_at`, `exempt_until`, `service_account`, ...).
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Name of the header; `Authorization` by default.
    #[serde(default = "default_header")]
    pub header: String,
    /// Value of the header; other requests are refused.
    pub value: SecretSource,
}

fn default_poll_every() -> Span {
    Span::Elapsed(TimeDelta::seconds(30))
}

fn default_header() -> String {
    "Authorization".to_owned()
}

impl options::Options for Options {
    fn secrets(&self) -> Vec<(String, &SecretSource)> {
        let webhook = self.webhook.iter().map(|webhook| ("webhook.value".to_owned(), &webhook.value));
        webhook.chain([("client_secret".to_owned(), &self.client_secret)]).collect()
    }

    fn addresses(&self) -> Vec<Target> {
        vec![Target::with_simulator("url", &self.url)]
    }
}

impl IdentityOptions for Options {
    fn mapped(&self) -> Vec<String> {
        self.attributes.keys().cloned().collect()
    }

    fn build(&self, site: &Site<'_>) -> anyhow::Result<Arc<dyn IdentityProvider>> {
        let webhook = match &self.webhook {
            Some(webhook) => Some((webhook.header.clone(), site.secret("webhook", &webhook.value)?)),
            None => None,
        };
        let settings = Settings {
            name: site.name.to_owned(),
            url: self.url.clone(),
            client_id: self.client_id.clone(),
            client_secret: site.secret("client_secret", &self.client_secret)?,
            registrations: self.registrations,
            poll_every: options::at_least_a_second(self.poll_every),
            webhook,
            attributes: self.attributes.clone(),
            lookback: FIRST_LOOKBACK,
        };
        Ok(Arc::new(OneLogin::new(settings, Arc::clone(site.clock)).map_err(|why| site.refused(why))?))
    }
}
