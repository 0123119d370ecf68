//! A user record and its two output formats. This module must not know the causes of changes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::events::Named;
use super::text::iso;
use crate::model::Timestamp;

pub(super) mod status {
    pub const UNACTIVATED: i64 = 0;
    pub const ACTIVE: i64 = 1;
    pub const SUSPENDED: i64 = 2;
    pub const LOCKED: i64 = 3;
    pub const AWAITING_RESET: i64 = 5;
    pub const PASSWORD_PENDING: i64 = 7;

    /// The status in words, for pages.
    pub fn word(status: i64) -> String {
        match status {
            UNACTIVATED => "not activated".to_owned(),
            ACTIVE => "active".to_owned(),
            SUSPENDED => "suspended".to_owned(),
            LOCKED => "locked".to_owned(),
            AWAITING_RESET => "awaits a new password".to_owned(),
            PASSWORD_PENDING => "has no password yet".to_owned(),
            other => format!("status {other}"),
        }
    }
}

pub(super) mod state {
    pub const UNAPPROVED: i64 = 0;
    pub const APPROVED: i64 = 1;
    pub const REJECTED: i64 = 2;
    pub const UNLICENSED: i64 = 3;

    /// The state in words, for pages.
    pub fn word(state: i64) -> String {
        match state {
            UNAPPROVED => "waits for approval".to_owned(),
            APPROVED => "approved".to_owned(),
            REJECTED => "rejected".to_owned(),
            UNLICENSED => "unlicensed".to_owned(),
            other => format!("state {other}"),
        }
    }
}

#[derive(Clone, PartialEq)]
pub(super) struct User {
    pub id: i64,
    pub username: String,
    pub email: String,
    pub firstname: Option<String>,
    pub lastname: Option<String>,
    pub status: i64,
    pub state: i64,
    pub group_id: Option<i64>,
    pub roles: BTreeSet<i64>,
    pub manager_user_id: Option<i64>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub activated_at: Option<Timestamp>,
    pub invitation_sent_at: Option<Timestamp>,
    pub last_login: Option<Timestamp>,
    pub password_changed_at: Option<Timestamp>,
    pub locked_until: Option<Timestamp>,
    /// The status that the end of a lock restores.
    pub status_before_lock: i64,
    /// When a status of 0 changes to 7.
    pub status_settles_at: Option<Timestamp>,
    pub invitations_sent: u32,
    pub logouts: u32,
    /// Number of open sessions.
    pub sessions: u32,
    /// Registered MFA devices: id and the name of their factor.
    pub devices: BTreeMap<i64, String>,
    /// Set while the record exists only inside a registration and the users API does not show it.
    pub hidden: bool,
    pub attributes: BTreeMap<String, Value>,
    /// Fields that are stored and shown without an effect.
    pub plain: BTreeMap<&'static str, Value>,
}

/// Default columns of a list row; other columns must be named in the request.
pub(super) const LIST: [&str; 22] = [
    "activated_at",
    "created_at",
    "directory_id",
    "distinguished_name",
    "email",
    "external_id",
    "firstname",
    "group_id",
    "id",
    "invalid_login_attempts",
    "invitation_sent_at",
    "last_login",
    "lastname",
    "locked_until",
    "member_of",
    "password_changed_at",
    "phone",
    "samaccountname",
    "state",
    "status",
    "updated_at",
    "username",
];

pub(super) const PLAIN: [&str; 18] = [
    "title",
    "department",
    "company",
    "comment",
    "phone",
    "directory_id",
    "trusted_idp_id",
    "manager_ad_id",
    "samaccountname",
    "userprincipalname",
    "distinguished_name",
    "member_of",
    "external_id",
    "openid_name",
    "preferred_locale_code",
    "invalid_login_attempts",
    "locale_code",
    "notes",
];

