//! CloudEvents to a sink.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proofd::connectors::sink::{Settings, Sink};
use proofd::engine::clock::Virtual;
use proofd::model::{Action, Secret};
use serde_json::{Value, json};

use super::peer::{PRIVATE, Peer, Reply, call, describe, reply, unused_address, with};
use crate::perform::perform_at;

const KEY: &[u8] = b"thirty-two bytes of a secret key";

fn sink(url: &str, signed: bool) -> (Arc<Sink>, Virtual) {
    let clock = Virtual::new("2026-01-02T00:00:00Z".parse().unwrap());
    let settings = Settings {
        name: "siem".to_owned(),
        url: format!("{url}/SECRETPATH?key=k").parse().unwrap(),
        signing_secret: signed.then(|| Secret::new(format!("whsec_{}", STANDARD.encode(KEY)))),
        timeout: Settings::DEFAULT_TIMEOUT,
    };
    (Arc::new(Sink::new(settings, Arc::new(clock.clone())).unwrap()), clock)
}

fn event() -> Value {
    json!({"specversion": "1.0", "id": "c77.3", "source": "/proofd/test", "type": "com.example.verified", "data": {"who": PRIVATE}})
}

fn emit() -> Action {
    Action::Emit { sink: "siem".to_owned(), event: event() }
}

#[tokio::test]
async fn answers_are_classified() {
    let rows: Vec<(Reply, &str)> = vec![
        (reply(200, "<html>"), "Emitted"),
        (reply(202, ""), "Emitted"),
        (reply(204, ""), "Emitted"),
        (reply(400, json!({"detail": PRIVATE})), "Refused: siem answered 400"),
        (reply(410, ""), "Refused: siem answered 410"),
        (reply(401, ""), "Unavailable: siem refused the credentials"),
        (with(429, ("retry-after", "60"), ""), "Unavailable after 60 s: siem asks"),
        (reply(500, ""), "Unavailable: siem answered 500"),
        (with(301, ("location", "/x"), ""), "Unavailable: siem answered 301 and redirects are not followed"),
        (reply(202, " ".repeat(10_000_000)), "Unavailable: siem answered with more than 1 MiB"),
    ];
    for (row, (reply, expected)) in rows.into_iter().enumerate() {
        let peer = Peer::start(vec![reply]).await;
        let ended = describe(&perform_at(&sink(&peer.url, true).0, &call(emit(), 1)).await);
        assert!(ended.starts_with(expected), "row {row}: {ended}");
        assert_eq!(peer.seen().len(), 1, "row {row}");
    }
    let ended = describe(&perform_at(&sink(&unused_address(), true).0, &call(emit(), 1)).await);
    assert!(ended.starts_with("Unavailable: no connection to siem"), "{ended}");
}

#[tokio::test]
async fn an_event_is_signed_per_attempt_and_keeps_its_id() {
    let peer = Peer::start(vec![reply(500, "")]).await;
    let (sink, clock) = sink(&peer.url, true);
    for attempt in [1, 2] {
        perform_at(&sink, &call(emit(), attempt)).await;
        clock.advance(chrono::TimeDelta::seconds(90));
    }
    let seen = peer.seen();
    let times: Vec<_> = seen.iter().map(|seen| seen.header("webhook-timestamp")).collect();
    assert_eq!(times, ["1767312000", "1767312090"]);
    for seen in &seen {
        assert_eq!((seen.line.as_str(), seen.json()), ("POST /SECRETPATH?key=k", event()));
        assert_eq!(seen.header("content-type"), "application/cloudevents+json; charset=utf-8");
        assert_eq!(seen.header("webhook-id"), "c77-3");
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(KEY).unwrap();
        mac.update(format!("c77-3.{}.", seen.header("webhook-timestamp")).as_bytes());
        mac.update(&seen.body);
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(seen.header("webhook-signature"), signature);
    }
}

#[tokio::test]
async fn an_event_without_a_secret_is_not_signed() {
    let peer = Peer::start(vec![reply(202, "")]).await;
    perform_at(&sink(&peer.url, false).0, &call(emit(), 1)).await;
    let seen = peer.seen();
    assert!(seen[0].headers.keys().all(|name| !name.as_str().starts_with("webhook-")), "{seen:?}");
}
