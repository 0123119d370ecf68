//! OneLogin: a source of events and people, and the place where registrations are approved, rejected and deleted. Must
//! not depend on cases, policies or the store.

mod accounts;
mod api;
pub mod attributes;
mod effects;
mod events;
mod examine;
mod factors;
mod listing;
mod options;
mod people;
mod poll;
mod population;
mod registrations;
mod roles;
pub mod types;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::TimeDelta;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderName};
use schemars::JsonSchema;
use serde::Deserialize;

pub use options::{Options, PROVIDER};

use self::api::Api;
use self::registrations::{Found, Place, Profile, Registrations, Resource, UserRecord};
use super::{Connector, Finding, IdentityProvider, Page, People, WebhookRefused};
use crate::model::{
    Attempt, Changed, Clock, Event, Failure, IdentityChange, Registration, Secret, Snapshot, Subject,
    SubjectKind, SubjectRef, Timestamp,
};

/// API for registrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Registrations")]
pub enum RegistrationsMode {
    /// The resource if the tenant has it, else the user record.
    #[default]
    Auto,
    Resource,
    UserRecord,
}

/// The settings for one tenant.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The source name of its subjects and events.
    pub name: String,
    /// For example `https://acme.onelogin.com`.
    pub url: url::Url,
    pub client_id: String,
    pub client_secret: Secret,
    pub registrations: RegistrationsMode,
    pub poll_every: TimeDelta,
    /// The name and value of the webhook's shared header.
    pub webhook: Option<(String, Secret)>,
    /// Short names of custom fields by our names; `verified_at`, `exempt_until` and `service_account` have a meaning of
    /// their own.
    pub attributes: BTreeMap<String, String>,
    /// How far back the very first poll reads. A day covers a night of a weekend, not an old backlog.
    pub lookback: TimeDelta,
}

/// The connector to one tenant.
#[derive(Debug)]
pub struct OneLogin {
    name: String,
    poll_every: TimeDelta,
    api: Api,
    clock: Arc<dyn Clock>,
    mode: RegistrationsMode,
    webhook: Option<(HeaderName, Secret)>,
    attributes: BTreeMap<String, String>,
    lookback: TimeDelta,
    roles: people::RoleNames,
    resource: Resource,
    /// True if the tenant has the registrations resource; `None` until this is known.
    has_resource: tokio::sync::Mutex<Option<bool>>,
    profiles: tokio::sync::Mutex<Option<(Timestamp, Vec<Profile>)>>,
    skipped: AtomicU64,
    credential: events::Credential,
}

