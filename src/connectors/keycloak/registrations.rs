//! Changes registrations and deletes accounts: reads, compares, writes, reads back. Never changes a record that differs
//! from what the case knew.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Keycloak;
use super::admin::AdminRecord;
use super::people::{Person, REJECTED};
use super::wire::Credential;
use crate::model::{
    AccountChange, Attempt, Changed, Failure, IdentityChange, Origin, RegistrationState, Snapshot,
    SubjectKind, Timestamp,
};

/// Accepted difference between Keycloak's clock and what is known of it.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(5);
/// Seconds until a gate that is open is looked at again.
const GATE_AGAIN_SECONDS: u32 = 60;

impl Keycloak {
    pub(super) async fn act(
        &self,
        attempt: &Attempt,
        snapshot: &Snapshot,
        change: &IdentityChange,
    ) -> Result<Changed, Failure> {
        let again = attempt.is_repeated();
        match change {
            IdentityChange::Approve => self.let_in(snapshot, attempt).await,
            IdentityChange::EnsureInvited { since } => self.ensure_invited(snapshot, *since).await,
            IdentityChange::Reject => self.reject(snapshot).await,
            IdentityChange::Delete => self.delete(snapshot, attempt).await,
            // Sessions would come to life again with the account.
            IdentityChange::Suspend { end_sessions: _ } => self.suspend(snapshot, again).await,
            IdentityChange::Reinstate { to: _ } => self.reinstate(snapshot).await,
            IdentityChange::Account(AccountChange::EndSessions) => self.end_sessions(snapshot).await,
            IdentityChange::Account(AccountChange::RemoveFactors) => self.remove_factors(snapshot).await,
            IdentityChange::AssignRole { role } => self.assign_role(snapshot, role).await,
            IdentityChange::RemoveRole { role } => self.remove_role(snapshot, role).await,
            IdentityChange::SetAttributes { attributes } => self.set_attributes(snapshot, attributes).await,
        }
    }

    /// Returns the id of a case's account: a registration is one too.
    pub(super) fn id_of(snapshot: &Snapshot) -> Result<&str, Failure> {
        match snapshot.subject.kind {
            SubjectKind::Applicant => Err(Failure::refused("an applicant has no account in Keycloak")),
            SubjectKind::Registration | SubjectKind::User => {
                Ok(snapshot.user_id.as_deref().unwrap_or(&snapshot.subject.id))
            }
        }
    }

