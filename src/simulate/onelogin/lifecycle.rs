//! Changes to a user and their effects in the tenant, reported or silent. This module must not know the
//! interface of a request.

use chrono::TimeDelta;
use serde_json::json;

use super::events::Event;
use super::knobs::Moment;
use super::registration::Stage;
use super::tenant::{Actor, Grant, Tenant, may_hold_roles};
use super::user::{User, state, status};

/// Length of a lock without an end: 100 years.
const FOR_GOOD: TimeDelta = TimeDelta::days(36_500);

/// Length of a lock that was set as a status.
const STATUS_LOCK: TimeDelta = TimeDelta::minutes(15);

impl Tenant {
    /// Sets a user's state within the licenses; returns whether anything changed. An approval beyond the licenses
    /// makes the user Unlicensed without an error.
    pub fn set_state(&mut self, id: i64, wanted: i64, actor: Actor, via: &str) -> bool {
        let Some(before) = self.users.get(&id).map(|user| user.state) else { return false };
        let lost = wanted == state::APPROVED && actor == Actor::Api && self.knobs.approvals_lost > 0;
        let reached = match wanted {
            _ if lost => before,
            state::APPROVED if before == state::APPROVED || self.licence_is_free() => state::APPROVED,
            state::APPROVED => state::UNLICENSED,
            other => other,
        };
        if lost {
            self.knobs.approvals_lost -= 1;
        }
        let changed = reached != before;
        if changed {
            self.enter_state(id, reached, actor);
        }
        let applied = changed && reached == wanted;
        self.record(
            actor,
            verb(wanted),
            id,
            applied,
            json!({"via": via, "before": before, "after": reached}),
        );
        if applied && wanted == state::APPROVED && before == state::UNAPPROVED {
            let invites = match actor {
                Actor::Api => self.knobs.approval_sends_invitation,
                Actor::Human | Actor::Person => true,
            };
            if invites {
                self.invite(id, actor, "approval");
            }
        }
        changed
    }

    fn enter_state(&mut self, id: i64, reached: i64, actor: Actor) {
        let clears = self.knobs.rejection_clears_roles;
        let now = self.now;
        let Some(user) = self.users.get_mut(&id) else { return };
        user.state = reached;
        user.updated_at = now;
        user.hidden = false;
        if reached == state::REJECTED && clears {
            user.roles.clear();
            user.group_id = None;
        }
        if user.status == status::UNACTIVATED && matches!(reached, state::APPROVED | state::UNLICENSED) {
            user.status = status::PASSWORD_PENDING;
        }
        let named = user.named();
        if actor == Actor::Api {
            self.emit(529, actor, Some(named.clone()));
        }
        let stage = match reached {
            state::APPROVED | state::UNLICENSED => Some(Stage::Approved),
            state::REJECTED => Some(Stage::Rejected),
            _ => None,
        };
        let registration = self.registrations.values_mut().find(|one| one.user_id == Some(id));
        if let (Some(stage), Some(registration)) = (stage, registration)
            && registration.stage != stage
        {
            registration.stage = stage;
            registration.updated_at = now;
            let event = if stage == Stage::Approved { 101 } else { 102 };
            let number = registration.id;
            if self.knobs.registration_event == Moment::Approval {
                self.announce(number);
            }
            self.emit(event, actor, Some(named.clone()));
        }
        if reached == state::REJECTED {
            self.emit(50, actor, Some(named));
        }
    }

    /// Records that the invitation was sent; no mail is generated.
    pub fn invite(&mut self, id: i64, actor: Actor, via: &str) {
        let now = self.now;
        let Some(user) = self.users.get_mut(&id) else { return };
        user.invitation_sent_at = Some(now);
        user.invitations_sent += 1;
        let named = user.named();
        let sent = user.invitations_sent;
        self.emit(115, actor, Some(named));
        self.record(actor, "invite", id, true, json!({"via": via, "sent": sent}));
    }

