//! Mappings: the tenant's own rules. They run when users are created and can undo an API client's changes.

use serde_json::{Map, Value, json};

use super::answer::{Answer, Ask, Handled, Refusal};
use super::tenant::{Actor, Tenant};

impl Tenant {
    pub fn mappings_v2(&mut self, ask: &Ask, rest: &[&str]) -> Handled {
        let id = rest.first().and_then(|id| id.parse::<i64>().ok()).unwrap_or(0);
        match (ask.method.as_str(), rest) {
            ("GET", []) => {
                let wanted = ask.param("enabled") != Some("false");
                let rows = self.mappings.values().filter(|one| (one["enabled"] == true) == wanted);
                Ok(Answer::json(200, rows.cloned().collect()))
            }
            ("GET", [_]) => {
                let found = self.mappings.get(&id).cloned().ok_or_else(Refusal::not_found)?;
                Ok(Answer::json(200, found))
            }
            ("POST", []) | ("PUT", [_]) => {
                let mut body = ask.object()?;
                self.check_mapping(&body)?;
                let id = if rest.is_empty() { self.id("mapping") } else { id };
                if !rest.is_empty() && !self.mappings.contains_key(&id) {
                    return Err(Refusal::not_found());
                }
                body.insert("id".into(), id.into());
                if body.get("enabled") != Some(&Value::Bool(true)) {
                    body.insert("position".into(), Value::Null);
                }
                self.mappings.insert(id, Value::Object(body));
                self.record_as("mapping.set".into(), id.to_string(), true, json!({}));
                Ok(Answer::json(if rest.is_empty() { 201 } else { 200 }, json!({"id": id})))
            }
            ("DELETE", [_]) => {
                self.mappings.remove(&id).ok_or_else(Refusal::not_found)?;
                self.record_as("mapping.delete".into(), id.to_string(), true, json!({}));
                Ok(Answer::empty(204))
            }
            _ => Err(Refusal::not_found()),
        }
    }

    fn check_mapping(&self, body: &Map<String, Value>) -> Result<(), Refusal> {
        let refuse = |field: &str, message: &str| {
            Err(Refusal::Fields { field: field.into(), message: message.into() })
        };
        if body.contains_key("id") {
            return refuse("id", "Field is not allowed");
        }
        let enabled = body.get("enabled") == Some(&Value::Bool(true));
        if !enabled && body.get("position").is_some_and(|position| !position.is_null()) {
            return refuse("position", "Position cannot be set while the mapping is not enabled");
        }
        for (action, value) in actions(body) {
            let known = value.parse().is_ok_and(|id: i64| self.roles.contains_key(&id));
            if action == "add_role" && !known {
                return refuse("actions", "Invalid action value(s)");
            }
        }
        Ok(())
    }

    /// Runs the enabled mappings on one user.
    pub fn run_mappings(&mut self, id: i64) {
        let enabled: Vec<Value> =
            self.mappings.values().filter(|one| one["enabled"] == true).cloned().collect();
        for mapping in enabled {
            let Some(body) = mapping.as_object() else { continue };
            let Some(user) = self.users.get(&id) else { return };
            let shown = user.full(self.shortnames());
            let conditions = body.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
            let mut held = conditions.iter().map(|condition| holds(condition, &shown));
            let fires =
                if body.get("match") == Some(&json!("any")) { held.any(|it| it) } else { held.all(|it| it) };
            if !fires {
                continue;
            }
            for (action, value) in actions(body) {
                match (action.as_str(), value.parse::<i64>()) {
                    ("add_role", Ok(role)) => {
                        let named = user_name(self, id);
                        if self.put_in_role(id, role) {
                            named
                                .into_iter()
                                .for_each(|named| self.emit_role(149, Actor::Human, named, role));
                        }
                    }
                    ("set_status", Ok(status)) => {
                        self.set_status(id, status, Actor::Human);
                    }
                    (_, Ok(_) | Err(_)) => tracing::debug!("this mapping action is not simulated"),
                }
            }
        }
    }
}

fn user_name(tenant: &Tenant, id: i64) -> Option<super::events::Named> {
    tenant.users.get(&id).map(super::user::User::named)
}

/// Every pair of an action and one of its values.
fn actions(body: &Map<String, Value>) -> Vec<(String, String)> {
    let all = body.get("actions").and_then(Value::as_array).into_iter().flatten();
    let pairs = all.flat_map(|action| {
        let name = action["action"].as_str().unwrap_or("").to_owned();
        let values = action["value"].as_array().cloned().unwrap_or_default();
        values.into_iter().map(move |value| (name.clone(), text(&value)))
    });
    pairs.collect()
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}

fn holds(condition: &Value, user: &Map<String, Value>) -> bool {
    let source = condition["source"].as_str().unwrap_or("");
    let value = match source.strip_prefix("custom_attribute_") {
        Some(name) => user.get("custom_attributes").and_then(|all| all.get(name)),
        None => user.get(source),
    };
    let (value, wanted) = (value.map(text).unwrap_or_default(), text(&condition["value"]));
    match condition["operator"].as_str().unwrap_or("") {
        "=" => value == wanted,
        "!=" => value != wanted,
        "~" => value.contains(&wanted),
        "bw" => value.starts_with(&wanted),
        "ew" => value.ends_with(&wanted),
        ">" => value > wanted,
        "<" => value < wanted,
        _ => false,
    }
}
