//! The control interface under `/_sim`: actions of people in and around the tenant, its true state, and the
//! knobs. Faults, tokens and limits do not apply to it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::{Answer, Ask, Handled, Refusal};
use super::crowd::Crowd;
use super::events::Event;
use super::knobs::Knobs;
use super::registration::{Form, Stage};
use super::tenant::{ACCOUNT, Actor, Tenant};
use super::user::{User, state, status};

fn missing(what: &str) -> Refusal {
    Refusal::control(404, format!("There is no such {what}."))
}

fn read<T: DeserializeOwned>(ask: &Ask) -> Result<T, Refusal> {
    let body = if ask.body.is_empty() { b"{}".as_slice() } else { &ask.body };
    serde_json::from_slice(body)
        .map_err(|error| Refusal::control(400, format!("The body does not fit: {error}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    count: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Email {
    email: String,
}

/// A role by id or by name.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RoleId {
    role_id: Option<i64>,
    role: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

/// An administrator's change to a record. Custom attributes that are not named stay; an empty text clears one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Edit {
    pub firstname: Option<String>,
    pub lastname: Option<String>,
    pub title: Option<String>,
    pub department: Option<String>,
    pub manager_user_id: Option<i64>,
    pub custom_attributes: BTreeMap<String, String>,
}

/// A login of a user.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Login {
    pub failed: bool,
    pub risk_score: Option<i64>,
    pub risk_reasons: Option<String>,
    pub ipaddr: Option<String>,
}

/// An event of any type, including types that the simulator does not emit itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Happening {
    pub event_type_id: i64,
    pub user_id: Option<i64>,
    pub role_id: Option<i64>,
    pub notes: Option<String>,
    pub risk_score: Option<i64>,
}

pub(super) fn handle(tenant: &mut Tenant, ask: &Ask, rest: &[&str]) -> Handled {
    let done = || Ok(Answer::json(200, json!({})));
    match (ask.method.as_str(), rest) {
        ("GET", ["knobs"]) => Ok(Answer::json(200, json!(tenant.knobs))),
        ("PUT", ["knobs"]) => {
            tenant.knobs = read::<Knobs>(ask)?;
            done()
        }
        ("PATCH", ["knobs"]) => {
            let mut merged = json!(tenant.knobs);
            merge(&mut merged, read(ask)?);
            let knobs = serde_json::from_value(merged);
            tenant.knobs =
                knobs.map_err(|error| Refusal::control(400, format!("The body does not fit: {error}")))?;
            done()
        }
        ("POST", ["register"]) => {
            let form: Form = read(ask)?;
            Ok(Answer::json(201, json!(tenant.register(form)?)))
        }
        (_, ["registrations", rest @ ..]) => registrations(tenant, ask, rest),
        (_, ["users", rest @ ..]) => users(tenant, ask, rest),
        ("GET", ["roles"]) => {
            let rows = tenant.roles.values().map(|role| json!({"id": role.id, "name": role.name}));
            Ok(Answer::json(200, rows.collect()))
        }
        ("POST", ["roles"]) => {
            let id = tenant.add_role(&read::<Name>(ask)?.name);
            Ok(Answer::json(201, json!({"id": id})))
        }
        ("GET", ["events"]) => {
            let rows = tenant.events.iter().map(|(_, event)| Value::Object(event.row(ACCOUNT)));
            Ok(Answer::json(200, rows.collect()))
        }
        ("POST", ["events"]) => {
            tenant.happen(read(ask)?)?;
            done()
        }
        ("GET", ["ledger"]) => Ok(Answer::json(200, json!(tenant.ledger.records()))),
        ("GET", ["deliveries"]) => Ok(Answer::json(200, json!(tenant.deliveries))),
        ("GET", ["requests"]) => Ok(Answer::json(200, json!(tenant.requests))),
        ("POST", ["tokens", "expire"]) => {
            tenant.token = None;
            done()
        }
        ("POST", ["seed"]) => {
            let ids = tenant.seed_users(read::<Count>(ask)?.count);
            Ok(Answer::json(201, json!({"first": ids.first(), "last": ids.last(), "count": ids.len()})))
        }
        ("POST", ["crowd"]) => {
            let ids = tenant.gather(&read::<Crowd>(ask)?);
            Ok(Answer::json(201, json!({"first": ids.first(), "last": ids.last(), "count": ids.len()})))
        }
        _ => Err(missing("control")),
    }
}

