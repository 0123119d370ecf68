//! Self-registration profiles, the optional registrations resource, and definitions of custom attributes.

use serde_json::{Map, Value, json};

use super::answer::{Answer, Ask, Handled, Refusal};
use super::registration::Profile;
use super::tenant::{Actor, Tenant};
use super::user::state;

impl Tenant {
    pub fn profiles_v2(&mut self, ask: &Ask, rest: &[&str]) -> Handled {
        let (id, rest) = match (ask.method.as_str(), rest) {
            ("GET", []) => {
                let rows: Vec<Value> = self.profiles.values().map(|one| self.profile(one, false)).collect();
                return Ok(Answer::json(200, json!({"self_registration_profiles": rows})));
            }
            ("POST", []) => return self.create_profile(ask),
            (_, [id, rest @ ..]) => (id.parse::<i64>().map_err(|_| Refusal::not_found())?, rest),
            (_, []) => return Err(Refusal::not_found()),
        };
        let profile = self.profiles.get(&id).ok_or_else(Refusal::not_found)?;
        match (ask.method.as_str(), rest) {
            ("GET", []) => Ok(wrapped(200, self.profile(profile, true))),
            ("PUT", []) => {
                let given = unwrapped(ask)?;
                check_profile(&given)?;
                if let Some(profile) = self.profiles.get_mut(&id) {
                    profile.shown.extend(given.into_iter().filter(|(key, _)| key != "id" && key != "fields"));
                }
                self.profile_changed(id, "update", 204)
            }
            ("DELETE", []) => {
                self.profiles.remove(&id);
                self.record_as("profile.delete".into(), id.to_string(), true, json!({}));
                self.emit(205, Actor::Api, None);
                Ok(Answer::empty(204))
            }
            ("POST", ["self_registration_profile_fields"]) => {
                let body = ask.object()?;
                if let Some(unknown) = body.keys().find(|key| *key != "custom_attribute_id") {
                    return Err(Refusal::v2(400, &format!("unknown attribute: {unknown}")));
                }
                let attribute = body.get("custom_attribute_id").and_then(Value::as_i64).unwrap_or(0);
                if !self.attributes.contains_key(&attribute) {
                    return Err(Refusal::not_found());
                }
                let field = self.id("field");
                if let Some(profile) = self.profiles.get_mut(&id) {
                    profile.fields.push((field, attribute));
                }
                self.profile_changed(id, "update", 204)
            }
            ("DELETE", ["self_registration_profile_fields", field]) => {
                if let Some(profile) = self.profiles.get_mut(&id) {
                    profile.fields.retain(|(id, _)| id.to_string() != *field);
                }
                self.profile_changed(id, "update", 204)?;
                Ok(Answer::empty(204))
            }
            (_, ["registrations", rest @ ..]) if self.knobs.registrations_resource => {
                self.registrations_v2(ask, id, rest)
            }
            _ => Err(Refusal::not_found()),
        }
    }

    fn profile_changed(&mut self, id: i64, verb: &str, event: i64) -> Handled {
        self.record_as(format!("profile.{verb}"), id.to_string(), true, json!({}));
        self.emit(event, Actor::Api, None);
        let profile = self.profiles.get(&id).ok_or_else(Refusal::not_found)?;
        Ok(wrapped(if verb == "create" { 201 } else { 200 }, self.profile(profile, true)))
    }

    fn profile(&self, profile: &Profile, whole: bool) -> Value {
        let mut shown = profile.shown.clone();
        if whole {
            let fields = profile.fields.iter().enumerate().map(|(place, (id, attribute))| {
                let name = self.attributes.get(attribute).map(|one| one.name.clone());
                json!({"id": id, "custom_attribute_id": attribute, "name": name, "position": place + 1,
                       "self_registration_profile_id": profile.id})
            });
            shown.insert("fields".into(), fields.collect());
        } else {
            // Only the profile itself contains this field; the list omits it.
            shown.shift_remove("helptext");
        }
        Value::Object(shown)
    }

    fn create_profile(&mut self, ask: &Ask) -> Handled {
        let given = unwrapped(ask)?;
        for required in ["url", "name", "enabled"] {
            if !given.contains_key(required) {
                return Err(Refusal::v2(422, &format!("{required} is required")));
            }
        }
        check_profile(&given)?;
        let id = self.id("profile");
        let mut profile = Profile::moderated(id, "", "");
        profile.shown.extend(given.into_iter().filter(|(key, _)| key != "id" && key != "fields"));
        self.profiles.insert(id, profile);
        self.profile_changed(id, "create", 203)
    }

