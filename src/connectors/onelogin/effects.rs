//! Changes registrations and deletes accounts: reads, compares, writes, reads back. Never changes a record that differs
//! from what the case knew, and never selects by mail address.

use chrono::{SecondsFormat, TimeDelta};
use reqwest::Method;
use serde_json::{Value, json};

use super::OneLogin;
use super::api::rows;
use super::events::text;
use super::people::{self, Record};
use super::registrations::{Found, Place, Registrations, State, UserRecord, Verdict};
use super::types;
use crate::model::{
    AccountChange, Attempt, Changed, EventType, Failure, IdentityChange, Origin, Snapshot, SubjectKind,
    Timestamp,
};

impl OneLogin {
    pub(super) async fn act(
        &self,
        attempt: &Attempt,
        snapshot: &Snapshot,
        change: &IdentityChange,
    ) -> Result<Changed, Failure> {
        match change {
            IdentityChange::Approve => self.approve(snapshot).await,
            IdentityChange::EnsureInvited { since } => self.ensure_invited(snapshot, *since).await,
            IdentityChange::Reject => self.reject(snapshot).await,
            IdentityChange::Delete => self.delete(snapshot, attempt).await,
            IdentityChange::Suspend { end_sessions } => {
                self.suspend(snapshot, *end_sessions, attempt.is_repeated()).await
            }
            IdentityChange::Reinstate { to } => {
                self.reinstate(snapshot, to.as_deref(), attempt.is_repeated()).await
            }
            IdentityChange::Account(AccountChange::EndSessions) => self.end_sessions(snapshot).await,
            IdentityChange::Account(AccountChange::RemoveFactors) => self.remove_factors(snapshot).await,
            IdentityChange::AssignRole { role } => self.assign_role(snapshot, role).await,
            IdentityChange::RemoveRole { role } => self.remove_role(snapshot, role).await,
            IdentityChange::SetAttributes { attributes } => self.set_attributes(snapshot, attributes).await,
        }
    }

    async fn backend(&self, snapshot: &Snapshot) -> Result<&dyn Registrations, Failure> {
        match snapshot.subject.kind {
            SubjectKind::Registration => self.registrations().await,
            SubjectKind::User => Ok(&UserRecord),
            SubjectKind::Applicant => Err(Failure::refused("an applicant has no record in OneLogin")),
        }
    }

    /// Returns the record of the case if it still matches the case's snapshot; `Changed` if it differs.
    async fn known(
        &self,
        backend: &dyn Registrations,
        snapshot: &Snapshot,
    ) -> Result<Option<Found>, Failure> {
        let found = self.found(backend, snapshot).await?;
        if let Some(found) = &found {
            same(found, snapshot)?;
            self.as_compared(found.user.as_ref(), snapshot, &|field| match field {
                "first_name" => found.first_name.clone(),
                "last_name" => found.last_name.clone(),
                _ => None,
            })?;
        }
        Ok(found)
    }

    /// Checks that the registered values are those that the proof of an effect was compared with. `other` returns
    /// values of a registration that has no account.
    pub(super) fn as_compared(
        &self,
        record: Option<&Record>,
        snapshot: &Snapshot,
        other: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), Failure> {
        let custom = record.map(|record| people::attributes(record, &self.attributes)).unwrap_or_default();
        let now = |field: &str| {
            let key = match field {
                "first_name" => "firstname",
                "last_name" => "lastname",
                other => other,
            };
            let own = record.and_then(|record| text(record, key));
            own.or_else(|| other(field)).or_else(|| {
                let value = custom.get(field).and_then(Value::as_str).map(str::trim);
                value.filter(|value| !value.is_empty()).map(str::to_owned)
            })
        };
        match snapshot.compared.iter().find(|(field, then)| now(field) != **then) {
            None => Ok(()),
            Some((field, _)) => Err(Failure::changed(format!(
                "its {field} changed since it was compared with the person's document"
            ))),
        }
    }

    /// Finds the record by the case's snapshot, whatever its state now.
    pub(super) async fn found(
        &self,
        backend: &dyn Registrations,
        snapshot: &Snapshot,
    ) -> Result<Option<Found>, Failure> {
        let profiles = match &snapshot.profile_id {
            Some(profile) => vec![profile.clone()],
            None if snapshot.subject.kind == SubjectKind::Registration => {
                self.profiles().await?.into_iter().map(|profile| profile.id).collect()
            }
            None => Vec::new(),
        };
        let place = Place {
            id: snapshot.subject.id.clone(),
            user_id: snapshot.user_id.clone(),
            email: snapshot.email.clone(),
            profiles,
        };
        backend.find(&self.api, &place).await
    }