impl User {
    pub fn new(id: i64, username: &str, email: &str, now: Timestamp) -> Self {
        Self {
            id,
            username: username.into(),
            email: email.into(),
            firstname: None,
            lastname: None,
            status: status::PASSWORD_PENDING,
            state: state::APPROVED,
            group_id: None,
            roles: BTreeSet::new(),
            manager_user_id: None,
            created_at: now,
            updated_at: now,
            activated_at: None,
            invitation_sent_at: None,
            last_login: None,
            password_changed_at: None,
            locked_until: None,
            status_before_lock: status::ACTIVE,
            status_settles_at: None,
            invitations_sent: 0,
            logouts: 0,
            sessions: 0,
            devices: BTreeMap::new(),
            hidden: false,
            attributes: BTreeMap::new(),
            plain: BTreeMap::from([("openid_name", username.into()), ("invalid_login_attempts", 0.into())]),
        }
    }

    /// Whether the user may log in: only approved and active users may.
    pub fn may_log_in(&self) -> bool {
        self.state == state::APPROVED && self.status == status::ACTIVE && !self.hidden
    }

    /// "First Last", or the e-mail when both names are empty; never the username.
    pub fn name(&self) -> String {
        let name = [self.firstname.as_deref(), self.lastname.as_deref()];
        let name = name.into_iter().flatten().collect::<Vec<_>>().join(" ");
        if name.trim().is_empty() { self.email.clone() } else { name.trim().to_owned() }
    }

    pub fn named(&self) -> Named {
        Named { id: self.id, name: self.name() }
    }

    /// The whole record, with every defined custom attribute.
    pub fn full<'a>(&self, defined: impl Iterator<Item = &'a str>) -> Map<String, Value> {
        let moment = |at: Option<Timestamp>| json!(at.map(iso));
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
        put("id", self.id.into());
        put("username", self.username.as_str().into());
        put("email", self.email.as_str().into());
        put("firstname", json!(self.firstname));
        put("lastname", json!(self.lastname));
        put("status", self.status.into());
        put("state", self.state.into());
        put("group_id", json!(self.group_id));
        put("role_ids", json!(self.roles));
        put("manager_user_id", json!(self.manager_user_id));
        put("created_at", moment(Some(self.created_at)));
        put("updated_at", moment(Some(self.updated_at)));
        put("activated_at", moment(self.activated_at));
        put("invitation_sent_at", moment(self.invitation_sent_at));
        put("last_login", moment(self.last_login));
        put("password_changed_at", moment(self.password_changed_at));
        put("locked_until", moment(self.locked_until));
        for key in PLAIN {
            if key != "locale_code" && key != "notes" {
                put(key, self.plain.get(key).cloned().unwrap_or(Value::Null));
            }
        }
        let attributes: Map<String, Value> = defined
            .map(|name| (name.to_owned(), self.attributes.get(name).cloned().unwrap_or(Value::Null)))
            .collect();
        put("custom_attributes", Value::Object(attributes));
        map
    }

    /// The whole record with the field names of v1.
    pub fn old<'a>(&self, defined: impl Iterator<Item = &'a str>) -> Map<String, Value> {
        let mut map = self.full(defined);
        if let Some(roles) = map.shift_remove("role_ids") {
            map.insert("role_id".into(), roles);
        }
        map.insert("locale_code".into(), self.plain.get("locale_code").cloned().unwrap_or(Value::Null));
        map.insert("notes".into(), self.plain.get("notes").cloned().unwrap_or(Value::Null));
        map
    }

    /// The true state of the user, for tests.
    pub fn truth<'a>(&self, defined: impl Iterator<Item = &'a str>) -> Value {
        let mut map = self.full(defined);
        map.insert("invitations_sent".into(), self.invitations_sent.into());
        map.insert("logouts".into(), self.logouts.into());
        map.insert("sessions".into(), self.sessions.into());
        map.insert("devices".into(), self.devices.len().into());
        map.insert("hidden".into(), self.hidden.into());
        Value::Object(map)
    }
}