fn registrations(tenant: &mut Tenant, ask: &Ask, rest: &[&str]) -> Handled {
    let id = rest.first().and_then(|id| id.parse::<i64>().ok()).unwrap_or(0);
    match (ask.method.as_str(), rest) {
        ("GET", []) => {
            let rows = tenant.registrations.values().map(super::registration::Registration::truth);
            Ok(Answer::json(200, rows.collect()))
        }
        ("POST", [_, "verify"]) => {
            tenant.verify_email(id)?;
            Ok(Answer::json(200, json!({})))
        }
        ("POST", [_, action]) => {
            let user = tenant.registrations.get(&id).filter(|one| !one.deleted).and_then(|one| one.user_id);
            tenant.human(user.ok_or_else(|| missing("registration"))?, action)
        }
        ("GET", [_]) => {
            let found = tenant.registrations.get(&id).ok_or_else(|| missing("registration"))?;
            Ok(Answer::json(200, found.truth()))
        }
        _ => Err(missing("control")),
    }
}

fn users(tenant: &mut Tenant, ask: &Ask, rest: &[&str]) -> Handled {
    let id = rest.first().and_then(|id| id.parse::<i64>().ok()).unwrap_or(0);
    if !rest.is_empty() && !tenant.users.contains_key(&id) {
        return Err(missing("user"));
    }
    match (ask.method.as_str(), rest) {
        ("GET", []) => {
            let rows = tenant.users.values().map(|user| user.truth(tenant.shortnames()));
            Ok(Answer::json(200, rows.collect()))
        }
        ("GET", [_]) => {
            let user = tenant.users.get(&id).map(|user| user.truth(tenant.shortnames()));
            Ok(Answer::json(200, json!(user)))
        }
        ("PUT", [_, "email"]) => {
            tenant.change_email(id, &read::<Email>(ask)?.email)?;
            Ok(Answer::json(200, json!({})))
        }
        ("POST", [_, "login"]) => {
            let logged_in = tenant.login(id, read(ask)?);
            Ok(Answer::json(200, json!({"logged_in": logged_in})))
        }
        ("PUT", [_, "attributes"]) => {
            tenant.edit(id, &read(ask)?)?;
            Ok(Answer::json(200, json!({})))
        }
        ("POST", [_, "grant"]) => {
            let role = tenant.role_meant(&read(ask)?)?;
            tenant.grant(id, role, Actor::Human);
            Ok(Answer::json(200, json!({})))
        }
        ("POST", [_, "revoke"]) => {
            let role = tenant.role_meant(&read(ask)?)?;
            tenant.revoke(id, role, Actor::Human);
            Ok(Answer::json(200, json!({})))
        }
        ("POST", [_, action]) => tenant.human(id, action),
        _ => Err(missing("control")),
    }
}

