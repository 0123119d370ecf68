//! Changes accounts: suspends, reinstates, ends sessions. Reads, compares, writes, reads back; never changes an account
//! other than the one that the case knew. A changed mail address stops none of it: an administrator's correction is no
//! reason to leave a risky account open.

use reqwest::Method;
use serde_json::{Value, json};

use super::OneLogin;
use super::api::Refusal;
use super::events::{moment, text};
use super::people::{self, Record};
use crate::model::{Changed, Failure, Snapshot, SubjectKind, Timestamp};

pub(super) const ACTIVE: u8 = 1;
/// Status 3 unlocks itself after 15 minutes; this one is permanent.
const SUSPENDED: u8 = 2;
const LOCKED: u8 = 3;
const UNTIL: &str = " until ";
/// The longest lock that OneLogin is known to accept, in minutes.
const LONGEST_LOCK: i64 = 525_600;

/// The current state of an account.
pub(super) struct Account {
    pub id: String,
    pub record: Record,
    pub status: u8,
}

impl Account {
    fn of(id: String, record: Record) -> Result<Self, Failure> {
        let status = text(&record, "status").and_then(|status| status.parse().ok());
        let status = status
            .ok_or_else(|| Failure::unavailable("OneLogin's answer has an account with an unknown status"))?;
        Ok(Self { id, record, status })
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.status == SUSPENDED
    }

    /// Returns the status, and the end of a lock: a suspension in its place must not end the lock.
    fn word(&self) -> String {
        let word = people::status_word(&self.status.to_string());
        match self.record.get("locked_until").and_then(moment).filter(|_| self.status == LOCKED) {
            Some(until) => format!("{word}{UNTIL}{}", until.to_rfc3339()),
            None => word,
        }
    }
}

impl OneLogin {
    /// Returns the account of a case, if it is still the one that the case knew.
    pub(super) async fn account(&self, snapshot: &Snapshot) -> Result<Account, Failure> {
        let id = match (snapshot.subject.kind, &snapshot.user_id) {
            (SubjectKind::Applicant, _) => {
                return Err(Failure::refused("an applicant has no account in OneLogin"));
            }
            (SubjectKind::Registration | SubjectKind::User, Some(id)) => Some(id.clone()),
            (SubjectKind::User, None) => Some(snapshot.subject.id.clone()),
            (SubjectKind::Registration, None) => {
                let backend = self.registrations().await?;
                let found =
                    self.found(backend, snapshot).await?.ok_or_else(|| self.missing(snapshot.created_at))?;
                found.user.as_ref().and(found.user_id)
            }
        };
        let id =
            id.ok_or_else(|| Failure::unavailable("OneLogin has no account for this registration yet"))?;
        let record = people::user(&self.api, &id).await?.ok_or_else(|| self.missing(snapshot.created_at))?;
        if record.get("created_at").and_then(moment) != snapshot.created_at {
            return Err(Failure::changed("its creation time changed since the case began"));
        }
        self.as_compared(Some(&record), snapshot, &|_| None)?;
        Account::of(id, record)
    }

    fn not_written(&self, account: &Account, refusal: Refusal) -> Failure {
        let made = account.record.get("created_at").and_then(moment);
        if refusal.is_gone() { self.missing(made) } else { refusal.failure }
    }

    pub(super) async fn write_account(&self, account: &Account, body: &Value) -> Result<(), Failure> {
        let path = format!("/api/2/users/{}", account.id);
        let written = self.api.write(Method::PUT, &path, Some(body)).await;
        written.map_err(|refusal| self.not_written(account, refusal))
    }

    pub(super) async fn suspend(
        &self,
        snapshot: &Snapshot,
        end_sessions: bool,
        again: bool,
    ) -> Result<Changed, Failure> {
        let account = self.account(snapshot).await?;
        let already = account.is_suspended();
        if !already {
            self.write_account(&account, &json!({"status": SUSPENDED})).await?;
            if !self.account(snapshot).await?.is_suspended() {
                return Err(not_shown());
            }
        }
        if end_sessions {
            // Open sessions continue until they end: ending them is part of the effect.
            self.log_out(&account).await.map_err(|mut failure| {
                failure.reason =
                    format!("the account is suspended, but ending its sessions failed: {}", failure.reason);
                failure.written = !already;
                failure
            })?;
        }
        // An earlier attempt may have suspended the account; the status before it is then unknown.
        let before = if already && again { None } else { Some(account.word()) };
        Ok(Changed { before, ..Changed::plain(already) })
    }

    pub(super) async fn reinstate(
        &self,
        snapshot: &Snapshot,
        to: Option<&str>,
        again: bool,
    ) -> Result<Changed, Failure> {
        let account = self.account(snapshot).await?;
        let before = Some(account.word());
        let already = !account.is_suspended();
        if !already {
            self.write_account(&account, &json!({"status": status_after(to)})).await?;
            // OneLogin changes some statuses into others at once; the required result is only that the account is open.
            if self.account(snapshot).await?.is_suspended() {
                return Err(not_shown());
            }
        }
        // An earlier attempt may have ended between the two writes.
        if (!already || again) && account.status != LOCKED {
            self.lock_again(&account, to).await?;
        }
        Ok(Changed { before, ..Changed::plain(already) })
    }

    /// Restores a lock that existed before the suspension and has not expired.
    async fn lock_again(&self, account: &Account, before: Option<&str>) -> Result<(), Failure> {
        let until = before.and_then(|before| before.split_once(UNTIL)?.1.parse::<Timestamp>().ok());
        let left = until.map_or(0, |until| (until - self.clock.now()).num_minutes());
        if left <= 0 {
            return Ok(());
        }
        let path = format!("/api/1/users/{}/lock_user", account.id);
        let body = json!({"locked_until": left.min(LONGEST_LOCK)});
        let written = self.api.write(Method::PUT, &path, Some(&body)).await;
        written.map_err(|refusal| self.not_written(account, refusal))
    }

    pub(super) async fn end_sessions(&self, snapshot: &Snapshot) -> Result<Changed, Failure> {
        let account = self.account(snapshot).await?;
        self.log_out(&account).await?;
        // No API shows whether a session was open.
        Ok(Changed::plain(false))
    }

    /// Ends all sessions. No API shows open sessions: only the answer confirms it. Repeating it is harmless.
    async fn log_out(&self, account: &Account) -> Result<(), Failure> {
        let path = format!("/api/1/users/{}/logout", account.id);
        let written = self.api.write(Method::PUT, &path, None).await;
        written.map_err(|refusal| self.not_written(account, refusal))
    }
}

/// Returns the status to restore. A lock is restored separately; an unknown status becomes active.
fn status_after(before: Option<&str>) -> u8 {
    match before {
        Some("password_expired") => 4,
        Some("awaiting_password_reset") => 5,
        // An account that was never activated waits for its password, whatever status is written.
        Some("unactivated" | "password_pending") => 7,
        Some("security_questions_required") => 8,
        Some(_) | None => ACTIVE,
    }
}

pub(super) fn not_shown() -> Failure {
    Failure::not_shown("OneLogin accepted the change but does not show it yet")
}
