//! The pages of people who own policies, over a real daemon with people, cases and an edit that waits for a release.

use std::path::Path;

use reqwest::StatusCode;
use serde_json::Value;

use crate::client::{Client, Page};
use crate::world::people::passes;
use crate::world::{World, edit};

/// A name that must come back as text.
const MARKUP: &str = "<img src=x onerror=alert(1)>";

/// A person whose case is stuck, since the name makes no mail address; one approved; one who was
/// asked for proof; and an edit that is parked.
async fn world() -> (World, Value) {
    let mut world = World::new(60, Path::new("tests/data/tree"), "").await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    world.start();
    let ada = world.registers(MARKUP);
    let grace = world.registers("Grace");
    world.goes_through(&grace, passes()).await;
    world.until_closed(&grace, "approved").await;
    let case = world.until("the case", async |world| world.sheet(&ada).await).await;
    let hedy = world.registers("Hedy");
    world.until_state(&hedy, "waiting").await;
    edit(
        &world.policies().join("proofing/policy.yaml"),
        "        - close: unclear",
        "        - delete: registration\n          grace: 1d\n        - close: unclear",
    );
    world.ask(reqwest::Method::POST, "/v1/policies/reload", "t-author", None).await;
    (world, case)
}

/// Asserts that a page is shown, has these texts and shows markup of people as text.
fn shows(path: &str, page: &Page, texts: &[&str]) {
    assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
    let shown = page.text.replace("&#x2f;", "/");
    for text in texts {
        assert!(shown.contains(text), "{path} lacks {text}: {}", page.text);
    }
    for bad in ["<img src=x", " style=\"", " onclick="] {
        assert!(!page.text.contains(bad), "{path} has {bad}");
    }
    assert!(page.text.len() < 150_000, "{path} has {} bytes", page.text.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_shows_what_the_api_has() {
    let (world, case) = world().await;
    let mut dana = Client::signed_in(&world, "t-admin").await;
    let id = case["subject"]["id"].as_str().unwrap();
    let kind = case["subject"]["type"].as_str().unwrap();
    let whole = case["revision"].as_str().unwrap();
    let short = &whole[..8];
    let explain = format!("/explain?subject={kind}/{id}");
    let tried = format!("{explain}&try=1&kind=registration.created");
    let audit = format!("/audit?subject={id}");
    let export = format!("/audit/export?subject={id}");
    let older = format!("/policies/proofing?show=revisions&revision=waiting&from={}", &whole[..12]);
    for (path, texts) in [
        ("/policies", &["proofing", "change to review", "1 change", "part of the tree does not run"][..]),
        (
            "/policies/proofing",
            &[
                short,
                "registration.created",
                "The path of a case",
                "<svg class=\"path\"",
                "The path as a list",
            ],
        ),
        (
            "/policies/proofing?show=source",
            &["proofing/policy.yaml", "id=\"proofing/policy.yaml:1\"", "class=\"key\""],
        ),
        ("/policies/proofing?show=revisions", &[short, "runs"]),
        (&older, &["class=\"line added\"", "more harmful"]),
        ("/changes", &["new path to delete registration", "proofing"]),
        (
            "/changes/proofing",
            &["new path to delete registration", "more harmful", "class=\"line added\"", "Release", "Reject"],
        ),
        ("/explain", &["Search a person"]),
        ("/explain?who=Grace", &["Grace", "/explain?subject="]),
        (&explain, &["registration.created", "/cases/", "opened"]),
        (&tried, &["With other values", "nothing was recorded", "would"]),
        ("/sweeps", &["Sweeps"]),
        ("/calendar", &["time to answer ends", "Hedy", "proofing"]),
        ("/calendar?days=7", &["No open case has a timer"]),
        ("/providers", &["onelogin", "jumio", "no outage", "stops of proofd itself"]),
        ("/audit", &["Opened", "proofing"]),
        ("/audit?what=closed", &["Closed", "result approved"]),
        ("/audit?by=nobody-of-this-name", &["No entry matches"]),
        (&audit, &["&lt;img src=x"]),
    ] {
        shows(path, &dana.get(path).await, texts);
    }
    let csv = dana.get(&export).await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    assert!(csv.text.starts_with("at,case,") && csv.text.contains("\"opened\""), "{}", csv.text);
    // A wrong value is said on the page, which keeps what was typed.
    let wrong = dana.get(&format!("{explain}&try=1&fields=novalue")).await;
    shows("a wrong field", &wrong, &["expected `field: value`", ">novalue</textarea>"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_rejected_or_released_on_its_page() {
    let (world, case) = world().await;
    let mut dana = Client::signed_in(&world, "t-admin").await;
    let page = "/changes/proofing";
    let parked = dana.get(page).await.field("revision").unwrap();
    let state = async |world: &World| {
        let list = world.get("/v1/policies").await;
        let line = list["items"].as_array().unwrap()[0].clone();
        (line["state"].as_str().unwrap().to_owned(), line["revision"].as_str().unwrap().to_owned())
    };
    let running = case["revision"].as_str().unwrap().to_owned();
    assert_eq!(state(&world).await, ("needs_release".to_owned(), running.clone()));
    // Refusals keep the reason, and say why.
    for (path, fields, said) in [
        ("/changes/proofing/release", [("revision", parked.as_str()), ("reason", " ")], "reason"),
        (
            "/changes/proofing/reject",
            [("revision", "0123456789"), ("reason", "because & so")],
            "edited meanwhile",
        ),
    ] {
        let answer = dana.submit(page, path, &fields).await;
        assert_eq!((answer.status, answer.goes()), (StatusCode::SEE_OTHER, page), "{path}");
        let shown = dana.get(page).await;
        assert!(shown.text.contains(said), "{path}: {}", shown.text);
        assert_eq!(shown.text.contains("because &amp; so"), fields[1].1 == "because & so", "{path}");
        assert_eq!(state(&world).await.0, "needs_release", "{path}");
    }
    let fields = [("revision", parked.as_str()), ("reason", "not now")];
    let done = dana.submit(page, "/changes/proofing/reject", &fields).await;
    assert_eq!(done.goes(), "/changes");
    let list = dana.get("/changes").await;
    assert!(list.text.contains("Rejected.") && list.text.contains("rejected: not now"), "{}", list.text);
    assert_eq!(state(&world).await, ("reverted".to_owned(), running.clone()), "what ran stays");
    // The next edit is judged anew, and can be released.
    edit(&world.policies().join("proofing/policy.yaml"), "grace: 1d", "grace: 2d");
    world.ask(reqwest::Method::POST, "/v1/policies/reload", "t-author", None).await;
    let parked = dana.get(page).await.field("revision").unwrap();
    let fields = [("revision", parked.as_str()), ("reason", "agreed")];
    let done = dana.submit(page, "/changes/proofing/release", &fields).await;
    assert_eq!(done.goes(), "/changes");
    assert_eq!(state(&world).await, ("active".to_owned(), parked), "the edit runs");
    // Nothing is parked any more: the page leads back and says so.
    assert_eq!(dana.get(page).await.goes(), "/changes");
    // And the former revision can be restored.
    let fields = [("revision", running.as_str()), ("reason", "back")];
    let back = dana.submit("/policies/proofing?show=revisions", "/policies/proofing/revert", &fields).await;
    assert_eq!(back.goes(), "/policies/proofing?show=revisions");
    assert_eq!(state(&world).await, ("reverted".to_owned(), running));
}
