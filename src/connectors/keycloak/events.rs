//! Converts Keycloak's user events: what people did. Independent of the way they are fetched. `admin` has the events of
//! administrators and programs.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde::Deserialize;
use serde_json::Value;

use super::options::PROVIDER;
use crate::model::SubjectKind::{self, Registration, User};
use crate::model::{Event, EventType, Fields, Origin, SubjectRef, Timestamp};

/// Events of programs that fetch and use tokens: they concern no person.
const OF_PROGRAMS: [&str; 11] = [
    "CLIENT_INFO",
    "CLIENT_LOGIN",
    "CODE_TO_TOKEN",
    "INTROSPECT_TOKEN",
    "OAUTH2_DEVICE_CODE_TO_TOKEN",
    "PERMISSION_TOKEN",
    "PUSHED_AUTHORIZATION_REQUEST",
    "REFRESH_TOKEN",
    "TOKEN_EXCHANGE",
    "USER_INFO_REQUEST",
    "VALIDATE_ACCESS_TOKEN",
];

/// A user event as Keycloak stores it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRecord {
    pub id: String,
    pub time: i64,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    ip_address: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    details: BTreeMap<String, Value>,
}

impl UserRecord {
    fn detail(&self, key: &str) -> Option<&str> {
        self.details.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
    }

    fn data(&self) -> Fields {
        let own = [
            ("clientId", &self.client_id),
            ("sessionId", &self.session_id),
            ("error", &self.error),
            ("type", &Some(self.kind.clone())),
        ];
        let mut data: Fields = self.details.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        data.extend(own.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?.into()))));
        data
    }
}

/// What all events of one record have in common.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    /// The name of the realm in the configuration.
    pub source: &'a str,
    /// The id of the record.
    pub id: &'a str,
    pub time: i64,
    /// Keycloak's own name.
    pub native: String,
    pub actor: Option<String>,
    pub actor_id: Option<String>,
    pub by_subject: bool,
    pub origin: Origin,
    pub ip: Option<String>,
    pub data: Fields,
}

/// One event about a person.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fact {
    /// The normalized type; empty: only Keycloak's own name.
    pub name: &'static str,
    pub fields: Fields,
    /// Distinguishes facts of one record with the same type.
    pub detail: String,
}

impl Fact {
    pub fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    pub fn role(given: bool, role: &str) -> Self {
        let name = if given { EventType::ROLE_GRANTED } else { EventType::ROLE_REVOKED };
        let fields = [("role".to_owned(), Value::from(role))].into_iter().collect();
        Self { name, fields, detail: role.to_owned() }
    }

    pub fn attribute(name: &str, old: Option<&str>, new: Option<&str>) -> Self {
        let value = |text: Option<&str>| text.map_or(Value::Null, Value::from);
        let fields = [
            ("attribute".to_owned(), Value::from(name)),
            ("old".to_owned(), value(old)),
            ("new_value".to_owned(), value(new)),
        ];
        Self { name: "user.attribute_changed", fields: fields.into_iter().collect(), detail: name.to_owned() }
    }

    /// A change of attributes that are not known.
    pub fn some_attribute() -> Self {
        let fields = ["attribute", "old", "new_value"].map(|key| (key.to_owned(), Value::Null));
        Self { fields: fields.into_iter().collect(), ..Self::new("user.attribute_changed") }
    }
}

impl Head<'_> {
    /// Builds the event of one fact about a person.
    pub fn event(&self, kind: SubjectKind, user: &str, fact: Fact) -> Event {
        let native = EventType(format!("{}.{}", PROVIDER.name, self.native));
        let Fact { name, mut fields, detail } = fact;
        let (kind_of_event, also) = match name {
            "" => (native, Vec::new()),
            name => (EventType::new(name), vec![native]),
        };
        fields.insert("data".into(), self.data.clone().into());
        let mut key = format!("{}:{}:{kind}:{name}", self.source, self.id);
        if !detail.is_empty() {
            key = format!("{key}:{detail}");
        }
        Event {
            key,
            near: Vec::new(),
            leaves: Vec::new(),
            kind: kind_of_event,
            also,
            source: self.source.to_owned(),
            time: moment(self.time),
            subject: SubjectRef { source: self.source.to_owned(), kind, id: user.to_owned() },
            actor: self.actor.clone(),
            actor_id: self.actor_id.clone(),
            by_subject: self.by_subject,
            origin: self.origin,
            ip: self.ip.clone(),
            fields,
        }
    }
}

