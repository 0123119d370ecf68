//! The checks of `proofd doctor` at OneLogin. They change nothing.

use reqwest::Method;

use super::api::failed;
use super::{OneLogin, RegistrationsMode, people, registrations};
use crate::connectors::Finding;
use crate::model::Failure;

/// Above this, times of events cannot be compared with ours.
const LARGEST_SKEW_SECONDS: i64 = 60;

fn well(what: &str, detail: impl Into<String>) -> Finding {
    Finding { ok: true, what: what.into(), detail: detail.into() }
}

fn ill(what: &str, detail: impl Into<String>) -> Finding {
    Finding { ok: false, what: what.into(), detail: detail.into() }
}

fn finding(what: &str, result: Result<String, Failure>) -> Finding {
    match result {
        Ok(detail) => well(what, detail),
        Err(failure) => ill(what, failure.reason),
    }
}

impl OneLogin {
    pub(super) async fn look(&self) -> Vec<Finding> {
        let token = self.api.token().await;
        if let Err(failure) = token {
            // No other check can succeed without a token.
            return vec![ill("OneLogin token", failure.reason), self.look_at_webhook()];
        }
        let mut findings = vec![well("OneLogin token", "received")];
        findings.extend(self.look_at_users().await);
        let events = self.api.read("/api/1/events", &[("limit", "1")]).await.map(|_| "readable".into());
        findings.push(finding("OneLogin events", events));
        findings.extend(self.look_at_registrations().await);
        findings.push(self.look_at_attributes().await);
        findings.push(self.look_at_webhook());
        findings
    }

    async fn look_at_users(&self) -> Vec<Finding> {
        let answer = match self.api.call(Method::GET, "/api/2/users", &[("limit", "1")], None).await {
            Ok(answer) => answer,
            Err(failure) => return vec![ill("OneLogin users", failure.reason)],
        };
        let users = if answer.status.is_success() {
            well("OneLogin users", "readable; changes need the scope Manage All")
        } else {
            ill("OneLogin users", failed(&answer).reason)
        };
        let clock = match answer.date().map(|date| (date - self.clock.now()).num_seconds().abs()) {
            None => well("OneLogin clock", "OneLogin's answer has no date"),
            Some(skew) if skew <= LARGEST_SKEW_SECONDS => well("OneLogin clock", format!("{skew} s apart")),
            Some(skew) => ill("OneLogin clock", format!("{skew} s apart; set this machine's clock")),
        };
        vec![users, clock]
    }

    async fn look_at_registrations(&self) -> Vec<Finding> {
        let profiles = match self.profiles().await {
            Err(failure) => ill("OneLogin self-registration profiles", failure.reason),
            Ok(none) if none.is_empty() => ill(
                "OneLogin self-registration profiles",
                "none is enabled and moderated; no registration waits for approval",
            ),
            Ok(some) => {
                let names: Vec<_> = some.iter().map(|profile| profile.name.as_str()).collect();
                well("OneLogin self-registration profiles", names.join(", "))
            }
        };
        let backend = match self.mode {
            RegistrationsMode::Resource => self.look_at_resource().await,
            RegistrationsMode::UserRecord => Ok("the user record, as configured".into()),
            RegistrationsMode::Auto => self.registrations().await.map(|found| format!("found: {found:?}")),
        };
        vec![profiles, finding("OneLogin registrations", backend)]
    }

    async fn look_at_resource(&self) -> Result<String, Failure> {
        match registrations::has_resource(&self.api, &self.profiles().await?).await? {
            Some(false) => Err(Failure::refused(
                "`registrations: resource` is configured, but this tenant has no such resource; set auto",
            )),
            Some(true) => Ok("the registrations resource, as configured, exists".into()),
            None => Ok("the registrations resource, as configured; no profile to check it with".into()),
        }
    }

    async fn look_at_attributes(&self) -> Finding {
        let what = "OneLogin custom attributes";
        let defined = match people::shortnames(&self.api).await {
            Ok(defined) => defined,
            Err(failure) => return ill(what, failure.reason),
        };
        let missing: Vec<_> =
            self.attributes.values().filter(|name| !defined.contains(*name)).map(String::as_str).collect();
        if missing.is_empty() {
            well(what, "all configured attributes are defined")
        } else {
            ill(
                what,
                format!("not defined in OneLogin: {}; create them or correct the names", missing.join(", ")),
            )
        }
    }

    fn look_at_webhook(&self) -> Finding {
        if self.webhook.is_some() {
            well("OneLogin webhook", "a shared header is configured")
        } else {
            well("OneLogin webhook", "not configured; events arrive by polling only")
        }
    }
}