    async fn approve(&self, snapshot: &Snapshot) -> Result<Changed, Failure> {
        let backend = self.backend(snapshot).await?;
        let found = self.known(backend, snapshot).await?.ok_or_else(|| self.missing(snapshot.created_at))?;
        match found.state {
            State::Approved if found.agreed || found.lets_in() => {
                return Ok(Changed { invited_at: found.invited_at, ..Changed::plain(true) });
            }
            State::Rejected => return Err(Failure::changed("it was rejected meanwhile; not approved")),
            State::NotVerified => {
                return Err(Failure::changed("its mail address is not verified; not approved"));
            }
            State::NotReviewed | State::Approved | State::Unlicensed => {}
        }
        let written = backend.decide(&self.api, &found, Verdict::Approve).await;
        self.settle(backend, snapshot, written, Verdict::Approve).await
    }

    async fn reject(&self, snapshot: &Snapshot) -> Result<Changed, Failure> {
        let backend = self.backend(snapshot).await?;
        let found = self.known(backend, snapshot).await?.ok_or_else(|| self.missing(snapshot.created_at))?;
        match found.state {
            State::Rejected if found.agreed => return Ok(Changed::plain(true)),
            State::Approved | State::Unlicensed => {
                return Err(Failure::changed("it was approved meanwhile; not rejected"));
            }
            State::NotVerified | State::NotReviewed | State::Rejected => {}
        }
        let written = backend.decide(&self.api, &found, Verdict::Reject).await;
        self.settle(backend, snapshot, written, Verdict::Reject).await
    }

    /// Reads back the result of a write: an answer may echo the request and have another effect.
    async fn settle(
        &self,
        backend: &dyn Registrations,
        snapshot: &Snapshot,
        written: Result<(), super::api::Refusal>,
        verdict: Verdict,
    ) -> Result<Changed, Failure> {
        if let Err(refusal) = written
            && !refusal.mentions("user is already in this state")
        {
            return Err(if refusal.is_gone() { self.missing(snapshot.created_at) } else { refusal.failure });
        }
        let found = self.known(backend, snapshot).await?.ok_or_else(|| self.missing(snapshot.created_at))?;
        match (verdict, found.state) {
            // The registration and the account may differ for a while.
            (Verdict::Approve, State::Approved) | (Verdict::Reject, State::Rejected) if !found.agreed => {
                Err(Failure::unavailable("OneLogin accepted the change but does not show it everywhere yet"))
            }
            (Verdict::Approve, State::Approved) => {
                Ok(Changed { invited_at: found.invited_at, ..Changed::plain(false) })
            }
            (Verdict::Approve, State::Unlicensed) => Err(Failure::refused(
                "no license is free: OneLogin made the user unlicensed; free a license, then approve again",
            )),
            (Verdict::Reject, State::Rejected) => Ok(Changed::plain(false)),
            (Verdict::Approve, State::Rejected) | (Verdict::Reject, State::Approved | State::Unlicensed) => {
                Err(Failure::changed("another administrator decided the opposite at the same time"))
            }
            (Verdict::Approve | Verdict::Reject, State::NotVerified | State::NotReviewed) => {
                Err(Failure::unavailable("OneLogin accepted the change but does not show it yet"))
            }
        }
    }

    async fn ensure_invited(&self, snapshot: &Snapshot, since: Timestamp) -> Result<Changed, Failure> {
        let backend = self.backend(snapshot).await?;
        let found = self.known(backend, snapshot).await?.ok_or_else(|| self.missing(snapshot.created_at))?;
        // OneLogin's times have milliseconds, ours are more precise.
        let since = since.timestamp_millis();
        if found.invited_at.is_some_and(|at| at.timestamp_millis() >= since) {
            return Ok(Changed::plain(true));
        }
        if found.state != State::Approved {
            return Err(Failure::changed("it is no longer approved; not invited"));
        }
        // Addresses are case sensitive here: the account's own spelling is sent.
        let email = found.user.as_ref().and_then(|user| text(user, "email"));
        let email = email.ok_or_else(|| Failure::refused("the account has no mail address to invite"))?;
        let body = json!({"email": email});
        let sent = self.api.write(Method::POST, "/api/1/invites/send_invite_link", Some(&body)).await;
        sent.map(|()| Changed::plain(false)).map_err(|refusal| refusal.failure)
    }

