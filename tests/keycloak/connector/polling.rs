//! Both streams of events: registrations, ties across pages, late readers, and events that are gone.

use std::collections::BTreeSet;

use proofd::connectors::IdentityProvider as _;
use proofd::model::SubjectKind;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Bench, settings, words};
use crate::person::Person;
use crate::server::keycloak;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_events_of_one_millisecond_are_read_once() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.realm("kc-ties").await;
    let mut bench = Bench::at(&realm).await;
    let people: Vec<Value> =
        (0..1_000).map(|number| json!({"username": format!("t{number:04}"), "enabled": true})).collect();
    realm
        .ask(Method::POST, "/partialImport", Some(json!({"ifResourceExists": "SKIP", "users": people})))
        .await;
    let events = bench.polled().await.unwrap();
    let created = events.iter().filter(|event| event.kind.as_str() == "user.created");
    let created: Vec<_> = created.map(|event| event.subject.id.clone()).collect();
    assert_eq!((created.len(), created.iter().collect::<BTreeSet<_>>().len()), (1_000, 1_000));
    assert!(bench.polled().await.unwrap().is_empty());
    // A stored position that cannot be read is left behind; keys are the same again.
    let keys: BTreeSet<_> = events.iter().map(|event| event.key.clone()).collect();
    let mut with = settings(&realm);
    with.lookback = chrono::TimeDelta::hours(1);
    let mut other = Bench { cursor: None, connector: super::connector(with), ..bench };
    other.cursor = Some("nonsense".to_owned());
    let again: BTreeSet<_> = other.polled().await.unwrap().into_iter().map(|event| event.key).collect();
    assert!(again.is_superset(&keys));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unacknowledged_page_is_returned_again() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let mut bench = Bench::at(&realm).await;
    let id = realm.employs(&Person::new(&realm, "Page").name, "Passw0rd!").await;
    bench.user(&id).await;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    bench.polled().await.unwrap();
    realm.joins(&id, "administrators").await;
    let before = bench.cursor.clone();
    let first = bench.events_of(&id).await;
    assert_eq!(first, ["user.role_granted privileged by others"]);
    bench.cursor = before;
    assert_eq!(bench.events_of(&id).await, first);
    assert!(bench.events_of(&id).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn cleared_events_are_detected_and_open_registrations_reported() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.realm("kc-cleared").await;
    let mut bench = Bench::at(&realm).await;
    let mut ida = Person::new(&realm, "Ida");
    ida.registers().await;
    let ida = realm.id(&ida.name).await;
    let told = bench.polled().await.unwrap();
    let told = told.iter().find(|event| event.subject.id == ida).unwrap().clone();
    assert_eq!(words(&told), "registration.created by the person");
    let mut ivo = Person::new(&realm, "Ivo");
    ivo.registers().await;
    let ivo = realm.id(&ivo.name).await;
    realm.ask(Method::DELETE, "/events", None).await;
    assert_eq!(bench.connector.alarms(), Vec::<String>::new());
    let found = bench.polled().await.unwrap();
    let mut waiting: Vec<_> = found.iter().map(|event| event.subject.id.clone()).collect();
    waiting.sort();
    let mut expected = vec![ida.clone(), ivo];
    expected.sort();
    assert_eq!(waiting, expected);
    // Who was told before is known by the mark.
    let again = found.iter().find(|event| event.subject.id == ida).unwrap();
    assert!(again.near.iter().all(|mark| told.leaves.contains(mark)) && !again.near.is_empty());
    assert!(bench.connector.alarms()[0].contains("stored events are gone"), "{:?}", bench.connector.alarms());
    assert!(bench.polled().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn role_changes_of_a_group_are_reported_for_its_members() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.realm("kc-groups").await;
    let mut bench = Bench::at(&realm).await;
    let ids = [realm.employs("gina", "Passw0rd!").await, realm.employs("gero", "Passw0rd!").await];
    realm.grants(&ids[1], "partner").await;
    for id in &ids {
        realm.joins(id, "administrators").await;
    }
    bench.polled().await.unwrap();
    let group = realm.group("administrators").await;
    let partner = realm.get("/roles/partner").await;
    let path = format!("/groups/{group}/role-mappings/realm");
    for (method, gina, gero) in [
        (Method::POST, "user.role_granted partner by others", Some("user.role_granted partner by others")),
        // Gero keeps it by himself.
        (Method::DELETE, "user.role_revoked partner by others", None),
    ] {
        realm.ask(method, &path, Some(json!([partner]))).await;
        let events = bench.polled().await.unwrap();
        let of = |id: &String| events.iter().find(|event| event.subject.id == *id).map(words);
        assert_eq!((of(&ids[0]).as_deref(), of(&ids[1]).as_deref()), (Some(gina), gero));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_of_people_have_their_origin() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let mut bench = Bench::at(&realm).await;
    let mut leo = Person::new(&realm, "Leo");
    leo.registers().await;
    let id = realm.id(&leo.name).await;
    let told = bench.events_of(&id).await;
    assert_eq!(told[0], "registration.created by the person");
    // The refusals of the gate have no subject: the name is what a stranger typed.
    realm.sets_password(&id, &leo.password).await;
    assert!(!leo.signs_in().await);
    let told = bench.polled().await.unwrap();
    assert!(told.iter().all(|event| event.kind.as_str() != "login.failed"), "{told:?}");
    let registration = bench.subject(SubjectKind::Registration, &id).await.unwrap();
    assert_eq!(registration.text("profile"), Some("portal"), "the client, by Keycloak's stored events");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_realm_without_registrations_emits_user_events_only() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let mut with = settings(&realm);
    with.registrations = false;
    let mut bench = Bench::with(&realm, with).await;
    let mut max = Person::new(&realm, "Max");
    max.registers().await;
    let id = realm.id(&max.name).await;
    assert_eq!(bench.events_of(&id).await, ["user.created by the person"]);
    let snapshot = bench.snapshot(SubjectKind::Registration, &id).await;
    let refused = bench.does(&snapshot, &proofd::model::IdentityChange::Approve).await.unwrap_err();
    assert!(refused.reason.contains("registrations: false"), "{}", refused.reason);
    assert!(bench.connector.alarms().is_empty());
}
