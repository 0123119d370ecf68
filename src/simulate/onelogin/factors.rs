//! MFA devices of users: registered by the person, listed and removed over the API.

use serde_json::{Value, json};

use super::answer::{Answer, Ask, Handled, Refusal};
use super::tenant::{Actor, Tenant};

impl Tenant {
    /// Answers requests to `/api/2/mfa/users/{id}/devices`.
    pub fn devices_v2(&mut self, ask: &Ask, id: &str, rest: &[&str]) -> Handled {
        let user = self.user(id)?;
        match (ask.method.as_str(), rest) {
            ("GET", []) => {
                let rows = user.devices.iter().map(|(id, factor)| {
                    json!({
                        "device_id": id.to_string(), "user_display_name": factor, "type_display_name": factor,
                        "auth_factor_name": factor, "default": false
                    })
                });
                Ok(Answer::json(200, Value::Array(rows.collect())))
            }
            ("DELETE", [device]) => {
                let (user, device) = (user.id, device.parse::<i64>().ok());
                let known = device.filter(|device| {
                    self.users.get(&user).is_some_and(|user| user.devices.contains_key(device))
                });
                let device = known.ok_or_else(Refusal::not_found)?;
                self.remove_device(user, device, Actor::Api);
                Ok(Answer::empty(204))
            }
            _ => Err(Refusal::not_found()),
        }
    }

    /// The person registers a device.
    pub fn register_device(&mut self, id: i64, factor: &str) {
        let Some(user) = self.users.get_mut(&id) else { return };
        let device = user.devices.keys().next_back().map_or(9_001, |last| last + 1);
        user.devices.insert(device, factor.to_owned());
        let named = user.named();
        self.emit(22, Actor::Person, Some(named));
        self.record(Actor::Person, "factor.register", id, true, json!({"factor": factor}));
    }

    pub fn remove_device(&mut self, id: i64, device: i64, actor: Actor) {
        let Some(user) = self.users.get_mut(&id) else { return };
        let removed = user.devices.remove(&device);
        let named = user.named();
        if removed.is_some() {
            self.emit(24, actor, Some(named));
        }
        self.record(actor, "factor.remove", id, removed.is_some(), json!({"factor": removed}));
    }
}
