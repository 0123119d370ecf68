//! Changes accounts: suspends, reinstates, ends sessions, removes factors. Reads, compares, writes, reads back.

use reqwest::Method;
use serde_json::{Value, json};

use super::Keycloak;
use super::api::Refusal;
use super::people::{checked, status};
use super::registrations::{gone, not_shown};
use super::wire::Credential;
use crate::model::{Changed, Failure, Snapshot};

/// Longest wait for the end of a lock in one go.
const LONGEST_WAIT_SECONDS: i64 = 900;

impl Keycloak {
    pub(super) fn not_written(refusal: Refusal) -> Failure {
        if refusal.is_gone() { gone() } else { refusal.failure }
    }

    async fn enable(&self, id: &str, enabled: bool) -> Result<(), Failure> {
        // Without attributes the other members stay as they are.
        let body = json!({"enabled": enabled});
        let written = self.api.write(Method::PUT, &["users", id], &[], Some(&body)).await;
        written.map_err(Self::not_written)?;
        let account = self.account(id).await?.ok_or_else(gone)?;
        if account.enabled == enabled { Ok(()) } else { Err(not_shown()) }
    }

    pub(super) async fn suspend(&self, snapshot: &Snapshot, again: bool) -> Result<Changed, Failure> {
        let person = self.person(snapshot).await?;
        let id = &person.account.id;
        let already = !person.account.enabled;
        if !already {
            self.enable(id, false).await?;
        }
        self.shut(id).await.map_err(|mut failure| {
            failure.reason =
                format!("the account is suspended, but ending its sessions failed: {}", failure.reason);
            failure.written = !already;
            failure
        })?;
        // An earlier attempt may have suspended the account; the status before it is then unknown.
        let before = (!(already && again)).then(|| status(&person.account, person.locked).to_owned());
        Ok(Changed { before, ..Changed::plain(already) })
    }

    pub(super) async fn reinstate(&self, snapshot: &Snapshot) -> Result<Changed, Failure> {
        let person = self.person(snapshot).await?;
        let before = Some(status(&person.account, person.locked).to_owned());
        // Keycloak's own lock after too many failed sign-ins is not proofd's to lift.
        if person.account.enabled || person.account.is_locked_for_good() {
            return Ok(Changed { before, ..Changed::plain(true) });
        }
        if person.locked {
            let until = self.attempts(&person.account.id).await?.failed_login_not_before;
            let left = (until - self.api.now().timestamp()).clamp(5, LONGEST_WAIT_SECONDS);
            return Err(Failure::unavailable(
                "the account is locked for a while after failed sign-ins, and lifting the suspension would end the lock",
            )
            .waiting(u32::try_from(left).ok()));
        }
        self.enable(&person.account.id, true).await?;
        Ok(Changed { before, ..Changed::plain(false) })
    }

    pub(super) async fn end_sessions(&self, snapshot: &Snapshot) -> Result<Changed, Failure> {
        let person = self.person(snapshot).await?;
        self.shut(&person.account.id).await?;
        // Tokens that applications hold are ended too, and no list shows those.
        Ok(Changed::plain(false))
    }

    /// Ends all sessions and reads them back.
    async fn shut(&self, id: &str) -> Result<(), Failure> {
        self.log_out(id).await.map_err(Self::not_written)?;
        let open: Option<Vec<Value>> = self.api.read(&["users", id, "sessions"], &[]).await?;
        if open.ok_or_else(gone)?.is_empty() { Ok(()) } else { Err(not_shown()) }
    }

    pub(super) async fn log_out(&self, id: &str) -> Result<(), Refusal> {
        self.api.write(Method::POST, &["users", id, "logout"], &[], None).await
    }

    pub(super) async fn remove_factors(&self, snapshot: &Snapshot) -> Result<Changed, Failure> {
        let person = self.person(snapshot).await?;
        let id = &person.account.id;
        let factors = self.factors(id).await?;
        for (removed, factor) in factors.iter().enumerate() {
            let path = ["users", id, "credentials", factor];
            match self.api.write(Method::DELETE, &path, &[], None).await {
                Ok(()) => {}
                // Somebody removed it at the same time; if the account is gone, reading back says so.
                Err(refusal) if refusal.is_gone() => {}
                Err(refusal) => {
                    let mut failure = refusal.failure;
                    failure.written = removed > 0;
                    return Err(failure);
                }
            }
        }
        if !factors.is_empty() && !self.factors(id).await?.is_empty() {
            return Err(not_shown());
        }
        Ok(Changed::plain(factors.is_empty()))
    }

    /// Returns the ids of all credentials except the password.
    async fn factors(&self, id: &str) -> Result<Vec<String>, Failure> {
        let all: Option<Vec<Credential>> = self.api.read(&["users", id, "credentials"], &[]).await?;
        let factors = all.ok_or_else(gone)?.into_iter().filter(|credential| credential.kind != "password");
        factors
            .map(|credential| {
                checked(&credential.id).map_err(|_| {
                    // A credential of a federation has an id that cannot be part of an address.
                    Failure::refused("a factor comes from a user federation; remove it at its source")
                })?;
                Ok(credential.id)
            })
            .collect()
    }
}
