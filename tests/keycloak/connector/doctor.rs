//! `proofd doctor`: no finding in the example realm, and one for each thing that is wrong.

use proofd::connectors::Connector as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::{connector, settings};
use crate::server::keycloak;

#[tokio::test(flavor = "multi_thread")]
async fn the_example_realm_has_no_findings() {
    let Some(keycloak) = keycloak().await else { return };
    let findings = connector(settings(&keycloak.example())).examine().await;
    let wrong: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(findings.len() >= 12, "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_problem_of_a_realm_has_a_finding() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.realm("kc-doctor").await;
    let types = json!(["LOGIN", "LOGIN_ERROR"]);
    let rows: Vec<(&str, Value, Value, &str)> = vec![
        ("", json!({"eventsEnabled": false}), json!({"eventsEnabled": true}), "Save events"),
        ("", json!({"adminEventsEnabled": false}), json!({"adminEventsEnabled": true}), "Save events"),
        (
            "",
            json!({"adminEventsDetailsEnabled": false}),
            json!({"adminEventsDetailsEnabled": true}),
            "Include representation",
        ),
        (
            "",
            json!({"eventsExpiration": 3600}),
            json!({"eventsExpiration": 2_592_000}),
            "kept for 1 hours only",
        ),
        (
            "",
            json!({"attributes": {"adminEventsExpiration": "3600"}}),
            json!({"attributes": {"adminEventsExpiration": "2592000"}}),
            "kept for 1 hours only",
        ),
        ("", json!({"registrationAllowed": false}), json!({"registrationAllowed": true}), "nobody registers"),
        (
            "",
            json!({"permanentLockout": true}),
            json!({"permanentLockout": false}),
            "permanent lockout is on",
        ),
        ("", json!({"failureFactor": 3}), json!({"failureFactor": 20}), "3 failures lock"),
        ("", json!({"smtpServer": {}}), realm.get("").await["smtpServer"].clone(), "no mail server is set"),
        (
            "",
            json!({"enabledEventTypes": types}),
            json!({"enabledEventTypes": realm.get("").await["enabledEventTypes"]}),
            "REGISTER (registrations)",
        ),
    ];
    for (path, wrong, right, says) in rows {
        realm.ask(Method::PUT, path, Some(wrong.clone())).await;
        let findings = connector(settings(&realm)).examine().await;
        let found = findings.iter().filter(|finding| !finding.ok).collect::<Vec<_>>();
        assert!(found.len() == 1 && found[0].detail.contains(says), "{wrong}: {found:?}");
        let right = if says.contains("mail") { json!({"smtpServer": right}) } else { right };
        realm.ask(Method::PUT, path, Some(right)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsuitable_settings_have_a_finding() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.realm("kc-doctor-settings").await;
    let findings = |change: fn(&mut proofd::connectors::keycloak::Settings)| {
        let mut with = settings(&realm);
        change(&mut with);
        async move { connector(with).examine().await }
    };
    type Change = fn(&mut proofd::connectors::keycloak::Settings);
    let rows: [(Change, &str); 5] = [
        (|with| with.registrations = false, "people can register, and proofd.yaml says"),
        (|with| with.pending_group = "/nobody".into(), "has no group /nobody"),
        (|with| with.invite.client_id = Some("nobody".into()), "there is no client nobody"),
        (|with| with.state_attribute = "nothing".into(), "nothing is missing"),
        (
            |with| {
                with.attributes.insert("title".into(), "firstName".into());
            },
            "firstName can be edited by the person",
        ),
    ];
    for (change, says) in rows {
        let findings = findings(change).await;
        assert!(
            findings.iter().any(|finding| !finding.ok && finding.detail.contains(says)),
            "{says}: {findings:?}"
        );
    }
    // More rights than it needs.
    let client = async |name: &str| {
        realm.get(&format!("/clients?clientId={name}")).await[0]["id"].as_str().unwrap().to_owned()
    };
    let (own, management) = (client("proofd").await, client("realm-management").await);
    let own =
        realm.get(&format!("/clients/{own}/service-account-user")).await["id"].as_str().unwrap().to_owned();
    let right = realm.get(&format!("/clients/{management}/roles/manage-realm")).await;
    let path = format!("/users/{own}/role-mappings/clients/{management}");
    realm.ask(Method::POST, &path, Some(json!([{"id": right["id"], "name": right["name"]}]))).await;
    let found = findings(|_| ()).await;
    let found = found.iter().find(|finding| !finding.ok).unwrap();
    assert!(found.detail.contains("rights that it does not need: manage-realm"), "{found:?}");
    // Anybody could set any attribute at the registration form.
    let mut profile = realm.get("/users/profile").await;
    profile["unmanagedAttributePolicy"] = "ENABLED".into();
    realm.ask(Method::PUT, "/users/profile", Some(profile)).await;
    let findings = connector(settings(&realm)).examine().await;
    assert!(
        findings.iter().any(|finding| finding.detail.contains("people can set any attribute")),
        "{findings:?}"
    );
}
