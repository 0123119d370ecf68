//! People with an account: a generated crowd, logins, roles, and administrators' actions.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use proofd::simulate::onelogin::{Ages, Crowd, Edit, Login};
use serde_json::{Value, json};

use super::tenant::{Tenant, got};

#[tokio::test]
async fn a_crowd_is_the_same_for_the_same_seed() {
    let crowd = |count, seed| Crowd {
        count,
        seed,
        roles: vec!["Default".into(), "Staff".into(), "Payments".into(), "Directory".into()],
        values: BTreeMap::from([("service".into(), vec![String::new(), "true".into()])]),
        moments: BTreeMap::from([("idv_verified_at".into(), Ages { days: 200, without_percent: 25 })]),
        suspended_every: 100,
        ..Crowd::default()
    };
    let mut crowds = Vec::new();
    for (count, seed) in [(300, 1), (300, 1), (300, 2), (10_000, 1)] {
        let tenant = Tenant::start().await;
        assert_eq!(tenant.simulator.gather(&crowd(count, seed)).len(), count as usize);
        crowds.push(tenant.simulator.users());
    }
    assert!(crowds[0] == crowds[1] && crowds[0] != crowds[2]);
    let people = &crowds[3];
    assert!(people.starts_with(&crowds[0]), "a larger crowd has the same people and more");
    let count = |fits: &dyn Fn(&Value) -> bool| people.iter().filter(|one| fits(one)).count();
    let emails: BTreeSet<_> = people.iter().map(|one| one["email"].as_str().unwrap()).collect();
    assert_eq!(emails.len(), 10_000);
    let in_role = |role: i64| count(&|one| one["role_ids"].as_array().unwrap().contains(&json!(role)));
    for (what, many, about) in [
        ("first role", in_role(1001), 10_000),
        ("second role", in_role(1002), 5_000),
        ("last role", in_role(1004), 1_250),
        ("suspended", count(&|one| one["status"] == 2), 100),
        ("manager", count(&|one| one["manager_user_id"].is_i64()), 9_166),
        ("verified", count(&|one| one["custom_attributes"]["idv_verified_at"].is_string()), 7_500),
        ("service", count(&|one| one["custom_attributes"]["service"] == "true"), 5_000),
    ] {
        assert!(many.abs_diff(about) <= about / 10, "{what}: {many} instead of about {about}");
    }
}

#[tokio::test]
async fn a_crowd_is_listed_in_pages_and_columns() {
    let tenant = Tenant::start().await;
    let made = tenant.call("POST", "/_sim/crowd", json!({"count": 1_000, "seed": 7})).await;
    assert_eq!((made.code, &made.body["count"]), (201, &json!(1_000)));
    let path = "/api/2/users?limit=100&page=4&sort=%2Bid&fields=id,role_ids,custom_attributes";
    let page = tenant.get(path).await;
    assert_eq!(page.headers["total-count"], "1000");
    assert_eq!((page.body[0]["id"].as_i64(), page.body[0].as_object().unwrap().len()), (Some(5301), 3));
    let roles = tenant.get("/api/2/roles?fields=id,name").await;
    assert_eq!(roles.body[0], json!({"id": 1001, "name": "Default"}));
    assert_eq!(tenant.get("/api/2/roles/1001").await.body["users"].as_array().unwrap().len(), 1_000);
    tenant.turn(|knobs| (knobs.sorts_by_id, knobs.total_count) = (false, false));
    assert_eq!(tenant.get(path).await.code, 422);
    assert!(!tenant.get("/api/2/users").await.headers.contains_key("total-count"));
}

/// An action of an administrator or the person, and the events it emits, newest last.
#[tokio::test]
async fn actions_of_people_emit_events() {
    let tenant = Tenant::start().await;
    let user = tenant.simulator.seed_users(1)[0];
    let path = |action: &str| format!("/_sim/users/{user}/{action}");
    for (method, action, body, event) in [
        ("POST", "login", json!({"risk_score": 91, "risk_reasons": "New device"}), 5),
        ("POST", "suspend", json!({}), 21),
        ("POST", "login", json!({}), 6),
        ("POST", "reactivate", json!({}), 32),
        ("POST", "lock", json!({}), 19),
        ("POST", "unlock", json!({}), 12),
        ("POST", "logout", json!({}), 7),
        ("POST", "grant", json!({"role": "Default"}), 147),
        ("POST", "revoke", json!({"role_id": 1001}), 148),
        ("PUT", "attributes", json!({"department": "Sales", "custom_attributes": {"idv_status": "x"}}), 14),
        ("POST", "delete", json!({}), 17),
    ] {
        let done = tenant.call(method, &path(action), body.clone()).await;
        assert_eq!(done.code, 200, "{action}: {}", done.body);
        let told = tenant.simulator.events().pop().unwrap();
        assert_eq!((&told["event_type_id"], &told["user_id"]), (&json!(event), &json!(user)), "{action}");
        assert_eq!(told["client_id"], Value::Null, "{action}: a person did it");
        if action == "grant" {
            assert_eq!((&told["role_id"], &told["role_name"]), (&json!(1001), &json!("Default")));
        }
        if event == 5 {
            assert_eq!((&told["risk_score"], &told["risk_reasons"]), (&json!(91), &json!("New device")));
        }
    }
    let user = tenant.simulator.seed_users(1)[0];
    for (path, body) in [
        (format!("/_sim/users/{user}/grant"), json!({"role": "Nobody"})),
        (format!("/_sim/users/{user}/attributes"), json!({"custom_attributes": {"shoe": "44"}})),
    ] {
        let method = if path.ends_with("grant") { "POST" } else { "PUT" };
        assert_eq!(tenant.call(method, &path, body).await.code, 404, "{path}");
    }
    tenant.turn(|knobs| knobs.portal_grants_twice_told = true);
    tenant.simulator.grant(user, 1002);
    assert_eq!(tenant.event_types().iter().rev().take(2).collect::<Vec<_>>(), [&147, &4]);
}

