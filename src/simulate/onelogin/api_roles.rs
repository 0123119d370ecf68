//! Version 2 of the roles resource: bodies are bare arrays, also of DELETE, and errors have their own formats.

use serde_json::{Value, json};

use super::answer::{Answer, Ask, Handled, Refusal};
use super::list::{Row, columns, pages};
use super::tenant::{Actor, Role, Tenant};
use super::text::{iso, matches};
use super::user::User;

fn missing() -> Refusal {
    Refusal::Roles { code: 404, description: "Resource not found".into() }
}

impl Tenant {
    pub fn roles_v2(&mut self, ask: &Ask, rest: &[&str]) -> Handled {
        let (id, rest) = match (ask.method.as_str(), rest) {
            ("GET", []) => {
                let named = |role: &&Role| ask.param("name").is_none_or(|name| matches(name, &role.name));
                let roles = self.roles.values().filter(named).collect();
                return pages(ask, roles, 650, &self.options.subdomain, |role| {
                    // A role may have thousands of users: the search runs only if `fields` includes them.
                    let users = ask.param("fields").is_none_or(|fields| fields.contains("users"));
                    columns(ask, self.role_row(role, users), None)
                });
            }
            ("POST", []) => return self.create_role(ask),
            (_, [id, rest @ ..]) => (id.parse().map_err(|_| missing())?, rest),
            (_, []) => return Err(missing()),
        };
        let role = self.roles.get(&id).ok_or_else(missing)?;
        match (ask.method.as_str(), rest) {
            ("GET", []) => Ok(Answer::json(200, Value::Object(self.role_row(role, true)))),
            ("PUT", []) => self.update_role(ask, id),
            ("DELETE", []) => {
                self.drop_role(id, Actor::Api);
                Ok(Answer::empty(204))
            }
            ("GET", ["users"]) => {
                let members = self
                    .members(id)
                    .filter(|user| ask.param("name").is_none_or(|name| matches(name, &user.name())));
                pages(ask, members.collect(), 650, &self.options.subdomain, member_row)
            }
            ("POST", ["users"]) => {
                let users = ids(ask)?;
                if users.iter().any(|user| !self.users.contains_key(user)) {
                    return Err(missing());
                }
                for user in &users {
                    self.grant(*user, id, Actor::Api);
                }
                Ok(Answer::json(200, users.iter().map(|user| json!({"id": user})).collect()))
            }
            ("DELETE", ["users"]) => {
                for user in ids(ask)? {
                    self.revoke(user, id, Actor::Api);
                }
                Ok(Answer::empty(204))
            }
            (method, [kind @ ("admins" | "apps")]) => self.role_side(ask, method, id, kind == &"admins"),
            _ => Err(missing()),
        }
    }

    pub fn drop_role(&mut self, id: i64, actor: Actor) {
        let applied = self.roles.remove(&id).is_some();
        for user in self.users.values_mut() {
            user.roles.remove(&id);
        }
        self.grants.retain(|grant| grant.role != id);
        let by_api = actor == Actor::Api;
        self.record_as("role.delete".into(), id.to_string(), applied, json!({"by_api": by_api}));
    }

    fn members(&self, role: i64) -> impl Iterator<Item = &User> {
        self.users.values().filter(move |user| user.roles.contains(&role))
    }

    fn role_row(&self, role: &Role, users: bool) -> Row {
        let members = self.members(role.id).filter(|_| users);
        let users: Vec<i64> = members.map(|user| user.id).collect();
        let row = json!({"id": role.id, "name": role.name, "admins": role.admins, "apps": role.apps, "users": users});
        row.as_object().cloned().unwrap_or_default()
    }

    fn create_role(&mut self, ask: &Ask) -> Handled {
        let body = ask.object()?;
        let name = body.get("name").and_then(Value::as_str).unwrap_or("");
        if name.is_empty() || self.roles.values().any(|role| role.name == name) {
            return Err(Refusal::field("Validation failed: Name has already been taken", "name"));
        }
        if self.knobs.role_limit.is_some_and(|most| self.roles.len() >= most as usize) {
            return Err(Refusal::v2(
                422,
                "Your current plan max role limit is exceed can not create more roles.",
            ));
        }
        let id = self.add_role(name);
        self.record_as("role.create".into(), id.to_string(), true, json!({"name": name}));
        for user in body.get("users").and_then(Value::as_array).into_iter().flatten() {
            self.grant(user.as_i64().unwrap_or(0), id, Actor::Api);
        }
        Ok(Answer::json(201, json!({"id": id})))
    }

    fn update_role(&mut self, ask: &Ask, id: i64) -> Handled {
        let body = ask.object()?;
        if let (Some(role), Some(name)) = (self.roles.get_mut(&id), body.get("name").and_then(Value::as_str))
        {
            role.name = name.to_owned();
        }
        // An empty list of users does not empty the role.
        for user in body.get("users").and_then(Value::as_array).into_iter().flatten() {
            self.grant(user.as_i64().unwrap_or(0), id, Actor::Api);
        }
        self.record_as(
            "role.update".into(),
            id.to_string(),
            true,
            json!({"keys": body.keys().collect::<Vec<_>>()}),
        );
        Ok(Answer::json(200, json!({"id": id})))
    }

    fn role_side(&mut self, ask: &Ask, method: &str, id: i64, admins: bool) -> Handled {
        let given = if method == "GET" { Vec::new() } else { ids(ask)? };
        let role = self.roles.get_mut(&id).ok_or_else(missing)?;
        let side = if admins { &mut role.admins } else { &mut role.apps };
        let answer = match method {
            "GET" => Answer::json(200, side.iter().map(|id| json!({"id": id})).collect()),
            "DELETE" => {
                side.retain(|id| !given.contains(id));
                Answer::empty(204)
            }
            "POST" | "PUT" => {
                if method == "PUT" {
                    side.clear();
                }
                side.extend(&given);
                Answer::json(200, given.iter().map(|id| json!({"id": id})).collect())
            }
            _ => return Err(missing()),
        };
        if method != "GET" {
            self.record_as(
                "role.update".into(),
                id.to_string(),
                true,
                json!({"admins": admins, "ids": given}),
            );
        }
        Ok(answer)
    }
}

fn member_row(user: &User) -> Row {
    let row = json!({
        "id": user.id, "name": user.name(), "username": user.username,
        "added_by": {"id": 1, "name": "Tenant Admin"}, "added_at": iso(user.updated_at), "assigned": true
    });
    row.as_object().cloned().unwrap_or_default()
}

fn ids(ask: &Ask) -> Result<Vec<i64>, Refusal> {
    match ask.json()? {
        Value::Array(ids) => Ok(ids.iter().filter_map(Value::as_i64).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Err(Refusal::v2(400, "Expected array in request"))
        }
    }
}
