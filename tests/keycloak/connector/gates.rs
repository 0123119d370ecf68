//! A gate with a gap is noticed at the next poll, is an alarm, and stops approvals until it is whole again.

use proofd::connectors::{Connector as _, IdentityProvider as _};
use proofd::model::{FailureKind, IdentityChange, SubjectKind};
use reqwest::Method;
use serde_json::{Value, json};

use super::Bench;
use crate::admin::Realm;
use crate::person::Person;
use crate::server::keycloak;

/// A gap: what the administrator sends to make it and to close it, and the words about it.
struct Gap {
    says: &'static str,
    open: (Method, String, Value),
    close: (Method, String, Value),
}

const NOTHING: Value = Value::Null;

fn gap(says: &'static str, open: (Method, &str, Value), close: (Method, &str, Value)) -> Gap {
    Gap { says, open: (open.0, open.1.to_owned(), open.2), close: (close.0, close.1.to_owned(), close.2) }
}

/// Gaps of the group and its role.
async fn of_the_group(realm: &Realm) -> Vec<Gap> {
    let group = realm.group("proofd-pending").await;
    let role = realm.get("/roles/proofd-pending").await;
    let role_path = format!("/roles-by-id/{}", role["id"].as_str().unwrap());
    let mut renamed = role.clone();
    renamed["name"] = "somebody-renamed-it".into();
    let mapping = format!("/groups/{group}/role-mappings/realm");
    let default = format!("/default-groups/{group}");
    vec![
        gap("is no default group", (Method::DELETE, &default, NOTHING), (Method::PUT, &default, NOTHING)),
        gap(
            "carries no realm role",
            (Method::DELETE, &mapping, json!([role])),
            (Method::POST, &mapping, json!([role])),
        ),
        gap(
            "does not ask for the role",
            (Method::PUT, &role_path, renamed),
            (Method::PUT, &role_path, role.clone()),
        ),
    ]
}

/// Gaps of the ways in.
async fn of_the_ways(realm: &Realm) -> Vec<Gap> {
    let flows = realm.get("/authentication/flows").await;
    let builtin =
        flows.as_array().unwrap().iter().find(|flow| flow["alias"] == "browser").unwrap()["id"].clone();
    let path = "/authentication/flows/proofd%20browser/executions".to_owned();
    let lines = realm.get(&path).await;
    let line = |name: &str| {
        let line = lines.as_array().unwrap().iter().find(|line| line["displayName"] == name);
        line.unwrap_or_else(|| panic!("no line {name}: {lines}")).clone()
    };
    let with = |name: &str, requirement: &str| {
        let mut line = line(name);
        line["requirement"] = requirement.into();
        line
    };
    let config = line("Condition - user role")["authenticationConfig"].as_str().unwrap().to_owned();
    let config_path = format!("/authentication/config/{config}");
    let mut config = realm.get(&config_path).await;
    config["alias"] = "proofd gate browser role".into();
    let mut negated = config.clone();
    negated["config"]["negate"] = "true".into();
    let portal = realm.get("/clients?clientId=portal").await[0].clone();
    let portal_path = format!("/clients/{}", portal["id"].as_str().unwrap());
    let mut own_flow = portal.clone();
    own_flow["authenticationFlowBindingOverrides"] = json!({"browser": builtin});
    let mut no_flow = portal.clone();
    no_flow["authenticationFlowBindingOverrides"] = json!({"browser": ""});
    let provider = json!({"alias": "elsewhere", "providerId": "oidc", "enabled": true, "config": {
        "clientId": "x", "clientSecret": "x", "authorizationUrl": "http://127.0.0.1:9/a",
        "tokenUrl": "http://127.0.0.1:9/t"}});
    vec![
        gap(
            "the browser flow is \"proofd browser\", which does not end with the gate",
            (Method::PUT, &path, with("proofd gate browser", "DISABLED")),
            (Method::PUT, &path, with("proofd gate browser", "CONDITIONAL")),
        ),
        gap(
            "whose gate does not deny access",
            (Method::PUT, &path, with("Deny access", "DISABLED")),
            (Method::PUT, &path, with("Deny access", "REQUIRED")),
        ),
        gap("or is negated", (Method::PUT, &config_path, negated), (Method::PUT, &config_path, config)),
        gap(
            "the browser flow is \"browser\"",
            (Method::PUT, "", json!({"browserFlow": "browser"})),
            (Method::PUT, "", json!({"browserFlow": "proofd browser"})),
        ),
        gap(
            "the browser flow of the client portal is \"browser\"",
            (Method::PUT, &portal_path, own_flow),
            (Method::PUT, &portal_path, no_flow),
        ),
        gap(
            "the post login flow of the identity provider elsewhere is not set",
            (Method::POST, "/identity-provider/instances", provider),
            (Method::DELETE, "/identity-provider/instances/elsewhere", NOTHING),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_of_the_gate_stops_approvals_until_it_is_closed() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.realm("kc-gaps").await;
    let mut bench = Bench::at(&realm).await;
    assert_eq!(bench.connector.alarms(), Vec::<String>::new());
    let mut gus = Person::new(&realm, "Gus");
    gus.registers().await;
    let id = realm.id(&gus.name).await;
    let snapshot = bench.snapshot(SubjectKind::Registration, &id).await;
    for Gap { says, open, close } in of_the_group(&realm).await.into_iter().chain(of_the_ways(&realm).await) {
        let ask = async |(method, path, body): (Method, String, Value)| {
            realm.ask(method, &path, Some(body).filter(|body| !body.is_null())).await;
        };
        ask(open).await;
        bench.polled().await.unwrap();
        let alarms = bench.connector.alarms();
        assert!(alarms.iter().any(|alarm| alarm.contains(says)), "{says}: {alarms:?}");
        let refused = bench.does(&snapshot, &IdentityChange::Approve).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Unavailable, "{}", refused.reason);
        assert!(
            refused.reason.starts_with("nobody is approved while the realm's gate is open"),
            "{}",
            refused.reason
        );
        let findings = bench.connector.examine().await;
        assert!(findings.iter().any(|finding| !finding.ok && finding.detail.contains(says)), "{findings:?}");
        ask(close).await;
        bench.polled().await.unwrap();
        assert_eq!(bench.connector.alarms(), Vec::<String>::new(), "after {says}");
    }
    assert_eq!(realm.groups_of(&id).await, ["proofd-pending"]);
    assert!(bench.does(&snapshot, &IdentityChange::Approve).await.is_ok());
}
