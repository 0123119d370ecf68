//! Version 2 of the users resource.

use serde_json::{Map, Value, json};

use super::answer::{Answer, Ask, Handled, Refusal};
use super::list::{columns, pages};
use super::tenant::{Actor, Tenant};
use super::text::{matches, moment};
use super::user::{LIST, PLAIN, User, state};
use crate::model::Timestamp;

const ORDER: [&str; 5] = ["fields", "sort", "limit", "page", "cursor"];

impl Tenant {
    pub fn users_v2(&mut self, ask: &Ask, rest: &[&str]) -> Handled {
        match (ask.method.as_str(), rest) {
            ("GET", []) => self.list_users(ask),
            ("POST", []) => self.create_user(ask),
            (_, ["custom_attributes", rest @ ..]) => self.custom_attributes(ask, rest),
            ("GET", [id]) => {
                let user = self.user(id)?;
                Ok(Answer::json(200, Value::Object(user.full(self.shortnames()))))
            }
            ("PUT", [id]) => {
                let id = self.user(id)?.id;
                self.update_user(ask, id)
            }
            ("DELETE", [id]) => {
                let id = self.user(id)?.id;
                self.delete(id, Actor::Api);
                Ok(Answer::empty(204))
            }
            ("GET", [id, "apps"]) => {
                self.user(id)?;
                Ok(Answer::json(200, json!([])))
            }
            ("POST", [id, "unlock"]) => {
                let id = self.user(id)?.id;
                self.unlock(id, Actor::Api);
                Ok(Answer::json(200, json!({"success": true})))
            }
            _ => Err(Refusal::not_found()),
        }
    }

    /// The user with this id, if the API shows it.
    pub fn user(&self, id: &str) -> Result<&User, Refusal> {
        let id: i64 = id.parse().map_err(|_| Refusal::v2(400, "id is invalid"))?;
        self.users.get(&id).filter(|user| !user.hidden).ok_or_else(Refusal::not_found)
    }

    fn list_users(&self, ask: &Ask) -> Handled {
        for (key, _) in &ask.query {
            let known = match key.strip_prefix("custom_attributes.") {
                Some(name) => self.shortnames().any(|one| one == name),
                None => FILTERS.contains(&key.as_str()) || ORDER.contains(&key.as_str()),
            };
            if !known {
                return Err(Refusal::v2(400, &format!("query parameter(s) not allowed: {key}")));
            }
        }
        let mut users: Vec<&User> = Vec::new();
        let filters: Vec<_> = ask.query.iter().filter(|(key, _)| !ORDER.contains(&key.as_str())).collect();
        for user in self.users.values().filter(|user| !user.hidden) {
            if passes(&filters, user)? {
                users.push(user);
            }
        }
        if let Some(sort) = ask.param("sort") {
            let (down, key) = match sort.strip_prefix('-') {
                Some(key) => (true, key),
                None => (false, sort.trim_start_matches(['+', ' '])),
            };
            match key {
                "id" if self.knobs.sorts_by_id => {}
                "email" => users.sort_by(|one, other| one.email.cmp(&other.email)),
                "username" => users.sort_by(|one, other| one.username.cmp(&other.username)),
                "firstname" => users.sort_by(|one, other| one.firstname.cmp(&other.firstname)),
                "lastname" => users.sort_by(|one, other| one.lastname.cmp(&other.lastname)),
                "updated_at" => users.sort_by_key(|one| one.updated_at),
                other => return Err(Refusal::field(&format!("Invalid sort field: {other}"), "sort")),
            }
            if down {
                users.reverse();
            }
        }
        let mut answer = pages(ask, users, 100, &self.options.subdomain, |user| {
            columns(ask, user.full(self.shortnames()), Some(&LIST))
        })?;
        if !self.knobs.total_count {
            answer.headers.retain(|(name, _)| !name.starts_with("total-"));
        }
        Ok(answer)
    }