    /// Reads the person of a case, who must be the one that the case knew, with the values that a proof was compared
    /// with. `None`: the account does not exist.
    async fn found(&self, snapshot: &Snapshot) -> Result<Option<Person>, Failure> {
        let Some(person) = self.look(Self::id_of(snapshot)?).await? else { return Ok(None) };
        let created = person.account.created_timestamp.map(super::events::moment);
        if created != snapshot.created_at {
            return Err(Failure::changed("its creation time changed since the case began"));
        }
        let now = |field: &str| {
            let own = match field {
                "first_name" => person.account.first_name.clone(),
                "last_name" => person.account.last_name.clone(),
                field => {
                    self.attributes(&person.account).get(field).and_then(Value::as_str).map(str::to_owned)
                }
            };
            own.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        if let Some((field, _)) = snapshot.compared.iter().find(|(field, then)| now(field) != **then) {
            return Err(Failure::changed(format!(
                "its {field} changed since it was compared with the person's document"
            )));
        }
        Ok(Some(person))
    }

    /// Reads the person of a case for a change of the account. A changed mail address stops none of these: an
    /// administrator's correction is no reason to leave a risky account open.
    pub(super) async fn person(&self, snapshot: &Snapshot) -> Result<Person, Failure> {
        let person = self.found(snapshot).await?.ok_or_else(gone)?;
        self.is_nobodys_administrator(&person.account.id).await?;
        Ok(person)
    }

    /// Reads the person of a case for a decision, which was about this mail address.
    async fn applicant(&self, snapshot: &Snapshot) -> Result<Option<Person>, Failure> {
        let Some(person) = self.found(snapshot).await? else { return Ok(None) };
        if person.account.email != snapshot.email {
            return Err(Failure::changed("its mail address changed since the case began"));
        }
        self.is_nobodys_administrator(&person.account.id).await?;
        Ok(Some(person))
    }

    /// Approves a registration and invites the person. A failed invitation is left to the call that the case makes for
    /// it later: the person is approved already.
    async fn let_in(&self, snapshot: &Snapshot, attempt: &Attempt) -> Result<Changed, Failure> {
        let changed = self.approve(snapshot).await?;
        // Approved by somebody else, who invites by their own rules.
        if changed.already && !attempt.is_repeated() {
            return Ok(changed);
        }
        let invited = self.ensure_invited(snapshot, attempt.asked_at).await;
        Ok(Changed { invited_at: invited.is_ok().then(|| self.clock.now()), ..changed })
    }

    async fn approve(&self, snapshot: &Snapshot) -> Result<Changed, Failure> {
        if !self.registrations {
            return Err(Failure::refused(
                "proofd.yaml says `registrations: false` for this realm, so nobody waits for approval",
            ));
        }
        let person = self.applicant(snapshot).await?.ok_or_else(gone)?;
        match self.state(&person.account, &person.groups) {
            RegistrationState::Approved => return Ok(Changed::plain(true)),
            RegistrationState::Rejected => {
                return Err(Failure::changed("it was rejected meanwhile; not approved"));
            }
            RegistrationState::NotVerified | RegistrationState::NotReviewed => {}
        }
        // An operator checks the people whom an open gate let in before more are approved.
        if let Some(gap) = self.check_gate().await?.first() {
            return Err(Failure::unavailable(format!(
                "nobody is approved while the realm's gate is open: {gap}"
            ))
            .waiting(Some(GATE_AGAIN_SECONDS)));
        }
        let id = &person.account.id;
        for group in person.groups.iter().filter(|group| group.path == self.pending_group) {
            let written =
                self.api.write(Method::DELETE, &["users", id, "groups", &group.id], &[], None).await;
            written.map_err(|refusal| if refusal.is_gone() { gone() } else { refusal.failure })?;
        }
        // Each refusal by the gate counted as a failed sign-in: the person may be locked.
        let attempts = ["attack-detection", "brute-force", "users", id];
        let cleared = self.api.write(Method::DELETE, &attempts, &[], None).await;
        cleared.map_err(|refusal| {
            let mut failure = if refusal.is_gone() { gone() } else { refusal.failure };
            failure.written = true;
            failure
        })?;
        let person = self.applicant(snapshot).await?.ok_or_else(gone)?;
        match self.state(&person.account, &person.groups) {
            RegistrationState::Approved => Ok(Changed::plain(false)),
            RegistrationState::Rejected => {
                Err(Failure::changed("another administrator decided the opposite at the same time"))
            }
            RegistrationState::NotVerified | RegistrationState::NotReviewed => Err(not_shown()),
        }
    }

    async fn reject(&self, snapshot: &Snapshot) -> Result<Changed, Failure> {
        let person = self.applicant(snapshot).await?.ok_or_else(gone)?;
        match self.state(&person.account, &person.groups) {
            RegistrationState::Rejected => return Ok(Changed::plain(true)),
            RegistrationState::Approved => {
                return Err(Failure::changed("it was approved meanwhile; not rejected"));
            }
            RegistrationState::NotVerified | RegistrationState::NotReviewed => {}
        }
        let wanted = [(self.state_attribute.clone(), Some(REJECTED.to_owned()))].into();
        self.write_attributes(person.account, &wanted).await?;
        let person = self.applicant(snapshot).await?.ok_or_else(gone)?;
        match self.state(&person.account, &person.groups) {
            RegistrationState::Rejected => Ok(Changed::plain(false)),
            RegistrationState::Approved => {
                Err(Failure::changed("another administrator decided the opposite at the same time"))
            }
            RegistrationState::NotVerified | RegistrationState::NotReviewed => Err(not_shown()),
        }
    }

    /// Sends Keycloak's mail in which a person confirms the address and sets a password, unless one was sent since.
    async fn ensure_invited(&self, snapshot: &Snapshot, since: Timestamp) -> Result<Changed, Failure> {
        let person = self.applicant(snapshot).await?.ok_or_else(gone)?;
        let id = &person.account.id;
        if self.state(&person.account, &person.groups) != RegistrationState::Approved {
            return Err(Failure::changed("it is no longer approved; not invited"));
        }
        if !self
            .records("ACTION", &format!("users/{id}/execute-actions-email"), self.api.there(since))
            .await?
            .is_empty()
        {
            return Ok(Changed::plain(true));
        }
        if person.account.email.is_none() {
            return Err(Failure::refused("the account has no mail address to invite"));
        }
        let credentials: Vec<Credential> =
            self.api.read(&["users", id, "credentials"], &[]).await?.ok_or_else(gone)?;
        let has_password = credentials.iter().any(|credential| credential.kind == "password");
        let actions =
            if has_password { json!(["VERIFY_EMAIL"]) } else { json!(["VERIFY_EMAIL", "UPDATE_PASSWORD"]) };
        let seconds = self.invite.seconds.to_string();
        let mut query = vec![("lifespan", seconds.as_str())];
        query.extend(self.invite.client_id.as_deref().map(|client| ("client_id", client)));
        query.extend(self.invite.redirect_uri.as_deref().map(|uri| ("redirect_uri", uri)));
        let path = ["users", id, "execute-actions-email"];
        let sent = self.api.write(Method::PUT, &path, &query, Some(&actions)).await;
        sent.map(|()| Changed::plain(false)).map_err(|refusal| {
            if refusal.is_gone() {
                return gone();
            }
            if refusal.mentions("User is disabled") {
                return Failure::changed("the account was disabled meanwhile; not invited");
            }
            if refusal.is(StatusCode::BAD_REQUEST)
                && (refusal.mentions("Client") || refusal.mentions("redirect"))
            {
                return Failure::outage(
                    "Keycloak refused the invitation's client or address; correct invite.client_id and \
                     invite.redirect_uri in proofd.yaml, or the client's valid redirect URIs",
                );
            }
            if refusal.mentions("Failed to send") {
                return Failure::unavailable(
                    "Keycloak could not send its mail; check the realm's mail settings and its mail server",
                );
            }
            refusal.failure
        })
    }

    /// Deletes the account of a registration or a user. The clients are told that its sessions end: a deletion alone
    /// does not tell them.
    async fn delete(&self, snapshot: &Snapshot, attempt: &Attempt) -> Result<Changed, Failure> {
        let Some(person) = self.applicant(snapshot).await? else {
            return self.deleted_before(snapshot, attempt).await;
        };
        let approved = self.state(&person.account, &person.groups) == RegistrationState::Approved;
        if snapshot.subject.kind == SubjectKind::Registration && approved {
            return Err(Failure::changed("it was approved meanwhile; not deleted"));
        }
        let id = &person.account.id;
        match self.log_out(id).await {
            Ok(()) => {}
            Err(refusal) if refusal.is_gone() => return self.deleted_before(snapshot, attempt).await,
            Err(refusal) => return Err(refusal.failure),
        }
        match self.api.write(Method::DELETE, &["users", id], &[], None).await {
            Ok(()) => {}
            Err(refusal) if refusal.is_gone() => return self.deleted_before(snapshot, attempt).await,
            Err(refusal) => return Err(refusal.failure),
        }
        match self.account(id).await? {
            None => Ok(Changed::plain(false)),
            Some(_) => Err(Failure::not_shown("Keycloak accepted the deletion but still shows the account")),
        }
    }

    /// Handles a missing account: finds out who deleted it since the effect was asked for.
    async fn deleted_before(&self, snapshot: &Snapshot, attempt: &Attempt) -> Result<Changed, Failure> {
        let id = Self::id_of(snapshot)?;
        let since = self.api.there(attempt.asked_at) - CLOCK_SKEW;
        let own = self.api.own().await?;
        let records = self.records("DELETE", &format!("users/{id}"), since).await?;
        let whose: BTreeSet<bool> =
            records.iter().map(|record| record.origin(&own) == Origin::Ours).collect();
        if whose.contains(&true) {
            return Ok(Changed::plain(true));
        }
        if !whose.is_empty() || !attempt.is_repeated() {
            return Err(Failure::changed("it is gone already; somebody else deleted it"));
        }
        Err(Failure::changed(
            "it is gone, and whether proofd deleted it is not known: the answer to its request was lost, and Keycloak has \
             no administrator's event that says who did it",
        ))
    }

    /// Returns administrators' events about one path since a time of Keycloak's clock.
    pub(super) async fn records(
        &self,
        operation: &str,
        path: &str,
        since: Timestamp,
    ) -> Result<Vec<AdminRecord>, Failure> {
        let from = since.timestamp_millis().max(0).to_string();
        let query = [
            ("operationTypes", operation),
            ("resourceTypes", "USER"),
            ("resourcePath", path),
            ("dateFrom", from.as_str()),
        ];
        let mut found: Vec<AdminRecord> = self.api.must(&["admin-events"], &query).await?;
        found.retain(|record| !record.is_refused());
        Ok(found)
    }

    /// Refuses changes of people who administer the realm: the service account could, but must not, lock them out.
    async fn is_nobodys_administrator(&self, id: &str) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Row {}
        let Some(client) = self.management().await? else {
            return Err(Failure::outage("Keycloak does not list the client realm-management of this realm"));
        };
        let path = ["users", id, "role-mappings", "clients", &client, "composite"];
        let roles: Option<Vec<Row>> = self.api.read(&path, &[]).await?;
        if roles.is_some_and(|roles| !roles.is_empty()) {
            return Err(Failure::refused(
                "the account has roles of realm-management: it administers this realm, and proofd changes no \
                 administrator; change it by hand",
            ));
        }
        Ok(())
    }

    /// Returns the UUID of the client whose roles are the rights in the realm.
    async fn management(&self) -> Result<Option<String>, Failure> {
        let mut held = self.management.lock().await;
        if held.is_none() {
            *held = self.api.client_uuid(MANAGEMENT).await?;
        }
        Ok(held.clone())
    }
}

/// The client whose roles are the rights in a realm.
pub const MANAGEMENT: &str = "realm-management";

pub(super) fn gone() -> Failure {
    Failure::changed("it is gone; somebody deleted it")
}

pub(super) fn not_shown() -> Failure {
    Failure::not_shown("Keycloak accepted the change but does not show it")
}
