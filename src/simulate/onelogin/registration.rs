//! Self-registration: profiles, the public form, and the course of a registration. This module must not know
//! the two interfaces for an administrator's decision.

use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::events::Event;
use super::knobs::Moment;
use super::tenant::{Actor, Tenant};
use super::text::iso;
use super::user::{User, state, status};
use crate::model::Timestamp;

/// A self-registration profile, stored as its displayed fields.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    pub id: i64,
    pub shown: Map<String, Value>,
    pub fields: Vec<(i64, i64)>,
}

impl Profile {
    pub fn moderated(id: i64, name: &str, slug: &str) -> Self {
        let shown = json!({
            "id": id, "name": name, "url": slug, "enabled": true, "moderated": true,
            "default_role_id": null, "default_group_id": null, "helptext": "", "thankyou_message": "",
            "domain_whitelist": "", "domain_blacklist": "", "domain_list_strategy": 0,
            "email_verification_type": "Email MagicLink"
        });
        Self { id, shown: shown.as_object().cloned().unwrap_or_default(), fields: Vec::new() }
    }

    pub fn text(&self, key: &str) -> &str {
        self.shown.get(key).and_then(Value::as_str).unwrap_or("")
    }

    pub fn flag(&self, key: &str) -> bool {
        self.shown.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Whether the domain lists accept this address. 0 = block-list, 1 = allow-list.
    fn admits(&self, email: &str) -> bool {
        let domain = email.rsplit('@').next().unwrap_or("");
        let listed = |key: &str| self.text(key).split(',').any(|one| one.trim().eq_ignore_ascii_case(domain));
        match self.shown.get("domain_list_strategy").and_then(Value::as_i64) {
            Some(1) => self.text("domain_whitelist").trim().is_empty() || listed("domain_whitelist"),
            _ => !listed("domain_blacklist"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    NotVerified,
    NotReviewed,
    Approved,
    Rejected,
}

impl Stage {
    pub fn word(self) -> &'static str {
        match self {
            Self::NotVerified => "not_verified",
            Self::NotReviewed => "not_reviewed",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

#[derive(Clone)]
pub(super) struct Registration {
    pub id: i64,
    pub profile_id: i64,
    pub stage: Stage,
    pub user_id: Option<i64>,
    pub form: Form,
    pub rejection_reason: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted: bool,
}

/// The fields of the public form.
#[derive(Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    pub firstname: String,
    pub lastname: String,
    pub email: String,
    /// The profile's slug; the first profile if omitted.
    #[serde(default)]
    pub profile: Option<String>,
    #[serde(default)]
    pub custom_attributes: std::collections::BTreeMap<String, String>,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A person's name and address must not appear in logs.
        f.debug_struct("Form").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// The ids of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Registered {
    pub registration_id: i64,
    /// The user record, unless the tenant creates it later.
    pub user_id: Option<i64>,
}

impl Registration {
    /// The registration in the format of the undocumented resource.
    pub fn row(&self) -> Map<String, Value> {
        let row = json!({
            "id": self.id, "profile_id": self.profile_id, "status": self.stage.word(),
            "email": self.form.email, "firstname": self.form.firstname, "lastname": self.form.lastname,
            "created_at": iso(self.created_at), "updated_at": iso(self.updated_at)
        });
        row.as_object().cloned().unwrap_or_default()
    }

    pub fn truth(&self) -> Value {
        let mut row = self.row();
        row.insert("user_id".into(), json!(self.user_id));
        row.insert("deleted".into(), self.deleted.into());
        row.insert("rejection_reason".into(), json!(self.rejection_reason));
        Value::Object(row)
    }
}

impl Tenant {
    /// The person submits the public form.
    pub fn register(&mut self, form: Form) -> Result<Registered, Refusal> {
        let profile = match &form.profile {
            Some(slug) => self.profiles.values().find(|one| one.text("url") == slug),
            None => self.profiles.values().next(),
        };
        let profile = profile
            .filter(|one| one.flag("enabled"))
            .ok_or_else(|| Refusal::control(404, "There is no such sign-up form."))?;
        if !profile.admits(&form.email) {
            return Err(Refusal::control(422, "Addresses of this domain cannot sign up here."));
        }
        if !form.email.contains('@') {
            return Err(Refusal::control(422, "This is not an e-mail address."));
        }
        if self.email_is_taken(&form.email, None) {
            return Err(Refusal::control(422, "E-mail has already been taken."));
        }
        let profile_id = profile.id;
        let id = self.id("registration");
        self.registrations.insert(
            id,
            Registration {
                id,
                profile_id,
                stage: Stage::NotVerified,
                user_id: None,
                form,
                rejection_reason: None,
                created_at: self.now,
                updated_at: self.now,
                deleted: false,
            },
        );
        let user_id = Some(self.make_registrant(id, self.knobs.user_record > Moment::Submission));
        if self.knobs.registration_event == Moment::Submission {
            self.announce(id);
        }
        self.record_as(
            "person.register".into(),
            id.to_string(),
            true,
            json!({"user_id": user_id, "profile_id": profile_id}),
        );
        Ok(Registered { registration_id: id, user_id })
    }

    /// Creates the registrant's user record. It exists from the start to have an id; the users API shows it from
    /// the stage that the knob sets.
    fn make_registrant(&mut self, registration: i64, hidden: bool) -> i64 {
        let id = self.id("user");
        let Some(registration) = self.registrations.get_mut(&registration) else { return id };
        registration.user_id = Some(id);
        let form = &registration.form;
        let mut user = User::new(id, &form.email, &form.email, self.now);
        user.firstname = Some(form.firstname.clone());
        user.lastname = Some(form.lastname.clone());
        user.attributes =
            form.custom_attributes.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        user.state = state::UNAPPROVED;
        user.status = status::UNACTIVATED;
        user.hidden = hidden;
        let profile = self.profiles.get(&registration.profile_id);
        user.group_id = profile.and_then(|one| one.shown.get("default_group_id")?.as_i64());
        self.users.insert(id, user);
        id
    }

    /// The person clicks the link in the verification mail.
    pub fn verify_email(&mut self, id: i64) -> Result<(), Refusal> {
        let now = self.now;
        let registration = self
            .registrations
            .get_mut(&id)
            .filter(|one| !one.deleted)
            .ok_or_else(|| Refusal::control(404, "There is no such registration."))?;
        if registration.stage != Stage::NotVerified {
            return Err(Refusal::control(409, "This registration is already verified."));
        }
        registration.stage = Stage::NotReviewed;
        registration.updated_at = now;
        let (profile, user) = (registration.profile_id, registration.user_id);
        let moderated = self.profiles.get(&profile).is_none_or(|profile| profile.flag("moderated"));
        if self.knobs.user_record <= Moment::Verification
            && let Some(user) = user.and_then(|id| self.users.get_mut(&id))
        {
            user.hidden = false;
        }
        if self.knobs.registration_event == Moment::Verification {
            self.announce(id);
        }
        if let (false, Some(user)) = (moderated, user) {
            self.set_state(user, state::APPROVED, Actor::Person, "unmoderated");
        }
        self.record_as("person.verify".into(), id.to_string(), true, json!({"user_id": user}));
        Ok(())
    }

    pub(super) fn announce(&mut self, id: i64) {
        let Some(registration) = self.registrations.get(&id) else { return };
        let user = registration.user_id.and_then(|id| self.users.get(&id)).map(User::named);
        let notes = Some(format!("Self registration requested by {}", registration.form.email));
        let user = user.filter(|_| self.knobs.registration_event_names_user);
        self.emit_event(Event { type_id: 100, user, notes, ..Event::default() }, Actor::Person);
    }
}