    /// Sets a status as an update request does.
    pub fn set_status(&mut self, id: i64, wanted: i64, actor: Actor) -> bool {
        let settles = self.now + TimeDelta::seconds(self.knobs.status_zero_settles_s.into());
        let settles = self.knobs.status_zero_becomes_pending.then_some(settles);
        let expires = self.knobs.status_lock_expires.then_some(self.now + STATUS_LOCK);
        let now = self.now;
        let lost = actor == Actor::Api && self.knobs.status_changes_lost > 0;
        let Some(user) = self.users.get_mut(&id) else { return false };
        let before = user.status;
        if lost {
            self.knobs.status_changes_lost -= 1;
        }
        if before == wanted || lost {
            self.record(actor, "status", id, false, json!({"before": before, "after": wanted}));
            return false;
        }
        match wanted {
            status::LOCKED => {
                user.status_before_lock = before;
                user.locked_until = expires;
            }
            status::UNACTIVATED => user.status_settles_at = settles,
            _ => user.locked_until = None,
        }
        user.status = wanted;
        user.updated_at = now;
        let named = user.named();
        self.restless.insert(id);
        let event = match wanted {
            status::SUSPENDED if actor == Actor::Api => Some(551),
            status::SUSPENDED => Some(21),
            status::LOCKED => Some(19),
            status::ACTIVE if before == status::SUSPENDED => Some(32),
            status::ACTIVE if before == status::LOCKED => Some(12),
            status::ACTIVE => Some(16),
            _ => None,
        };
        if let Some(event) = event {
            self.emit(event, actor, Some(named));
        }
        let what = match wanted {
            status::SUSPENDED => "suspend",
            status::ACTIVE if before == status::SUSPENDED => "reactivate",
            status::ACTIVE => "activate",
            _ => "status",
        };
        self.record(actor, what, id, true, json!({"before": before, "after": wanted}));
        true
    }

    /// Locks a user for a number of minutes; 0 = until unlocked, because no policy is simulated.
    pub fn lock(&mut self, id: i64, minutes: i64, actor: Actor) -> bool {
        let needs = self.knobs.lock_needs_licence;
        let keeps = self.knobs.lock_keeps_roles;
        let until = TimeDelta::try_minutes(minutes).unwrap_or(FOR_GOOD);
        let until = self.now + if minutes == 0 { FOR_GOOD } else { until };
        let Some(user) = self.users.get_mut(&id) else { return false };
        if needs && user.state != state::APPROVED {
            self.record(actor, "lock", id, false, json!({"minutes": minutes}));
            return false;
        }
        if user.status != status::LOCKED {
            user.status_before_lock = user.status;
        }
        user.status = status::LOCKED;
        user.locked_until = Some(until);
        self.restless.insert(id);
        if !keeps {
            user.roles.clear();
        }
        let named = user.named();
        self.emit(if actor == Actor::Api { 531 } else { 19 }, actor, Some(named));
        self.record(actor, "lock", id, true, json!({"minutes": minutes}));
        true
    }

    pub fn unlock(&mut self, id: i64, actor: Actor) -> bool {
        let Some(user) = self.users.get_mut(&id) else { return false };
        let applied = user.status == status::LOCKED;
        if applied {
            user.status = user.status_before_lock;
            user.locked_until = None;
            let named = user.named();
            self.emit(12, actor, Some(named));
        }
        self.record(actor, "unlock", id, applied, json!({}));
        applied
    }

    /// Ends the user's sessions.
    pub fn log_out(&mut self, id: i64, actor: Actor) {
        let Some(user) = self.users.get_mut(&id) else { return };
        user.logouts += 1;
        let ended = std::mem::take(&mut user.sessions);
        let named = user.named();
        self.emit(if actor == Actor::Api { 516 } else { 7 }, actor, Some(named));
        self.record(actor, "logout", id, true, json!({"ended": ended}));
    }

