//! Requests of vendors and of people with a link, over real HTTP: hooks, callbacks, the pages of a link.

use std::path::Path;

use crate::world::World;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::http::{problem, shipped};

/// The simulated OneLogin's event of a registration.
fn record(world: &World, user: i64) -> Value {
    let events = world.town.onelogin.events();
    let found = events.into_iter().find(|one| one["event_type_id"] == 100 && one["user_id"] == user);
    found.expect("an event of the registration")
}

async fn hook(world: &World, header: Option<&str>, body: String) -> reqwest::Response {
    let mut request = world.http().post(format!("{}/hooks/onelogin", world.url)).body(body);
    if let Some(header) = header {
        request = request.header("Authorization", header);
    }
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_accepted_whole_and_only_with_the_shared_header() {
    let mut world = World::new(60, Path::new("policies"), "").await;
    // Only the events of this test arrive.
    world.edit_config("    webhook:", "    poll_every: 30d\n    webhook:");
    world.town.onelogin.turn(|knobs| knobs.webhook.drop_every = 1);
    world.start();
    // The first poll is done, and the next one is a month away.
    world
        .until("the first reading of OneLogin", async |world| {
            let answer = world.http().get(format!("{}/metrics", world.url)).send().await.unwrap();
            answer.text().await.unwrap().contains("source_polled_timestamp_seconds{").then_some(())
        })
        .await;
    let right = Some("Bearer sim-webhook");
    let (ada, ben) = (world.registers("Ada"), world.registers("Ben"));
    let (first, second) = (record(&world, ada.id()), record(&world, ben.id()));

    for header in
        [None, Some(""), Some("Bearer wrong"), Some("sim-webhook"), Some("Bearer t-admin-of-the-test-world")]
    {
        let answer = hook(&world, header, json!([first]).to_string()).await;
        assert_eq!(problem(answer).await.0, 401, "{header:?}");
    }
    let mut bad = first.clone();
    bad["event_timestamp"] = json!("yesterday");
    let bodies = [
        (json!([first, { "nonsense": 1 }]).to_string(), "element 1"),
        (json!([first, first, 7]).to_string(), "element 2"),
        (json!([bad]).to_string(), "element 0"),
        (format!("{first}\n{{"), "element 1"),
        (String::new(), "empty"),
        ("nonsense".to_owned(), "element 0"),
        (json!([first]).to_string().replace(']', ""), "JSON"),
    ];
    for (body, says) in bodies {
        let (status, document) = problem(hook(&world, right, body.clone()).await).await;
        assert_eq!(status, 400, "{body}");
        assert!(document["detail"].as_str().unwrap().contains(says), "{document} {body}");
        assert!(!document.to_string().contains("Ada"), "{document}");
    }
    let huge = format!("[{first},{}", " ".repeat(1 << 20));
    assert_eq!(problem(hook(&world, right, huge).await).await.0, 413);

    // Ben's event is accepted, even twice; none of Ada's was.
    for body in [json!([second]).to_string(), format!("{second}\n{second}\n")] {
        assert_eq!(hook(&world, right, body).await.status(), StatusCode::OK);
    }
    world.link(&ben).await;
    let cases = world.cases().await;
    assert_eq!(cases.len(), 1, "{cases:?}");
    assert_eq!(cases[0]["subject"]["name"], "Ben Tester");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_callback_changes_nothing() {
    let world = shipped().await;
    let ada = world.registers("Ada");
    let execution = world.presses(&ada, &world.link(&ada).await).await;
    let run = world.execution(&execution);
    let path = run.order.callback_url.clone().unwrap();
    let (_, secret) = path.rsplit_once('/').unwrap();
    let sheet = world.sheet(&ada).await.unwrap();
    let body = |id: &str| json!({ "workflowExecution": { "id": id, "status": "PROCESSED" }, "account": { "id": run.account } });
    let unknown = "11111111-1111-4111-8111-111111111111";
    let wrong = "0".repeat(secret.len());
    let rows = [
        (wrong.as_str(), body(&execution).to_string()),
        (&secret[1..], body(&execution).to_string()),
        (secret, body(unknown).to_string()),
        (secret, body("../../cases").to_string()),
        (secret, json!({ "workflowExecution": { "status": "PROCESSED" } }).to_string()),
        (secret, json!({ "workflowExecution": { "id": 7 } }).to_string()),
        (secret, "not json".to_owned()),
        (secret, String::new()),
        (secret, "[".repeat(100_000)),
    ];
    for (secret, body) in rows {
        let url = format!("{}/hooks/jumio/{secret}", world.url);
        let answer = world.http().post(&url).body(body.clone()).send().await.unwrap();
        let (status, document) = problem(answer).await;
        assert_eq!(status, 404, "{:.80}", body);
        assert_eq!(document["detail"], "no such hook", "they all look the same");
    }
    // The daemon's regular polls continue meanwhile; a callback has the effect of a hint.
    let journal = world.journal(&sheet).await;
    let moved = |entry: &Value| entry["what"] == "hinted" || entry["what"] == "step_ended";
    assert!(!journal.iter().any(moved), "{journal:?}");
    // The valid callback triggers a read, which reports an unfinished run.
    let answer = world.http().post(&path).body(body(&execution).to_string()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    world
        .until("the reading", async |world| {
            let journal = world.journal(&sheet).await;
            let mut since = journal.iter().skip_while(|entry| entry["what"] != "hinted");
            since.any(|entry| entry["what"] == "call_done").then_some(())
        })
        .await;
    let sheet = world.sheet(&ada).await.unwrap();
    assert_eq!((&sheet["state"], &sheet["steps"]["proof"]["outcome"]), (&json!("waiting"), &Value::Null));
    assert_eq!(world.standing(&ada), ("unapproved", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_link_is_not_found() {
    let world = shipped().await;
    let ada = world.registers("Ada");
    let link = world.link(&ada).await;
    let (address, token) = link.rsplit_once('/').unwrap();
    let (stem, code) = token.rsplit_once('.').unwrap();
    let contest = token.replace(".v", ".c");
    for token in [
        "x".to_owned(),
        stem.to_owned(),
        format!("{stem}."),
        format!("{stem}.{}", "0".repeat(code.len())),
        format!("{stem}0.{code}"),
        contest,
    ] {
        for method in [Method::GET, Method::POST] {
            let url = format!("{address}/{token}");
            let answer = world.http().request(method.clone(), &url).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{method} {url}");
            let page = answer.text().await.unwrap();
            assert!(page.contains("This link is not valid") && !page.contains("Ada"), "{page}");
        }
    }
    assert!(world.town.jumio.executions().is_empty());
}
