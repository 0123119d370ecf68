//! Events that the case's own effects cause at the identity provider. A policy that removes a role must not be
//! cancelled by that removal; a removal by an administrator must cancel it.
//!
//! If the provider names the program that made a change, that name decides. Otherwise an effect explains at most one
//! event of each type, close to its own time.

use chrono::TimeDelta;

use super::state::{Case, Echo, RecordedEvent};
use crate::model::{
    Action, CaseId, Done, Event, EventType, FailureKind, IdentityChange, Origin, Outcome, Timestamp,
};

/// Tolerated clock difference where the provider names the author of a change.
const SKEW: TimeDelta = TimeDelta::seconds(60);
/// Tolerated difference where only the time identifies the author; some channels omit fractions of a second.
const BEFORE: TimeDelta = TimeDelta::seconds(5);
const AFTER: TimeDelta = TimeDelta::seconds(60);
const AFTER_A_GRANT: TimeDelta = TimeDelta::minutes(10);
/// Maximum time between the first attempt and its event, for an effect whose end is unknown.
const LATEST: TimeDelta = TimeDelta::hours(24);
/// How long an echo is kept: a daemon that was down receives events of its effects later.
const FORGET: TimeDelta = TimeDelta::days(60);

const SESSION_REVOKED: &str = "session.revoked";

/// What any effect may cause besides: a provider may end sessions with a suspension or a deletion, and store a decision
/// as an attribute. Only where the provider names the author.
const BESIDE: [&str; 2] = [SESSION_REVOKED, "user.attribute_changed"];

/// One suspension is reported as one of these.
const SHUT: [&str; 2] = ["user.suspended", "user.deactivated"];

/// Returns the event types that an effect causes, and its role.
fn kinds(action: &Action) -> (&'static [&'static str], Option<&str>) {
    let Some((_, change)) = action.identity_change() else { return (&[], None) };
    let kinds: &'static [&'static str] = match change {
        // Any write to an account may also be reported as a changed attribute.
        IdentityChange::Approve => &["user.activated", "user.attribute_changed"],
        IdentityChange::EnsureInvited { .. } => &[],
        IdentityChange::Reject => &["registration.withdrawn", "user.deactivated"],
        IdentityChange::Delete => &["registration.deleted", "user.deleted"],
        IdentityChange::Suspend { end_sessions: true } => {
            &["user.suspended", "user.deactivated", "session.revoked", "user.attribute_changed"]
        }
        IdentityChange::Suspend { end_sessions: false } => {
            &["user.suspended", "user.deactivated", "user.attribute_changed"]
        }
        IdentityChange::Reinstate { .. } => &["user.activated", "user.attribute_changed"],
        IdentityChange::Account(change) => change.events(),
        IdentityChange::AssignRole { .. } => &["user.role_granted"],
        IdentityChange::RemoveRole { .. } => &["user.role_revoked"],
        IdentityChange::SetAttributes { .. } => &["user.attribute_changed"],
    };
    (kinds, change.role())
}

impl Case {
    /// Records that an effect is about to begin.
    pub(super) fn will_echo(&mut self, call: u32, action: &Action, now: Timestamp) {
        let (kinds, role) = kinds(action);
        self.echoes.retain(|echo| now - echo.from < FORGET);
        if let Some(echo) = self.echoes.iter_mut().find(|echo| echo.call == call) {
            // An earlier attempt may have taken effect, with its event still to come.
            echo.until = None;
            echo.silent = false;
        } else if !kinds.is_empty() {
            let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
            let role = role.map(str::to_owned);
            self.echoes.push(Echo {
                call,
                kinds,
                role,
                from: now,
                until: None,
                silent: false,
                heard: Vec::new(),
            });
        }
    }

    /// Records the end of an effect. An effect that changed nothing causes no event: a matching event came from
    /// elsewhere, unless the provider names us.
    pub(super) fn has_echoed(&mut self, call: u32, in_doubt: bool, outcome: &Outcome, now: Timestamp) {
        let changed = match outcome {
            Outcome::Done(Done::Kept | Done::Applied { already: true, .. }) => false,
            Outcome::Failed(failure) => failure.kind == FailureKind::Unavailable,
            Outcome::Done(_) => true,
        };
        for echo in self.echoes.iter_mut().filter(|echo| echo.call == call) {
            echo.silent = !changed && !in_doubt;
            echo.until = Some(now);
        }
    }

    /// Returns whether one of the case's own effects caused an event.
    pub fn explains(&self, event: &Event) -> bool {
        self.echoes.iter().any(|echo| echo.explains(event))
    }

    /// Records an event at the own effect that caused it; that effect explains no other event of the type.
    pub(super) fn record_event(&mut self, event: &Event) -> bool {
        let explains = |echo: &&mut Echo| echo.explains(event);
        let nearest = self.echoes.iter_mut().filter(explains).min_by_key(|echo| echo.distance(event));
        let Some(echo) = nearest else { return false };
        if !echo.heard.iter().any(|heard| heard.key == event.key) {
            let (kind, name) = (event.kind.to_string(), name(event).to_owned());
            echo.heard.push(RecordedEvent { key: event.key.clone(), kind, name });
        }
        true
    }
}

/// Returns the case whose effect caused an event: the one nearest in time.
pub fn caused_by<'a>(
    echoes: impl IntoIterator<Item = (&'a CaseId, &'a Echo)>,
    event: &Event,
) -> Option<&'a CaseId> {
    let own = echoes.into_iter().filter(|(_, echo)| echo.explains(event));
    own.min_by_key(|(_, echo)| echo.distance(event)).map(|(case, _)| case)
}

/// Returns the most specific name of an event: one change may be reported under several names.
fn name(event: &Event) -> &str {
    event.also.last().unwrap_or(&event.kind).as_str()
}

impl Echo {
    /// Returns whether this effect caused an event about its account.
    pub fn explains(&self, event: &Event) -> bool {
        let beside = event.origin == Origin::Ours && BESIDE.contains(&event.kind.as_str());
        let named = beside || self.kinds.iter().any(|kind| kind == event.kind.as_str());
        let role = event.fields.get("role").and_then(serde_json::Value::as_str);
        let same_role = self.role.as_deref().is_none_or(|ours| role.is_none_or(|theirs| ours == theirs));
        // The person activates the account by following the invitation; that is not our effect.
        if !named || !same_role || event.by_subject {
            return false;
        }
        if self.heard.iter().any(|heard| heard.key == event.key) {
            return true;
        }
        match event.origin {
            Origin::Others => false,
            Origin::Ours => event.time >= self.from - SKEW && event.time <= self.from + LATEST,
            Origin::Unknown => {
                // A granted role is reported late.
                let after =
                    if event.kind.as_str() == EventType::ROLE_GRANTED { AFTER_A_GRANT } else { AFTER };
                let in_time = event.time >= self.from - BEFORE
                    && event.time <= self.until.map_or(self.from + LATEST, |until| until + after);
                // Sessions end independent of the account's earlier state.
                let silent = self.silent && event.kind.as_str() != SESSION_REVOKED;
                in_time && !silent && !self.heard.iter().any(|heard| heard.stands_for(event))
            }
        }
    }

    fn distance(&self, event: &Event) -> TimeDelta {
        (event.time - self.from).abs()
    }
}

impl RecordedEvent {
    /// Returns whether this event excludes `event` as a second event of the same effect.
    fn stands_for(&self, event: &Event) -> bool {
        let shut = |kind: &str| SHUT.contains(&kind);
        let other_end = shut(&self.kind) && shut(event.kind.as_str()) && self.kind != event.kind.as_str();
        other_end || self.name == name(event)
    }
}
