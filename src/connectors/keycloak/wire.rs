//! The representations of Keycloak that this connector reads. Members that it does not read are left out.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Values of a user's attributes.
pub type Attributes = BTreeMap<String, Vec<String>>;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Account {
    pub id: String,
    pub username: Option<String>,
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email_verified: bool,
    pub enabled: bool,
    /// Milliseconds since 1970.
    pub created_timestamp: Option<i64>,
    pub attributes: Attributes,
    pub federation_link: Option<String>,
}

impl Account {
    /// Returns the first value of an attribute that is not blank.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let values = self.attributes.get(name)?;
        values.iter().map(|value| value.trim()).find(|value| !value.is_empty())
    }

    /// Returns whether Keycloak itself locked the account for good after failed sign-ins.
    pub fn is_locked_for_good(&self) -> bool {
        !self.enabled && self.attribute("disabledReason") == Some("permanentLockout")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub id: String,
    #[serde(default)]
    pub path: String,
    #[serde(default)]
    pub parent_id: Option<String>,
    /// Names of the realm roles that it carries itself.
    #[serde(default)]
    pub realm_roles: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub composite: bool,
    #[serde(default)]
    pub client_role: bool,
    /// The id of the realm, or the UUID of the client.
    #[serde(default)]
    pub container_id: String,
}

/// The roles that a person or a group has itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mappings {
    pub realm_mappings: Vec<Role>,
    pub client_mappings: BTreeMap<String, ClientMappings>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ClientMappings {
    #[serde(default)]
    pub mappings: Vec<Role>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    pub client_id: String,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default)]
    pub protocol: Option<String>,
    #[serde(default)]
    pub authentication_flow_binding_overrides: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

/// The state of the brute-force protection for one account.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attempts {
    pub disabled: bool,
    /// End of the lock in seconds since 1970.
    pub failed_login_not_before: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Credential {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// The settings of a realm. Without the right to read them most are missing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RealmSettings {
    pub enabled: Option<bool>,
    pub registration_allowed: Option<bool>,
    pub reset_password_allowed: Option<bool>,
    pub verify_email: Option<bool>,
    pub brute_force_protected: Option<bool>,
    pub permanent_lockout: Option<bool>,
    pub failure_factor: Option<i64>,
    pub smtp_server: Option<BTreeMap<String, serde_json::Value>>,
    pub browser_flow: Option<String>,
    pub registration_flow: Option<String>,
    pub direct_grant_flow: Option<String>,
    pub reset_credentials_flow: Option<String>,
    pub docker_authentication_flow: Option<String>,
    pub events_expiration: Option<i64>,
    pub attributes: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventsConfig {
    pub events_enabled: bool,
    /// Seconds; `None` or 0: for ever.
    pub events_expiration: Option<i64>,
    pub enabled_event_types: Vec<String>,
    pub admin_events_enabled: bool,
    pub admin_events_details_enabled: bool,
}

/// One line of a flow; sub-flows are followed by their lines, one level deeper.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Execution {
    pub requirement: String,
    pub display_name: Option<String>,
    pub provider_id: Option<String>,
    pub authentication_flow: bool,
    pub authentication_config: Option<String>,
    pub level: u32,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Flow {
    pub id: String,
    pub alias: String,
}

/// The settings of one line of a flow.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ExecutionConfig {
    pub config: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityProviderLink {
    pub alias: String,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default)]
    pub post_broker_login_flow_alias: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    pub attributes: Vec<ProfileAttribute>,
    pub unmanaged_attribute_policy: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ProfileAttribute {
    pub name: String,
    pub permissions: ProfilePermissions,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ProfilePermissions {
    pub view: Vec<String>,
    pub edit: Vec<String>,
}
