//! The findings of `proofd doctor` about a tenant, good and bad.

use proofd::connectors::onelogin::{OneLogin, RegistrationsMode};
use proofd::connectors::{Connector as _, Finding};
use proofd::engine::clock::System;
use proofd::model::{Clock as _, Secret};
use proofd::simulate::onelogin::{Knobs, Scope};
use std::sync::Arc;

use super::tenant::{BACK_ENDS, Tenant};

/// The bad findings, without their common first word.
fn ill(findings: &[Finding]) -> Vec<&str> {
    let bad = findings.iter().filter(|finding| !finding.ok);
    bad.map(|finding| finding.what.trim_start_matches("OneLogin ")).collect()
}

fn detail(findings: &[Finding], what: &str) -> String {
    findings.iter().find(|one| one.what.ends_with(what)).map(|one| one.detail.clone()).unwrap_or_default()
}

/// A tenant with the system clock, which dates its answers.
async fn tenant(turn: impl FnOnce(&mut Knobs)) -> Tenant {
    Tenant::at(System.now(), turn).await
}

#[tokio::test]
async fn a_healthy_tenant_has_no_findings() {
    for resource in BACK_ENDS {
        let tenant = tenant(|knobs| knobs.registrations_resource = resource).await;
        let findings = tenant.onelogin.examine().await;
        assert_eq!(ill(&findings), Vec::<&str>::new(), "{findings:?}");
        let found = if resource { "Resource" } else { "UserRecord" };
        assert!(detail(&findings, "registrations").contains(found), "{findings:?}");
        assert_eq!(tenant.simulator.ledger().records(), [], "nothing is changed");
    }
}

#[tokio::test]
async fn each_problem_of_a_tenant_has_a_finding() {
    let all = ["users", "events", "self-registration profiles", "registrations", "custom attributes"];
    for (turn, expected, says) in [
        (
            (|knobs| knobs.scope = Scope::AuthenticationOnly) as fn(&mut Knobs),
            &all[..],
            ("users", "scope Manage All"),
        ),
        (|knobs| knobs.credential_orphaned = true, &all[..], ("events", "administrator")),
        (|knobs| knobs.hourly_limit = 0, &["events"][..], ("events", "429")),
    ] {
        let findings = tenant(turn).await.onelogin.examine().await;
        assert_eq!(ill(&findings), expected, "{findings:?}");
        assert!(detail(&findings, says.0).contains(says.1), "{findings:?}");
    }
}

#[tokio::test]
async fn unsuitable_settings_have_findings() {
    let tenant = tenant(|_| {}).await;
    let look = |onelogin: Arc<OneLogin>| async move { onelogin.examine().await };
    let findings = look(tenant.connector(|it| it.client_secret = Secret::new("wrong"))).await;
    assert_eq!(ill(&findings), ["token"]);
    assert!(!format!("{findings:?}").contains("wrong"));
    let attribute = |it: &mut proofd::connectors::onelogin::Settings| {
        it.attributes.insert("exempt_until".into(), "not_there".into());
    };
    let findings = look(tenant.connector(attribute)).await;
    assert_eq!(ill(&findings), ["custom attributes"]);
    assert!(detail(&findings, "custom attributes").contains("not_there"));
    let findings = look(tenant.connector(|it| it.webhook = None)).await;
    assert!(detail(&findings, "webhook").contains("polling only"));
    // Configured to use a resource that the tenant does not have.
    tenant.simulator.turn(|knobs| knobs.registrations_resource = false);
    let findings = look(tenant.connector(|it| it.registrations = RegistrationsMode::Resource)).await;
    assert_eq!(ill(&findings), ["registrations"], "{findings:?}");
    // The clock is wrong by months.
    let findings = Tenant::new(|_| {}).await.onelogin.examine().await;
    assert_eq!(ill(&findings), ["clock"]);
}
