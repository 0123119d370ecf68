//! A name that an open case's revision needs is removed from the configuration.
use std::path::Path;

use crate::world::people::passes;
use crate::world::{World, copy_tree, edit};
use reqwest::{Client, StatusCode};
use serde_json::Value;

const CALL: &str = "        - id: ask
          call: ticketing
          path: /tickets
          body: {title: look}
          outcomes: {ok: [{close: asked}], failed: [{close: unclear}]}";

/// The HTML page for a person, without JSON.
async fn page(request: reqwest::RequestBuilder) -> (StatusCode, String) {
    let answer = request.header("accept-language", "en").send().await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("text/html"), "{kind}");
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unloadable_revision_notifies_the_person_and_the_operator() {
    let mut world = World::new(60, Path::new("tests/data/tree"), "").await;
    let file = world.policies().join("proofing/policy.yaml");
    // Another policy that stays active.
    copy_tree(&world.policies().join("proofing"), &world.policies().join("other"));
    edit(&world.policies().join("other/policy.yaml"), "policy: proofing", "policy: other");
    edit(&world.policies().join("other/policy.yaml"), "  - event: registration.created", "  - manual: true");
    edit(&file, "        - close: unclear", CALL);
    world.start();
    let ada = world.registers("Ada");
    let link = world.link(&ada).await;
    assert_eq!(world.stop(), Some(0));
    let config = std::fs::read_to_string(world.config()).unwrap();
    let without: Vec<_> = config.lines().filter(|line| !line.contains("ticketing:")).collect();
    std::fs::write(world.config(), without.join("\n")).unwrap();
    world.start();
    // The pages for the person.
    let browser = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for request in [browser.get(&link), browser.post(&link), browser.get(format!("{link}/back"))] {
        let (status, html) = page(request).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(html.contains("on our side") && html.contains("support desk"), "{html}");
        assert!(!html.contains("<button"), "nothing is there to be pressed: {html}");
    }
    // The messages for the operator.
    let says =
        ["endpoint", "ticketing", "policy.yaml:", "proofd.yaml", "proofd case migrate --policy proofing"];
    let case = world.case_of("Ada").await.unwrap();
    let trouble = case["trouble"].as_str().unwrap();
    for part in says {
        assert!(trouble.contains(part), "{part}: {trouble}");
    }
    assert_eq!(case["step"], "proof");
    let id = case["id"].as_str().unwrap();
    for command in [&["case", "list"][..], &["case", "show", id]] {
        let said = world.say(command);
        assert!(
            said.out.contains("ticketing") && said.out.contains("case migrate --policy proofing"),
            "{said:?}"
        );
    }
    let text = |path: &'static str| world.ask(reqwest::Method::GET, path, "", None);
    let metric = "proofd_cases_stranded{policy=\"proofing\"} 1\n";
    let seen =
        async |_: &World| text("/metrics").await.1.as_str().filter(|text| text.contains(metric)).map(drop);
    world.until("the gauge", seen).await;
    let (status, ready) = text("/readyz").await;
    assert_eq!(status, StatusCode::OK, "the others are served");
    assert!(ready.as_str().unwrap().contains("1 open case cannot continue"), "{ready}");
    // Another revision, which does not need the name, takes over the case.
    edit(&file, CALL, "        - close: unclear");
    // The active revision cannot be compared with it any more, so a person must release it.
    assert_eq!(world.say(&["policy", "reload"]).code, Some(1));
    let released = world.say(&["policy", "release", "proofing", "--reason", "no more tickets"]);
    assert_eq!(released.code, Some(0), "{released:?}");
    let moved =
        world.say(&["case", "migrate", "--policy", "proofing", "--apply", "--reason", "no more tickets"]);
    assert_eq!(moved.code, Some(0), "{moved:?}");
    assert_eq!(world.case_of("Ada").await.unwrap()["trouble"], Value::Null);
    assert!(!text("/metrics").await.1.as_str().unwrap().contains("proofd_cases_stranded{"));
    world.goes_through_by(&ada, &link, passes()).await;
    world.until_closed(&ada, "approved").await;
    assert_eq!(world.stop(), Some(0));
    let verified = world.say(&["store", "verify"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

/// The time in which a case could not continue is given back.
#[tokio::test(flavor = "multi_thread")]
async fn time_with_an_unloadable_revision_is_credited() {
    let mut world = World::new(4_000, Path::new("tests/data/tree"), "").await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    let file = world.policies().join("proofing/policy.yaml");
    edit(&file, "answer_within: 14d", "answer_within: 12h");
    edit(&file, "        - close: unclear", CALL);
    world.start();
    let ada = world.registers("Ada");
    let link = world.link(&ada).await;
    assert_eq!(world.stop(), Some(0));
    let config = std::fs::read_to_string(world.config()).unwrap();
    let without: Vec<_> = config.lines().filter(|line| !line.contains("ticketing:")).collect();
    std::fs::write(world.config(), without.join("\n")).unwrap();
    world.start();
    let back = world.now() + chrono::TimeDelta::hours(13);
    world.until("the deadline is past", async |world| (world.now() > back).then_some(())).await;
    assert!(world.case_of("Ada").await.unwrap()["trouble"].is_string());
    assert_eq!(world.stop(), Some(0));
    std::fs::write(world.config(), config).unwrap();
    world.start();
    world.goes_through_by(&ada, &link, passes()).await;
    world.until_closed(&ada, "approved").await;
}
