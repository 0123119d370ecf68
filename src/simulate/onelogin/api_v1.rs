//! Version 1 of the API: the resources without a version 2, and the events.

use serde_json::{Value, json};

use super::answer::{Answer, Ask, Handled, Refusal};
use super::events::{Event, TYPES};
use super::list::envelope;
use super::tenant::{ACCOUNT, Actor, Tenant};
use super::text::moment;
use super::user::{User, state, status};

impl Tenant {
    pub fn v1(&mut self, ask: &Ask, rest: &[&str]) -> Handled {
        match (ask.method.as_str(), rest) {
            ("GET", ["events"]) => self.list_events(ask),
            ("GET", ["events", "types"]) => {
                let types: Vec<Value> = TYPES
                    .iter()
                    .map(|(id, name, text)| json!({"id": id, "name": name, "description": text}))
                    .collect();
                Ok(Answer::envelope(Some(json!(types))))
            }
            ("GET", ["events", id]) => {
                let found = self.events.iter().find(|(_, event)| event.id.to_string() == *id);
                let event = found.filter(|(visible_at, _)| *visible_at <= self.now);
                let (_, event) = event.ok_or_else(|| Refusal::v1(404, "Not Found"))?;
                Ok(Answer::envelope(Some(json!([event.row(ACCOUNT)]))))
            }
            ("GET", ["users"]) => {
                let shown = self.users.values().filter(|user| !user.hidden);
                let shown: Vec<(i64, &User)> = shown.map(|user| (user.id, user)).collect();
                envelope(ask, &shown, 50, &self.options.subdomain, |user| user.old(self.shortnames()))
            }
            ("GET", ["users", id]) => {
                let id = self.user_v1(id)?;
                let user = self.users.get(&id).map(|user| user.old(self.shortnames()));
                Ok(Answer::envelope(Some(json!([user]))))
            }
            ("PUT", ["users", id]) => {
                self.user_v1(id)?;
                let body = ask.object()?;
                if let Some(key) = ["status", "state"].into_iter().find(|key| body.contains_key(*key)) {
                    let text = format!("{key} is an excluded attribute for put request for user");
                    return Err(Refusal::attribute(&text, key));
                }
                Err(Refusal::v1(400, "This update is not simulated; use version 2"))
            }
            ("GET", ["users", id, "roles"]) => {
                let id = self.user_v1(id)?;
                let roles = self.users.get(&id).map(|user| user.roles.clone());
                Ok(Answer::envelope(Some(json!([roles]))))
            }
            ("PUT", ["users", "set_password_clear_text" | "set_password_using_salt", id]) => {
                self.set_password(ask, id)
            }
            ("PUT", ["users", id, action]) => {
                let id = self.user_v1(id)?;
                self.act(ask, id, action)
            }
            ("POST", ["invites", "get_invite_link"]) => {
                self.invited(ask)?;
                let token = self.random("invite");
                let host = &self.options.subdomain;
                let link = format!("https://{host}.onelogin.com/password/reset?token={token}");
                Ok(Answer::envelope(Some(json!([link]))))
            }
            ("POST", ["invites", "send_invite_link"]) => {
                let id = self.invited(ask)?;
                self.invite(id, Actor::Api, "send_invite_link");
                let named = self.users.get(&id).map(User::named);
                let email = self.users.get(&id).map_or("", |user| user.email.as_str());
                let message = format!("Email sent successfully to {email}");
                self.emit(535, Actor::Api, named);
                let status = json!({"type": "success", "code": 200, "message": message, "error": false});
                Ok(Answer::json(200, json!({"status": status})))
            }
            _ => Err(Refusal::v1(404, "Not Found")),
        }
    }

    fn user_v1(&self, id: &str) -> Result<i64, Refusal> {
        let id: i64 = id.parse().map_err(|_| Refusal::attribute("ID is incorrect", "id"))?;
        let user = self.users.get(&id).filter(|user| !user.hidden);
        user.map(|user| user.id).ok_or_else(|| Refusal::v1(404, "User not found"))
    }

    fn invited(&self, ask: &Ask) -> Result<i64, Refusal> {
        let body = ask.object()?;
        let email = body.get("email").and_then(Value::as_str);
        let email = email.ok_or_else(|| Refusal::v1(400, "Email Parameter is missing"))?;
        if !email.contains('@') {
            return Err(Refusal::v1(400, "Email Input is in incorrect format"));
        }
        // Only this resource compares the e-mail case-sensitively.
        let user = self.users.values().find(|user| !user.hidden && user.email == email);
        user.map(|user| user.id).ok_or_else(|| Refusal::v1(400, "No User exists for input email"))
    }

