//! `connectors.jumio` of the configuration, and Jumio's vocabulary.

use std::sync::Arc;

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{Jumio, Settings, Urls, Web};
use crate::config::SecretSource;
use crate::connectors::options::{Site, Target};
use crate::connectors::registry::Provider;
use crate::connectors::{Results, VerificationOptions, VerificationProvider, options};
use crate::model::{Method, Pattern, Span, VerificationWords};

pub const PROVIDER: Provider = Provider::verification::<Options>(
    "jumio",
    VerificationWords {
        checks: &[
            "usability",
            "imageChecks",
            "extraction",
            "dataChecks",
            "liveness",
            "similarity",
            "authentication",
            "watchlistScreening",
            "addressValidation",
            "proofOfResidency",
            "drivingLicenseVerification",
        ],
        workflow: Pattern {
            regex: "[0-9]+|[^0-9].*",
            // A word is a placeholder of an example; a value that begins with a digit has to be a number.
            matches: |text| !text.starts_with(|c: char| c.is_ascii_digit()) || text.parse::<u32>().is_ok(),
            expected: "a number from the vendor's portal, such as 10011",
        },
        methods: &Method::ALL,
        must_require: false,
    },
);

/// Jumio, a verification provider.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Jumio")]
pub struct Options {
    /// `amer-1`, `emea-1` or `apac-1`; or set `urls`.
    #[serde(default)]
    pub region: Option<String>,
    /// The three addresses, instead of `region`.
    #[serde(default)]
    pub urls: Option<OwnUrls>,
    /// Additional hosts for redirects, besides those of `region` or `urls`: `id.example.com`, or
    /// `*.example.com` for every host below it. Add a custom domain of the vendor's portal here. https on its
    /// default port only.
    #[serde(default)]
    pub redirect_hosts: Vec<String>,
    /// Client id of an OAuth client in the vendor's portal.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretSource,
    /// Required by the vendor: `YourCompany YourApp/1.0`.
    #[serde(default = "default_user_agent")]
    pub user_agent: String,
    /// Session starts per second that the vendor allows for the tenant.
    #[serde(default = "default_starts")]
    pub starts_per_second: f64,
    /// How often the status of a session is read until its capture ends.
    #[serde(default = "default_poll_every")]
    #[schemars(with = "String")]
    pub poll_every: Span,
    /// Key for the secret callback path of each case; without it the vendor gets no callback address.
    #[serde(default)]
    pub callback_secret: Option<SecretSource>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "JumioUrls")]
pub struct OwnUrls {
    /// Address for tokens.
    #[schemars(with = "String")]
    pub auth: Url,
    /// Address for starting sessions.
    #[schemars(with = "String")]
    pub account: Url,
    /// Address for reading results.
    #[schemars(with = "String")]
    pub retrieval: Url,
}

fn default_user_agent() -> String {
    concat!("proofd/", env!("CARGO_PKG_VERSION")).to_owned()
}

fn default_starts() -> f64 {
    1.0
}

fn default_poll_every() -> Span {
    Span::Elapsed(TimeDelta::seconds(60))
}

impl options::Options for Options {
    fn secrets(&self) -> Vec<(String, &SecretSource)> {
        let callback = self.callback_secret.iter().map(|secret| ("callback_secret".to_owned(), secret));
        callback.chain([("client_secret".to_owned(), &self.client_secret)]).collect()
    }

    fn addresses(&self) -> Vec<Target> {
        match &self.urls {
            Some(OwnUrls { auth, account, retrieval }) => {
                [auth, account, retrieval].map(|url| Target::with_simulator("urls", url)).into()
            }
            None => vec![Target::host("region", "the vendor's region")],
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.region.is_some() == self.urls.is_some() {
            return Err("set either region or urls".to_owned());
        }
        if !(self.starts_per_second > 0.0 && self.starts_per_second <= 1_000.0) {
            return Err("starts_per_second: expected a number above 0, such as 1".to_owned());
        }
        Ok(())
    }
}

impl Options {
    /// Returns the addresses to call, and the hosts to which people may be redirected.
    fn reach(&self) -> Result<(Urls, Web), String> {
        let (urls, web) = match (&self.region, &self.urls) {
            (Some(region), _) => {
                (Urls::region(region).map_err(|why| format!("region: {why}"))?, Web::region(region))
            }
            (None, Some(OwnUrls { auth, account, retrieval })) => {
                let urls =
                    Urls { auth: auth.clone(), account: account.clone(), retrieval: retrieval.clone() };
                let web = Web::urls(&urls);
                (urls, web)
            }
            (None, None) => return Err("set either region or urls".to_owned()),
        };
        let web = web.and(&self.redirect_hosts).map_err(|why| format!("redirect_hosts: {why}"))?;
        Ok((urls, web))
    }
}

impl VerificationOptions for Options {
    fn results(&self) -> Results<'_> {
        Results::Read {
            every: options::at_least_a_second(self.poll_every),
            callback_secret: self.callback_secret.as_ref(),
        }
    }

    fn build(&self, site: &Site<'_>) -> anyhow::Result<Arc<dyn VerificationProvider>> {
        let (urls, web) = self.reach().map_err(|why| site.refused(why))?;
        let settings = Settings {
            urls,
            web,
            client_id: self.client_id.clone(),
            client_secret: site.secret("client_secret", &self.client_secret)?,
            user_agent: self.user_agent.clone(),
            starts_per_second: self.starts_per_second,
        };
        Ok(Arc::new(Jumio::new(settings, Arc::clone(site.clock)).map_err(|why| site.refused(why))?))
    }
}