/// Merges JSON: objects key by key at any depth; other values are replaced.
fn merge(into: &mut Value, given: Value) {
    match (into, given) {
        (Value::Object(into), Value::Object(given)) => {
            for (key, value) in given {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, given) => *into = given,
    }
}

impl Tenant {
    /// Executes an action of an administrator in the portal, or of the person with the invitation (`activate`).
    pub fn human(&mut self, id: i64, action: &str) -> Handled {
        if !self.users.contains_key(&id) {
            return Err(missing("user"));
        }
        match action {
            "approve" => drop(self.set_state(id, state::APPROVED, Actor::Human, "portal")),
            "reject" => drop(self.set_state(id, state::REJECTED, Actor::Human, "portal")),
            "delete" => drop(self.delete(id, Actor::Human)),
            "lock" => drop(self.lock(id, 0, Actor::Human)),
            "unlock" => drop(self.unlock(id, Actor::Human)),
            "suspend" => drop(self.set_status(id, status::SUSPENDED, Actor::Human)),
            "deactivate" => self.deactivate(id),
            "reactivate" => drop(self.set_status(id, status::ACTIVE, Actor::Human)),
            "logout" => self.log_out(id, Actor::Person),
            "invite" => self.invite(id, Actor::Human, "portal"),
            "activate" => self.activate(id),
            _ => return Err(missing("action")),
        }
        Ok(Answer::json(200, json!({})))
    }

    /// An administrator deactivates the account permanently, whatever its status was.
    fn deactivate(&mut self, id: i64) {
        let Some(user) = self.users.get_mut(&id) else { return };
        user.status = status::SUSPENDED;
        let named = user.named();
        self.emit(15, Actor::Human, Some(named));
        self.record(Actor::Human, "deactivate", id, true, json!({}));
    }

    /// The person accepts the invitation and sets a password.
    pub fn activate(&mut self, id: i64) {
        let now = self.now;
        self.set_status(id, status::ACTIVE, Actor::Person);
        let Some(user) = self.users.get_mut(&id) else { return };
        user.activated_at = Some(now);
        user.password_changed_at = Some(now);
        let registration =
            self.registrations.values().find(|one| one.user_id == Some(id) && one.stage == Stage::Approved);
        let profile = registration.and_then(|one| self.profiles.get(&one.profile_id));
        if let Some(role) = profile.and_then(|one| one.shown.get("default_role_id")?.as_i64()) {
            self.put_in_role(id, role);
        }
    }

    pub fn change_email(&mut self, id: i64, email: &str) -> Result<(), Refusal> {
        if self.email_is_taken(email, Some(id)) {
            return Err(Refusal::control(422, "E-mail has already been taken."));
        }
        let now = self.now;
        let user = self.users.get_mut(&id).ok_or_else(|| missing("user"))?;
        user.email = email.to_owned();
        user.updated_at = now;
        let named = user.named();
        self.emit(14, Actor::Human, Some(named));
        self.record(Actor::Human, "update", id, true, json!({"keys": ["email"]}));
        Ok(())
    }

    /// The role with this id or name, which must exist.
    fn role_meant(&self, given: &RoleId) -> Result<i64, Refusal> {
        let fits = |role: &&super::tenant::Role| {
            given.role_id == Some(role.id) || given.role.as_ref() == Some(&role.name)
        };
        self.roles.values().find(fits).map(|role| role.id).ok_or_else(|| missing("role"))
    }

    /// An administrator changes a record in the portal.
    pub fn edit(&mut self, id: i64, edit: &Edit) -> Result<(), Refusal> {
        let known: Vec<String> = self.shortnames().map(str::to_owned).collect();
        if edit.custom_attributes.keys().any(|name| !known.contains(name)) {
            return Err(missing("custom attribute"));
        }
        let now = self.now;
        let user = self.users.get_mut(&id).ok_or_else(|| missing("user"))?;
        let before = user.clone();
        let value = |text: &String| if text.is_empty() { Value::Null } else { text.as_str().into() };
        for (key, text) in [("title", &edit.title), ("department", &edit.department)] {
            if let Some(text) = text {
                user.plain.insert(key, value(text));
            }
        }
        let name = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        if let Some(text) = &edit.firstname {
            user.firstname = name(text);
        }
        if let Some(text) = &edit.lastname {
            user.lastname = name(text);
        }
        user.manager_user_id = edit.manager_user_id.or(user.manager_user_id);
        let custom = edit.custom_attributes.iter().map(|(name, text)| (name.clone(), value(text)));
        user.attributes.extend(custom);
        let applied = *user != before;
        let named = user.named();
        if applied {
            user.updated_at = now;
            self.emit(14, Actor::Human, Some(named));
        }
        let keys: Vec<&String> = edit.custom_attributes.keys().collect();
        self.record(Actor::Human, "update", id, applied, json!({"custom_attributes": keys}));
        Ok(())
    }

    /// The user logs in; returns whether that succeeded. A user who may not log in fails.
    pub fn login(&mut self, id: i64, login: Login) -> bool {
        let now = self.now;
        let Some(user) = self.users.get_mut(&id) else { return false };
        let failed = login.failed || !user.may_log_in();
        if !failed {
            user.last_login = Some(now);
            user.sessions += 1;
        }
        let scored = self.knobs.risk_scoring;
        let event = Event {
            type_id: if failed { 6 } else { 5 },
            user: Some(user.named()),
            risk_score: login.risk_score.filter(|_| scored),
            risk_reasons: login.risk_reasons.filter(|_| scored),
            ipaddr: login.ipaddr,
            ..Event::default()
        };
        self.emit_event(event, Actor::Person);
        self.record(Actor::Person, "login", id, !failed, json!({"risk_score": login.risk_score}));
        !failed
    }

    pub fn happen(&mut self, what: Happening) -> Result<(), Refusal> {
        let user = match what.user_id {
            Some(id) => Some(self.users.get(&id).ok_or_else(|| missing("user"))?.named()),
            None => None,
        };
        let event = Event {
            type_id: what.event_type_id,
            user,
            role: what.role_id.and_then(|id| self.named_role(id)),
            notes: what.notes,
            risk_score: what.risk_score,
            ..Event::default()
        };
        self.emit_event(event, Actor::Human);
        Ok(())
    }

    /// Adds `count` active users, each in one of the roles, without events.
    pub fn seed_users(&mut self, count: u32) -> Vec<i64> {
        let roles: Vec<i64> = self.roles.keys().copied().collect();
        let ids = (0..count).map(|_| {
            let id = self.id("user");
            let name = format!("user{id}");
            let mut user = User::new(id, &name, &format!("{name}@example.com"), self.now);
            user.firstname = Some(format!("First{id}"));
            user.lastname = Some(format!("Last{id}"));
            user.status = status::ACTIVE;
            user.activated_at = Some(self.now);
            if !roles.is_empty() {
                let place = usize::try_from(id).unwrap_or(0) % roles.len();
                user.roles.extend(roles.get(place));
            }
            self.users.insert(id, user);
            id
        });
        ids.collect()
    }
}
