//! The events that our own effects cause at the identity provider. A policy that takes a role away must not
//! be cancelled by the role being gone.

use chrono::TimeDelta;

use super::state::{Case, Echo};
use crate::model::{Action, Done, Event, Outcome, Timestamp};

/// The provider's clock and ours may differ by this much.
const BEFORE: TimeDelta = TimeDelta::seconds(60);
/// Changes become visible late: a role grant after minutes.
const AFTER: TimeDelta = TimeDelta::minutes(10);
/// Nothing comes back after this.
const FORGET: TimeDelta = TimeDelta::hours(24);

/// What an effect is heard as.
fn kinds(action: &Action) -> (&'static [&'static str], Option<&str>) {
    match action {
        // Any write to an account may also be heard as a changed attribute.
        Action::Approve { .. } => (&["user.activated", "user.attribute_changed"], None),
        Action::Reject { .. } => (&["registration.withdrawn", "user.deactivated"], None),
        Action::Delete { .. } => (&["registration.deleted", "user.deleted"], None),
        Action::Suspend { .. } => (
            &[
                "user.suspended",
                "user.locked",
                "user.deactivated",
                "session.revoked",
                "user.attribute_changed",
            ],
            None,
        ),
        Action::Reinstate { .. } => (&["user.activated", "user.attribute_changed"], None),
        Action::EndSessions { .. } => (&["session.revoked"], None),
        Action::AssignRole { role, .. } => (&["user.role_granted"], Some(role)),
        Action::RemoveRole { role, .. } => (&["user.role_revoked"], Some(role)),
        Action::SetAttributes { .. } => (&["user.attribute_changed"], None),
        _ => (&[], None),
    }
}

impl Case {
    /// An effect is about to begin.
    pub(super) fn will_echo(&mut self, call: u32, action: &Action, now: Timestamp) {
        let (kinds, role) = kinds(action);
        self.echoes.retain(|echo| now - echo.from < FORGET);
        // An earlier attempt may have done it, and be heard of only now.
        let earlier = self.echoes.iter().find(|echo| echo.call == call).map(|echo| echo.from);
        self.echoes.retain(|echo| echo.call != call);
        if !kinds.is_empty() {
            let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
            let (role, from) = (role.map(str::to_owned), earlier.unwrap_or(now));
            self.echoes.push(Echo { call, kinds, role, from, until: None });
        }
    }

    /// It ended. What changed nothing is not heard of: an event like it is somebody else's doing.
    pub(super) fn has_echoed(&mut self, call: u32, in_doubt: bool, outcome: &Outcome, now: Timestamp) {
        if !in_doubt && matches!(outcome, Outcome::Done(Done::Kept)) {
            self.echoes.retain(|echo| echo.call != call);
        }
        for echo in self.echoes.iter_mut().filter(|echo| echo.call == call) {
            echo.until = Some(now);
        }
    }
}

impl Echo {
    /// Whether an event about this person is one that we caused ourselves.
    pub fn is(&self, event: &Event) -> bool {
        let named = self.kinds.iter().any(|kind| kind == event.kind.as_str());
        let role = event.fields.get("role").and_then(serde_json::Value::as_str);
        let same_role = self.role.as_deref().is_none_or(|ours| role.is_none_or(|theirs| ours == theirs));
        let in_time = event.time >= self.from - BEFORE
            && event.time <= self.until.map_or(self.from + FORGET, |until| until + AFTER);
        // Whoever follows the invitation minutes after we sent it activates the account, not we.
        named && same_role && in_time && !event.by_subject
    }
}
