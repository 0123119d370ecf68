//! The checks of `proofd doctor` at Keycloak. They change nothing and send nothing.

use chrono::TimeDelta;

use super::wire::{EventsConfig, Profile, RealmSettings};
use super::{Keycloak, roles};
use crate::connectors::Finding;
use crate::model::Failure;

/// Above this, times of events cannot be compared with ours.
const LARGEST_SKEW: TimeDelta = TimeDelta::seconds(60);
/// Events that are kept for a shorter time are lost in an outage over a weekend.
const SHORTEST_KEPT: TimeDelta = TimeDelta::days(7);
/// Fewer refusals than this lock people out who only try whether they were approved.
const FEWEST_FAILURES: i64 = 10;

/// Types that the normalized events are made from, with what is missing without them.
const TYPES: [(&str, &str); 9] = [
    ("REGISTER", "registrations"),
    ("LOGIN", "sign-ins"),
    ("LOGIN_ERROR", "failed sign-ins"),
    ("LOGOUT", "ended sessions"),
    ("UPDATE_PROFILE", "changes that people make themselves"),
    ("UPDATE_CREDENTIAL", "new passwords and factors"),
    ("REMOVE_CREDENTIAL", "removed factors"),
    ("DELETE_ACCOUNT", "accounts that people delete themselves"),
    ("USER_DISABLED_BY_TEMPORARY_LOCKOUT", "locks after failed sign-ins"),
];

/// Rights of the service account, each with a harmless request that needs it.
const RIGHTS: [(&str, &[&str]); 4] = [
    ("view-events", &["events", "config"]),
    ("manage-users", &["users", "count"]),
    ("view-clients", &["clients"]),
    ("view-identity-providers", &["identity-provider", "instances"]),
];

/// Rights that the service account may have: the ones above, what organizations need, and rights within these.
const NEEDED: [&str; 11] = [
    "manage-users",
    "query-clients",
    "query-groups",
    "query-realms",
    "query-users",
    "view-clients",
    "view-events",
    "view-identity-providers",
    "view-organizations",
    "view-realm",
    "view-users",
];

fn well(what: &str, detail: impl Into<String>) -> Finding {
    Finding { ok: true, what: format!("Keycloak {what}"), detail: detail.into() }
}

fn ill(what: &str, detail: impl Into<String>) -> Finding {
    Finding { ok: false, what: format!("Keycloak {what}"), detail: detail.into() }
}

fn finding(what: &str, result: Result<String, String>) -> Finding {
    match result {
        Ok(detail) => well(what, detail),
        Err(detail) => ill(what, detail),
    }
}

fn why(failure: Failure) -> String {
    failure.reason
}

impl Keycloak {
    pub(super) async fn findings(&self) -> Vec<Finding> {
        if let Err(failure) = self.api.token().await {
            // No other check can succeed without a token.
            return vec![ill("token", failure.reason)];
        }
        let mut findings = vec![well("token", format!("received for the realm {}", self.api.realm()))];
        findings.push(finding("clock", skew(self.api.ahead())));
        findings.extend(self.look_at_rights().await);
        let settings = match self.settings().await {
            Ok(settings) => settings,
            Err(failure) => {
                findings.push(ill("settings", failure.reason));
                return findings;
            }
        };
        findings.extend(self.look_at_events(&settings).await);
        findings.extend(self.look_at_gate(&settings).await);
        findings.push(finding("user profile", self.look_at_profile().await));
        findings.push(finding("mail", mail(&settings)));
        findings.push(finding("brute-force protection", attempts(&settings)));
        if self.invite.client_id.is_some() {
            findings.push(finding("invitation", self.look_at_invitation().await));
        }
        findings
    }