    fn create_user(&mut self, ask: &Ask) -> Handled {
        let body = ask.object()?;
        let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let refused = match (text("username"), text("email")) {
            (None, None) => Some(Refusal::field("Validation failed: Username can't be blank", "username")),
            (Some(name), _) if self.users.values().any(|user| user.username.eq_ignore_ascii_case(name)) => {
                Some(Refusal::field("Validation failed: Username must be unique", "username"))
            }
            (_, Some(email)) if self.email_is_taken(email, None) => {
                Some(Refusal::field("Validation failed: Email must be unique", "email"))
            }
            (Some(_) | None, Some(_) | None) => None,
        };
        if let Some(refusal) = refused {
            self.emit(534, Actor::Api, None);
            return Err(refusal);
        }
        let username = text("username").or(text("email")).unwrap_or("");
        let mut user = User::new(0, username, text("email").unwrap_or(""), self.now);
        let (mut wanted_state, mut wanted_status) = (state::APPROVED, None);
        let changes = read_changes(&body, &mut user)?;
        if let Some(wanted) = changes.state {
            wanted_state = wanted;
        }
        if body.get("password").is_some_and(Value::is_string) {
            user.status = super::user::status::ACTIVE;
            user.activated_at = Some(self.now);
        }
        if let Some(wanted) = changes.status {
            wanted_status = Some(wanted);
        }
        let defined: Vec<&str> = self.shortnames().collect();
        user.attributes.retain(|name, _| defined.contains(&name.as_str()));
        user.id = self.id("user");
        user.state = match wanted_state {
            state::UNAPPROVED if self.knobs.state_zero_becomes_approved => state::APPROVED,
            other => other,
        };
        if user.state == state::APPROVED && !self.licence_is_free() {
            user.state = state::UNLICENSED;
        }
        let id = self.add_user(user, Actor::Api, Some(533));
        self.record(Actor::Api, "create", id, true, json!({"state": wanted_state}));
        if let Some(wanted) = wanted_status {
            self.set_status(id, wanted, Actor::Api);
        }
        for role in changes.roles {
            self.grant(id, role, Actor::Api);
        }
        self.echo(201, id, Some(wanted_state), wanted_status)
    }

    /// The changed user, with the requested state and status; the next read returns the stored ones.
    fn echo(&self, code: u16, id: i64, state: Option<i64>, status: Option<i64>) -> Handled {
        let user = self.users.get(&id).ok_or_else(Refusal::not_found)?;
        let mut body = user.full(self.shortnames());
        for (key, wanted) in [("state", state), ("status", status)] {
            if let Some(wanted) = wanted {
                body.insert(key.into(), wanted.into());
            }
        }
        Ok(Answer::json(code, Value::Object(body)))
    }

    fn update_user(&mut self, ask: &Ask, id: i64) -> Handled {
        let body = ask.object()?;
        let Some(before) = self.users.get(&id).cloned() else { return Err(Refusal::not_found()) };
        let mut after = before.clone();
        let changes = read_changes(&body, &mut after)?;
        let others = |one: &&User| one.id != id;
        if self.users.values().filter(others).any(|one| one.username.eq_ignore_ascii_case(&after.username)) {
            return Err(Refusal::field("Validation failed: Username must be unique", "username"));
        }
        if after.email != before.email && self.email_is_taken(&after.email, Some(id)) {
            return Err(Refusal::field("Validation failed: Email must be unique", "email"));
        }
        let defined: Vec<String> = self.shortnames().map(str::to_owned).collect();
        // A value for an undefined attribute is dropped without an error.
        after.attributes.retain(|name, _| defined.contains(name));
        let named = after.named();
        let lost = after != before && self.knobs.attribute_changes_lost > 0;
        if lost {
            self.knobs.attribute_changes_lost -= 1;
            after = before.clone();
        }
        let plain = after != before;
        if plain {
            after.updated_at = self.now;
        }
        self.users.insert(id, after);
        if plain {
            let keys: Vec<&String> = body.keys().collect();
            let attributes = body.get("custom_attributes").cloned().unwrap_or(Value::Null);
            self.record(
                Actor::Api,
                "update",
                id,
                true,
                json!({"keys": keys, "custom_attributes": attributes}),
            );
            self.emit(529, Actor::Api, Some(named));
        }
        if let Some(wanted) = changes.state {
            // Only set_state can leave Unlicensed; here the request is answered and ignored.
            if before.state == state::UNLICENSED && wanted != state::UNLICENSED {
                self.record(Actor::Api, "state", id, false, json!({"via": "update", "wanted": wanted}));
            } else {
                self.set_state(id, wanted, Actor::Api, "update");
            }
        }
        if let Some(wanted) = changes.status {
            self.set_status(id, wanted, Actor::Api);
        }
        for role in changes.roles {
            self.grant(id, role, Actor::Api);
        }
        if !plain && changes.state.is_none() && changes.status.is_none() {
            self.record(Actor::Api, "update", id, false, json!({"keys": body.keys().collect::<Vec<_>>()}));
        }
        self.echo(200, id, changes.state, changes.status)
    }
}