    fn registrations_v2(&mut self, ask: &Ask, profile: i64, rest: &[&str]) -> Handled {
        match (ask.method.as_str(), rest) {
            ("GET", []) => {
                let rows =
                    self.registrations.values().filter(|one| one.profile_id == profile && !one.deleted);
                Ok(Answer::json(200, rows.map(|one| Value::Object(one.row())).collect()))
            }
            ("PUT", [id]) => {
                let found = id.parse::<i64>().ok().and_then(|id| self.registrations.get_mut(&id));
                let found = found.filter(|one| one.profile_id == profile && !one.deleted);
                let registration = found.ok_or_else(Refusal::not_found)?;
                let body = ask.object()?;
                let wanted = match body.get("status").and_then(Value::as_str) {
                    Some("approved") => state::APPROVED,
                    Some("rejected") => state::REJECTED,
                    Some(_) | None => return Err(Refusal::field("status is invalid", "status")),
                };
                if wanted == state::REJECTED {
                    let reason = body.get("rejection_reason").and_then(Value::as_str);
                    registration.rejection_reason = reason.map(str::to_owned);
                }
                let (id, user) = (registration.id, registration.user_id.unwrap_or(0));
                self.set_state(user, wanted, Actor::Api, "registrations");
                let row = self.registrations.get(&id).map(super::registration::Registration::row);
                Ok(Answer::json(200, json!(row)))
            }
            _ => Err(Refusal::not_found()),
        }
    }

    pub fn custom_attributes(&mut self, ask: &Ask, rest: &[&str]) -> Handled {
        let row = |one: &super::tenant::Attribute| json!({"name": one.name, "id": one.id, "position": one.id, "shortname": one.shortname});
        let id = rest.first().and_then(|id| id.parse::<i64>().ok()).unwrap_or(0);
        match (ask.method.as_str(), rest) {
            ("GET", []) => Ok(Answer::json(200, self.attributes.values().map(row).collect())),
            ("GET", [_]) => {
                let found = self.attributes.get(&id).ok_or_else(Refusal::not_found)?;
                Ok(Answer::json(200, row(found)))
            }
            ("POST", []) | ("PUT", [_]) => {
                let body = ask.object()?;
                let field = body.get("user_field").and_then(Value::as_object);
                let field = field.ok_or_else(|| Refusal::v2(400, "user_field is missing"))?;
                let text = |key: &str| field.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
                let (name, shortname) = (text("name"), text("shortname"));
                let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if shortname.is_empty() || !shortname.chars().all(fits) {
                    return Err(Refusal::v2(400, "Shortname is invalid"));
                }
                if self.attributes.values().any(|one| one.shortname == shortname && one.id != id) {
                    return Err(Refusal::v2(400, "Shortname has already been taken"));
                }
                let id = match self.attributes.get_mut(&id) {
                    Some(one) => {
                        (one.name, one.shortname) = (name, shortname);
                        id
                    }
                    None if rest.is_empty() => self.add_attribute(&name, &shortname),
                    None => return Err(Refusal::not_found()),
                };
                self.record_as("attribute.set".into(), id.to_string(), true, json!({}));
                let code = if rest.is_empty() { 201 } else { 200 };
                Ok(Answer::json(code, self.attributes.get(&id).map(row).unwrap_or(Value::Null)))
            }
            ("DELETE", [_]) => {
                self.attributes.remove(&id).ok_or_else(Refusal::not_found)?;
                self.record_as("attribute.delete".into(), id.to_string(), true, json!({}));
                Ok(Answer::empty(204))
            }
            _ => Err(Refusal::not_found()),
        }
    }
}

fn wrapped(code: u16, profile: Value) -> Answer {
    Answer::json(code, json!({"self_registration_profile": profile}))
}

fn unwrapped(ask: &Ask) -> Result<Map<String, Value>, Refusal> {
    let body = ask.object()?;
    let inner = body.get("self_registration_profile").and_then(Value::as_object);
    inner.cloned().ok_or_else(|| Refusal::v2(400, "self_registration_profile is missing"))
}

fn check_profile(given: &Map<String, Value>) -> Result<(), Refusal> {
    let kind = given.get("email_verification_type").and_then(Value::as_str);
    if kind.is_some_and(|kind| kind != "Email MagicLink" && kind != "Email OTP") {
        return Err(Refusal::field("email_verification_type is invalid", "email_verification_type"));
    }
    Ok(())
}
