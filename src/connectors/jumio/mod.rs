//! Jumio as a verification provider: starts runs, reads their progress and returns their results. Must not depend on
//! cases: other code decides whether a result counts.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use url::{Host, Url};

use super::{Connector, Finding, Pace, VerificationProvider};
use crate::model::{Clock, Failure, ReadSession, Reading, Secret, Session, StartSession};

mod api;
mod delete;
mod document;
mod enrolled;
mod examine;
mod hint;
mod options;
mod read;
mod result;
mod start;
mod web;

pub use hint::{Hint, hint};
pub use options::{Options, PROVIDER};
pub use web::Web;

/// The addresses of a region's three hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls {
    /// Issues tokens.
    pub auth: Url,
    /// Starts runs.
    pub account: Url,
    /// Reads runs.
    pub retrieval: Url,
}

impl Urls {
    /// Returns the hosts of one of Jumio's regions: `amer-1`, `emea-1` or `apac-1`.
    pub fn region(region: &str) -> Result<Self, String> {
        let wrong = || format!("'{region}' is not a region of Jumio; expected amer-1, emea-1 or apac-1");
        if !matches!(region, "amer-1" | "emea-1" | "apac-1") {
            return Err(wrong());
        }
        let host = |name: &str| Url::parse(&format!("https://{name}.{region}.jumio.ai")).map_err(|_| wrong());
        Ok(Self { auth: host("auth")?, account: host("account")?, retrieval: host("retrieval")? })
    }
}

/// The settings for one tenant.
#[derive(Debug, Clone)]
pub struct Settings {
    pub urls: Urls,
    /// Hosts to which people may be redirected.
    pub web: Web,
    pub client_id: String,
    pub client_secret: Secret,
    /// Jumio requires a User-Agent in the form `Company Application/v1`.
    pub user_agent: String,
    /// Starts per second that the tenant is allowed.
    pub starts_per_second: f64,
}

/// The connector.
#[derive(Debug)]
pub struct Jumio {
    starts_per_second: f64,
    api: api::Api,
    web: Web,
    clock: Arc<dyn Clock>,
}

impl Jumio {
    /// Checks the settings; makes no connection.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        if settings.user_agent.trim().is_empty() {
            return Err(
                "Jumio requires a User-Agent; set one in the form 'Company Application/v1'".to_owned()
            );
        }
        if settings.client_id.is_empty() || settings.client_secret.expose().is_empty() {
            return Err("the id or the secret of Jumio's OAuth client is empty".to_owned());
        }
        let Urls { auth, account, retrieval } = &settings.urls;
        for (name, url) in [("auth", auth), ("account", account), ("retrieval", retrieval)] {
            if !(url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))) {
                return Err(format!(
                    "the {name} address of Jumio must start with https://; http:// is for simulators on \
                        this machine"
                ));
            }
        }
        let web = settings.web.clone();
        let starts_per_second = settings.starts_per_second;
        Ok(Self { starts_per_second, api: api::Api::new(settings, Arc::clone(&clock))?, web, clock })
    }
}

impl Connector for Jumio {
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>> {
        examine::examine(&self.api, self.clock.as_ref()).boxed()
    }
}

impl VerificationProvider for Jumio {
    /// Starts a run. Jumio has neither idempotency keys nor a search by reference. A run that a lost attempt may have
    /// created expires by itself.
    fn start<'a>(&'a self, start: &'a StartSession) -> BoxFuture<'a, Result<Session, Failure>> {
        start::start(&self.api, &self.web, start, self.clock.now()).boxed()
    }

    fn read<'a>(&'a self, read: &'a ReadSession) -> BoxFuture<'a, Result<Reading, Failure>> {
        read::read(&self.api, &read.account, &read.execution).boxed()
    }

    fn hint(&self, body: &[u8]) -> Result<String, String> {
        hint(body).map(|hint| hint.execution)
    }

    fn delete<'a>(&'a self, account: &'a str) -> Option<BoxFuture<'a, Result<(), Failure>>> {
        Some(delete::delete(&self.api, account).boxed())
    }

    fn deletes(&self) -> bool {
        true
    }

    fn pace(&self) -> Pace {
        // Jumio allows 15 detail reads per second to the whole tenant; status reads are extra.
        Pace { starts_per_second: self.starts_per_second, reads_per_second: 12.0 }
    }

    fn display_name(&self) -> &str {
        "Jumio"
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Returns whether a text is a valid Jumio id. Ids become parts of addresses: only characters that cannot change an
/// address are accepted.
fn is_id(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
