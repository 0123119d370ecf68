//! All knobs of the simulated tenant. The defaults describe a healthy tenant with the behavior that all real
//! tenants share; rare, unconfirmed and faulty behavior is off.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::simulate::fault::Fault;

/// The tenant's behavior. Every key has a default, so a change names only the keys it sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Whether the undocumented registrations resource exists; 404 when not.
    pub registrations_resource: bool,
    /// When a registrant's user record becomes readable over the users API.
    pub user_record: Moment,
    /// When event 100 is emitted.
    pub registration_event: Moment,
    /// Whether event 100 carries the user's id.
    pub registration_event_names_user: bool,
    /// Whether approval over the API sends the invitation, as approval in the portal does.
    pub approval_sends_invitation: bool,
    /// Whether the e-mail address of a deleted user can register again.
    pub deletion_frees_email: bool,

    /// Licenses of the account; none = unlimited. An approval beyond them makes a user Unlicensed without an error.
    pub licences: Option<u32>,
    /// `state: 0` in a create request reads back as 1.
    pub state_zero_becomes_approved: bool,
    /// `status: 0` reads back as 7 after `status_zero_settles_s`.
    pub status_zero_becomes_pending: bool,
    pub status_zero_settles_s: u32,
    /// `status: 3` in an update unlocks itself after 15 minutes.
    pub status_lock_expires: bool,
    /// Only licensed users can be locked.
    pub lock_needs_licence: bool,
    /// Grants to users who are not approved and activated are answered with 200 and dropped.
    pub ineligible_grants_dropped: bool,
    /// A rejected user loses roles and group.
    pub rejection_clears_roles: bool,
    /// A locked user keeps roles.
    pub lock_keeps_roles: bool,
    /// Enabled mappings run when a user is created.
    pub mappings_run: bool,
    /// Seconds until a grant is visible.
    pub role_grant_delay_s: u32,
    /// Number of next grants that are answered with 200 and lost; counts down.
    pub role_grants_lost: u32,
    /// All grants are answered with 200 and lost.
    pub role_grants_never: bool,
    /// Number of next role removals that are answered with 200 and lost; counts down.
    pub role_removals_lost: u32,
    /// Most roles of an account; none = unlimited.
    pub role_limit: Option<u32>,
    /// Number of next approvals that are answered with 200 and lost; counts down.
    pub approvals_lost: u32,
    /// Number of next status changes that are answered with 200 and lost; counts down.
    pub status_changes_lost: u32,
    /// Number of next attribute changes that are answered with 200 and lost; counts down.
    pub attribute_changes_lost: u32,
    /// A role given in the portal emits two events: role assigned (4) and role given by hand (147).
    pub portal_grants_twice_told: bool,
    /// Whether lists of users can be sorted by id; the sort keys are undocumented.
    pub sorts_by_id: bool,
    /// Whether lists report their total count.
    pub total_count: bool,

    /// Every cursor of the events API is refused with this status, as an expired one is.
    pub refused_cursors: Option<u16>,
    /// Seconds until an event is served by the events API.
    pub event_delay_s: u32,
    /// Fills `risk_score` and `risk_reasons` of logins; both are null without adaptive authentication.
    pub risk_scoring: bool,
    pub webhook: Webhook,

    /// v1 calls per hour of the whole account.
    pub hourly_limit: u32,
    /// Counts v2 calls too.
    pub limit_v2: bool,
    /// Answers token requests with the edge's HTML 429 if there are too many within a period.
    pub token_burst: Option<TokenBurst>,
    pub token_lifetime_s: u32,
    /// Scope of the API credential.
    pub scope: Scope,
    /// The administrator who created the credential was deleted: every call fails with 500.
    pub credential_orphaned: bool,
    /// Transport and content faults; the first that matches a request applies.
    pub faults: Vec<Fault>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            registrations_resource: true,
            user_record: Moment::Submission,
            registration_event: Moment::Verification,
            registration_event_names_user: true,
            approval_sends_invitation: true,
            deletion_frees_email: true,
            licences: None,
            state_zero_becomes_approved: true,
            status_zero_becomes_pending: true,
            status_zero_settles_s: 0,
            status_lock_expires: true,
            lock_needs_licence: true,
            ineligible_grants_dropped: true,
            rejection_clears_roles: true,
            lock_keeps_roles: true,
            mappings_run: true,
            role_grant_delay_s: 0,
            role_grants_lost: 0,
            role_grants_never: false,
            role_removals_lost: 0,
            role_limit: None,
            approvals_lost: 0,
            status_changes_lost: 0,
            attribute_changes_lost: 0,
            portal_grants_twice_told: false,
            sorts_by_id: true,
            total_count: true,
            refused_cursors: None,
            event_delay_s: 0,
            risk_scoring: true,
            webhook: Webhook::default(),
            hourly_limit: 5000,
            limit_v2: false,
            token_burst: None,
            token_lifetime_s: 36_000,
            scope: Scope::ManageAll,
            credential_orphaned: false,
            faults: Vec::new(),
        }
    }
}

/// A stage in a registration's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    Submission,
    Verification,
    Approval,
}

/// Where and how events are broadcast. Delivery is at most once.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhook {
    pub url: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub format: WebhookFormat,
    /// Every n-th batch is not sent (1 = none is ever sent).
    pub drop_every: u32,
    /// Every n-th batch is sent twice.
    pub duplicate_every: u32,
    /// Batches are sent newest event first.
    pub reorder: bool,
    /// Seconds until an event may be part of a batch.
    pub delay_s: u32,
    /// Ids are strings, as some receivers have observed.
    pub string_ids: bool,
    /// Sends every event at once, without waiting for ten events or ten seconds.
    pub at_once: bool,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Headers contain the receiver's secret, and the address may contain a capability.
        f.debug_struct("Webhook")
            .field("set", &self.url.is_some())
            .field("headers", &self.headers.len())
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookFormat {
    #[default]
    JsonArray,
    Ndjson,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenBurst {
    pub requests: u32,
    pub seconds: u32,
}

/// The scope of the API credential, chosen in the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    AuthenticationOnly,
    ReadUsers,
    ManageUsers,
    ReadAll,
    ManageAll,
}
