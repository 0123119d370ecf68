//! Converts Keycloak's accounts into subjects. A member of the pending group is a registration; the same account may
//! be read as either kind.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime};
use serde_json::{Map, Value};

use super::events::{UserRecord, is_id, moment};
use super::wire::{Account, Attempts, Group};
use super::{Keycloak, roles};
use crate::model::{
    Event, EventType, Failure, Fields, Registration, RegistrationState, Subject, Timestamp, User,
};

/// The value of the state attribute that marks a rejected registration.
pub const REJECTED: &str = "rejected";

/// Checks the form of an id: ids become parts of addresses.
pub fn checked(id: &str) -> Result<(), Failure> {
    if is_id(id) { Ok(()) } else { Err(Failure::refused("the record's id is not an id of Keycloak")) }
}

/// An account with what Keycloak keeps apart from it.
#[derive(Debug, Clone)]
pub struct Person {
    pub account: Account,
    pub groups: Vec<Group>,
    pub locked: bool,
}

impl Keycloak {
    /// Reads an account; `None`: it does not exist.
    pub(super) async fn account(&self, id: &str) -> Result<Option<Account>, Failure> {
        checked(id)?;
        let account: Option<Account> = self.api.read(&["users", id], &[]).await?;
        match account {
            Some(account) if account.id != id => {
                Err(Failure::unavailable("Keycloak answered with another account than requested"))
            }
            account => Ok(account),
        }
    }

    /// Reads a person; `None`: they do not exist.
    pub(super) async fn look(&self, id: &str) -> Result<Option<Person>, Failure> {
        let Some(account) = self.account(id).await? else { return Ok(None) };
        let Some(groups) = roles::groups(&self.api, id).await? else { return Ok(None) };
        let locked = self.attempts(id).await?.disabled;
        Ok(Some(Person { account, groups, locked }))
    }

    pub(super) async fn attempts(&self, id: &str) -> Result<Attempts, Failure> {
        let path = ["attack-detection", "brute-force", "users", id];
        Ok(self.api.read(&path, &[]).await?.unwrap_or_default())
    }

    pub(super) fn is_pending(&self, groups: &[Group]) -> bool {
        self.registrations && groups.iter().any(|group| group.path == self.pending_group)
    }

    pub(super) fn state(&self, account: &Account, groups: &[Group]) -> RegistrationState {
        match (self.is_pending(groups), account.attribute(&self.state_attribute)) {
            (true, Some(REJECTED)) => RegistrationState::Rejected,
            // Keycloak asks nobody to confirm the address before the gate lets them in. The link to the proof went to
            // the same address, and the invitation has it confirmed.
            (true, _) => RegistrationState::NotReviewed,
            (false, _) => RegistrationState::Approved,
        }
    }

    pub(super) async fn registration(
        &self,
        id: &str,
        event: Option<&Event>,
    ) -> Result<Option<Subject>, Failure> {
        let Some(person) = self.look(id).await? else { return Ok(None) };
        let state = self.state(&person.account, &person.groups);
        let profile = self.profile_of(id, event).await?;
        let Person { account, .. } = person;
        let registration = Registration {
            id: id.to_owned(),
            user_id: Some(id.to_owned()),
            profile: profile.clone(),
            profile_id: profile,
            email_domain: domain(account.email.as_deref()),
            state: state.word().to_owned(),
            created_at: account.created_timestamp.map(moment),
            locale: account.attribute("locale").map(str::to_owned),
            attributes: self.attributes(&account),
            email: account.email,
            first_name: account.first_name,
            last_name: account.last_name,
        };
        Ok(Some(Subject::from(registration).from_source(&self.name)))
    }

    /// Returns the client at which a person registered: by the event, or by Keycloak's stored events. `None`: it is not
    /// known (any more).
    async fn profile_of(&self, id: &str, event: Option<&Event>) -> Result<Option<String>, Failure> {
        // Only Keycloak's own events name a client; other senders of events must not choose one.
        let event = event.filter(|event| event.source == self.name && event.subject.id == id);
        let event = event.filter(|event| event.kind.as_str() == EventType::REGISTRATION_CREATED);
        let client =
            event.and_then(|event| event.fields.get("data")?.get("clientId")?.as_str().map(str::to_owned));
        if client.is_some() {
            return Ok(client);
        }
        let query = [("type", "REGISTER"), ("user", id), ("max", "1")];
        let found: Vec<Map<String, Value>> = self.api.must(&["events"], &query).await?;
        Ok(found.first().and_then(|record| Some(record.get("clientId")?.as_str()?.to_owned())))
    }

    pub(super) async fn user(&self, id: &str) -> Result<Option<Subject>, Failure> {
        let begun = self.api.now();
        let Some(person) = self.look(id).await? else { return Ok(None) };
        let manager = self.manager(&person.account).await?;
        let Some(user) = self.describe(&person).await? else { return Ok(None) };
        self.memory.learn(&person.account, &user.roles, begun);
        Ok(Some(Subject::from(User { manager, ..user }).from_source(&self.name)))
    }