    async fn look_at_rights(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (right, path) in RIGHTS {
            let one = [("max", "1")];
            let query: &[(&str, &str)] = if path.len() == 1 { &one } else { &[] };
            let read = self.api.must::<serde_json::Value>(path, query).await;
            findings.push(finding(
                &format!("right {right}"),
                read.map(|_| "the service account has it".into()).map_err(why),
            ));
        }
        findings.push(finding("service account", self.look_at_account().await));
        findings
    }

    /// Checks that the service account is known by its ids and can do no more than it needs.
    async fn look_at_account(&self) -> Result<String, String> {
        let own = self.api.own().await.map_err(why)?;
        let names = roles::direct(&self.api, &own.user).await.map_err(why)?.unwrap_or_default();
        let names = self.catalog.names(&self.api, names).await.map_err(why)?;
        let beyond = names.iter().filter_map(|name| name.strip_prefix("realm-management/"));
        let beyond: Vec<&str> = beyond.filter(|name| !NEEDED.contains(name)).collect();
        if beyond.is_empty() {
            Ok("known by its ids; it has no more rights than it needs".into())
        } else {
            Err(format!("it has rights that it does not need: {}; take them away", beyond.join(", ")))
        }
    }

    async fn look_at_events(&self, settings: &RealmSettings) -> Vec<Finding> {
        let config: EventsConfig = match self.api.must(&["events", "config"], &[]).await {
            Ok(config) => config,
            Err(failure) => return vec![ill("events", failure.reason)],
        };
        let kept = settings.attributes.get("adminEventsExpiration");
        let kept = kept.and_then(|text| text.as_i64().or_else(|| text.as_str()?.parse().ok()));
        vec![
            finding("user events", user_events(&config)),
            finding("administrators' events", admin_events(&config, kept)),
        ]
    }

    async fn look_at_gate(&self, settings: &RealmSettings) -> Vec<Finding> {
        if !self.registrations {
            let gate = match settings.registration_allowed {
                Some(true) => {
                    Err("people can register, and proofd.yaml says `registrations: false`: they are let in \
                    without approval; build the gate and set it to true, or switch off user registration"
                        .to_owned())
                }
                Some(false) | None => Ok("not used: nobody registers in this realm".to_owned()),
            };
            return vec![self::finding("gate", gate)];
        }
        let mut findings = match self.check_gate().await {
            Err(failure) => vec![ill("gate", failure.reason)],
            Ok(gaps) if gaps.is_empty() => vec![well("gate", "every way in ends with it")],
            Ok(gaps) => gaps.into_iter().map(|gap| ill("gate", gap)).collect(),
        };
        findings.push(match settings.registration_allowed {
            Some(true) => well("user registration", "allowed"),
            Some(false) | None => ill(
                "user registration",
                "it is off, so nobody registers; switch it on, or set `registrations: false` in proofd.yaml",
            ),
        });
        findings
    }

    async fn look_at_profile(&self) -> Result<String, String> {
        let profile: Profile = self.api.must(&["users", "profile"], &[]).await.map_err(why)?;
        if profile.unmanaged_attribute_policy.as_deref() == Some("ENABLED") {
            return Err("people can set any attribute of themselves when they register; set *Unmanaged attributes* of the \
                user profile to Disabled or Only administrators can write"
                .into());
        }
        let mut own: Vec<&String> = self.names.values().collect();
        own.extend(Some(&self.state_attribute).filter(|_| self.registrations));
        let mut wrong = Vec::new();
        for name in own {
            let Some(attribute) = profile.attributes.iter().find(|attribute| attribute.name == *name) else {
                wrong.push(format!("{name} is missing"));
                continue;
            };
            let permissions = &attribute.permissions;
            if permissions.edit.iter().any(|who| who == "user") {
                wrong.push(format!("{name} can be edited by the person"));
            }
            let admin = |who: &Vec<String>| who.iter().any(|who| who == "admin");
            if !admin(&permissions.edit) || !admin(&permissions.view) {
                wrong.push(format!("{name} cannot be seen and edited by administrators"));
            }
        }
        if wrong.is_empty() {
            Ok("all configured attributes are defined, for administrators only".into())
        } else {
            Err(format!("{}; correct the attributes there, or their names in proofd.yaml", wrong.join(", ")))
        }
    }

