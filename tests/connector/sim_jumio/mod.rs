//! The simulated Jumio over HTTP: documented and observed behavior of the vendor.

use std::time::Duration;

use chrono::TimeDelta;
use proofd::simulate::fault::{Fault, Mishap};
use proofd::simulate::jumio::{Callbacks, Expired, Knobs, Outcome, Script};
use reqwest::Method;
use serde_json::{Value, json};

mod bench;
mod memory;
mod results;

use bench::{Bench, label};

#[tokio::test]
async fn invalid_requests_are_refused_like_the_vendor() {
    let bench = Bench::new().await;
    let url = format!("{}/account/api/v1/accounts", bench.serving.url);
    let nameless = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = nameless.post(&url).bearer_auth(&bench.token).json(&json!({})).send().await.unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(bench.fresh_token().await["access_token"], bench.token.as_str(), "the same within its life");
    bench.clock.advance(TimeDelta::minutes(59));
    assert_eq!(bench.fresh_token().await["expires_in"], 60);
    bench.clock.advance(TimeDelta::minutes(1));
    let (code, body) = bench.start(None, 10011, json!({})).await;
    assert_eq!((code, &body["httpStatus"]), (401, &json!(401)));
}

#[tokio::test]
async fn starts_are_validated_and_limited() {
    let bench = Bench::new().await;
    let check = async |expected: u16, key: u32, change: Value| {
        let (code, answer) = bench.start(None, key, change.clone()).await;
        assert_eq!(code, expected, "{key} {change}: {answer}");
    };
    check(200, 3, json!({"tokenLifetime": "60d", "userReference": "p-1"})).await;
    check(400, 3, json!({"tokenLifetime": "61d"})).await;
    check(400, 3, json!({"tokenLifetime": "4m"})).await;
    check(400, 3, json!({"tokenLifetime": "2w"})).await;
    check(400, 3, json!({"customerInternalReference": "a/b"})).await;
    check(400, 3, json!({"customerInternalReference": "x".repeat(101)})).await;
    check(400, 3, json!({"userReference": "<p>"})).await;
    check(400, 3, json!({"web": {"successUrl": "https://a.example/?accountId=1"}})).await;
    check(400, 99, json!({})).await;
    check(400, 32, json!({})).await;
    check(400, 10014, json!({})).await;
    assert_eq!(bench.start(Some("nobody"), 3, json!({})).await.0, 404);
    assert!(bench.ledger.records().iter().any(|one| one.what == "update" && !one.applied));
    bench.simulator.set_knobs(Knobs::default());
    for _ in 0..5 {
        check(200, 3, json!({})).await;
    }
    let over = json!({"title": "Too Many Requests", "status": 429, "detail": "Request limit exceeded"});
    assert_eq!(bench.start(None, 3, json!({})).await, (429, over));
    bench.clock.advance(TimeDelta::seconds(1));
    check(200, 3, json!({})).await;
    bench.simulator.turn(|knobs| knobs.permissions.initiate = false);
    check(403, 3, json!({})).await;
}

#[tokio::test]
async fn an_execution_expires() {
    let bench = Bench::new().await;
    let (account, unused, _) = bench.started(json!({})).await;
    let (_, left, _) = bench.started(json!({})).await;
    bench.clock.advance(TimeDelta::minutes(29));
    bench.simulator.open(&left).unwrap();
    bench.clock.advance(TimeDelta::minutes(1));
    assert_eq!(bench.status(&account, &unused).await, "TOKEN_EXPIRED");
    bench.clock.advance(TimeDelta::minutes(13));
    bench.simulator.capture(&left).unwrap();
    bench.clock.advance(TimeDelta::minutes(14));
    assert_eq!(bench.simulator.execution(&left).unwrap().status.name(), "ACQUISITION_STARTED");
    bench.clock.advance(TimeDelta::minutes(1));
    assert_eq!(bench.simulator.execution(&left).unwrap().status.name(), "SESSION_EXPIRED");
    let token = bench.fresh_token().await["access_token"].as_str().unwrap().to_owned();
    let bench = Bench { token, ..bench };
    let (_, details) = bench.read(&account, &unused, "").await;
    assert_eq!(details["decision"]["type"], "NOT_EXECUTED");
    assert_eq!(details["decision"]["risk"]["score"], -1.0);
    bench.simulator.turn(|knobs| knobs.expired = Expired::Old);
    assert_eq!(bench.read(&account, &unused, "").await.1["decision"]["type"], "REJECTED");
    bench.simulator.turn(|knobs| knobs.expired = Expired::NotFound);
    assert_eq!(bench.read(&account, &unused, "").await.0, 404);
}

#[tokio::test]
async fn authentication_requires_an_earlier_pass() {
    let bench = Bench::new().await;
    let (account, first, _) = bench.started(json!({})).await;
    assert_eq!(bench.start(Some(&account), 10014, json!({})).await.0, 400, "nothing is enrolled yet");
    bench.simulator.finish(&first, None).unwrap();
    let (_, answer) = bench.start(Some(&account), 10014, json!({})).await;
    let second = answer["workflowExecution"]["id"].as_str().unwrap();
    let script = Script { outcome: Outcome::FaceMismatch, ..Script::default() };
    bench.simulator.finish(second, Some(script)).unwrap();
    assert_eq!(label(&bench.read(&account, second, "").await.1, "authentication"), "FAILED");
    let (_, answer) = bench.start(Some(&account), 10011, json!({})).await;
    let third = answer["workflowExecution"]["id"].as_str().unwrap();
    bench.simulator.finish(third, None).unwrap();
    let (_, details) = bench.read(&account, third, "").await;
    assert_eq!(label(&details, "imageChecks"), "REPEATED_FACE");
    let findings = &details["capabilities"]["imageChecks"][0]["data"]["faceSearchFindings"]["findings"];
    assert_eq!(findings, &json!([first]));
    bench.simulator.turn(|knobs| knobs.retention_seconds = Some(600));
    bench.clock.advance(TimeDelta::minutes(10));
    assert!(bench.read(&account, &first, "").await.1["wipedOutAt"].is_string());
    assert_eq!(bench.start(Some(&account), 10014, json!({})).await.0, 400, "the face is gone");
}