    /// Converts a person; `None`: the account was deleted meanwhile.
    pub(super) async fn describe(&self, person: &Person) -> Result<Option<User>, Failure> {
        let id = person.account.id.clone();
        let held = roles::effective(&self.api, &self.catalog, &id, &person.groups).await?;
        let Some(held) = held else { return Ok(None) };
        let state = match self.state(&person.account, &person.groups) {
            RegistrationState::Rejected => "rejected",
            RegistrationState::NotVerified | RegistrationState::NotReviewed => "unapproved",
            RegistrationState::Approved => "approved",
        };
        let last_login_at = self.last_login(&id).await?;
        let attributes = self.attributes_of(person).await?;
        let Person { account, groups, locked } = person;
        let mapped = |name: &str| account.attribute(self.names.get(name)?).map(str::to_owned);
        Ok(Some(User {
            id,
            username: account.username.clone(),
            email: account.email.clone(),
            email_domain: domain(account.email.as_deref()),
            first_name: account.first_name.clone(),
            last_name: account.last_name.clone(),
            status: Some(status(account, *locked).to_owned()),
            state: Some(state.to_owned()),
            roles: held.into_iter().collect(),
            groups: groups.iter().map(|group| group.path.clone()).collect(),
            manager: None,
            department: mapped("department"),
            title: mapped("title"),
            created_at: account.created_timestamp.map(moment),
            last_login_at,
            verified_at: mapped("verified_at").and_then(day_or_moment),
            exempt_until: mapped("exempt_until").and_then(day_or_moment),
            service_account: mapped("service_account").map(yes),
            locale: account.attribute("locale").map(str::to_owned),
            attributes,
        }))
    }

    async fn last_login(&self, id: &str) -> Result<Option<Timestamp>, Failure> {
        let query = [("type", "LOGIN"), ("user", id), ("max", "1")];
        let found: Vec<UserRecord> = self.api.must(&["events"], &query).await?;
        Ok(found.first().map(|record| moment(record.time)))
    }

    async fn attributes_of(&self, person: &Person) -> Result<Fields, Failure> {
        let mut fields = self.attributes(&person.account);
        if self.organizations {
            let path = ["organizations", "members", &person.account.id, "organizations"];
            let found: Option<Vec<Map<String, Value>>> = self.api.read(&path, &[]).await?;
            let found = found.ok_or_else(|| {
                Failure::outage(
                    "Keycloak has no organizations in this realm; enable them, or take `organizations` out of \
                     proofd.yaml",
                )
            })?;
            let names = found.iter().filter_map(|one| one.get("alias").or_else(|| one.get("name")).cloned());
            fields.insert("organizations".to_owned(), names.collect());
        }
        Ok(fields)
    }

    /// Returns every attribute by its name, and mapped ones also by our name.
    pub(super) fn attributes(&self, account: &Account) -> Fields {
        let value = |values: &Vec<String>| match values.as_slice() {
            [] => Value::Null,
            [one] => Value::from(one.as_str()),
            several => Value::from(several.to_vec()),
        };
        let mut all: Fields =
            account.attributes.iter().map(|(name, values)| (name.clone(), value(values))).collect();
        for (name, attribute) in &self.names {
            all.insert(name.clone(), account.attributes.get(attribute).map_or(Value::Null, value));
        }
        all
    }

    /// Returns the manager, whom an attribute names by mail address, user name or id.
    async fn manager(&self, account: &Account) -> Result<Option<Fields>, Failure> {
        let named = self.names.get("manager").and_then(|name| account.attribute(name));
        let Some(named) = named else { return Ok(None) };
        let by_id = if is_id(named) && !named.contains('@') { self.account(named).await? } else { None };
        let found = match by_id {
            Some(manager) => Some(manager),
            None => {
                let key = if named.contains('@') { "email" } else { "username" };
                let found: Vec<Account> =
                    self.api.must(&["users"], &[(key, named), ("exact", "true"), ("max", "2")]).await?;
                let [manager] = found.as_slice() else { return Ok(None) };
                Some(manager.clone())
            }
        };
        let Some(manager) = found else { return Ok(None) };
        let names: Vec<_> = [manager.first_name, manager.last_name].into_iter().flatten().collect();
        let mut fields = Fields::new();
        fields.insert("id".into(), manager.id.into());
        fields.insert("email".into(), manager.email.map_or(Value::Null, Value::String));
        fields.insert("name".into(), if names.is_empty() { Value::Null } else { names.join(" ").into() });
        Ok(Some(fields))
    }
}

/// Returns the word for an account's state.
pub fn status(account: &Account, locked: bool) -> &'static str {
    match (account.enabled, account.is_locked_for_good(), locked) {
        (false, false, _) => "suspended",
        (false, true, _) | (true, _, true) => "locked",
        (true, _, false) => "active",
    }
}

pub fn domain(email: Option<&str>) -> Option<String> {
    email?.rsplit_once('@').map(|(_, domain)| domain.to_lowercase()).filter(|domain| !domain.is_empty())
}

fn day_or_moment(value: String) -> Option<Timestamp> {
    match NaiveDate::parse_from_str(&value, "%Y-%m-%d") {
        Ok(day) => Some(day.and_time(NaiveTime::MIN).and_utc()),
        Err(_) => DateTime::parse_from_rfc3339(&value).ok().map(|at| at.to_utc()),
    }
}

fn yes(value: String) -> bool {
    ["true", "yes", "1", "on"].contains(&value.to_lowercase().as_str())
}

/// Returns our names by Keycloak's, for events about attributes.
pub fn reversed(names: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own = [
        ("firstName", "first_name"),
        ("lastName", "last_name"),
        ("email", "email"),
        ("username", "username"),
    ];
    let own = own.map(|(theirs, ours)| (theirs.to_owned(), ours.to_owned()));
    names.iter().map(|(ours, theirs)| (theirs.clone(), ours.clone())).chain(own).collect()
}
