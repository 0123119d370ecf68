//! `connectors.keycloak` of the configuration, and Keycloak's vocabulary.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::registrations::MANAGEMENT;
use super::{Invitation, Keycloak, Settings};
use crate::config::SecretSource;
use crate::connectors::http::check_address;
use crate::connectors::options::{Site, Target};
use crate::connectors::registry::Provider;
use crate::connectors::{IdentityOptions, IdentityProvider, options};
use crate::model::{EventType, IdentityWords, Pattern, Span};

pub const PROVIDER: Provider = Provider::identity::<Options>(
    "keycloak",
    IdentityWords {
        events: Pattern {
            regex: "[A-Z][A-Z0-9_]*",
            matches: is_event,
            expected: "a type of Keycloak, such as keycloak.VERIFY_EMAIL, or the operation and resource of an \
                administrator's event, such as keycloak.CREATE_GROUP_MEMBERSHIP",
        },
        risk_scores: "Keycloak sends no risk scores; a program that computes them can send sign-ins as CloudEvents",
        // Every field is an attribute of the realm's user profile, whose names are the realm's.
        settable: &[],
        refuses: |_, _| None,
        refuses_role,
        never_sends,
    },
)
.several();

fn is_event(id: &str) -> bool {
    id.starts_with(|first: char| first.is_ascii_uppercase())
        && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Roles that proofd changes in no realm. The others are looked up when they are changed.
fn refuses_role(name: &str) -> Option<&'static str> {
    let client = name.split_once('/').map(|(client, _)| client);
    if client == Some(MANAGEMENT) {
        return Some(
            "the roles of realm-management are rights in the realm, and proofd changes no administrator",
        );
    }
    name.starts_with("default-roles-").then_some("everybody in the realm has this role")
}

fn never_sends(event: &str) -> Option<&'static str> {
    match event {
        EventType::REGISTRATION_WITHDRAWN => Some(
            "a person who waits for approval cannot sign in and cannot withdraw; registration.deleted is sent for a \
             registration that somebody deleted",
        ),
        EventType::USER_DEACTIVATED => {
            Some("there is one way to switch an account off, and it is sent as user.suspended")
        }
        _ => None,
    }
}

/// How far back the very first poll of events reads: it includes people who registered just before the daemon was
/// installed.
const FIRST_LOOKBACK: TimeDelta = TimeDelta::hours(24);

/// Attributes that Keycloak or this connector keeps for itself.
pub const RESERVED: [&str; 7] =
    ["username", "email", "firstName", "lastName", "emailVerified", "disabledReason", "locale"];

/// A realm of Keycloak, an identity provider.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Keycloak")]
pub struct Options {
    /// Keycloak's address, such as `https://id.example.com`; without `/realms/...`.
    #[schemars(with = "String")]
    pub url: Url,
    /// Name of the realm.
    pub realm: String,
    /// Client id of a confidential client of this realm with a service account.
    #[serde(default = "default_client_id")]
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretSource,
    /// Whether people register themselves in this realm and wait at the gate. `false`: the realm needs no gate.
    #[serde(default = "default_registrations")]
    pub registrations: bool,
    /// Path of the default group in which new people wait for approval.
    #[serde(default = "default_pending_group")]
    pub pending_group: String,
    /// Attribute of the user profile that marks a rejected registration.
    #[serde(default = "default_state_attribute")]
    pub state_attribute: String,
    /// The invitation: Keycloak's mail in which the person confirms the address and sets a password.
    #[serde(default)]
    pub invite: Invite,
    /// Attributes of the user profile by field name (`verified_at`, `exempt_until`, `service_account`, `department`,
    /// `title`, `manager`, ...).
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Whether to read the organizations of people, as the attribute `organizations`.
    #[serde(default)]
    pub organizations: bool,
    /// How often events are read.
    #[serde(default = "default_poll_every")]
    #[schemars(with = "String")]
    pub poll_every: Span,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// Client to which the last page of the invitation leads back.
    #[serde(default)]
    pub client_id: Option<String>,
    /// The address there; the client must allow it.
    #[serde(default)]
    pub redirect_uri: Option<String>,
    /// How long the link in the mail works.
    #[serde(default = "default_lifespan")]
    #[schemars(with = "String")]
    pub lifespan: Span,
}

impl Default for Invite {
    fn default() -> Self {
        Self { client_id: None, redirect_uri: None, lifespan: default_lifespan() }
    }
}

fn default_client_id() -> String {
    "proofd".to_owned()
}

fn default_registrations() -> bool {
    true
}

fn default_pending_group() -> String {
    "/proofd-pending".to_owned()
}

