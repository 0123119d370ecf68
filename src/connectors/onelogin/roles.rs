//! Assigns and removes roles by name. OneLogin answers 200 to an assignment that it drops, delays or loses: only a role
//! that is read back on the account counts. The case's next attempt sends it again.

use chrono::TimeDelta;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::OneLogin;
use super::accounts::Account;
use super::api::Refusal;
use super::events::text;
use super::people;
use crate::model::{Changed, Failure, FailureKind, Snapshot};

/// Seconds to wait before each read. Longer waits would only delay others: an assignment that is not visible by then
/// takes ten seconds or minutes, and the next attempt reads first.
const LOOKS: [i64; 2] = [0, 2];
/// Seconds until an invisible assignment is sent again.
const SEND_AGAIN_SECONDS: u32 = 15;
/// Seconds until the next check whether the person activated the account.
const NOT_ACTIVATED_SECONDS: u32 = 900;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Give,
    Take,
}

impl Account {
    fn holds(&self, role: &str) -> Result<bool, Failure> {
        let ids = self.record.get("role_ids").and_then(Value::as_array);
        let ids =
            ids.ok_or_else(|| Failure::unavailable("OneLogin's answer has an account without roles"))?;
        Ok(ids.iter().filter_map(people::number).any(|id| id == role))
    }

    /// Checks that the account may hold roles: OneLogin keeps a role only for an account that is approved, licensed and
    /// activated.
    fn may_hold_roles(&self) -> Result<(), Failure> {
        let why = match (text(&self.record, "state").as_deref(), self.status) {
            (Some("1"), 1..=5) => return Ok(()),
            (Some("1"), _) => "the person has not activated the account yet",
            (Some("3"), _) => "the account has no license",
            (Some(_) | None, _) => "the account is not approved",
        };
        let reason = format!("{why}, so OneLogin would drop the role");
        Err(Failure::unavailable(reason).waiting(Some(NOT_ACTIVATED_SECONDS)))
    }
}

impl OneLogin {
    pub(super) async fn assign_role(&self, snapshot: &Snapshot, role: &str) -> Result<Changed, Failure> {
        let mut id = self.roles.id(&self.api, role, self.clock.now()).await?;
        let account = self.account(snapshot).await?;
        if account.holds(&id)? {
            return Ok(Changed::plain(true));
        }
        account.may_hold_roles()?;
        self.send(Change::Give, &account, role, &mut id, snapshot).await?;
        self.seen(Change::Give, snapshot, &id).await
    }

    pub(super) async fn remove_role(&self, snapshot: &Snapshot, role: &str) -> Result<Changed, Failure> {
        let mut id = self.roles.id(&self.api, role, self.clock.now()).await?;
        let account = self.account(snapshot).await?;
        let (held, looked_for) = (account.holds(&id)?, id.clone());
        // A recent assignment may not be visible yet. The role is removed all the same; an answer that there is nothing
        // to remove is then no failure.
        match self.send(Change::Take, &account, role, &mut id, snapshot).await {
            Ok(()) => {}
            Err(failure) if held || failure.kind != FailureKind::Refused => {
                return Err(failure);
            }
            Err(_) => {}
        }
        if held || id != looked_for {
            self.seen(Change::Take, snapshot, &id).await
        } else {
            Ok(Changed::plain(true))
        }
    }

    /// Sends a change. `id` is replaced if the role was created again under its name since the names were read.
    async fn send(
        &self,
        change: Change,
        account: &Account,
        role: &str,
        id: &mut String,
        snapshot: &Snapshot,
    ) -> Result<(), Failure> {
        let Err(refusal) = self.send_once(change, account, id).await else { return Ok(()) };
        if refusal.status.is_none_or(|status| !not_understood(status)) {
            return Err(refusal.failure);
        }
        let now = self.roles.id_now(&self.api, role, self.clock.now()).await?;
        if now == *id {
            // Either the role or the account was not found.
            self.account(snapshot).await?;
            return Err(refusal.failure);
        }
        *id = now;
        self.send_once(change, account, id).await.map_err(|refusal| refusal.failure)
    }

    async fn send_once(&self, change: Change, account: &Account, role: &str) -> Result<(), Refusal> {
        people::numeric(role)?;
        let user: u64 = account.id.parse().map_err(|_| Failure::refused("the account's id is too long"))?;
        let method = match change {
            Change::Give => Method::POST,
            Change::Take => Method::DELETE,
        };
        self.api.write(method, &format!("/api/2/roles/{role}/users"), Some(&json!([user]))).await
    }

    async fn seen(&self, change: Change, snapshot: &Snapshot, role: &str) -> Result<Changed, Failure> {
        for seconds in LOOKS {
            if seconds > 0 {
                self.clock.sleep_until(self.clock.now() + TimeDelta::seconds(seconds)).await;
            }
            if self.account(snapshot).await?.holds(role)? == (change == Change::Give) {
                return Ok(Changed::plain(false));
            }
        }
        let reason = match change {
            Change::Give => "OneLogin accepted the role but does not show it; sending it again",
            Change::Take => "OneLogin accepted the removal of the role but still shows it; sending it again",
        };
        Err(Failure::not_shown(reason).waiting(Some(SEND_AGAIN_SECONDS)))
    }
}

fn not_understood(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY)
}
