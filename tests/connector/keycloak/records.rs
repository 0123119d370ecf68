//! Events as Keycloak 26.7 stored them, and what the connector reads in them. `UPDATE_EXPECTED=1` rewrites the latter.

use std::collections::BTreeMap;

use proofd::connectors::keycloak::Own;
use proofd::connectors::keycloak::admin::{AdminRecord, Report};
use proofd::connectors::keycloak::events::{self, Fact, UserRecord};
use proofd::connectors::keycloak::wire::Role;
use proofd::model::{Event, Origin};
use serde_json::Value;

use super::{data, read};

/// Compares the last member of each row with what is read in its records.
fn check(file: &str, member: &str, told: impl Fn(Value) -> Vec<String>) {
    let mut rows = read(file);
    let mut wrong = Vec::new();
    for row in rows.as_array_mut().unwrap() {
        let records = row["records"].as_array().unwrap().clone();
        let found: Vec<String> = records.into_iter().flat_map(&told).collect();
        if row[member] != serde_json::json!(found) {
            wrong.push(format!("{}: {found:?}", row["name"]));
            row[member] = found.into();
        }
    }
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(data(file), format!("{}\n", serde_json::to_string_pretty(&rows).unwrap())).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn words(event: &Event) -> String {
    let text = |name: &str| event.fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let also: Vec<_> = event.also.iter().map(ToString::to_string).collect();
    let mut words = vec![event.subject.kind.to_string(), event.kind.to_string(), also.join(" ")];
    words.extend(["attribute", "old", "new_value", "reason_text"].into_iter().filter_map(text));
    words.push(if event.by_subject { "by the person".to_owned() } else { "by others".to_owned() });
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

#[test]
fn user_events_are_converted() {
    let names = BTreeMap::from([("first_name".to_owned(), "first_name".to_owned())]);
    check("user-events.json", "events", |record| {
        let record: UserRecord = serde_json::from_value(record).unwrap();
        let events = events::read("staff", &record, &names);
        for event in &events {
            assert!(event.key.starts_with(&format!("staff:{}:", record.id)), "{}", event.key);
            assert_eq!(event.time.timestamp_millis(), record.time);
            assert_eq!(event.origin, Origin::Others);
            assert!(event.ip.is_some() && event.fields["data"].is_object());
        }
        events.iter().map(words).collect()
    });
}

/// The service account of the server that wrote the records.
fn own() -> Own {
    Own {
        user: "ff92422e-b1bc-4ed2-ac2e-eab5d7829628".to_owned(),
        client: "2ec2f5b5-1201-4ab7-9e42-3b51e3c82a54".to_owned(),
    }
}

fn names(roles: &[Role]) -> String {
    let name = |role: &Role| format!("{}{}", if role.client_role { "client's " } else { "" }, role.name);
    roles.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn facts(facts: &[Fact]) -> String {
    facts.iter().map(|fact| if fact.name.is_empty() { "only Keycloak's name" } else { fact.name }).collect()
}

#[test]
fn admin_events_are_converted() {
    check("admin-events.json", "told", |record| {
        let record: AdminRecord = serde_json::from_value(record).unwrap();
        let turn = |given: bool| if given { "given" } else { "taken" };
        let told = match record.report() {
            Report::Happened { facts: some, .. } => format!("happened: {}", facts(&some)),
            Report::Deleted { .. } => "deleted".to_owned(),
            Report::Roles { given, roles, .. } => format!("roles {}: {}", turn(given), names(&roles)),
            Report::SomeRoles { .. } => "some roles".to_owned(),
            Report::Member { group, joined, .. } => {
                format!("{} {}", if joined { "joined" } else { "left" }, group.path)
            }
            Report::GroupRoles { given, roles, .. } => {
                format!("roles of a group {}: {}", turn(given), names(&roles))
            }
            Report::Written { sent, .. } => {
                format!("written: {}", sent.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
            }
            Report::Realm => "the realm".to_owned(),
            Report::Nothing => "nothing".to_owned(),
        };
        let own = own();
        let head = record.head("staff", &own);
        assert_eq!(record.origin(&own), head.origin);
        let by = if head.origin == Origin::Ours { "ours" } else { "others" };
        vec![format!("{} {told}, by {by}", head.native)]
    });
}

/// An administrator of another realm, a token of our account for another client, and an account of another realm.
#[test]
fn an_event_is_ours_only_by_realm_client_and_account() {
    let row = read("admin-events.json");
    let row = row.as_array().unwrap().iter().find(|row| row["name"] == "logout by proofd").unwrap();
    let record = &row["records"][0];
    let origin = |record: &Value| {
        let record: AdminRecord = serde_json::from_value(record.clone()).unwrap();
        record.origin(&own())
    };
    assert_eq!(origin(record), Origin::Ours);
    for member in ["realmId", "clientId", "userId"] {
        let mut other = record.clone();
        other["authDetails"][member] = "another".into();
        assert_eq!(origin(&other), Origin::Others, "{member}");
        other["authDetails"].as_object_mut().unwrap().remove(member);
        assert_eq!(origin(&other), Origin::Others, "without {member}");
    }
}
