//! Keycloak: a source of events and people, and the place where registrations are approved, rejected and deleted. Must
//! not depend on cases, policies or the store.
//!
//! | file | what |
//! |---|---|
//! | `api`, `wire` | requests, errors and representations on the wire |
//! | `options` | the configuration, and the words that policies use |
//! | `gate`, `realm` | whether the gate of the realm is whole; reads the settings for that |
//! | `events`, `admin` | what stored events say |
//! | `poll`, `memory`, `hints` | reads both kinds of events; finds out what an administrator's event changed |
//! | `people`, `roles`, `population` | people, their roles, and all of them |
//! | `registrations`, `accounts`, `held`, `attributes` | the changes |
//! | `examine` | the checks of `proofd doctor` |

mod accounts;
pub mod admin;
mod api;
mod attributes;
pub mod events;
mod examine;
pub mod gate;
mod held;
mod hints;
mod memory;
mod options;
mod people;
mod poll;
mod population;
mod realm;
mod registrations;
mod roles;
pub mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::TimeDelta;
use futures::FutureExt as _;
use futures::future::BoxFuture;

pub use api::Own;
pub use options::{Options, PROVIDER};

use self::api::Api;
use self::memory::Memory;
use self::realm::Watch;
use self::roles::Catalog;
use super::{Connector, Finding, IdentityProvider, Page, People};
use crate::model::{
    Attempt, Changed, Clock, Event, Failure, IdentityChange, Secret, Snapshot, Subject, SubjectKind,
    SubjectRef,
};

/// The settings for one realm.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The source name of its subjects and events.
    pub name: String,
    pub url: url::Url,
    pub realm: String,
    pub client_id: String,
    pub client_secret: Secret,
    /// Whether people register in this realm and wait at its gate.
    pub registrations: bool,
    /// The path of the group of people who wait.
    pub pending_group: String,
    /// The attribute that marks a rejected registration.
    pub state_attribute: String,
    pub invite: Invitation,
    /// Attributes of the user profile by our names.
    pub attributes: BTreeMap<String, String>,
    pub organizations: bool,
    pub poll_every: TimeDelta,
    /// How far back the very first poll reads.
    pub lookback: TimeDelta,
}

/// Where an invitation leads, and how long it works.
#[derive(Debug, Clone)]
pub struct Invitation {
    pub client_id: Option<String>,
    pub redirect_uri: Option<String>,
    pub seconds: i64,
}

/// The connector to one realm.
#[derive(Debug)]
pub struct Keycloak {
    name: String,
    api: Api,
    clock: Arc<dyn Clock>,
    registrations: bool,
    pending_group: String,
    state_attribute: String,
    invite: Invitation,
    /// Attributes of the user profile by our names.
    names: BTreeMap<String, String>,
    organizations: bool,
    poll_every: TimeDelta,
    lookback: TimeDelta,
    catalog: Catalog,
    memory: Memory,
    watch: Watch,
    skipped: AtomicU64,
    /// The UUID of the client whose roles are the rights in the realm.
    management: tokio::sync::Mutex<Option<String>>,
}

impl Keycloak {
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let Settings { url, realm, client_id, client_secret, .. } = settings;
        Ok(Self {
            name: settings.name,
            api: Api::new(&url, &realm, client_id, client_secret, Arc::clone(&clock))?,
            clock,
            registrations: settings.registrations,
            pending_group: settings.pending_group,
            state_attribute: settings.state_attribute,
            invite: settings.invite,
            names: settings.attributes,
            organizations: settings.organizations,
            poll_every: settings.poll_every,
            lookback: settings.lookback,
            catalog: Catalog::default(),
            memory: Memory::default(),
            watch: Watch::default(),
            skipped: AtomicU64::new(0),
            management: tokio::sync::Mutex::default(),
        })
    }

    /// Returns the number of stored events that could not be read and were skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }
}

impl Connector for Keycloak {
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>> {
        self.findings().boxed()
    }
}

impl IdentityProvider for Keycloak {
    fn poll_every(&self) -> TimeDelta {
        self.poll_every
    }

    fn poll<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<Page, Failure>> {
        self.next(cursor).boxed()
    }

    /// A position is a time, at which every round may begin.
    fn anew(&self, _cursor: &str) -> Option<String> {
        None
    }

    fn alarms(&self) -> Vec<String> {
        self.watch.alarms()
    }

    fn subject<'a>(
        &'a self,
        reference: &'a SubjectRef,
        event: Option<&'a Event>,
    ) -> BoxFuture<'a, Result<Option<Subject>, Failure>> {
        async move {
            match reference.kind {
                SubjectKind::Registration => self.registration(&reference.id, event).await,
                SubjectKind::User => self.user(&reference.id).await,
                SubjectKind::Applicant => Ok(None),
            }
        }
        .boxed()
    }

    fn change<'a>(
        &'a self,
        attempt: &'a Attempt,
        snapshot: &'a Snapshot,
        change: &'a IdentityChange,
    ) -> BoxFuture<'a, Result<Changed, Failure>> {
        self.act(attempt, snapshot, change).boxed()
    }

    fn population<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<People, Failure>> {
        self.people(cursor).boxed()
    }

    fn population_size(&self) -> BoxFuture<'_, Result<u64, Failure>> {
        self.count().boxed()
    }
}