    fn act(&mut self, ask: &Ask, id: i64, action: &str) -> Handled {
        match action {
            "set_state" => return self.act_state(ask, id),
            "lock_user" => {
                let body = ask.object()?;
                let minutes = integer(body.get("locked_until"), "locked_until")?;
                if !self.lock(id, minutes, Actor::Api) {
                    return Err(Refusal::v1(400, "User is not licensed and cannot be locked"));
                }
            }
            "logout" => self.log_out(id, Actor::Api),
            "add_roles" | "remove_roles" => {
                let body = ask.object()?;
                let roles = body.get("role_id_array").and_then(Value::as_array);
                let roles = roles.ok_or_else(|| Refusal::attribute("Expected array", "role_id_array"))?;
                let roles: Vec<i64> = roles.iter().filter_map(Value::as_i64).collect();
                if roles.iter().any(|role| !self.roles.contains_key(role)) {
                    return Err(Refusal::attribute("role ID is incorrect", "role_id_array"));
                }
                for role in roles {
                    match action {
                        "add_roles" => self.grant(id, role, Actor::Api),
                        _ => self.revoke(id, role, Actor::Api),
                    }
                }
            }
            "set_custom_attributes" => {
                let body = ask.object()?;
                let values = body.get("custom_attributes").and_then(Value::as_object);
                let values = values
                    .ok_or_else(|| Refusal::attribute("custom_attributes is missing", "custom_attributes"))?;
                if let Some(unknown) = values.keys().find(|name| self.shortnames().all(|one| one != *name)) {
                    return Err(Refusal::v1(400, &format!("Custom attribute {unknown} does not exist")));
                }
                if self.knobs.attribute_changes_lost > 0 {
                    self.knobs.attribute_changes_lost -= 1;
                    self.record(Actor::Api, "update", id, false, json!({"lost": true}));
                    return Ok(Answer::envelope(None));
                }
                let now = self.now;
                let Some(user) = self.users.get_mut(&id) else { return Err(Refusal::v1(404, "Not Found")) };
                user.attributes.extend(values.iter().map(|(name, value)| (name.clone(), value.clone())));
                user.updated_at = now;
                let named = user.named();
                self.record(Actor::Api, "update", id, true, json!({"custom_attributes": values}));
                self.emit(512, Actor::Api, Some(named));
            }
            _ => return Err(Refusal::v1(404, "Not Found")),
        }
        Ok(Answer::envelope(None))
    }

    fn act_state(&mut self, ask: &Ask, id: i64) -> Handled {
        let body = ask.object()?;
        let wanted = integer(body.get("state"), "state")?;
        let before = self.users.get(&id).map_or(0, |user| user.state);
        let refused = match (before, wanted) {
            (_, ..0 | 4..) => Some("state is invalid"),
            (before, wanted) if before == wanted => Some("user is already in this state"),
            (state::UNLICENSED, state::UNAPPROVED) => Some("state is invalid"),
            (_, 0..=3) => None,
        };
        match refused {
            Some(message) => {
                let detail =
                    json!({"via": "set_state", "before": before, "wanted": wanted, "refused": message});
                self.record(Actor::Api, super::lifecycle::verb(wanted), id, false, detail);
                Err(Refusal::v1(400, message))
            }
            None => {
                self.set_state(id, wanted, Actor::Api, "set_state");
                Ok(Answer::envelope(None))
            }
        }
    }

    fn set_password(&mut self, ask: &Ask, id: &str) -> Handled {
        let id = self.user_v1(id)?;
        let body = ask.object()?;
        if body.get("password") != body.get("password_confirmation") {
            return Err(Refusal::v1(400, "password_confirmation does not match password"));
        }
        let now = self.now;
        let Some(user) = self.users.get_mut(&id) else { return Err(Refusal::v1(404, "Not Found")) };
        user.password_changed_at = Some(now);
        if user.status == status::PASSWORD_PENDING {
            user.status = status::ACTIVE;
            user.activated_at = Some(now);
        }
        let named = user.named();
        self.record(Actor::Api, "password", id, true, json!({}));
        self.emit(510, Actor::Api, Some(named));
        Ok(Answer::envelope(None))
    }

    fn list_events(&self, ask: &Ask) -> Handled {
        let bound = |name: &'static str| match ask.param(name) {
            None => Ok(None),
            Some(text) => moment(text).map(Some).ok_or_else(|| Refusal::attribute("date is incorrect", name)),
        };
        if let (Some(code), Some(_)) = (self.knobs.refused_cursors, ask.param("after_cursor")) {
            return Err(Refusal::v1(code, "after_cursor is expired"));
        }
        let (since, until) = (bound("since")?, bound("until")?);
        let mut shown: Vec<(i64, &Event)> = Vec::new();
        for (visible_at, event) in &self.events {
            // Compares milliseconds, the precision of the API; both ends are exclusive.
            let at = event.created_at.timestamp_millis();
            let inside = since.is_none_or(|since| at > since.timestamp_millis())
                && until.is_none_or(|until| at < until.timestamp_millis());
            if *visible_at > self.now || !inside {
                continue;
            }
            let passes = EVENT_FILTERS.iter().all(|name| match ask.param(name) {
                None => true,
                Some(wanted) => {
                    let value = event.column(name);
                    wanted.split(',').any(|one| one.trim() == value)
                }
            });
            if passes {
                shown.push((event.id, event));
            }
        }
        if ask.param("sort") == Some("-id") {
            shown.reverse();
        }
        envelope(ask, &shown, 1000, &self.options.subdomain, |event| event.row(ACCOUNT))
    }
}

const EVENT_FILTERS: [&str; 7] =
    ["client_id", "created_at", "directory_id", "event_type_id", "id", "resolution", "user_id"];

fn integer(value: Option<&Value>, name: &str) -> Result<i64, Refusal> {
    value.and_then(Value::as_i64).ok_or_else(|| {
        Refusal::attribute(&format!("{name} has incorrect data type. It should be -> integer"), name)
    })
}
