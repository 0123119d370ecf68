//! Events of the tenant in the formats of the events API and the broadcaster, which differ and share no id.
//! This module must not know the causes of events.

use serde_json::{Map, Value, json};

use super::text::{iso, utc};
use crate::model::Timestamp;

/// One event with all its data.
#[derive(Clone, Default)]
pub(super) struct Event {
    pub id: i64,
    pub uuid: String,
    pub created_at: Timestamp,
    pub type_id: i64,
    pub user: Option<Named>,
    pub actor: Option<Named>,
    pub actor_system: &'static str,
    pub role: Option<Named>,
    pub notes: Option<String>,
    pub risk_score: Option<i64>,
    pub risk_reasons: Option<String>,
    pub ipaddr: Option<String>,
    pub custom_message: Option<String>,
    pub client_id: Option<String>,
}

/// An id and its name in events.
#[derive(Clone)]
pub(super) struct Named {
    pub id: i64,
    pub name: String,
}

fn id(named: Option<&Named>) -> Value {
    named.map_or(Value::Null, |named| named.id.into())
}

fn name(named: Option<&Named>) -> Value {
    named.map_or(Value::Null, |named| named.name.as_str().into())
}

impl Event {
    fn common(&self) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("event_type_id".into(), self.type_id.into());
        map.insert("user_id".into(), id(self.user.as_ref()));
        map.insert("user_name".into(), name(self.user.as_ref()));
        map.insert("actor_user_id".into(), id(self.actor.as_ref()));
        map.insert("actor_user_name".into(), name(self.actor.as_ref()));
        map.insert("actor_system".into(), self.actor_system.into());
        map.insert("role_id".into(), id(self.role.as_ref()));
        map.insert("role_name".into(), name(self.role.as_ref()));
        map.insert("notes".into(), json!(self.notes));
        map.insert("risk_score".into(), json!(self.risk_score));
        map.insert("risk_reasons".into(), json!(self.risk_reasons));
        map.insert("ipaddr".into(), json!(self.ipaddr));
        map.insert("custom_message".into(), json!(self.custom_message));
        map.insert("client_id".into(), json!(self.client_id));
        map
    }

    /// The value that a filter of the events API compares; empty if the event has none.
    pub fn column(&self, name: &str) -> String {
        match name {
            "id" => self.id.to_string(),
            "event_type_id" => self.type_id.to_string(),
            "created_at" => iso(self.created_at),
            "user_id" => self.user.as_ref().map(|user| user.id.to_string()).unwrap_or_default(),
            "client_id" => self.client_id.clone().unwrap_or_default(),
            _ => String::new(),
        }
    }

    /// The event in the format of the events API.
    pub fn row(&self, account: i64) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("id".into(), self.id.into());
        map.insert("created_at".into(), iso(self.created_at).into());
        map.insert("account_id".into(), account.into());
        map.extend(self.common());
        for absent in API_ONLY.iter().chain(BOTH) {
            map.insert((*absent).into(), Value::Null);
        }
        map
    }

    /// The event in the format of a broadcast.
    pub fn broadcast(&self, account: i64, string_ids: bool) -> Value {
        let mut map = Map::new();
        map.insert("create".into(), json!({"_id": self.uuid}));
        map.insert("uuid".into(), self.uuid.as_str().into());
        map.insert("event_timestamp".into(), utc(self.created_at).into());
        map.insert("account_id".into(), account.into());
        map.extend(self.common());
        for absent in WEBHOOK_ONLY.iter().chain(BOTH) {
            map.insert((*absent).into(), Value::Null);
        }
        if string_ids {
            for (key, value) in &mut map {
                if key.ends_with("_id") && value.is_number() {
                    *value = value.to_string().into();
                }
            }
        }
        Value::Object(map)
    }
}

const BOTH: &[&str] = &[
    "app_id",
    "app_name",
    "group_id",
    "group_name",
    "policy_id",
    "policy_name",
    "otp_device_id",
    "otp_device_name",
    "assuming_acting_user_id",
    "directory_id",
    "directory_sync_run_id",
    "error_description",
    "proxy_ip",
    "resolution",
    "resource_type_id",
    "risk_cookie_id",
    "browser_fingerprint",
];

const API_ONLY: &[&str] = &["operation_name"];

const WEBHOOK_ONLY: &[&str] = &[
    "user_agent",
    "param",
    "resolved_at",
    "resolved_by_user_id",
    "solved",
    "policy_type",
    "privilege_id",
    "privilege_name",
    "directory_name",
    "service_directory_id",
    "login_id",
    "login_name",
    "mapping_id",
    "mapping_name",
    "user_field_id",
    "user_field_name",
    "authentication_factor_id",
    "authentication_factor_type",
    "authentication_factor_description",
    "certificate_id",
    "certificate_name",
    "api_credential_name",
    "trusted_idp_id",
    "trusted_idp_name",
    "imported_user_id",
    "imported_user_name",
    "note_id",
    "note_title",
    "adc_id",
    "adc_name",
    "proxy_agent_id",
    "proxy_agent_name",
    "radius_config_id",
    "radius_config_name",
    "task_name",
    "entity",
    "object_id",
    "assumed_by_superadmin_or_reseller",
];