/// Events of API changes contain the credential's id, by which a client recognizes its own changes.
#[tokio::test]
async fn api_changes_emit_events_with_the_credential() {
    let tenant = Tenant::start().await;
    let user = tenant.simulator.seed_users(2)[1];
    let record = format!("/api/2/users/{user}");
    for (method, path, body, event) in [
        ("PUT", record.clone(), json!({"status": 2}), 551),
        ("PUT", record.clone(), json!({"status": 1}), 32),
        ("PUT", record.clone(), json!({"custom_attributes": {"idv_status": "x"}}), 529),
        ("PUT", format!("/api/1/users/{user}/logout"), json!({}), 516),
        ("POST", "/api/2/roles/1002/users".into(), json!([user]), 513),
        ("DELETE", "/api/2/roles/1002/users".into(), json!([user]), 514),
    ] {
        assert!(tenant.call(method, &path, body).await.code < 300, "{event}");
        let told = tenant.simulator.events().pop().unwrap();
        assert_eq!((&told["event_type_id"], &told["client_id"]), (&json!(event), &json!("sim-client")));
        assert_eq!(told["actor_system"], "API", "{event}");
    }
}

#[tokio::test]
async fn a_login_opens_a_session_and_a_logout_ends_it() {
    let tenant = Tenant::start().await;
    let user = tenant.simulator.seed_users(1)[0];
    let login = |failed| tenant.simulator.login(user, Login { failed, ..Login::default() });
    assert_eq!((login(false), login(true), login(false)), (true, false, true));
    assert_eq!(tenant.user(user, "sessions"), 2);
    tenant.simulator.suspend(user).unwrap();
    assert!(!login(false), "who is suspended does not log in");
    assert_eq!(tenant.user(user, "sessions"), 2, "and who is logged in stays so");
    tenant.call("PUT", &format!("/api/1/users/{user}/logout"), json!({})).await;
    assert_eq!((tenant.user(user, "sessions"), tenant.user(user, "logouts")), (json!(0), json!(1)));
    let ended = tenant.simulator.ledger().records().into_iter().rfind(|one| one.what == "user.logout");
    assert_eq!(ended.unwrap().detail, json!({"ended": 2}));
}

/// Changes that are answered and lost, each as often as its knob sets.
#[tokio::test]
async fn knobs_lose_changes() {
    let tenant = Tenant::start().await;
    let user = tenant.simulator.seed_users(1)[0];
    let path = format!("/api/2/users/{user}");
    tenant.turn(|knobs| (knobs.status_changes_lost, knobs.attribute_changes_lost) = (1, 1));
    for (key, value) in [("status", json!(2)), ("title", json!("Chief"))] {
        let before = tenant.user(user, key);
        for held in [&before, &value] {
            assert_eq!(tenant.call("PUT", &path, json!({key: value})).await.code, 200);
            assert_eq!(tenant.user(user, key), *held, "{key}");
        }
    }
    tenant.simulator.reactivate(user).unwrap();
    tenant.call("PUT", &path, json!({"status": 3})).await;
    tenant.clock.advance(TimeDelta::minutes(14));
    assert_eq!(tenant.user(user, "status"), 3);
    tenant.clock.advance(TimeDelta::minutes(1));
    assert_eq!(tenant.user(user, "status"), 1, "unlocked by itself");
    let edit = Edit { title: Some("Chief".into()), ..Edit::default() };
    let events = tenant.simulator.events().len();
    tenant.simulator.edit(user, &edit).unwrap();
    assert_eq!(tenant.simulator.events().len(), events, "what was so before is no event");
}

#[tokio::test]
async fn the_people_pages_work_without_javascript() {
    let tenant = Tenant::start().await;
    let user = tenant.simulator.seed_users(59)[58];
    let page = async |path: String| {
        let got = got(tenant.client.get(format!("{}{path}", tenant.serving.url))).await.unwrap();
        (got.code, got.body.as_str().unwrap_or_default().to_owned())
    };
    let (code, list) = page("/people".into()).await;
    assert!(code == 200 && list.contains("user5001@") && !list.contains(&format!("user{user}@")));
    assert!(page(format!("/people?find=LAST{user}")).await.1.contains(&format!("user{user}@")));
    assert_eq!(page("/people/1".into()).await.0, 404);
    for (action, form, shows) in [
        ("login", "risk_score=88&risk_reasons=New+device", "1 open session"),
        ("grant", "role=1001", "roles: Default, Staff"),
        ("revoke", "role=1001", "roles: Staff"),
        ("edit", "title=Chief&department=&custom_attributes.idv_status=seen", "value=\"seen\""),
        ("suspend", "", ", suspended, "),
        ("reactivate", "", ", active, "),
    ] {
        let url = format!("{}/people/{user}/{action}", tenant.serving.url);
        let request = tenant.client.post(url).header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(got(request.body(form)).await.unwrap().code, 200, "{action} leads back to the page");
        assert!(page(format!("/people/{user}")).await.1.contains(shows), "{action}");
    }
    let login = tenant.simulator.events().into_iter().find(|one| one["event_type_id"] == 5).unwrap();
    assert_eq!((&login["risk_score"], &login["risk_reasons"]), (&json!(88), &json!("New device")));
}
