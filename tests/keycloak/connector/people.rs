//! Subjects: fields, states, roles by every way, and all people page by page.

use std::collections::BTreeSet;

use proofd::connectors::IdentityProvider as _;
use proofd::model::{Subject, SubjectKind};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Bench, connector, settings};
use crate::person::Person;
use crate::server::keycloak;

fn roles(subject: &Subject) -> BTreeSet<String> {
    let roles = subject.fields["roles"].as_array().unwrap();
    roles.iter().map(|role| role.as_str().unwrap().to_owned()).collect()
}

fn has(names: &[&str]) -> BTreeSet<String> {
    let everybody = ["default-roles-", "offline_access", "uma_authorization", "account/"];
    assert!(names.iter().all(|name| everybody.iter().all(|all| !name.starts_with(all))));
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn special(subject: &Subject) -> BTreeSet<String> {
    let everybody = ["default-roles-", "offline_access", "uma_authorization", "account/"];
    roles(subject).into_iter().filter(|name| everybody.iter().all(|all| !name.starts_with(all))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_all_fields() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.realm("kc-people").await;
    let mut with = settings(&realm);
    with.attributes.insert("manager".to_owned(), "department".to_owned());
    with.attributes.remove("department");
    let bench = Bench::with(&realm, with).await;
    let mut una = Person::new(&realm, "Una");
    let id = realm.employs(&una.name, &una.password).await;
    let boss = realm.employs("the-boss", "Passw0rd!").await;
    realm
        .changes(
            &id,
            json!({"attributes": {
                "department": ["the-boss"], "cost_center": ["4711"], "service_account": ["no"],
                "verified_at": ["2026-01-02"], "exempt_until": ["2027-01-02T03:04:05Z"],
            }}),
        )
        .await;
    let user = bench.user(&id).await;
    let expected = json!({
        "id": id, "username": una.name, "email": format!("{}@mail.example", una.name),
        "email_domain": "mail.example", "first_name": "Ada", "last_name": "Lovelace", "status": "active",
        "state": "approved", "groups": [], "department": null, "title": null, "locale": null,
        "manager": {"id": boss, "email": "the-boss@mail.example", "name": "Ada Lovelace"},
        "last_login_at": null, "verified_at": "2026-01-02T00:00:00Z", "exempt_until": "2027-01-02T03:04:05Z",
        "service_account": false,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&user.fields[field], value, "{field}");
    }
    assert_eq!(user.fields["attributes"]["cost_center"], "4711");
    assert!(user.fields["created_at"].as_str().unwrap().starts_with("20"));
    assert_eq!(special(&user), has(&[]));
    assert!(roles(&user).contains("account/view-profile"), "{:?}", roles(&user));
    assert!(una.signs_in().await);
    assert!(bench.user(&id).await.fields["last_login_at"].is_string());
    // Registered, and read as a user.
    let mut reg = Person::new(&realm, "Regina");
    reg.registers().await;
    let waiting = bench.user(&realm.id(&reg.name).await).await;
    assert_eq!((waiting.text("state"), waiting.text("status")), (Some("unapproved"), Some("active")));
    assert!(bench.subject(SubjectKind::Applicant, &id).await.is_none());
    let odd = bench.connector.subject(&super::reference(SubjectKind::User, "../x"), None).await.unwrap_err();
    assert_eq!(odd.reason, "the record's id is not an id of Keycloak");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_include_those_of_groups_parents_and_composites() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.realm("kc-roles").await;
    let id = realm.employs("ulla", "Passw0rd!").await;
    // A realm role that contains a client's role, held by a parent of the person's group.
    let portal = realm.get("/clients?clientId=portal").await[0]["id"].as_str().unwrap().to_owned();
    let approver = realm.get(&format!("/clients/{portal}/roles/approver")).await;
    realm.ask(Method::POST, "/roles", Some(json!({"name": "business"}))).await;
    let business = realm.get("/roles/business").await;
    let parts = format!("/roles-by-id/{}/composites", business["id"].as_str().unwrap());
    realm.ask(Method::POST, &parts, Some(json!([approver]))).await;
    let parent = realm.group("administrators").await;
    let path = format!("/groups/{parent}/role-mappings/realm");
    realm.ask(Method::POST, &path, Some(json!([business]))).await;
    let child =
        realm.ask(Method::POST, &format!("/groups/{parent}/children"), Some(json!({"name": "night"}))).await;
    let child = child["id"].as_str().unwrap().to_owned();
    realm.ask(Method::PUT, &format!("/users/{id}/groups/{child}"), None).await;
    // The settings were cached by an earlier read; another connector reads them anew.
    let bench = Bench::at(&realm).await;
    let user = bench.user(&id).await;
    assert_eq!(user.fields["groups"], json!(["/administrators/night"]));
    assert_eq!(special(&user), has(&["privileged", "business", "portal/approver"]));
    let held = bench.changes(&id, super::role("portal/approver", false)).await.unwrap_err();
    assert!(
        held.reason.contains("still held")
            || held.reason.contains("is held by the group /administrators/night"),
        "{}",
        held.reason
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_population_is_every_approved_user_without_service_accounts() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.realm("kc-population").await;
    let people: Vec<Value> = (0..213)
        .map(|number| json!({"username": format!("p{number:03}"), "enabled": true, "email": format!("p{number}@x.test")}))
        .collect();
    let body = json!({"ifResourceExists": "SKIP", "users": people});
    realm.ask(Method::POST, "/partialImport", Some(body)).await;
    let mut waiting = Person::new(&realm, "Wanda");
    waiting.registers().await;
    let connector = connector(settings(&realm));
    let (mut names, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let page = connector.population(cursor.as_deref()).await.unwrap();
        names.extend(page.people.iter().map(|person| person.text("username").unwrap().to_owned()));
        pages += 1;
        if pages == 1 {
            // Rows move forward while the list is read.
            for number in [0, 1, 2, 50, 51] {
                realm.deletes(&realm.id(&format!("p{number:03}")).await).await;
            }
        }
        let Some(next) = page.next else { break };
        cursor = Some(next);
    }
    let found: BTreeSet<_> = names.iter().cloned().collect();
    let expected: BTreeSet<_> = (0..213).map(|number| format!("p{number:03}")).collect();
    assert_eq!(found, expected, "{pages} pages");
    assert_eq!(connector.population_size().await.unwrap(), 213 - 5 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn enabled_organizations_are_an_attribute() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.realm("kc-organizations").await;
    let mut with = settings(&realm);
    with.organizations = true;
    let connector = connector(with);
    let id = realm.employs("olga", "Passw0rd!").await;
    let reference = super::reference(SubjectKind::User, &id);
    let off = connector.subject(&reference, None).await.unwrap_err();
    assert!(off.reason.contains("organizations"), "{}", off.reason);
    realm.ask(Method::PUT, "", Some(json!({"organizationsEnabled": true}))).await;
    let acme = json!({"name": "Acme", "alias": "acme", "domains": [{"name": "acme.test"}]});
    realm.ask(Method::POST, "/organizations", Some(acme)).await;
    let found = realm.get("/organizations").await;
    let path = format!("/organizations/{}/members", found[0]["id"].as_str().unwrap());
    realm.ask(Method::POST, &path, Some(json!(id))).await;
    let own = realm.get("/clients?clientId=proofd").await[0]["id"].as_str().unwrap().to_owned();
    let own =
        realm.get(&format!("/clients/{own}/service-account-user")).await["id"].as_str().unwrap().to_owned();
    let management =
        realm.get("/clients?clientId=realm-management").await[0]["id"].as_str().unwrap().to_owned();
    let roles = realm.get(&format!("/clients/{management}/roles")).await;
    let right = roles.as_array().unwrap().iter().find(|role| role["name"] == "view-organizations");
    if let Some(right) = right {
        let path = format!("/users/{own}/role-mappings/clients/{management}");
        realm.ask(Method::POST, &path, Some(json!([right]))).await;
    }
    let user = connector.subject(&reference, None).await.unwrap().unwrap();
    assert_eq!(user.fields["attributes"]["organizations"], json!(["acme"]));
}
