//! MFA factors of an account: its registered devices. Reads, removes each, reads back.

use reqwest::Method;

use super::OneLogin;
use super::accounts::{Account, not_shown};
use super::api::rows;
use super::events::plain;
use crate::model::{Changed, Failure, Snapshot};

impl OneLogin {
    pub(super) async fn remove_factors(&self, snapshot: &Snapshot) -> Result<Changed, Failure> {
        let account = self.account(snapshot).await?;
        let devices = self.devices(&account).await?;
        for (removed, device) in devices.iter().enumerate() {
            let path = format!("{}/{device}", devices_of(&account));
            match self.api.write(Method::DELETE, &path, None).await {
                Ok(()) => {}
                // The device was removed in between by another client.
                Err(refusal) if refusal.is_gone() => {}
                Err(refusal) => {
                    let mut failure = refusal.failure;
                    failure.written |= removed > 0;
                    return Err(failure);
                }
            }
        }
        if !devices.is_empty() && !self.devices(&account).await?.is_empty() {
            return Err(not_shown());
        }
        Ok(Changed::plain(devices.is_empty()))
    }

    /// Returns the ids of the registered devices. An account without any may be answered with a 404.
    async fn devices(&self, account: &Account) -> Result<Vec<String>, Failure> {
        let Some(answer) = self.api.read(&devices_of(account), &[]).await? else { return Ok(Vec::new()) };
        let id = |row: serde_json::Value| {
            let id = row.get("device_id").or_else(|| row.get("id")).and_then(plain);
            // The id becomes a part of an address.
            id.filter(|id| {
                id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            })
            .ok_or_else(|| Failure::unavailable("OneLogin's answer has a device without an id"))
        };
        rows(answer, "devices")?.into_iter().map(id).collect()
    }
}

fn devices_of(account: &Account) -> String {
    format!("/api/2/mfa/users/{}/devices", account.id)
}
