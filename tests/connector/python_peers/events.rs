//! CloudEvents: the daemon's code reads the SDK's events, and the SDK verifies and reads a sink's events.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proofd::connectors::cloudevents::read;
use proofd::connectors::sink::{Settings, Sink};
use proofd::engine::clock::System;
use proofd::model::{Action, Call, Clock as _, Done, Outcome, Secret};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::{SCRIPT, python, run};
use crate::perform::perform_at;

fn headers(given: &Value) -> HeaderMap {
    let given = given.as_object().unwrap().iter();
    let pair = |(name, value): (&String, &Value)| {
        let value = HeaderValue::from_bytes(value.as_str().unwrap().as_bytes()).unwrap();
        (name.parse::<HeaderName>().unwrap(), value)
    };
    given.map(pair).collect()
}

#[test]
fn events_of_the_cloudevents_sdk_are_parsed() {
    let Some(python) = python() else { return };
    let sent = run(&python, &[SCRIPT, "send"]).unwrap();
    let mut count = 0;
    for line in String::from_utf8(sent.stdout).unwrap().lines() {
        let sent: Value = serde_json::from_str(line).unwrap();
        let body = STANDARD.decode(sent["body"].as_str().unwrap()).unwrap();
        let events = read(&headers(&sent["headers"]), &body, System.now());
        let events = events.unwrap_or_else(|why| panic!("{why}: {sent}"));
        let [event] = events.as_slice() else { panic!("{sent}") };
        let (text, index) = (sent["text"].as_str().unwrap(), &sent["index"]);
        assert_eq!(event.subject.id, text, "{sent}");
        assert_eq!(event.kind.as_str(), format!("custom.com.example.{index}"));
        assert_eq!(event.source, format!("https://x.example/{index}?a=b"));
        assert_eq!(event.time.to_rfc3339(), format!("2026-01-02T03:04:0{index}+00:00"));
        let mut expected = match (&sent["data"], sent["kind"].as_str()) {
            (Value::Object(data), _) => data.clone(),
            (Value::Null, _) => Map::new(),
            (bytes, Some("application/octet-stream")) => {
                Map::from_iter([("data_base64".to_owned(), bytes.clone())])
            }
            (value, _) => Map::from_iter([("value".to_owned(), value.clone())]),
        };
        expected.insert("tenant".to_owned(), text.into());
        assert_eq!(event.fields["data"], Value::from(expected), "{sent}");
        count += 1;
    }
    assert_eq!(count, 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standard_webhooks_library_verifies_sink_events() {
    let Some(python) = python() else { return };
    let seen = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&seen);
    let app = Router::new().fallback(move |request: Request<Body>| async move {
        let (head, body) = request.into_parts();
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let headers: Map<_, _> =
            head.headers.iter().map(|(name, value)| (name.to_string(), text(value).into())).collect();
        let body = STANDARD.encode(to_bytes(body, 1 << 20).await.unwrap());
        *kept.lock().unwrap() = Some(json!({ "headers": headers, "body": body }));
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/in", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let secret = format!("whsec_{}", STANDARD.encode([7; 32]));
    let settings = Settings {
        name: "siem".to_owned(),
        url: url.parse().unwrap(),
        signing_secret: Some(Secret::new(&secret)),
        timeout: Settings::DEFAULT_TIMEOUT,
    };
    let sink = Arc::new(Sink::new(settings, Arc::new(System)).unwrap());
    let event = json!({
        "specversion": "1.0", "id": "c1.4", "source": "/proofd/test", "type": "com.example.verified",
        "subject": "Jané 😀", "time": "2026-01-02T03:04:05Z", "data": {"who": "Jané", "n": 7},
    });
    let attempt = crate::perform::attempt("c1", 4, 1, proofd::model::Timestamp::UNIX_EPOCH);
    let action = Action::Emit { sink: "siem".to_owned(), event: event.clone() };
    let outcome = perform_at(&sink, &Call { attempt, action }).await;
    assert_eq!(outcome, Outcome::Done(Done::Emitted));

    let mut request = seen.lock().unwrap().take().unwrap();
    request["secret"] = secret.into();
    let mut child = Command::new(python)
        .args([SCRIPT, "receive"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    for name in ["id", "source", "type", "subject"] {
        assert_eq!(read["attributes"][name], event[name], "{read}");
    }
    assert_eq!(read["data"], event["data"]);
}