    /// Grants a role: now, later or not at all; the answer does not show which.
    pub fn grant(&mut self, id: i64, role: i64, actor: Actor) {
        let Some(user) = self.users.get(&id) else { return };
        let (named, held) = (user.named(), user.roles.contains(&role));
        let dropped = if held {
            Some("held")
        } else if self.knobs.ineligible_grants_dropped && !may_hold_roles(user) {
            Some("ineligible")
        } else if actor == Actor::Api && self.knobs.role_grants_never {
            Some("lost")
        } else if actor == Actor::Api && self.knobs.role_grants_lost > 0 {
            self.knobs.role_grants_lost -= 1;
            Some("lost")
        } else {
            None
        };
        let delay = self.knobs.role_grant_delay_s;
        if dropped.is_none() {
            if actor == Actor::Api && delay > 0 {
                let due = self.now + TimeDelta::seconds(delay.into());
                self.grants.push(Grant { user: id, role, due });
            } else {
                self.put_in_role(id, role);
            }
            if actor != Actor::Api && self.knobs.portal_grants_twice_told {
                self.emit_role(4, actor, named.clone(), role);
            }
            self.emit_role(if actor == Actor::Api { 513 } else { 147 }, actor, named, role);
        }
        let detail = json!({"role": role, "dropped": dropped, "delay_s": delay});
        self.record(actor, "role.grant", id, dropped.is_none(), detail);
    }

    pub fn revoke(&mut self, id: i64, role: i64, actor: Actor) {
        let lost = actor == Actor::Api && self.knobs.role_removals_lost > 0;
        let Some(user) = self.users.get_mut(&id) else { return };
        let named = user.named();
        let applied = !lost && user.roles.remove(&role);
        if lost {
            self.knobs.role_removals_lost -= 1;
        } else {
            self.grants.retain(|grant| (grant.user, grant.role) != (id, role));
        }
        if applied {
            self.emit_role(if actor == Actor::Api { 514 } else { 148 }, actor, named, role);
        }
        self.record(actor, "role.revoke", id, applied, json!({"role": role}));
    }

    pub fn emit_role(&mut self, type_id: i64, actor: Actor, named: super::events::Named, role: i64) {
        let role = self.named_role(role);
        self.emit_event(Event { type_id, user: Some(named), role, ..Event::default() }, actor);
    }

    pub fn delete(&mut self, id: i64, actor: Actor) -> bool {
        let Some(user) = self.users.remove(&id) else { return false };
        self.grants.retain(|grant| grant.user != id);
        if !self.knobs.deletion_frees_email {
            self.burnt_emails.insert(user.email.to_lowercase());
        }
        let now = self.now;
        if let Some(registration) = self.registrations.values_mut().find(|one| one.user_id == Some(id)) {
            registration.deleted = true;
            registration.updated_at = now;
        }
        self.emit(if actor == Actor::Api { 530 } else { 17 }, actor, Some(user.named()));
        self.record(actor, "delete", id, true, json!({"state": user.state}));
        true
    }

    /// Adds a user record and runs the mappings on it.
    pub fn add_user(&mut self, user: User, actor: Actor, event: Option<i64>) -> i64 {
        let (id, named) = (user.id, user.named());
        self.users.insert(id, user);
        if let Some(event) = event {
            self.emit(event, actor, Some(named));
        }
        if self.knobs.mappings_run {
            self.run_mappings(id);
        }
        id
    }

    pub fn email_is_taken(&self, email: &str, but: Option<i64>) -> bool {
        self.burnt_emails.contains(&email.to_lowercase())
            || self.users.values().any(|user| Some(user.id) != but && user.email.eq_ignore_ascii_case(email))
    }
}

pub(super) fn verb(wanted: i64) -> &'static str {
    match wanted {
        state::APPROVED => "approve",
        state::REJECTED => "reject",
        _ => "state",
    }
}
