//! OpenID providers that verify people. A session is an authorization request: it is pushed to the provider, the
//! person's browser goes there and brings back a code, and the code is exchanged for an ID token with `verified_claims`.
//! Must not depend on cases: other code decides whether a result counts.
//!
//! There is no other way to a result: a browser that does not come back leaves none.

use std::sync::Arc;

use chrono::TimeDelta;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use url::{Host, Url};

use super::http::Wire;
use super::{Connector, Finding, Pace, VerificationProvider};
use crate::model::{
    Clock, Failure, Phase, Proof, ReadSession, Reading, Returned, Secret, Session, StartSession, Void,
};

mod derived;
mod examine;
mod exchange;
mod keys;
mod metadata;
mod options;
mod proof;
mod push;
mod request;
mod returned;
mod token;

pub use keys::Key;
pub use options::{Accept, Algorithm, Dialect, Names, Options, PROVIDER, SubjectKind};
pub use proof::{Rule, proof};
pub use request::claims;
pub use token::{Expected, check};

use derived::{Deriver, Use};
use metadata::Publisher;

/// How long a browser may take to come back.
const LIFE: TimeDelta = TimeDelta::minutes(15);

/// The settings for one provider.
#[derive(Debug)]
pub struct Settings {
    /// The name in the configuration.
    pub name: String,
    /// Where the provider sends browsers back.
    pub redirect: String,
    pub secret: Secret,
    pub options: Options,
}

/// The connector.
#[derive(Debug)]
pub struct OpenId {
    settings: Settings,
    deriver: Deriver,
    publisher: Publisher,
    wire: Wire,
    clock: Arc<dyn Clock>,
}

impl OpenId {
    /// Checks the settings; makes no connection.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        if settings.secret.expose().is_empty() {
            return Err("client_secret: the secret is empty".to_owned());
        }
        let wire = Wire::new(None)?;
        let publisher = Publisher::new(&settings.options, wire.clone(), Arc::clone(&clock))?;
        let deriver = Deriver::new(&settings.name, &settings.secret);
        Ok(Self { settings, deriver, publisher, wire, clock })
    }

    async fn start_session(&self, start: &StartSession) -> Result<Session, Failure> {
        let (link, expires_at) = self.push(start).await?;
        let state = self.deriver.secret(Use::State, &start.reference);
        Ok(Session {
            // The provider has no account before a result.
            account: String::new(),
            execution: self.deriver.execution(&state),
            link,
            expires_at,
            reference: start.reference.clone(),
            returns_by: Some(self.clock.now() + LIFE),
        })
    }

    async fn read_session(&self, read: &ReadSession) -> Result<Reading, Failure> {
        let reading = |phase, proof: Option<Proof>, void| Reading {
            account: read.account.clone(),
            execution: read.execution.clone(),
            reference: Some(read.reference.clone()),
            phase,
            proof: proof.map(Box::new),
            void,
        };
        let Some(returned) = &read.returned else {
            let open = read.returns_by.is_some_and(|by| self.clock.now() < by);
            return Ok(reading(if open { Phase::Waiting } else { Phase::Expired }, None, None));
        };
        Ok(match self.result(read, returned).await? {
            Exchanged::Proof(proof) => reading(Phase::Done, Some(*proof), None),
            Exchanged::Ended => reading(Phase::Expired, None, None),
            Exchanged::Void(why) => {
                self.alarm(why);
                reading(Phase::Expired, None, Some(why))
            }
        })
    }

    async fn result(&self, read: &ReadSession, returned: &Returned) -> Result<Exchanged, Failure> {
        let (Returned::Code { issuer, .. } | Returned::Error { issuer, .. }) = returned;
        let metadata = self.publisher.metadata().await?;
        // Another provider's answer: its code must not be sent to this one (RFC 9207).
        let of_this = match issuer {
            Some(issuer) => *issuer == self.settings.options.issuer,
            None => !metadata.names_itself,
        };
        if !of_this {
            return Ok(Exchanged::Void(Void::Issuer));
        }
        match returned {
            Returned::Code { code, .. } => self.exchange(&metadata, read, code).await,
            Returned::Error { error, .. } => Ok(self.ended(error)),
        }
    }

    /// Handles an error that the provider gave to the browser. Only an end by the person counts as their try.
    fn ended(&self, error: &str) -> Exchanged {
        match error {
            "access_denied"
            | "account_selection_required"
            | "login_required"
            | "consent_required"
            | "interaction_required" => Exchanged::Ended,
            _ => {
                tracing::error!(
                    provider = self.settings.name,
                    error,
                    "the provider could not verify a person"
                );
                Exchanged::Void(Void::Provider)
            }
        }
    }

    fn alarm(&self, why: Void) {
        let (provider, why) = (&self.settings.name, why.word());
        tracing::warn!(provider, why, "a result of a verification provider is void; nobody passed with it");
    }
}

/// What an exchange came to.
enum Exchanged {
    Proof(Box<Proof>),
    /// The person ended the session.
    Ended,
    Void(Void),
}

impl Connector for OpenId {
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>> {
        examine::examine(self).boxed()
    }
}

impl VerificationProvider for OpenId {
    fn start<'a>(&'a self, start: &'a StartSession) -> BoxFuture<'a, Result<Session, Failure>> {
        self.start_session(start).boxed()
    }

    fn read<'a>(&'a self, read: &'a ReadSession) -> BoxFuture<'a, Result<Reading, Failure>> {
        self.read_session(read).boxed()
    }

    fn returned(&self, query: &str) -> Result<(String, Returned), String> {
        let (state, returned) = returned::read(query)?;
        Ok((self.deriver.execution(&state), returned))
    }

    fn pace(&self) -> Pace {
        // Only an exchange is a request, and each follows a start.
        let starts_per_second = self.settings.options.starts_per_second;
        Pace { starts_per_second, reads_per_second: starts_per_second * 4.0 }
    }

    fn display_name(&self) -> &str {
        self.settings.options.issuer.trim_start_matches("https://")
    }
}

/// Returns whether secrets and people may be sent to an address: https, or this machine if the issuer is there too.
fn is_safe(url: &Url, issuer: &Url) -> bool {
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let local = url.scheme() == "http" && is_loopback(url) && is_loopback(issuer);
    plain && ((url.scheme() == "https" && url.host().is_some()) || local)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
