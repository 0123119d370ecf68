//! The two channels for events.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use proofd::simulate::onelogin::{Login, WebhookFormat};
use serde_json::{Value, json};

use super::tenant::{Tenant, got};

#[tokio::test]
async fn events_are_delayed_and_paged_by_keyset() {
    let tenant = Tenant::start().await;
    let user = tenant.simulator.seed_users(1)[0];
    for score in [10, 95] {
        tenant.simulator.login(user, Login { risk_score: Some(score), ..Login::default() });
        tenant.clock.advance(TimeDelta::seconds(1));
    }
    tenant.turn(|knobs| (knobs.event_delay_s, knobs.risk_scoring) = (30, false));
    tenant.simulator.login(user, Login { risk_score: Some(50), failed: true, ..Login::default() });
    let first = tenant.get("/api/1/events?limit=1").await;
    assert_eq!(first.body["data"][0]["risk_score"], 10);
    let cursor = first.body["pagination"]["after_cursor"].as_str().unwrap();
    let second = tenant.get(&format!("/api/1/events?limit=1&after_cursor={cursor}")).await;
    assert_eq!(second.body["data"][0]["risk_score"], 95);
    assert_eq!(second.body["pagination"]["after_cursor"], Value::Null, "the third is not visible yet");
    let since = tenant.get("/api/1/events?since=2026-01-01T10:00:00.000Z").await;
    assert_eq!(since.body["data"].as_array().unwrap().len(), 1, "since is exclusive");
    tenant.clock.advance(TimeDelta::seconds(30));
    let last = tenant.get("/api/1/events?event_type_id=6").await;
    assert_eq!(
        (last.body["data"].as_array().unwrap().len(), &last.body["data"][0]["risk_score"]),
        (1, &Value::Null)
    );
    let types = got(tenant.client.get(format!("{}/api/1/events/types", tenant.serving.url))).await.unwrap();
    assert_eq!(types.code, 200, "without a token");
}

type Inbox = Arc<Mutex<Vec<(String, String)>>>;

/// A receiver that stores the secret header and the body.
async fn receiver() -> (String, Inbox, tokio::task::JoinHandle<()>) {
    let inbox = Inbox::default();
    let kept = Arc::clone(&inbox);
    let router = axum::Router::new().fallback(move |headers: axum::http::HeaderMap, body: String| {
        let secret = headers["x-onelogin-token"].to_str().unwrap().to_owned();
        kept.lock().unwrap().push((secret, body));
        async {}
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, inbox, task)
}

#[tokio::test]
async fn webhooks_are_sent_in_batches_as_the_knobs_set() {
    let tenant = Tenant::start().await;
    let (url, inbox, receiver) = receiver().await;
    let user = tenant.simulator.seed_users(1)[0];
    tenant.turn(|knobs| {
        knobs.webhook.url = Some(url);
        knobs.webhook.headers.insert("X-OneLogin-Token".into(), "hush".into());
    });
    let arrive = async |count: usize| {
        while tenant.simulator.deliveries().len() < count {
            tokio::task::yield_now().await;
        }
    };
    let login = || tenant.simulator.login(user, Login::default());
    (0..10).for_each(|_| assert!(login()));
    arrive(1).await;
    let (secret, body) = inbox.lock().unwrap().remove(0);
    let batch: Vec<Value> = serde_json::from_str(&body).unwrap();
    assert_eq!((secret.as_str(), batch.len()), ("hush", 10), "ten at once");
    assert_eq!(batch[0]["event_timestamp"], "2026-01-01 10:00:00 UTC");
    assert_eq!(batch[0]["create"]["_id"], batch[0]["uuid"]);
    assert!(batch[0].get("id").is_none(), "no id that the events API knows");

    login();
    assert!(inbox.lock().unwrap().is_empty());
    tenant.clock.advance(TimeDelta::seconds(10));
    arrive(2).await;
    assert_eq!(inbox.lock().unwrap().drain(..).count(), 1, "or one after ten seconds");

    tenant.turn(|knobs| {
        knobs.webhook.format = WebhookFormat::Ndjson;
        knobs.webhook.duplicate_every = 3;
        knobs.webhook.drop_every = 4;
        knobs.webhook.reorder = true;
        knobs.webhook.string_ids = true;
    });
    login();
    login();
    tenant.simulator.flush_webhook().await;
    let sent: Vec<_> = inbox.lock().unwrap().drain(..).collect();
    assert_eq!(sent.len(), 2, "twice");
    assert_eq!(sent[0], sent[1]);
    let lines: Vec<Value> = sent[0].1.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["event_type_id"]), (2, &json!("5")));
    login();
    tenant.simulator.flush_webhook().await;
    assert!(inbox.lock().unwrap().is_empty(), "dropped");
    assert_eq!(tenant.simulator.deliveries()[3]["statuses"], json!([]));
    receiver.abort();
}
