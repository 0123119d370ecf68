//! The HTTP interface of the running daemon: permissions, answers to invalid requests, and forged requests.
use std::collections::BTreeSet;
use std::path::Path;

use crate::world::people::{other_name, passes};
use crate::world::{World, token};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

pub async fn shipped() -> World {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    world.start();
    world
}

const ROLES: [&str; 7] = ["viewer", "desk", "author", "operator", "privacy", "source", "admin"];
const LOOK: &[&str] = &["viewer", "desk", "operator", "admin"];
const POLICIES: &[&str] = &["viewer", "author", "operator", "admin"];

/// A path, the roles that may use it, and the status of its answer to them.
type Door = (Method, &'static str, Option<Value>, &'static [&'static str], u16);

fn doors() -> Vec<Door> {
    let reason = || Some(json!({ "reason": "a test" }));
    let start = json!({ "policy": "nothing", "subject": { "type": "user", "id": "1" }, "reason": "a test" });
    vec![
        (Method::GET, "/v1/cases", None, LOOK, 200),
        (Method::GET, "/v1/cases/nobody", None, LOOK, 404),
        (Method::GET, "/v1/cases/nobody/journal", None, LOOK, 404),
        (Method::POST, "/v1/cases", Some(start), &["operator", "admin"], 409),
        (
            Method::POST,
            "/v1/cases/nobody/decisions",
            Some(json!({ "decision": "approve" })),
            &["desk", "admin"],
            404,
        ),
        (Method::POST, "/v1/cases/nobody/retry", reason(), &["operator", "admin"], 404),
        (Method::POST, "/v1/cases/nobody/cancel", reason(), &["operator", "admin"], 404),
        (Method::POST, "/v1/cases/nobody/remind", reason(), &["operator", "admin"], 404),
        (Method::POST, "/v1/cases/nobody/undo", reason(), &["operator", "admin"], 404),
        (Method::GET, "/v1/limits", None, LOOK, 200),
        (Method::POST, "/v1/limits/nobody/release", reason(), &["admin"], 404),
        (Method::POST, "/v1/limits/nobody/drop", reason(), &["admin"], 404),
        // Permitted, but plain JSON is not an event.
        (Method::POST, "/v1/events", Some(json!({})), &["source", "admin"], 415),
        (Method::GET, "/v1/policies", None, POLICIES, 200),
        (Method::GET, "/v1/policies/registration-proofing/revisions", None, POLICIES, 200),
        (Method::GET, "/v1/policies/nothing/revisions", None, POLICIES, 404),
        (Method::POST, "/v1/policies/reload", None, &["author", "admin"], 200),
        (Method::GET, "/v1/sweeps", None, POLICIES, 200),
    ]
}

/// Asserts that an answer is a problem document.
pub async fn problem(answer: reqwest::Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    let asks = answer.headers().contains_key("www-authenticate");
    let text = answer.text().await.unwrap();
    assert_eq!(kind.as_deref(), Some("application/problem+json"), "{status} {text}");
    assert_eq!(asks, status == 401, "{status} {text}");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["status"], status, "{document}");
    for member in ["type", "title", "detail"] {
        assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {document}");
    }
    (status, document)
}

fn request(world: &World, method: &Method, path: &str, body: Option<&Value>) -> reqwest::RequestBuilder {
    let request = world.http().request(method.clone(), format!("{}{path}", world.url));
    match body {
        Some(body) => request.json(body),
        None => request,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_open_to_its_roles_only() {
    let world = shipped().await;
    // In turns: too many refusals from one address lead to another refusal.
    let mut wrong =
        ["Bearer wrong", "Basic t-admin-of-the-test-world", "Bearer", "t-admin-of-the-test-world"]
            .into_iter()
            .cycle();
    for (method, path, body, allowed, expected) in doors() {
        let what = format!("{method} {path}");
        for header in [None, wrong.next()] {
            let mut request = request(&world, &method, path, body.as_ref());
            if let Some(header) = header {
                request = request.header("Authorization", header);
            }
            assert_eq!(problem(request.send().await.unwrap()).await.0, 401, "{what} {header:?}");
        }
        for role in ROLES {
            let short = format!("t-{role}");
            let answer = request(&world, &method, path, body.as_ref())
                .bearer_auth(token(&short))
                .send()
                .await
                .unwrap();
            let status = answer.status().as_u16();
            let expected = if allowed.contains(&role) { expected } else { 403 };
            assert_eq!(status, expected, "{what} as {role}");
            if status >= 400 {
                let (_, document) = problem(answer).await;
                assert!(!document.to_string().contains(&token(&short)), "{document}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_request_error_names_the_cause() {
    let world = shipped().await;
    let huge = json!({ "reason": "x".repeat(1 << 20) });
    let rows: Vec<(Method, &str, Option<Value>, u16, &str)> = vec![
        (Method::GET, "/v1/nothing", None, 404, "/v1/nothing"),
        (Method::GET, "/nothing", None, 404, "no such path: /nothing"),
        (Method::GET, "/v1/cases/../../etc/passwd", None, 404, ""),
        (Method::DELETE, "/v1/cases", None, 405, ""),
        (Method::GET, "/hooks/onelogin", None, 405, ""),
        (Method::PUT, "/v1/policies/reload", None, 405, ""),
        (Method::GET, "/v1/cases?stat=open", None, 400, "stat"),
        (Method::GET, "/v1/cases?limit=many", None, 400, "limit"),
        (Method::GET, "/v1/cases?limit=501", None, 400, "limit"),
        (Method::GET, "/v1/cases?state=opened", None, 400, "state"),
        (Method::GET, "/v1/cases/%FF", None, 400, "id"),
        (Method::GET, "/v1/cases?cursor=garbage", None, 400, "cursor"),
        (Method::GET, "/v1/limits?cursor=garbage", None, 400, "cursor"),
        (Method::POST, "/v1/cases", Some(json!({ "policy": "p" })), 422, "subject"),
        (Method::POST, "/v1/cases/x/retry", Some(json!({})), 422, "reason"),
        (Method::POST, "/v1/cases/x/retry", Some(json!({ "reason": " " })), 422, "reason"),
        (Method::POST, "/v1/cases/x/retry", Some(json!({ "reason": "y".repeat(2_001) })), 422, "2000"),
        (Method::POST, "/v1/cases/x/retry", Some(json!({ "reason": "y", "more": 1 })), 422, "more"),
        (Method::POST, "/v1/cases/x/explode", Some(json!({ "reason": "y" })), 404, "explode"),
        (Method::POST, "/v1/limits/x/explode", Some(json!({ "reason": "y" })), 404, "explode"),
        (Method::POST, "/v1/cases/x/retry", Some(huge.clone()), 413, ""),
        (Method::POST, "/v1/cases", Some(huge), 413, ""),
    ];
    for (method, path, body, expected, says) in rows {
        let answer =
            request(&world, &method, path, body.as_ref()).bearer_auth(token("t-admin")).send().await.unwrap();
        let (status, document) = problem(answer).await;
        assert_eq!(status, expected, "{method} {path} {document}");
        let detail = document["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{method} {path}: {detail}");
    }
    for body in ["", "{", "[]", "nonsense", "{\"reason\": 1}"] {
        let answer = request(&world, &Method::POST, "/v1/cases/x/retry", None)
            .bearer_auth(token("t-admin"))
            .header("Content-Type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        let (status, _) = problem(answer).await;
        assert!(status == 400 || status == 422, "{body:?} {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_accepted_once_while_the_case_allows_it() {
    let world = shipped().await;
    let ada = world.registers("Ada");
    world.link(&ada).await;
    let sheet = world.sheet(&ada).await.unwrap();
    let path = format!("/v1/cases/{}/decisions", sheet["id"].as_str().unwrap());
    let decide = |key: Option<&str>, body: Value| {
        let mut request = request(&world, &Method::POST, &path, Some(&body)).bearer_auth(token("t-desk"));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        async { request.send().await.unwrap() }
    };
    let approve = || json!({ "decision": "approve", "reason": "seen" });
    // No decision is possible yet.
    let (status, document) = problem(decide(Some("k0"), approve()).await).await;
    assert_eq!((status, &document["decisions_allowed"]), (409, &json!([])), "{document}");

    world.goes_through(&ada, other_name()).await;
    world.until_state(&ada, "in_review").await;
    let allowed = json!(["approve", "reject", "try_again"]);
    for (body, says) in [
        (json!({ "decision": "explode", "reason": "x" }), "explode"),
        (json!({ "decision": "overdue", "reason": "x" }), "overdue"),
        (json!({ "decision": "approve" }), "reason"),
        (json!({ "decision": "approve", "reason": "  " }), "reason"),
    ] {
        let (status, document) = problem(decide(None, body).await).await;
        assert_eq!((status, &document["decisions_allowed"]), (409, &allowed), "{document}");
        assert!(document["detail"].as_str().unwrap().contains(says), "{document}");
    }
    assert_eq!(problem(decide(Some(&"k".repeat(256)), approve()).await).await.0, 400);

    let first = decide(Some("k1"), approve()).await;
    assert_eq!(first.status(), StatusCode::OK);
    let first: Value = first.json().await.unwrap();
    world.until_closed(&ada, "approved").await;
    // Repeating the request gives the same answer, although the case has changed.
    let again = decide(Some("k1"), approve()).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(again.json::<Value>().await.unwrap(), first);
    let other = json!({ "decision": "reject", "reason": "seen" });
    assert_eq!(problem(decide(Some("k1"), other).await).await.0, 422, "a key is for one request");
    assert_eq!(problem(decide(Some("k2"), approve()).await).await.0, 409, "it is over");
    // A key belongs to its caller.
    let answer = request(&world, &Method::POST, &path, Some(&approve()))
        .bearer_auth(token("t-admin"))
        .header("Idempotency-Key", "k1")
        .send()
        .await
        .unwrap();
    assert_eq!(problem(answer).await.0, 409);
    assert_eq!(world.standing(&ada), ("approved", 1));
    let sheet = world.sheet(&ada).await.unwrap();
    let decided = world.journal(&sheet).await.into_iter().filter(|one| one["what"] == "decided").count();
    assert_eq!(decided, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_with_one_key_take_effect_once() {
    let world = shipped().await;
    let ada = world.registers("Ada");
    world.link(&ada).await;
    let sheet = world.sheet(&ada).await.unwrap();
    let path = format!("/v1/cases/{}/cancel", sheet["id"].as_str().unwrap());
    let body = json!({ "reason": "a test" });
    let send = || {
        request(&world, &Method::POST, &path, Some(&body))
            .bearer_auth(token("t-operator"))
            .header("Idempotency-Key", "once")
            .send()
    };
    let answers = futures::future::join_all((0..8).map(|_| send())).await;
    for answer in answers {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_covers_the_whole_request_and_survives_a_restart() {
    let mut world = shipped().await;
    let (ada, ben) = (world.registers("Ada"), world.registers("Ben"));
    let mut cases = Vec::new();
    for person in [&ada, &ben] {
        world.link(person).await;
        cases.push(world.sheet(person).await.unwrap()["id"].as_str().unwrap().to_owned());
    }
    let send = async |world: &World, short: &str, path: &str, reason: &str| {
        let body = json!({ "reason": reason });
        let request = request(world, &Method::POST, path, Some(&body)).bearer_auth(token(short));
        let answer = request.header("Idempotency-Key", "one").send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (remind, operator) = (format!("/v1/cases/{}/remind", cases[0]), "t-operator");
    let first = send(&world, operator, &remind, "they asked").await;
    assert_eq!(first.0, 200, "{first:?}");
    let reminded = async |world: &World| {
        let sheet = world.sheet(&ada).await.unwrap();
        let journal = world.journal(&sheet).await;
        journal.iter().filter(|entry| entry["what"] == "ordered").count()
    };
    let once = reminded(&world).await;
    for round in ["before", "after a stop", "after a kill"] {
        assert_eq!(send(&world, operator, &remind, "they asked").await, first, "{round}");
        for (path, reason) in [
            (remind.clone(), "they asked twice"),
            (format!("{remind}?again=1"), "they asked"),
            (format!("/v1/cases/{}/remind", cases[1]), "they asked"),
            (format!("/v1/cases/{}/cancel", cases[0]), "they asked"),
        ] {
            assert_eq!(send(&world, operator, &path, reason).await.0, 422, "{round}: {path} {reason}");
        }
        assert_eq!(reminded(&world).await, once, "{round}");
        match round {
            "before" => assert_eq!(world.stop(), Some(0)),
            _ => world.kill(),
        }
        world.start();
    }
    // A key belongs to its caller.
    assert_eq!(send(&world, "t-admin", &remind, "they asked").await.0, 200);
    assert_eq!(reminded(&world).await, once + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged_by_cursor() {
    let world = shipped().await;
    let people: Vec<_> = (0..7).map(|number| world.registers(&format!("Person{number}"))).collect();
    for person in &people {
        world.link(person).await;
    }
    for limit in [1, 2, 3, 7, 100] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        let mut pages = 0;
        loop {
            let page = world.get(&format!("/v1/cases?limit={limit}{cursor}")).await;
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit, "{page}");
            seen.extend(items.iter().map(|case| case["id"].as_str().unwrap().to_owned()));
            pages += 1;
            assert!(pages <= 9, "the pages end");
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 7, "limit {limit}");
        assert_eq!(seen.len(), 7, "limit {limit}: none twice");
    }
    let execution = world.goes_through(&people[0], passes()).await;
    world.until_closed(&people[0], "approved").await;
    let (id, run) = (people[1].id(), world.execution(&execution));
    for (query, count) in [
        ("state=open".to_owned(), 6),
        ("state=waiting".to_owned(), 6),
        ("state=closed".to_owned(), 1),
        ("state=in_review".to_owned(), 0),
        ("outcome=approved".to_owned(), 1),
        ("outcome=rejected".to_owned(), 0),
        ("policy=registration-proofing".to_owned(), 7),
        ("policy=other".to_owned(), 0),
        (format!("subject={id}"), 1),
        (format!("vendor={execution}"), 1),
        (format!("vendor={}", run.account), 1),
        ("text=person3".to_owned(), 1),
        ("text=PERSON4%40partner".to_owned(), 1),
        ("text=nobody".to_owned(), 0),
    ] {
        let page = world.get(&format!("/v1/cases?{query}")).await;
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{query}: {page}");
    }
    let sheet = world.sheet(&people[0]).await.unwrap();
    let whole = world.journal(&sheet).await;
    let path = format!("/v1/cases/{}/journal", sheet["id"].as_str().unwrap());
    let (mut pieces, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("{path}?limit=3{cursor}")).await;
        pieces.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(pieces, whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn document_data_requires_its_own_permission() {
    let world = shipped().await;
    let ada = world.registers("Ada");
    world.goes_through(&ada, passes()).await;
    let sheet = world.until_closed(&ada, "approved").await;
    let path = format!("/v1/cases/{}", sheet["id"].as_str().unwrap());
    for (token, sees) in [("t-admin", false), ("t-viewer", false), ("t-raw", true)] {
        let (status, sheet) = world.ask(Method::GET, &path, token, None).await;
        assert_eq!(status, StatusCode::OK);
        let document = &sheet["steps"]["proof"]["document"];
        assert_eq!(document["last_name"] == "TESTER", sees, "{token} {document}");
        assert_eq!(document.is_null(), !sees, "{token} {document}");
        let journal = world.ask(Method::GET, &format!("{path}/journal"), token, None).await.1;
        assert!(!journal.to_string().contains("TESTER"), "{journal}");
    }
    let log = world.log();
    for private in ["Tester", "TESTER", "ada@partner.test", "sim-secret", "sim-webhook", "t-admin"] {
        assert!(!log.contains(private), "{private} is in the log");
    }
}
