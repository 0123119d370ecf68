//! From an event, by poll or webhook, to its person.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use chrono::TimeDelta;
use proofd::connectors::IdentityProvider as _;
use proofd::model::{Action, Event, IdentityChange};
use proofd::simulate::onelogin::WebhookFormat;
use reqwest::header::HeaderMap;

use super::tenant::{BACK_ENDS, Tenant, snapshot};
use crate::perform::{first, perform_at};

type Bodies = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// Lets the tenant broadcast to a receiver that stores the bodies.
async fn listen(tenant: &Tenant, format: WebhookFormat, string_ids: bool) -> Bodies {
    let bodies = Bodies::default();
    let kept = bodies.clone();
    let app = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
        kept.lock().unwrap().push((headers, body));
        async {}
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    tenant.simulator.turn(|knobs| {
        knobs.webhook.url = Some(url);
        knobs.webhook.headers.insert("X-OneLogin-Token".into(), "shared".into());
        (knobs.webhook.format, knobs.webhook.string_ids) = (format, string_ids);
    });
    bodies
}

fn broadcast(tenant: &Tenant, bodies: &Bodies) -> Vec<Event> {
    let bodies = bodies.lock().unwrap();
    bodies.iter().flat_map(|(headers, body)| tenant.onelogin.webhook(headers, body).unwrap()).collect()
}

#[tokio::test]
async fn both_channels_give_the_same_event_and_subject() {
    for resource in BACK_ENDS {
        for (format, string_ids) in [
            (WebhookFormat::JsonArray, false),
            (WebhookFormat::JsonArray, true),
            (WebhookFormat::Ndjson, true),
        ] {
            let tenant = Tenant::new(|knobs| knobs.registrations_resource = resource).await;
            let bodies = listen(&tenant, format, string_ids).await;
            let user = tenant.applicant().user_id.unwrap().to_string();
            tenant.simulator.flush_webhook().await;
            let (polled, ..) = tenant.poll(None).await.unwrap();
            let sent = broadcast(&tenant, &bodies);
            let keys = |events: &[Event]| events.iter().map(|event| event.key.clone()).collect::<Vec<_>>();
            assert_eq!(keys(&polled), keys(&sent));
            assert_eq!(polled.len(), 1);
            let mut snapshots = Vec::new();
            for event in polled.iter().chain(&sent) {
                assert_eq!(event.kind.as_str(), "registration.created");
                let subject = tenant.subject(&event.subject.id, Some(event)).await.unwrap().unwrap();
                // Later events about the person name the account, so the case uses it too.
                assert_eq!(subject.reference(), event.subject);
                assert_eq!(subject.text("state"), Some("not_reviewed"));
                assert_eq!(subject.text("profile"), Some("Sign-up"));
                assert_eq!(subject.text("email_domain"), Some("example.com"));
                snapshots.push(snapshot(&subject));
            }
            assert_eq!(snapshots[0], snapshots[1]);
            assert_eq!(snapshots[0].user_id, Some(user));
            assert_eq!(snapshots[0].profile_id.as_deref(), Some("8"));
            assert_eq!(snapshots[0].email.as_deref(), Some("Ada@example.com"));
            assert!(snapshots[0].created_at.is_some());
        }
    }
}

#[tokio::test]
async fn a_missing_person_is_not_found() {
    for resource in BACK_ENDS {
        let tenant = Tenant::new(|knobs| knobs.registrations_resource = resource).await;
        assert_eq!(tenant.subject("4711", None).await.unwrap(), None);
        for strange in ["", "5001/../1", "-", "8-", "x", "8-7-7"] {
            assert!(tenant.subject(strange, None).await.is_err(), "{strange:?} (resource: {resource})");
        }
    }
    let tenant = Tenant::new(|_| {}).await;
    let registered = tenant.applicant();
    // The number of a row leads to the only account with its address.
    let found = tenant.subject(&format!("8-{}", registered.registration_id), None).await.unwrap().unwrap();
    assert_eq!(found.id, registered.user_id.unwrap().to_string());
    assert_eq!(tenant.subject("8-4711", None).await.unwrap(), None);
}

/// One event by two channels, with clocks that differ by a second, counts once; two events of one channel count
/// twice.
#[tokio::test]
async fn dedupe_marks_match_across_channels_only() {
    let tenant = Tenant::new(|_| {}).await;
    let bodies = listen(&tenant, WebhookFormat::JsonArray, false).await;
    tenant.applicant();
    tenant.simulator.flush_webhook().await;
    let polled = tenant.poll(None).await.unwrap().0.remove(0);
    let (headers, body) = bodies.lock().unwrap()[0].clone();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let shifted = |seconds: i64| {
        let at = |by| (polled.time + TimeDelta::seconds(by)).format("%Y-%m-%d %H:%M:%S UTC").to_string();
        let body = body.replace(&at(0), &at(seconds));
        tenant.onelogin.webhook(&headers, body.as_bytes()).unwrap().remove(0)
    };
    let seen = |one: &Event, after: &Event| {
        let left = |mark| mark == &after.key || after.leaves.contains(mark);
        left(&one.key) || one.near.iter().any(left)
    };
    for (seconds, same) in [(0, true), (1, true), (-1, true), (2, false), (-2, false)] {
        let sent = shifted(seconds);
        assert_eq!((seen(&sent, &polled), seen(&polled, &sent)), (same, same), "{seconds} s");
    }
    assert!(!seen(&shifted(1), &shifted(0)));
}

/// The credential's id separates our own changes from those of people, in either channel.
#[tokio::test]
async fn an_event_contains_the_credential_that_caused_it() {
    let tenant = Tenant::new(|_| {}).await;
    let bodies = listen(&tenant, WebhookFormat::JsonArray, true).await;
    let user = tenant.simulator.seed_users(1)[0];
    let known = snapshot(&tenant.user(user).await);
    tenant.simulator.grant(user, 1001);
    let action = Action::change(known.clone(), IdentityChange::RemoveRole { role: "Staff".into() });
    perform_at(&tenant.onelogin, &first(action)).await;
    let action = Action::change(known, IdentityChange::Suspend { end_sessions: true });
    perform_at(&tenant.onelogin, &first(action)).await;
    tenant.simulator.flush_webhook().await;
    let polled = tenant.poll(None).await.unwrap().0;
    for events in [polled, broadcast(&tenant, &bodies)] {
        let marks = events.iter().map(|event| {
            let mark = event.fields["data"].get("client_id").and_then(|id| id.as_str());
            (event.kind.as_str(), mark)
        });
        let ours = Some("sim-client");
        assert_eq!(
            marks.collect::<Vec<_>>(),
            [
                ("user.role_granted", None),
                ("user.role_revoked", ours),
                ("user.suspended", ours),
                ("session.revoked", ours)
            ]
        );
    }
}