/// Converts a time in milliseconds since 1970.
pub fn moment(milliseconds: i64) -> Timestamp {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

/// Returns whether an id can be a part of addresses and of the store's keys. Keycloak's own ids are UUIDs; those of a
/// user federation end with the name of the person there.
pub fn is_id(id: &str) -> bool {
    let plain = |c: char| c != '/' && !c.is_control();
    !id.is_empty() && id.len() <= 255 && id != "." && id != ".." && id.chars().all(plain)
}

/// Returns the events of one record; none if it is about no person. `names` has our names of attributes by Keycloak's.
pub fn read(source: &str, record: &UserRecord, names: &BTreeMap<String, String>) -> Vec<Event> {
    let program = record.kind.strip_suffix("_ERROR").unwrap_or(&record.kind);
    let Some(user) = record.user_id.as_deref().filter(|user| is_id(user)) else { return Vec::new() };
    if OF_PROGRAMS.contains(&program) {
        return Vec::new();
    }
    // A refusal has the name that a stranger typed, and a lock is Keycloak's own doing.
    let by_subject = record.error.is_none()
        && !record.kind.ends_with("_ERROR")
        && !record.kind.starts_with("USER_DISABLED_BY")
        && record.kind != "IMPERSONATE";
    let head = Head {
        source,
        id: &record.id,
        time: record.time,
        native: record.kind.clone(),
        actor: if by_subject {
            record.detail("username").map(str::to_owned).or_else(|| Some(user.to_owned()))
        } else {
            record.detail("impersonator").map(str::to_owned)
        },
        actor_id: by_subject.then(|| user.to_owned()),
        by_subject,
        // The service account signs nobody in and fills in no form.
        origin: Origin::Others,
        ip: record.ip_address.clone(),
        data: record.data(),
    };
    facts(record, names).into_iter().map(|(kind, fact)| head.event(kind, user, fact)).collect()
}

fn facts(record: &UserRecord, names: &BTreeMap<String, String>) -> Vec<(SubjectKind, Fact)> {
    let user = |name: &'static str| vec![(User, Fact::new(name))];
    let credential = record.detail("credential_type");
    match record.kind.as_str() {
        "REGISTER" if record.detail("register_method") == Some("form") => {
            vec![(Registration, Fact::new(EventType::REGISTRATION_CREATED))]
        }
        // People who come from an identity provider for the first time wait at the gate too.
        "REGISTER" => vec![
            (User, Fact::new("user.created")),
            (Registration, Fact::new(EventType::REGISTRATION_CREATED)),
        ],
        // Each action of a person in the browser is followed by a sign-in that nobody made.
        "LOGIN" if record.detail("custom_required_action").is_some() => Vec::new(),
        "LOGIN" => vec![(User, sign_in("login.succeeded", None))],
        "LOGIN_ERROR" => vec![(User, sign_in("login.failed", record.error.as_deref()))],
        "DELETE_ACCOUNT" => vec![
            (User, Fact::new(EventType::USER_DELETED)),
            (Registration, Fact::new(EventType::REGISTRATION_DELETED)),
        ],
        "USER_DISABLED_BY_TEMPORARY_LOCKOUT" | "USER_DISABLED_BY_PERMANENT_LOCKOUT" => user("user.locked"),
        "UPDATE_PROFILE" | "UPDATE_EMAIL" => {
            let changed = changed(&record.details, names);
            if changed.is_empty() { user("") } else { changed.into_iter().map(|fact| (User, fact)).collect() }
        }
        // UPDATE_PASSWORD, UPDATE_TOTP and REMOVE_TOTP are stored beside these for older listeners.
        "UPDATE_CREDENTIAL" if credential == Some("password") => user("credential.changed"),
        "UPDATE_CREDENTIAL" if credential.is_some() => user("mfa.enrolled"),
        "REMOVE_CREDENTIAL" if credential == Some("password") => user("credential.changed"),
        "REMOVE_CREDENTIAL" if credential.is_some() => user("mfa.removed"),
        "LOGOUT" | "REVOKE_GRANT" => user("session.revoked"),
        _ => user(""),
    }
}

fn sign_in(name: &'static str, error: Option<&str>) -> Fact {
    let reasons: Vec<_> = error.into_iter().collect();
    let fields = [
        ("score", Value::Null),
        ("reasons", reasons.into()),
        ("reason_text", error.map_or(Value::Null, Value::from)),
        ("new_device", Value::Null),
    ];
    Fact {
        name,
        fields: fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect(),
        ..Fact::default()
    }
}

/// Returns the attributes that a person changed, with both values.
fn changed(details: &BTreeMap<String, Value>, names: &BTreeMap<String, String>) -> Vec<Fact> {
    let stem = |key: &String| {
        let stem = key.strip_prefix("updated_").or_else(|| key.strip_prefix("previous_"));
        stem.map(str::to_owned)
    };
    let mut stems: Vec<String> = details.keys().filter_map(stem).collect();
    stems.sort();
    stems.dedup();
    let value = |prefix: &str, stem: &String| details.get(&format!("{prefix}{stem}")).and_then(Value::as_str);
    stems
        .iter()
        .map(|stem| {
            let name = names.get(stem).unwrap_or(stem);
            Fact::attribute(name, value("previous_", stem), value("updated_", stem))
        })
        .collect()
}
