//! Errors name the thing, wait for a person or for the next attempt, and decide nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use proofd::connectors::keycloak::Keycloak;
use proofd::connectors::{Connector as _, IdentityProvider as _};
use proofd::model::{Clock, FailureKind, IdentityChange, Secret, SubjectKind, Timestamp};
use reqwest::Method;
use serde_json::json;

use super::{Bench, SUSPEND, attempt, connector, now, reference, settings};
use crate::person::Person;
use crate::server::keycloak;

/// A proxy that answers everything with a page.
fn proxy(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 8_192];
            let _ = stream.read(&mut request);
            let page = "<html><body>We are back soon.</body></html>";
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_answer_is_an_outage() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    type Change = fn(&mut proofd::connectors::keycloak::Settings);
    let rows: [(&str, String, Change, &str); 9] = [
        ("nobody listens", format!("http://{closed}"), |_| (), "no connection to Keycloak"),
        ("a page with 200", proxy("200 OK"), |_| (), "not JSON"),
        ("a page with 404", proxy("404 Not Found"), |_| (), "something else than Keycloak answered 404"),
        ("a page with 403", proxy("403 Forbidden"), |_| (), "something else than Keycloak answered 403"),
        ("a page with 503", proxy("503 Service Unavailable"), |_| (), "Keycloak answered 503"),
        ("a redirect", proxy("302 Found"), |_| (), "redirects are not followed"),
        (
            "a wrong secret",
            keycloak.url.clone(),
            |with| with.client_secret = Secret::new("x"),
            "refused client_secret",
        ),
        ("no such client", keycloak.url.clone(), |with| with.client_id = "x".into(), "has no such client_id"),
        ("no such realm", keycloak.url.clone(), |with| with.realm = "x".into(), "has no realm named x"),
    ];
    for (what, url, change, says) in rows {
        let mut with = settings(&realm);
        with.url = url.parse().unwrap();
        change(&mut with);
        let connector = connector(with);
        let user = reference(SubjectKind::User, "5e77e5e3-0000-4000-8000-000000000000");
        let failures = [
            connector.poll(None).await.map(|_| ()).unwrap_err(),
            connector.subject(&user, None).await.map(|_| ()).unwrap_err(),
            connector.population(None).await.map(|_| ()).unwrap_err(),
            connector.population_size().await.map(|_| ()).unwrap_err(),
            {
                let snapshot = proofd::model::Snapshot {
                    subject: user.clone(),
                    user_id: None,
                    profile_id: None,
                    email: None,
                    created_at: None,
                    compared: std::collections::BTreeMap::new(),
                };
                connector.change(&attempt(1, now()), &snapshot, &SUSPEND).await.map(|_| ()).unwrap_err()
            },
        ];
        for failure in failures {
            assert_eq!(failure.kind, FailureKind::Unavailable, "{what}: {}", failure.reason);
            assert!(failure.reason.contains(says), "{what}: {}", failure.reason);
        }
        let findings = connector.examine().await;
        assert!(!findings[0].ok && findings[0].detail.contains(says), "{what}: {findings:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_role_is_named_and_ends_no_case() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.realm("kc-rights").await;
    let mut bench = Bench::at(&realm).await;
    let mut rita = Person::new(&realm, "Rita");
    rita.registers().await;
    let id = realm.id(&rita.name).await;
    let snapshot = bench.snapshot(SubjectKind::Registration, &id).await;
    let client = async |name: &str| {
        realm.get(&format!("/clients?clientId={name}")).await[0]["id"].as_str().unwrap().to_owned()
    };
    let (own, management) = (client("proofd").await, client("realm-management").await);
    let own =
        realm.get(&format!("/clients/{own}/service-account-user")).await["id"].as_str().unwrap().to_owned();
    let path = format!("/users/{own}/role-mappings/clients/{management}");
    let rights = ["view-events", "manage-users", "view-realm", "view-clients", "view-identity-providers"];
    for right in rights {
        let role = realm.get(&format!("/clients/{management}/roles/{right}")).await;
        let role = json!([{"id": role["id"], "name": role["name"]}]);
        realm.ask(Method::DELETE, &path, Some(role.clone())).await;
        let says = format!("lacks the role {right} of realm-management");
        let cursor = bench.cursor.clone();
        let polled = bench.polled().await.map(|_| ());
        let findings = bench.connector.examine().await;
        assert!(
            findings.iter().any(|finding| !finding.ok && finding.detail.contains(&says)),
            "{right}: {findings:?}"
        );
        if right == "view-events" {
            assert!(polled.as_ref().unwrap_err().reason.contains(&says), "{polled:?}");
            assert_eq!(bench.cursor, cursor, "the position stays");
        } else {
            let failure = bench.does(&snapshot, &IdentityChange::Approve).await.unwrap_err();
            assert!(failure.outage && failure.reason.contains(&says), "{right}: {}", failure.reason);
        }
        assert_eq!(realm.groups_of(&id).await, ["proofd-pending"], "{right}");
        realm.ask(Method::POST, &path, Some(role)).await;
    }
    bench.polled().await.unwrap();
    assert!(bench.does(&snapshot, &IdentityChange::Approve).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_replaced() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.realm("kc-tokens").await;
    let mut bench = Bench::at(&realm).await;
    let id = realm.employs("toni", "Passw0rd!").await;
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    // Every token from before is refused from now on.
    realm.ask(Method::PUT, "", Some(json!({"notBefore": now().timestamp()}))).await;
    assert!(!bench.events_of(&id).await.is_empty());
    assert!(bench.changes(&id, SUSPEND).await.is_ok());
    // A client that is switched off is an outage, not an answer.
    let own = realm.get("/clients?clientId=proofd").await[0].clone();
    let path = format!("/clients/{}", own["id"].as_str().unwrap());
    let mut off = own.clone();
    off["enabled"] = false.into();
    realm.ask(Method::PUT, &path, Some(off)).await;
    let failure = bench.polled().await.unwrap_err();
    assert!(failure.outage && failure.reason.contains("the client is disabled"), "{}", failure.reason);
    realm.ask(Method::PUT, &path, Some(own)).await;
    assert!(bench.polled().await.is_ok());
    // A realm that was deleted.
    realm.ask(Method::DELETE, "", None).await;
    let failure = bench.polled().await.unwrap_err();
    assert!(failure.outage && failure.reason.contains("has no realm named kc-tokens"), "{}", failure.reason);
}

/// A clock that is wrong.
#[derive(Debug)]
struct Wrong(TimeDelta);

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        now() + self.0
    }

    fn sleep_until(&self, _at: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Times of Keycloak are compared with Keycloak's clock only.
#[tokio::test(flavor = "multi_thread")]
async fn clock_skew_loses_and_repeats_no_event() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    for apart in [TimeDelta::hours(-3), TimeDelta::hours(3)] {
        let mut with = settings(&realm);
        with.lookback = TimeDelta::seconds(1);
        let connector = Keycloak::new(with, Arc::new(Wrong(apart))).unwrap();
        let mut bench = Bench { realm: realm.clone(), connector, cursor: None };
        bench.polled().await.unwrap();
        let mut cleo = Person::new(&realm, "Clock");
        cleo.registers().await;
        let id = realm.id(&cleo.name).await;
        assert_eq!(bench.events_of(&id).await, ["registration.created by the person"], "{apart}");
        assert!(bench.events_of(&id).await.is_empty(), "{apart}");
        let snapshot = bench.snapshot(SubjectKind::Registration, &id).await;
        let asked_at = now() + apart;
        bench.does(&snapshot, &IdentityChange::Approve).await.unwrap();
        // Approval invited already.
        let invited = bench.does(&snapshot, &IdentityChange::EnsureInvited { since: asked_at }).await;
        assert!(invited.unwrap().already && cleo.mails().len() == 1, "{apart}");
        assert!(bench.events_of(&id).await.contains(&"user.activated by ours".to_owned()), "{apart}");
        let snapshot = bench.snapshot(SubjectKind::User, &id).await;
        for (number, already) in [(1, false), (2, true)] {
            let attempt = attempt(number, asked_at);
            let deleted = bench.connector.change(&attempt, &snapshot, &IdentityChange::Delete).await;
            assert_eq!(deleted.unwrap().already, already, "{apart}");
        }
        let findings = bench.connector.examine().await;
        let clock = findings.iter().find(|finding| finding.what == "Keycloak clock").unwrap();
        assert!(!clock.ok && clock.detail.contains("set this machine's clock"), "{clock:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_and_profile_errors_name_the_fix() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.realm("kc-mail").await;
    let bench = Bench::at(&realm).await;
    let id = realm.employs("mia", "Passw0rd!").await;
    let smtp = realm.get("").await["smtpServer"].clone();
    let invite = async |bench: &Bench| {
        // Keycloak's clock is known by the whole seconds of its tokens.
        tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
        let snapshot = bench.snapshot(SubjectKind::User, &id).await;
        bench.does(&snapshot, &IdentityChange::EnsureInvited { since: now() }).await
    };
    let mut down = smtp.clone();
    down["port"] = "9".into();
    realm.ask(Method::PUT, "", Some(json!({"smtpServer": down}))).await;
    let failure = invite(&bench).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.reason.contains("could not send its mail"), "{}", failure.reason);
    realm.ask(Method::PUT, "", Some(json!({"smtpServer": smtp}))).await;
    assert!(invite(&bench).await.is_ok());

    let mut with = settings(&realm);
    with.invite.redirect_uri = Some("https://elsewhere.example/".to_owned());
    let other = Bench::with(&realm, with).await;
    let failure = invite(&other).await.unwrap_err();
    assert!(failure.outage && failure.reason.contains("invite.redirect_uri"), "{}", failure.reason);

    // An attribute that became invalid stops every write of the account; the error names it.
    realm.changes(&id, json!({"attributes": {"cost_center": ["4711"]}})).await;
    let mut profile = realm.get("/users/profile").await;
    for attribute in profile["attributes"].as_array_mut().unwrap() {
        if attribute["name"] == "cost_center" {
            attribute["validations"] = json!({"length": {"max": 2}});
        }
    }
    realm.ask(Method::PUT, "/users/profile", Some(profile)).await;
    let failure = bench.changes(&id, SUSPEND).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.reason.contains("the account's cost_center"), "{}", failure.reason);
}