    async fn look_at_invitation(&self) -> Result<String, String> {
        let client = self.invite.client_id.as_deref().unwrap_or_default();
        match self.api.client_uuid(client).await.map_err(why)? {
            Some(_) => Ok(format!("leads back to the client {client}")),
            None => Err(format!("there is no client {client}; correct invite.client_id in proofd.yaml")),
        }
    }
}

fn skew(ahead: TimeDelta) -> Result<String, String> {
    let seconds = ahead.num_seconds().abs();
    if ahead.abs() <= LARGEST_SKEW {
        Ok(format!("{seconds} s apart"))
    } else {
        Err(format!("{seconds} s apart; set this machine's clock, or that of Keycloak"))
    }
}

fn kept_for(seconds: Option<i64>) -> Result<String, String> {
    match seconds.filter(|seconds| *seconds > 0).map(TimeDelta::seconds) {
        None => Ok("kept for ever".into()),
        Some(kept) if kept < SHORTEST_KEPT => Err(format!(
            "kept for {} hours only; an outage that lasts longer loses events: keep them for {} days or more",
            kept.num_hours(),
            SHORTEST_KEPT.num_days()
        )),
        Some(kept) => Ok(format!("kept for {} days", kept.num_days())),
    }
}

fn user_events(config: &EventsConfig) -> Result<String, String> {
    if !config.events_enabled {
        return Err(
            "not saved; switch on Save events under Realm settings, Events, User events settings".into()
        );
    }
    let saved = &config.enabled_event_types;
    // An empty list stands for the types that are saved by default, which are all of these.
    let missing = TYPES.iter().filter(|(name, _)| !saved.is_empty() && !saved.iter().any(|one| one == name));
    let missing: Vec<String> = missing.map(|(name, what)| format!("{name} ({what})")).collect();
    if !missing.is_empty() {
        return Err(format!("not saved: {}; add them to the saved types", missing.join(", ")));
    }
    kept_for(config.events_expiration)
}

fn admin_events(config: &EventsConfig, kept: Option<i64>) -> Result<String, String> {
    if !config.admin_events_enabled {
        return Err(
            "not saved; switch on Save events under Realm settings, Events, Admin events settings".into()
        );
    }
    if !config.admin_events_details_enabled {
        return Err("saved without what changed; switch on Include representation".into());
    }
    kept_for(kept)
}

fn mail(settings: &RealmSettings) -> Result<String, String> {
    let server = settings.smtp_server.as_ref();
    let text =
        |key: &str| server.and_then(|server| server.get(key)?.as_str()).is_some_and(|text| !text.is_empty());
    match (text("host"), text("from")) {
        (true, true) => Ok("a mail server is set; the service account cannot test it".into()),
        (false, _) => {
            Err("no mail server is set, so no invitation can be sent; set it under Realm settings, Email"
                .into())
        }
        (true, false) => {
            Err("the mail server has no sender address; set it under Realm settings, Email".into())
        }
    }
}

fn attempts(settings: &RealmSettings) -> Result<String, String> {
    if settings.brute_force_protected != Some(true) {
        return Ok("off; there is no user.locked".into());
    }
    if settings.permanent_lockout == Some(true) {
        return Err("permanent lockout is on: each refusal by the gate counts as a failed sign-in, and impatient people \
            lose their account for good; switch it off"
            .into());
    }
    match settings.failure_factor {
        Some(failures) if failures < FEWEST_FAILURES => Err(format!(
            "{failures} failures lock an account, and each refusal by the gate counts as one; allow {FEWEST_FAILURES} or \
             more"
        )),
        Some(failures) => Ok(format!("on; {failures} failures lock an account for a while")),
        None => Ok("on".into()),
    }
}
