//! Nobody gets past the gate of the example realm: no session, no code and no token before the person leaves the group,
//! whatever the way in.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::admin::{PENDING, Realm};
use crate::chromium::Chromium;
use crate::page::CALLBACK;
use crate::person::{APPLICATION, Person};
use crate::server::keycloak;

/// The text of the gate in the realm.
pub const REFUSED: &str = "Your registration is not finished yet";

/// Registers; the gate refuses the sign-in that ends the registration.
async fn registered(realm: &Realm, first_name: &str) -> (Person, String) {
    let mut person = Person::new(realm, first_name);
    person.registers().await;
    let id = realm.id(&person.name).await;
    (person, id)
}

/// Nobody was signed in: no code, no session at the server or in the browser.
async fn outside(person: &mut Person, id: &str, way: &str) {
    let text = person.browser.text();
    assert_eq!(person.browser.code(), None, "{way}: {text}");
    assert_eq!(person.realm.sessions(id).await, 0, "{way}: {text}");
    assert!(!person.has_session().await, "{way}: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_is_stored_and_not_signed_in() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let (mut ada, id) = registered(&realm, "Ada").await;
    assert_eq!(ada.browser.page().status, 401, "{}", ada.browser.text());
    assert!(ada.browser.text().contains(REFUSED), "{}", ada.browser.text());
    outside(&mut ada, &id, "registration").await;
    let user = realm.user(&ada.name).await.unwrap();
    assert_eq!((&user["enabled"], &user["emailVerified"]), (&json!(true), &json!(false)), "{user}");
    assert_eq!(user["requiredActions"], json!(["UPDATE_PASSWORD"]), "{user}");
    assert_eq!(realm.groups_of(&id).await, [PENDING]);
    assert!(realm.roles_of(&id).await.contains(&PENDING.to_owned()));
    assert!(ada.mails().is_empty(), "Keycloak sends nothing by itself");
}

/// Parameters of a request to sign in by name and password.
const WAYS: [&[(&str, &str)]; 7] = [
    &[],
    &[("prompt", "login")],
    &[("max_age", "0")],
    &[("kc_action", "UPDATE_PASSWORD")],
    &[("scope", "openid offline_access")],
    &[("response_mode", "fragment")],
    &[("acr_values", "1")],
];

#[tokio::test(flavor = "multi_thread")]
async fn an_unapproved_user_with_a_password_is_refused_by_every_flow() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let direct = json!({"clientId": "gate-direct", "publicClient": true, "directAccessGrantsEnabled": true});
    realm.ask(Method::POST, "/clients", Some(direct)).await;
    let (bob, id) = registered(&realm, "Bob").await;
    realm.sets_password(&id, &bob.password).await;
    for way in WAYS {
        let mut bob = bob.elsewhere();
        assert!(!bob.signs_in_with(way).await, "{way:?}");
        assert!(bob.browser.text().contains(REFUSED), "{way:?}: {}", bob.browser.text());
        outside(&mut bob, &id, &format!("{way:?}")).await;
    }
    assert_eq!(bob.direct_grant("gate-direct").await, StatusCode::UNAUTHORIZED);
    // Back, reload and the links of the page after a refusal.
    let mut bob = bob.elsewhere();
    bob.signs_in().await;
    let page = bob.browser.page().clone();
    let links = ["login-actions/restart", "login-actions/authenticate", "login-actions/required-action"];
    let links = links.iter().filter_map(|part| page.link(part));
    for link in [page.url.to_string()].into_iter().chain(links) {
        bob.browser.go(&link).await;
        outside(&mut bob, &id, &link).await;
    }
    // The same person, out of the group: the very same ways are open.
    realm.leaves(&id, PENDING).await;
    realm.changes(&id, json!({"emailVerified": true, "requiredActions": []})).await;
    realm.ask(Method::DELETE, &format!("/attack-detection/brute-force/users/{id}"), None).await;
    assert_eq!(bob.direct_grant("gate-direct").await, StatusCode::OK);
    assert!(bob.elsewhere().signs_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_links_do_not_bypass_the_gate() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let (mut cleo, id) = registered(&realm, "Cleo").await;

    // A forgotten password: the link in the same and in another browser.
    for elsewhere in [false, true] {
        let seen = cleo.mails().len();
        cleo.forgets_password().await;
        let link = cleo.keycloak_link(seen).await;
        let mut other = cleo.elsewhere();
        let who = if elsewhere { &mut other } else { &mut cleo };
        who.acts_on(&link).await;
        outside(who, &id, "the link for a forgotten password").await;
    }
    // Mails that an administrator sends: their actions are done, and nobody is signed in.
    let back = format!("client_id={APPLICATION}&redirect_uri={CALLBACK}");
    let mails = [
        (format!("/users/{id}/send-verify-email?{back}"), None),
        (
            format!("/users/{id}/execute-actions-email?{back}"),
            Some(json!(["VERIFY_EMAIL", "UPDATE_PASSWORD"])),
        ),
    ];
    for (path, actions) in mails {
        let seen = cleo.mails().len();
        realm.ask(Method::PUT, &path, actions).await;
        let link = cleo.keycloak_link(seen).await;
        cleo.acts_on(&link).await;
        outside(&mut cleo, &id, &path).await;
    }
    let user = realm.user(&cleo.name).await.unwrap();
    assert_eq!((&user["emailVerified"], &user["requiredActions"]), (&json!(true), &json!([])), "{user}");
    assert!(!cleo.signs_in().await, "with the password that the link asked for");
    realm.leaves(&id, PENDING).await;
    assert!(!cleo.has_session().await, "leaving the group signs nobody in");
    assert!(cleo.signs_in().await, "{}", cleo.browser.text());
    assert!(cleo.tokens().await.0.is_success());
}

/// A session from before does not help; the gate meets it too.
#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_session_gets_no_code() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let mut dora = Person::new(&realm, "Dora");
    let id = realm.employs(&dora.name, &dora.password).await;
    assert!(dora.signs_in().await, "{}", dora.browser.text());
    assert!(dora.has_session().await);
    realm.joins(&id, PENDING).await;
    assert!(!dora.has_session().await);
    dora.begins(&[]).await;
    assert!(dora.browser.text().contains(REFUSED), "{}", dora.browser.text());
}