impl OneLogin {
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let webhook = match settings.webhook {
            Some((_, secret)) if secret.expose().is_empty() => {
                return Err("the value of the webhook's header is empty; anybody could send events".into());
            }
            Some((name, secret)) => {
                let name = HeaderName::try_from(name.as_str())
                    .map_err(|_| format!("{name:?} cannot be the name of the webhook's header"))?;
                Some((name, secret))
            }
            None => None,
        };
        let credential = events::Credential::new(settings.name.clone(), settings.client_id.clone());
        let api = Api::new(&settings.url, settings.client_id, settings.client_secret, clock.clone())?;
        Ok(Self {
            name: settings.name,
            poll_every: settings.poll_every,
            api,
            clock,
            mode: settings.registrations,
            webhook,
            attributes: settings.attributes,
            lookback: settings.lookback,
            roles: people::RoleNames::default(),
            resource: Resource::default(),
            has_resource: tokio::sync::Mutex::new(None),
            profiles: tokio::sync::Mutex::new(None),
            skipped: AtomicU64::new(0),
            credential,
        })
    }

    /// Returns the number of records from either channel that were skipped: about no user, or (polled) unreadable.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Returns the back end that this tenant has.
    async fn registrations(&self) -> Result<&dyn Registrations, Failure> {
        match self.mode {
            RegistrationsMode::Resource => return Ok(&self.resource),
            RegistrationsMode::UserRecord => return Ok(&UserRecord),
            RegistrationsMode::Auto => {}
        }
        let mut known = self.has_resource.lock().await;
        if known.is_none() {
            *known = registrations::has_resource(&self.api, &self.profiles().await?).await?;
        }
        // Without a profile it cannot be determined; the next call tries again.
        Ok(if *known == Some(true) { &self.resource } else { &UserRecord })
    }

    /// Returns the moderated profiles, cached for a few minutes.
    async fn profiles(&self) -> Result<Vec<Profile>, Failure> {
        let now = self.clock.now();
        let mut held = self.profiles.lock().await;
        if let Some((at, profiles)) = held.as_ref()
            && (now - *at).abs() < TimeDelta::minutes(5)
        {
            return Ok(profiles.clone());
        }
        let profiles = registrations::profiles(&self.api).await?;
        *held = Some((now, profiles.clone()));
        Ok(profiles)
    }

    async fn registration(&self, id: &str, event: Option<&Event>) -> Result<Option<Subject>, Failure> {
        let profiles = self.profiles().await?;
        let place = Place {
            id: id.to_owned(),
            user_id: None,
            email: None,
            profiles: profiles.iter().map(|profile| profile.id.clone()).collect(),
        };
        let Some(found) = self.registrations().await?.find(&self.api, &place).await? else { return Ok(None) };
        // Only OneLogin's own events have a profile; other senders of events must not choose one.
        let event = event.filter(|event| event.source == self.name && event.subject.source == self.name);
        let event = event.filter(|event| !event.kind.is_custom());
        let stated = found.profile_id.clone().or_else(|| {
            let data = event?.fields.get("data")?.as_object()?;
            ["self_registration_profile_id", "profile_id"].iter().find_map(|key| events::text(data, key))
        });
        let profile = match (stated, profiles.as_slice()) {
            (Some(id), _) => Some(
                profiles
                    .iter()
                    .find(|profile| profile.id == id)
                    .cloned()
                    .unwrap_or(Profile { name: id.clone(), id }),
            ),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        };
        Ok(Some(Subject::from(self.described(found, profile)).from_source(&self.name)))
    }

    fn described(&self, found: Found, profile: Option<Profile>) -> Registration {
        let user = found.user.unwrap_or_default();
        let (profile_id, profile) = profile.map(|profile| (profile.id, profile.name)).unzip();
        Registration {
            id: found.id,
            user_id: found.user_id,
            profile,
            profile_id,
            email_domain: people::domain(found.email.as_deref()),
            email: found.email,
            first_name: found.first_name,
            last_name: found.last_name,
            state: found.state.word().to_owned(),
            created_at: found.created_at,
            locale: events::text(&user, "preferred_locale_code"),
            attributes: people::attributes(&user, &self.attributes),
        }
    }

    async fn person(&self, id: &str) -> Result<Option<Subject>, Failure> {
        let Some(record) = people::user(&self.api, id).await? else { return Ok(None) };
        let now = self.clock.now();
        let user = people::describe(&self.api, &self.roles, &self.attributes, &record, now).await?;
        Ok(Some(Subject::from(user).from_source(&self.name)))
    }
}

impl Connector for OneLogin {
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>> {
        self.look().boxed()
    }
}

impl IdentityProvider for OneLogin {
    fn poll_every(&self) -> TimeDelta {
        self.poll_every
    }

    fn poll<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<Page, Failure>> {
        async move {
            let (page, skipped) =
                poll::next(&self.api, cursor, self.clock.now(), self.lookback, &self.credential).await?;
            self.skipped.fetch_add(skipped, Ordering::Relaxed);
            Ok(page)
        }
        .boxed()
    }

    fn anew(&self, cursor: &str) -> Option<String> {
        poll::anew(cursor)
    }

    fn is_webhook(&self, headers: &HeaderMap) -> bool {
        self.webhook.as_ref().is_some_and(|shared| webhook::authentic(headers, shared))
    }

    fn webhook(&self, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Event>, WebhookRefused> {
        let shared = self.webhook.as_ref().ok_or(WebhookRefused::NotConfigured)?;
        if !webhook::authentic(headers, shared) {
            return Err(WebhookRefused::NotAuthentic);
        }
        let (events, skipped) = webhook::read(body, &self.credential)?;
        self.skipped.fetch_add(skipped, Ordering::Relaxed);
        Ok(events)
    }

    fn subject<'a>(
        &'a self,
        reference: &'a SubjectRef,
        event: Option<&'a Event>,
    ) -> BoxFuture<'a, Result<Option<Subject>, Failure>> {
        async move {
            match reference.kind {
                SubjectKind::Registration => self.registration(&reference.id, event).await,
                SubjectKind::User => self.person(&reference.id).await,
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