/// Event types by id. Only names in capitals without `EVENT_` are confirmed names of the real API.
pub(super) const TYPES: &[(i64, &str, &str)] = &[
    (1, "APP_ADDED_TO_ROLE", "%app% added to %role%"),
    (2, "APP_REMOVED_FROM_ROLE", "%app% removed from %role%"),
    (3, "USER_ASSUMED_USER", "%actor_user% assumed %user%"),
    (4, "USER_ASSIGNED_ROLE", "%role% assigned to %user%"),
    (5, "USER_LOGGED_INTO_ONELOGIN", "%user% logged into OneLogin"),
    (6, "USER_FAILED_ONELOGIN_LOGIN", "%user% failed to log into OneLogin"),
    (7, "EVENT_LOGGED_OUT", "%user% logged out of OneLogin"),
    (11, "EVENT_CHANGED_PASSWORD", "%user% changed the password"),
    (12, "UNLOCKED_USER", "%actor_user% unlocked %user%"),
    (13, "CREATED_USER", "%actor_user% created %user%"),
    (14, "EVENT_UPDATED_USER", "%actor_user% updated %user%"),
    (15, "DEACTIVATED_USER", "%actor_user% deactivated %user%"),
    (16, "EVENT_ACTIVATED_USER", "%actor_user% activated %user%"),
    (17, "DELETED_USER", "%actor_user% deleted %user%"),
    (19, "USER_LOCKED", "%user% was locked"),
    (20, "EVENT_USER_LIMIT_REACHED", "The user limit was reached"),
    (21, "EVENT_SUSPENDED_USER", "%actor_user% suspended %user%"),
    (22, "EVENT_REGISTERED_OTP_DEVICE", "%user% registered %otp_device%"),
    (24, "USER_REMOVED_OTP_DEVICE", "%actor_user% deregistered %otp_device% of %user%"),
    (32, "EVENT_REACTIVATED_USER", "%actor_user% reactivated %user%"),
    (37, "EVENT_REQUESTED_JOIN", "%user% requested to join"),
    (50, "EVENT_REJECTED_USER", "%actor_user% rejected %user%"),
    (100, "EVENT_SELF_REGISTRATION_REQUESTED", "Self registration requested for %user%"),
    (101, "EVENT_SELF_REGISTRATION_APPROVED", "Self registration approved for %user%"),
    (102, "EVENT_SELF_REGISTRATION_DENIED", "Self registration denied for %user%"),
    (115, "EVENT_INVITED_USER", "%actor_user% invited %user%"),
    (147, "EVENT_ROLE_ADDED_MANUALLY", "%actor_user% added %user% to %role%"),
    (148, "EVENT_ROLE_REMOVED_MANUALLY", "%actor_user% removed %user% from %role%"),
    (149, "EVENT_ROLE_ADDED_AUTOMATICALLY", "%user% was added to %role%"),
    (150, "EVENT_ROLE_REMOVED_AUTOMATICALLY", "%user% was removed from %role%"),
    (203, "EVENT_REGISTRATION_PROFILE_CREATED", "%actor_user% created a self registration profile"),
    (204, "EVENT_REGISTRATION_PROFILE_UPDATED", "%actor_user% updated a self registration profile"),
    (205, "EVENT_REGISTRATION_PROFILE_DELETED", "%actor_user% deleted a self registration profile"),
    (510, "EVENT_API_SET_PASSWORD", "Password of %user% set via API"),
    (512, "EVENT_API_SET_CUSTOM_ATTRIBUTE", "Custom attribute of %user% set via API"),
    (513, "EVENT_API_ROLE_ADDED", "%user% added to %role% via API"),
    (514, "EVENT_API_ROLE_REMOVED", "%user% removed from %role% via API"),
    (516, "EVENT_API_LOGGED_OUT", "%user% logged out via API"),
    (529, "EVENT_API_UPDATED_USER", "%user% updated via API"),
    (530, "EVENT_API_DESTROYED_USER", "%user% destroyed via API"),
    (531, "EVENT_API_LOCKED_USER", "%user% locked via API"),
    (532, "EVENT_API_UPDATE_FAILED", "%user% could not be updated via API"),
    (533, "EVENT_API_CREATED_USER", "%user% created via API"),
    (534, "EVENT_API_CREATE_FAILED", "User could not be created via API"),
    (535, "EVENT_API_INVITED_USER", "Invite link for %user% sent via API"),
    (551, "EVENT_API_SUSPENDED_USER", "%user% suspended via API"),
    (553, "EVENT_API_LOCKED_USER_V2", "%user% locked via API"),
];
