//! A realm that was not made by us gets the gate, by the steps of `examples/keycloak/README.md` as the console sends
//! them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::admin::{PENDING, Realm};
use crate::gate::REFUSED;
use crate::person::{APPLICATION, Person};
use crate::server::keycloak;

/// Keycloak's own flows that are duplicated, the names of the copies, and what they are bound as.
const COPIES: [(&str, &str, &str); 3] = [
    ("registration", "own registration", "registrationFlow"),
    ("direct grant", "own direct grant", "directGrantFlow"),
    ("reset credentials", "own reset credentials", "resetCredentialsFlow"),
];

/// Sets the requirement of the step of a flow that is the newest of its kind; returns its id.
async fn requires(realm: &Realm, flow: &str, key: &str, name: &str, requirement: &str) -> String {
    let path = format!("/authentication/flows/{flow}/executions");
    let steps = realm.get(&path).await;
    let step = steps.as_array().unwrap().iter().rfind(|step| step[key] == name);
    let mut step = step.unwrap_or_else(|| panic!("{flow} has no {name}: {steps:#}")).clone();
    step["requirement"] = requirement.into();
    let id = step["id"].as_str().unwrap().to_owned();
    realm.ask(Method::PUT, &path, Some(step)).await;
    id
}

async fn step(realm: &Realm, flow: &str, provider: &str, requirement: &str) -> String {
    let path = format!("/authentication/flows/{flow}/executions/execution");
    realm.ask(Method::POST, &path, Some(json!({ "provider": provider }))).await;
    requires(realm, flow, "providerId", provider, requirement).await
}

async fn sub_flow(realm: &Realm, flow: &str, alias: &str, requirement: &str) {
    let path = format!("/authentication/flows/{flow}/executions/flow");
    let body = json!({"alias": alias, "type": "basic-flow", "description": "", "provider": "registration-page-form"});
    realm.ask(Method::POST, &path, Some(body)).await;
    requires(realm, flow, "displayName", alias, requirement).await;
}

async fn configured(realm: &Realm, step: &str, alias: &str, config: Value) {
    let body = json!({"alias": alias, "config": config});
    realm.ask(Method::POST, &format!("/authentication/executions/{step}/config"), Some(body)).await;
}

/// The gate as the last sub-flow of a flow.
async fn gate(realm: &Realm, flow: &str) {
    let alias = format!("{flow} gate");
    sub_flow(realm, flow, &alias, "CONDITIONAL").await;
    let role = step(realm, &alias, "conditional-user-role", "REQUIRED").await;
    let config = json!({"condUserRole": PENDING, "negate": "false"});
    configured(realm, &role, &format!("{alias} role"), config).await;
    let deny = step(realm, &alias, "deny-access-authenticator", "REQUIRED").await;
    configured(realm, &deny, &format!("{alias} message"), json!({ "denyErrorMessage": REFUSED })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manually_added_gate_refuses_sign_in() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = Realm::new(keycloak, "own-realm");
    let smtp =
        json!({"host": "127.0.0.1", "port": keycloak.smtp.port().to_string(), "from": "iam@example.com"});
    let portal = json!({"clientId": APPLICATION, "publicClient": true, "redirectUris": ["http://127.0.0.1/*"],
                        "directAccessGrantsEnabled": true});
    realm
        .create(
            &json!({"realm": realm.name, "enabled": true, "registrationAllowed": true, "verifyEmail": true,
                        "resetPasswordAllowed": true, "smtpServer": smtp, "clients": [portal]}),
        )
        .await;
    // Who was there before the gate.
    let mut old = Person::new(&realm, "Olga");
    old.registers().await;
    let old_id = realm.id(&old.name).await;

    realm.ask(Method::POST, "/roles", Some(json!({ "name": PENDING }))).await;
    realm.ask(Method::POST, "/groups", Some(json!({ "name": PENDING }))).await;
    let (group, role) = (realm.group(PENDING).await, realm.get(&format!("/roles/{PENDING}")).await);
    realm.ask(Method::POST, &format!("/groups/{group}/role-mappings/realm"), Some(json!([role]))).await;

    let browser =
        json!({"alias": "own browser", "providerId": "basic-flow", "topLevel": true, "builtIn": false});
    realm.ask(Method::POST, "/authentication/flows", Some(browser)).await;
    sub_flow(&realm, "own browser", "own ways in", "REQUIRED").await;
    for provider in ["auth-cookie", "identity-provider-redirector"] {
        step(&realm, "own ways in", provider, "ALTERNATIVE").await;
    }
    sub_flow(&realm, "own ways in", "own forms", "ALTERNATIVE").await;
    step(&realm, "own forms", "auth-username-password-form", "REQUIRED").await;
    gate(&realm, "own browser").await;
    let mut bound = json!({"browserFlow": "own browser"});
    for (own, copy, binding) in COPIES {
        let path = format!("/authentication/flows/{own}/copy");
        realm.ask(Method::POST, &path, Some(json!({ "newName": copy }))).await;
        gate(&realm, copy).await;
        bound[binding] = copy.into();
    }
    realm.ask(Method::PUT, "", Some(bound)).await;
    realm.ask(Method::PUT, &format!("/default-groups/{group}"), None).await;

    let mut ada = Person::new(&realm, "Ada");
    ada.registers().await;
    assert!(ada.browser.text().contains(REFUSED), "{}", ada.browser.text());
    let id = realm.id(&ada.name).await;
    ada.forgets_password().await;
    ada.acts_on(&ada.keycloak_link(0).await).await;
    realm.sets_password(&id, &ada.password).await;
    assert!(!ada.signs_in().await && !ada.has_session().await);
    assert!(!ada.direct_grant(APPLICATION).await.is_success());
    assert_eq!(realm.sessions(&id).await, 0);

    for (person, id) in [(&mut ada, &id), (&mut old, &old_id)] {
        if realm.groups_of(id).await == [PENDING] {
            realm.leaves(id, PENDING).await;
        }
        realm.sets_password(id, &person.password).await;
        realm.changes(id, json!({"emailVerified": true, "requiredActions": []})).await;
        assert!(person.signs_in().await, "{}", person.browser.text());
    }
}