fn default_state_attribute() -> String {
    "proofd_state".to_owned()
}

fn default_lifespan() -> Span {
    Span::Elapsed(TimeDelta::days(7))
}

fn default_poll_every() -> Span {
    Span::Elapsed(TimeDelta::seconds(10))
}

impl options::Options for Options {
    fn secrets(&self) -> Vec<(String, &SecretSource)> {
        vec![("client_secret".to_owned(), &self.client_secret)]
    }

    fn addresses(&self) -> Vec<Target> {
        vec![Target::real("url", &self.url)]
    }

    fn check(&self) -> Result<(), String> {
        check_address(&self.url)?;
        if self
            .url
            .path_segments()
            .is_some_and(|mut path| path.any(|part| part == "realms" || part == "admin"))
        {
            return Err(
                "url: write Keycloak's address without /realms or /admin; the realm has its own key".into()
            );
        }
        if self.realm.trim().is_empty() {
            return Err("realm: write the realm's name".into());
        }
        if self.realm == "master" {
            return Err(
                "realm: master holds the administrators of Keycloak; proofd changes nobody there".into()
            );
        }
        if self.client_id.trim().is_empty() {
            return Err("client_id: write the client's id".into());
        }
        if !self.pending_group.starts_with('/')
            || self.pending_group.len() < 2
            || self.pending_group.ends_with('/')
        {
            return Err("pending_group: write the group's path, such as /proofd-pending".into());
        }
        self.invite.check().map_err(|why| format!("invite.{why}"))?;
        self.check_attributes()
    }
}

impl Options {
    fn check_attributes(&self) -> Result<(), String> {
        if RESERVED.contains(&&*self.state_attribute) || self.state_attribute.is_empty() {
            return Err(format!(
                "state_attribute: {:?} has another meaning; choose an attribute of its own",
                self.state_attribute
            ));
        }
        let mut seen = BTreeSet::new();
        for (name, attribute) in &self.attributes {
            if RESERVED.contains(&&**attribute) || *attribute == self.state_attribute || attribute.is_empty()
            {
                return Err(format!(
                    "attributes.{name}: {attribute:?} has another meaning; choose an attribute of its own"
                ));
            }
            if !seen.insert(attribute) {
                return Err(format!("attributes.{name}: another field has the attribute {attribute:?} too"));
            }
        }
        Ok(())
    }
}

impl Invite {
    fn check(&self) -> Result<(), String> {
        let lifespan = self.lifespan.elapsed();
        if lifespan.is_none_or(|lifespan| lifespan < TimeDelta::minutes(1) || lifespan > TimeDelta::days(365))
        {
            return Err("lifespan: write a time from 1m to 365d; Keycloak sends a dead link otherwise".into());
        }
        if self.redirect_uri.as_ref().is_some_and(|uri| Url::parse(uri).is_err()) {
            return Err("redirect_uri: write an address such as https://portal.example.com/".into());
        }
        if self.redirect_uri.is_some() && self.client_id.is_none() {
            return Err(
                "redirect_uri: needs client_id beside it; Keycloak refuses an address without a client"
                    .into(),
            );
        }
        Ok(())
    }
}

impl IdentityOptions for Options {
    fn mapped(&self) -> Vec<String> {
        self.attributes.keys().cloned().collect()
    }

    fn build(&self, site: &Site<'_>) -> anyhow::Result<Arc<dyn IdentityProvider>> {
        let client_secret = site.secret("client_secret", &self.client_secret)?;
        if client_secret.expose().starts_with("${") {
            // Keycloak imports a realm whose variable is not set with this text as the secret.
            return Err(site.refused(
                "client_secret: it is a placeholder that was never replaced, which anybody can \
                guess; create a secret for the client in Keycloak",
            ));
        }
        let settings = Settings {
            name: site.name.to_owned(),
            url: self.url.clone(),
            realm: self.realm.clone(),
            client_id: self.client_id.clone(),
            client_secret,
            registrations: self.registrations,
            pending_group: self.pending_group.clone(),
            state_attribute: self.state_attribute.clone(),
            invite: Invitation {
                client_id: self.invite.client_id.clone(),
                redirect_uri: self.invite.redirect_uri.clone(),
                seconds: self.invite.lifespan.elapsed().map_or(0, |lifespan| lifespan.num_seconds()),
            },
            attributes: self.attributes.clone(),
            organizations: self.organizations,
            poll_every: options::at_least_a_second(self.poll_every),
            lookback: FIRST_LOOKBACK,
        };
        Ok(Arc::new(Keycloak::new(settings, Arc::clone(site.clock)).map_err(|why| site.refused(why))?))
    }
}