#[tokio::test]
async fn a_knob_sets_the_callbacks() {
    let check = async |callbacks: Callbacks, expected: &[&str]| {
        let bench = Bench::new().await;
        bench.simulator.turn(|knobs| knobs.callbacks = callbacks);
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let take = async move |axum::Json(body): axum::Json<Value>| sender.send(body).unwrap();
        let router = axum::Router::new().route("/hook", axum::routing::post(take));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let (account, execution, _) = bench.started(json!({"callbackUrl": url})).await;
        bench.simulator.finish(&execution, None).unwrap();
        for status in expected {
            let body = tokio::time::timeout(Duration::from_secs(10), receiver.recv()).await.unwrap().unwrap();
            assert_eq!(body["workflowExecution"]["status"], *status, "{callbacks:?}");
        }
        let read = bench.status(&account, &execution).await;
        assert_eq!(read, if callbacks == Callbacks::Early { "ACQUIRED" } else { "PROCESSED" });
    };
    check(Callbacks::None, &[]).await;
    check(Callbacks::Twice, &["PROCESSED", "PROCESSED"]).await;
    check(Callbacks::OutOfOrder, &["PROCESSED", "ACQUIRED", "ACQUISITION_STARTED"]).await;
    check(Callbacks::Early, &["PROCESSED"]).await;
    check(Callbacks::Intermediate, &["ACQUISITION_STARTED", "ACQUIRED", "PROCESSED"]).await;
}

#[tokio::test]
async fn faults_apply_to_their_path_and_count() {
    let bench = Bench::new().await;
    let check = async |what: Mishap, after_effect: bool, made: usize, expected: &str| {
        let fault = Fault { path: "/account".into(), count: Some(1), after_effect, ..Fault::of(what) };
        bench.simulator.turn(|knobs| knobs.faults = vec![fault]);
        let body = json!({"customerInternalReference": "c", "workflowDefinition": {"key": 3}});
        let url = format!("{}/account/api/v1/accounts", bench.serving.url);
        let shown = match bench.client.post(url).bearer_auth(&bench.token).json(&body).send().await {
            Err(_) => "broken".to_owned(),
            Ok(answer) => answer.text().await.unwrap_or_else(|_| "broken".to_owned()),
        };
        assert!(shown.contains(expected), "{what:?}");
        assert_eq!(bench.simulator.executions().len(), made, "{what:?}");
    };
    check(Mishap::Status(503), false, 0, "503").await;
    check(Mishap::Closed, false, 0, "broken").await;
    check(Mishap::Closed, true, 1, "broken").await;
    check(Mishap::Html, false, 1, "<html>").await;
    check(Mishap::Huge, false, 1, "padding").await;
    check(Mishap::Truncated, false, 2, "timestamp").await;
    check(Mishap::WrongTypes, false, 3, "{\"id\":17}").await;
    check(Mishap::MissingFields, false, 4, "{\"account\":{}").await;
    check(Mishap::ExtraFields, false, 5, "unheard_of").await;
}

#[tokio::test]
async fn an_execution_can_be_completed_on_the_page_and_by_control_paths() {
    let bench = Bench::new().await;
    let web = json!({"web": {"successUrl": "https://a.example/ok", "errorUrl": "https://a.example/no"}});
    let (account, execution, href) = bench.started(web).await;
    let page = bench.client.get(&href).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("Reject with label"));
    let token = href.split("authorizationToken=").nth(1).unwrap().split('&').next().unwrap();
    let form = [("authorizationToken", token), ("label", "BLURRED")];
    let url = format!("{}/web/v4/app/reject", bench.serving.url);
    let answer = bench.client.post(url).form(&form).send().await.unwrap();
    let target = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(target.starts_with("https://a.example/ok?accountId="), "{target}");
    let again = bench.client.get(&href).send().await.unwrap();
    assert!(again.headers()["location"].to_str().unwrap().contains("publicErrorCode=J000412"));
    assert_eq!(bench.status(&account, &execution).await, "PROCESSED");

    let (_, execution, _) = bench.started(json!({"customerInternalReference": "case-2"})).await;
    let script = json!({"outcome": "warn", "extraction": {"lastName": "ROE"}});
    let path = format!("/_sim/executions/{execution}/finish");
    let (code, shown) = bench.call(Method::POST, &path, &script).await;
    assert_eq!((code, &shown["status"]), (200, &json!("PROCESSED")));
    let (_, list) = bench.call(Method::GET, "/_sim/executions?reference=case-2", &Value::Null).await;
    assert_eq!((list[0]["execution"].as_str(), &list[0]["key"]), (Some(execution.as_str()), &json!(10011)));
    let (code, _) = bench.call(Method::PUT, "/_sim/knobs", &json!({"callbacks": "twice"})).await;
    assert_eq!((code, bench.simulator.knobs().callbacks), (200, Callbacks::Twice));
}
