//! A repeated change request after the process ended between the change and its answer.
use proofd::http::Bounds;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::limits::House;

const KIND: &str = "application/cloudevents+json";

fn event(id: &str) -> String {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/hr", "type": "com.example.hired", "subject": "p-7",
    });
    event.to_string()
}

fn hash(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}

async fn send(house: &House, key: &str, body: String) -> (u16, Value) {
    let url = format!("http://{}/v1/events", house.listening.address);
    let request = reqwest::Client::builder().no_proxy().build().unwrap().post(url).bearer_auth("t-sam");
    let request = request.header(CONTENT_TYPE, KIND).header("Idempotency-Key", key).body(body);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn taken(house: &House) -> Option<String> {
    let text = house.engine.status().metrics_text().unwrap();
    let line = text.lines().find(|line| line.starts_with("proofd_events_total{source=\"cloudevents\"}"))?;
    line.rsplit(' ').next().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_takes_effect_once() {
    let house = House::open_within(Bounds::default()).await;
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(KIND))]);
    let (key, request) = (hash("sam\nlost"), hash(&format!("POST /v1/events\n{}", event("1"))));
    // The change is made, but its answer is never stored.
    let body = event("1");
    let change = house.engine.hooks().cloud_events(&headers, body.as_bytes());
    let (taken_in, marked) = house.engine.requests().under_key(&key, &request, change).await;
    assert_eq!((taken_in.unwrap(), marked), (1, true));
    assert_eq!(taken(&house).as_deref(), Some("1"));
    assert_eq!(send(&house, "lost", event("1")).await, (202, json!({ "taken": 1 })));
    assert_eq!(send(&house, "lost", event("2")).await.0, 422);
    assert_eq!(taken(&house).as_deref(), Some("1"));
    // A refused request changed nothing: its key can be used for the corrected request.
    assert_eq!(send(&house, "wrong", "{}".to_owned()).await.0, 400);
    assert_eq!(send(&house, "wrong", event("2")).await.0, 202);
    assert_eq!(taken(&house).as_deref(), Some("2"));
    house.close().await;
}