fn passes(filters: &[&(String, String)], user: &User) -> Result<bool, Refusal> {
    for (key, wanted) in filters {
        let passes = match key.as_str() {
            "created_since" => since(user.created_at.into(), wanted)?,
            "created_until" => until(user.created_at.into(), wanted)?,
            "updated_since" => since(user.updated_at.into(), wanted)?,
            "updated_until" => until(user.updated_at.into(), wanted)?,
            "last_login_since" => since(user.last_login, wanted)?,
            "last_login_until" => until(user.last_login, wanted)?,
            "firstname" => matches(wanted, user.firstname.as_deref().unwrap_or("")),
            "lastname" => matches(wanted, user.lastname.as_deref().unwrap_or("")),
            "email" => matches(wanted, &user.email),
            "username" => matches(wanted, &user.username),
            "user_ids" => wanted.split(',').any(|id| id.trim() == user.id.to_string()),
            "group_id" => user.group_id.is_some_and(|id| id.to_string() == *wanted),
            "role_ids" => wanted.split(',').any(|id| user.roles.iter().any(|role| role.to_string() == id)),
            "status" => user.status.to_string() == *wanted,
            "samaccountname" | "directory_id" | "external_id" => {
                matches(wanted, &plain_text(user.plain.get(key.as_str())))
            }
            "app_id" => false,
            _ => match key.strip_prefix("custom_attributes.") {
                Some(name) => matches(wanted, &plain_text(user.attributes.get(name))),
                None => true,
            },
        };
        if !passes {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The requested changes in a body beyond plain fields.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub state: Option<i64>,
    pub status: Option<i64>,
    pub roles: Vec<i64>,
}

/// Copies plain fields of a body into a user. Official clients also send times, an empty `member_of` and unknown
/// keys; all of these are accepted and ignored.
pub(super) fn read_changes(body: &Map<String, Value>, user: &mut User) -> Result<Changes, Refusal> {
    let mut changes = Changes::default();
    for (key, value) in body {
        let text = || value.as_str().map(str::to_owned);
        match key.as_str() {
            "username" => user.username = text().unwrap_or_else(|| user.username.clone()),
            "email" => user.email = text().unwrap_or_else(|| user.email.clone()),
            "firstname" => user.firstname = text(),
            "lastname" => user.lastname = text(),
            "group_id" => user.group_id = value.as_i64(),
            "manager_user_id" => {
                user.manager_user_id = value.as_i64().or_else(|| value.as_str()?.parse().ok());
            }
            "state" if value.is_null() => {}
            "status" if value.is_null() => {}
            "state" => changes.state = Some(code(value, "state", 3)?),
            "status" => changes.status = Some(code(value, "status", 8)?),
            "role_ids" => {
                changes.roles = value.as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
            }
            "custom_attributes" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    user.attributes.insert(name.clone(), value.clone());
                }
            }
            "member_of" if value == &json!([""]) => {}
            "invalid_login_attempts" => {}
            other => {
                if let Some(known) = PLAIN.iter().find(|known| **known == other) {
                    user.plain.insert(known, value.clone());
                }
            }
        }
    }
    Ok(changes)
}

fn code(value: &Value, name: &'static str, most: i64) -> Result<i64, Refusal> {
    value
        .as_i64()
        .filter(|code| (0..=most).contains(code))
        .ok_or_else(|| Refusal::field(&format!("{name} is invalid"), name))
}

fn plain_text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

const FILTERS: [&str; 18] = [
    "created_since",
    "created_until",
    "updated_since",
    "updated_until",
    "last_login_since",
    "last_login_until",
    "firstname",
    "lastname",
    "email",
    "username",
    "samaccountname",
    "directory_id",
    "external_id",
    "user_ids",
    "app_id",
    "group_id",
    "role_ids",
    "status",
];

fn since(at: Option<Timestamp>, wanted: &str) -> Result<bool, Refusal> {
    let wanted = moment(wanted).ok_or_else(|| Refusal::v2(400, "date is invalid"))?;
    Ok(at.is_some_and(|at| at >= wanted))
}

fn until(at: Option<Timestamp>, wanted: &str) -> Result<bool, Refusal> {
    let wanted = moment(wanted).ok_or_else(|| Refusal::v2(400, "date is invalid"))?;
    Ok(at.is_some_and(|at| at <= wanted))
}