/// Fields that the form does not have are not taken from it.
#[tokio::test(flavor = "multi_thread")]
async fn form_fields_cannot_prove_or_approve() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let mut eve = Person::new(&realm, "Eve");
    eve.begins(&[("prompt", "create")]).await;
    let (name, email) = (eve.name.clone(), eve.email.clone());
    let honest = [("username", &*name), ("email", &*email), ("firstName", "Eve"), ("lastName", "Tester")];
    let other = [
        ("verified_at", "2026-01-01"),
        ("user.attributes.verified_at", "2026-01-01"),
        ("proofd_state", "approved"),
        ("emailVerified", "true"),
        ("groups", "/administrators"),
        ("realmRoles", "privileged"),
    ];
    eve.browser.submit(&[&honest[..], &other[..]].concat()).await;
    let id = realm.id(&eve.name).await;
    let user = realm.user(&eve.name).await.unwrap();
    assert_eq!((&user["emailVerified"], user.get("attributes")), (&json!(false), None), "{user}");
    assert_eq!(realm.groups_of(&id).await, [PENDING]);
}

/// Who comes from another identity provider is refused too, if its post login flow is the realm's.
#[tokio::test(flavor = "multi_thread")]
async fn another_identity_provider_does_not_bypass_the_gate() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let elsewhere = Realm::new(keycloak, "gate-elsewhere");
    let back = format!("{}/broker/elsewhere/endpoint", realm.url());
    elsewhere
        .create(&json!({
            "realm": elsewhere.name, "enabled": true,
            "clients": [{"clientId": "broker", "secret": "broker-secret", "redirectUris": [back]}],
            "users": [{"username": "finn", "email": "finn@elsewhere.test", "emailVerified": true, "enabled": true,
                       "firstName": "Finn", "lastName": "Tester",
                       "credentials": [{"type": "password", "value": "finn-password"}]}],
        }))
        .await;
    let openid = format!("{}/protocol/openid-connect", elsewhere.url());
    let provider = json!({
        "alias": "elsewhere", "providerId": "oidc", "enabled": true, "trustEmail": true,
        "postBrokerLoginFlowAlias": "proofd post login",
        "config": {"clientId": "broker", "clientSecret": "broker-secret", "clientAuthMethod": "client_secret_post",
                   "authorizationUrl": format!("{openid}/auth"), "tokenUrl": format!("{openid}/token"),
                   "userInfoUrl": format!("{openid}/userinfo"), "issuer": elsewhere.url(),
                   "useJwksUrl": "true", "jwksUrl": format!("{openid}/certs"), "defaultScope": "openid email profile"},
    });
    realm.ask(Method::POST, "/identity-provider/instances", Some(provider)).await;
    let mut finn = Person::new(&realm, "Finn");
    finn.begins(&[("kc_idp_hint", "elsewhere")]).await;
    finn.browser.submit(&[("username", "finn"), ("password", "finn-password")]).await;
    assert!(finn.browser.text().contains(REFUSED), "{}", finn.browser.text());
    let id = realm.id("finn").await;
    outside(&mut finn, &id, "an identity provider").await;
    realm.leaves(&id, PENDING).await;
    finn.begins(&[("kc_idp_hint", "elsewhere")]).await;
    assert!(finn.browser.code().is_some(), "{}", finn.browser.text());
}

/// The same registration with a real browser: its rules for cookies, and its scripts.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_browser_is_refused_too() {
    let Some(keycloak) = keycloak().await else { return };
    let Some(mut chromium) = Chromium::open() else { return };
    let realm = keycloak.example();
    let mut gil = Person::new(&realm, "Gil");
    chromium.go(&gil.door(&[("prompt", "create")]));
    for (field, value) in [("username", &gil.name), ("email", &gil.email)] {
        chromium.types(&format!("#{field}"), value);
    }
    chromium.types("#firstName", &gil.first_name);
    chromium.types("#lastName", &gil.last_name);
    chromium.clicks("[type=submit]");
    chromium.reads(REFUSED);
    let id = realm.id(&gil.name).await;
    assert_eq!(realm.sessions(&id).await, 0);
    assert_eq!(chromium.strangers(), Vec::<&String>::new());
}