    /// Deletes the account of a registration, which also deletes the registration. OneLogin cannot delete a
    /// registration alone.
    async fn delete(&self, snapshot: &Snapshot, attempt: &Attempt) -> Result<Changed, Failure> {
        let again = attempt.is_repeated();
        let backend = self.backend(snapshot).await?;
        let Some(found) = self.known(backend, snapshot).await? else {
            let young = !again && self.is_young(snapshot.created_at);
            return if young {
                Err(self.missing(snapshot.created_at))
            } else {
                self.gone(snapshot, again, attempt.asked_at).await
            };
        };
        // A registration may be pending while an administrator approved its account by hand.
        let approved = found.lets_in() || matches!(found.state, State::Approved | State::Unlicensed);
        if snapshot.subject.kind == SubjectKind::Registration && approved {
            return Err(Failure::changed("it was approved meanwhile; not deleted"));
        }
        let Some(user) = found.user.as_ref().and(found.user_id.as_ref()) else {
            return Err(Failure::refused(
                "OneLogin has no account for this registration, and a registration itself cannot be \
                    deleted; reject it instead, or delete it in OneLogin",
            ));
        };
        match self.api.write(Method::DELETE, &format!("/api/2/users/{user}"), None).await {
            Ok(()) => {}
            Err(refusal) if refusal.is_gone() => return self.gone(snapshot, again, attempt.asked_at).await,
            Err(refusal) => return Err(refusal.failure),
        }
        match people::user(&self.api, user).await? {
            None => Ok(Changed::plain(false)),
            Some(_) => {
                Err(Failure::unavailable("OneLogin accepted the deletion but still shows the account"))
            }
        }
    }
}

/// Longest delay until the event of a deletion is visible.
const EVENT_SHOWS: TimeDelta = TimeDelta::minutes(3);

impl OneLogin {
    /// Handles a missing record. It is our own effect if an earlier attempt began and the tenant's events name us.
    async fn gone(&self, snapshot: &Snapshot, again: bool, asked_at: Timestamp) -> Result<Changed, Failure> {
        let others = || Failure::changed("it is gone already; somebody else deleted it");
        if !again {
            return Err(others());
        }
        match self.deletion_origin(snapshot, asked_at).await? {
            Some(Origin::Ours) => Ok(Changed::plain(true)),
            Some(Origin::Others) => Err(others()),
            None if self.clock.now() < asked_at + EVENT_SHOWS => {
                Err(Failure::unavailable("the account is gone, and no event says yet who deleted it")
                    .waiting(Some(LOOK_AGAIN_SECONDS)))
            }
            Some(Origin::Unknown) | None => Err(Failure::changed(
                "it is gone, and whether proofd deleted it is not known: the answer to its request was lost, \
                 and no event of OneLogin says who did it",
            )),
        }
    }

    /// Returns the origin of an account's deletion, by the events since the request; `None`: no event yet.
    async fn deletion_origin(
        &self,
        snapshot: &Snapshot,
        asked_at: Timestamp,
    ) -> Result<Option<Origin>, Failure> {
        let user = match (&snapshot.user_id, snapshot.subject.kind) {
            (Some(user), _) => user,
            (None, SubjectKind::User) => &snapshot.subject.id,
            (None, SubjectKind::Registration | SubjectKind::Applicant) => return Ok(Some(Origin::Unknown)),
        };
        let deletions = types::naming(EventType::USER_DELETED);
        let numbers = deletions.map(|row| row.id.to_string()).collect::<Vec<_>>().join(",");
        let since = (asked_at - CLOCK_SKEW).to_rfc3339_opts(SecondsFormat::Millis, true);
        let query = [("event_type_id", numbers.as_str()), ("user_id", user), ("since", &since)];
        let Some(answer) = self.api.read("/api/1/events", &query).await? else { return Ok(None) };
        let rows = rows(answer, "data")?;
        self.credential.learn(rows.iter().filter_map(Value::as_object));
        let whose: Vec<Origin> =
            rows.iter().filter_map(Value::as_object).map(|record| self.credential.did(record)).collect();
        // One deletion may be reported by several events, and not all of them name a client.
        Ok([Origin::Ours, Origin::Others, Origin::Unknown].into_iter().find(|origin| whose.contains(origin)))
    }
}

/// Accepted difference between the provider's clock and ours.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(5);

/// Age below which a record may be missing because it is not replicated yet.
const LATELY: TimeDelta = TimeDelta::minutes(10);
/// Seconds until the next attempt to read it.
const LOOK_AGAIN_SECONDS: u32 = 20;

impl OneLogin {
    /// Returns the failure for a missing record, by its time of creation.
    pub(super) fn missing(&self, made: Option<Timestamp>) -> Failure {
        if self.is_young(made) {
            return Failure::unavailable("OneLogin does not show the account, which was created minutes ago")
                .waiting(Some(LOOK_AGAIN_SECONDS));
        }
        Failure::changed("it is gone; somebody deleted it")
    }

    fn is_young(&self, made: Option<Timestamp>) -> bool {
        made.is_some_and(|made| (self.clock.now() - made).abs() < LATELY)
    }
}

/// Checks that the record is the same: an id can be reassigned to another person, and a record can change its person.
fn same(found: &Found, snapshot: &Snapshot) -> Result<(), Failure> {
    let moved = |what: &str| Err(Failure::changed(format!("its {what} changed since the case began")));
    if snapshot.user_id.is_some() && found.user_id != snapshot.user_id {
        return moved("account");
    }
    if found.email != snapshot.email {
        return moved("mail address");
    }
    if found.created_at != snapshot.created_at {
        return moved("creation time");
    }
    Ok(())
}
