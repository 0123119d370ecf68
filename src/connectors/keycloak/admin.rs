//! Reads the events of administrators and programs. They are hints: some name what changed, some only whom. What they
//! mean is decided by reading back (`hints`); this part is pure.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::api::Own;
use super::events::{Fact, Head, is_id};
use super::wire::{Group, Role};
use crate::model::{EventType, Fields, Origin};

/// An event of an administrator or a program as Keycloak stores it. Empty members are absent.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdminRecord {
    pub id: String,
    pub time: i64,
    #[serde(default)]
    realm_id: String,
    #[serde(default)]
    auth_details: Author,
    #[serde(default)]
    operation_type: String,
    #[serde(default)]
    resource_type: String,
    #[serde(default)]
    resource_path: String,
    #[serde(default)]
    representation: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    details: Map<String, Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Author {
    realm_id: String,
    client_id: String,
    user_id: String,
    ip_address: Option<String>,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// This happened to a person.
    Happened { user: String, facts: Vec<Fact> },
    /// The account is gone.
    Deleted { user: String },
    /// Roles of a person were given or taken, by name.
    Roles { user: String, given: bool, roles: Vec<Role> },
    /// Roles of a person changed; which ones is not said.
    SomeRoles { user: String },
    /// A person joined or left a group.
    Member { user: String, group: Group, joined: bool },
    /// Roles of a group were given or taken.
    GroupRoles { group: String, given: bool, roles: Vec<Role> },
    /// An account was written; these members were sent.
    Written { user: String, sent: Map<String, Value> },
    /// The realm changed, possibly its gate or the meaning of roles and groups.
    Realm,
    /// Nothing that concerns a person or the gate.
    Nothing,
}

impl AdminRecord {
    /// Returns who made the change, by the acting client.
    pub fn origin(&self, own: &Own) -> Origin {
        let by = &self.auth_details;
        // An administrator of another realm may have the same name, but never the same ids.
        let ours = by.realm_id == self.realm_id && by.client_id == own.client && by.user_id == own.user;
        if ours { Origin::Ours } else { Origin::Others }
    }

    /// Returns whether a change was refused and only recorded.
    pub fn is_refused(&self) -> bool {
        self.error.is_some()
    }

    pub fn head<'a>(&'a self, source: &'a str, own: &Own) -> Head<'a> {
        let by = Some(self.auth_details.user_id.clone()).filter(|id| !id.is_empty());
        let mut data: Fields = self.details.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let entries = [
            ("operationType", &self.operation_type),
            ("resourceType", &self.resource_type),
            ("resourcePath", &self.resource_path),
        ];
        data.extend(entries.map(|(key, value)| (key.to_owned(), Value::from(value.as_str()))));
        Head {
            source,
            id: &self.id,
            time: self.time,
            native: format!("{}_{}", self.operation_type, self.resource_type),
            actor: by.clone(),
            actor_id: by,
            by_subject: false,
            origin: self.origin(own),
            ip: self.auth_details.ip_address.clone(),
            data,
        }
    }

    /// Returns the parts of the path; some versions write slashes twice.
    fn path(&self) -> Vec<&str> {
        self.resource_path.split('/').filter(|part| !part.is_empty()).collect()
    }

    fn represented<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.representation.as_deref()?).ok()
    }

    /// Returns the named roles. What was sent is recorded as it was: only ids and names are certain, and the path says
    /// whose roles they are.
    fn roles(&self, whose: &[&str]) -> Option<Vec<Role>> {
        let client = match whose {
            ["clients", uuid] => Some(*uuid),
            _ => None,
        };
        let named: Vec<Role> = self.represented()?;
        let role = |role: Role| Role {
            // Whether it contains others is found out by asking.
            composite: true,
            client_role: client.is_some(),
            container_id: client.unwrap_or_default().to_owned(),
            ..role
        };
        Some(named.into_iter().map(role).collect())
    }

    /// Returns the person that a record of any type is about.
    fn user(&self) -> Option<String> {
        let path = self.path();
        let id = match path.as_slice() {
            ["users", id, ..] | ["ui-ext", "role-mapping-delete", "users", id] => *id,
            _ => return None,
        };
        is_id(id).then(|| id.to_owned())
    }

    pub fn report(&self) -> Report {
        let Some(user) = self.user() else { return self.report_of_the_realm() };
        let path = self.path();
        let after = path.get(2..).unwrap_or_default();
        let happened = |fact: Fact| Report::Happened { user: user.clone(), facts: vec![fact] };
        let given = self.operation_type == "CREATE";
        if path.first() == Some(&"ui-ext") {
            return Report::SomeRoles { user };
        }
        match (self.operation_type.as_str(), after) {
            // An import of users is reported for the realm.
            ("CREATE", []) => happened(Fact::new("user.created")),
            ("DELETE", []) => Report::Deleted { user },
            ("UPDATE", []) => match self.represented() {
                Some(sent) => Report::Written { user, sent },
                None => happened(Fact::some_attribute()),
            },
            ("CREATE" | "DELETE", ["role-mappings", whose @ ..]) => match self.roles(whose) {
                Some(roles) => Report::Roles { user, given, roles },
                None => Report::SomeRoles { user },
            },
            ("CREATE" | "DELETE", ["groups", id]) => {
                let named = self.represented().filter(|group: &Group| group.id == *id);
                let group = named.unwrap_or_else(|| Group {
                    id: (*id).to_owned(),
                    path: String::new(),
                    parent_id: None,
                    realm_roles: Vec::new(),
                });
                Report::Member { user, group, joined: given }
            }
            ("ACTION", ["logout"]) => happened(Fact::new("session.revoked")),
            ("ACTION", ["reset-password"]) => happened(Fact::new("credential.changed")),
            ("ACTION", ["credentials", _]) => {
                match self.details.get("credential_type").and_then(Value::as_str) {
                    Some("password") => happened(Fact::new("credential.changed")),
                    Some(_) => happened(Fact::new("mfa.removed")),
                    // Versions before 26.7 do not say which one.
                    None => happened(Fact::default()),
                }
            }
            _ => happened(Fact::default()),
        }
    }

    fn report_of_the_realm(&self) -> Report {
        let path = self.path();
        if let ["groups", group, "role-mappings", whose @ ..] = path.as_slice()
            && let Some(roles) = self.roles(whose)
        {
            let given = self.operation_type == "CREATE";
            return Report::GroupRoles { group: (*group).to_owned(), given, roles };
        }
        match self.resource_type.as_str() {
            "REALM"
            | "AUTH_FLOW"
            | "AUTH_EXECUTION"
            | "AUTH_EXECUTION_FLOW"
            | "AUTHENTICATOR_CONFIG"
            | "GROUP"
            | "REALM_ROLE"
            | "CLIENT_ROLE"
            | "REALM_ROLE_MAPPING"
            | "CLIENT_ROLE_MAPPING"
            | "CLIENT"
            | "IDENTITY_PROVIDER"
            | "USER_PROFILE" => Report::Realm,
            _ => Report::Nothing,
        }
    }
}

/// Returns the facts of a deletion: the record of a registration is an account.
pub fn deletion() -> [(crate::model::SubjectKind, Fact); 2] {
    use crate::model::SubjectKind::{Registration, User};
    [(User, Fact::new(EventType::USER_DELETED)), (Registration, Fact::new(EventType::REGISTRATION_DELETED))]
}
