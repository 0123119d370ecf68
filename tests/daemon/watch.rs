//! Monitoring data of the running daemon, and which listener serves it.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::world::people::passes;
use crate::world::{World, token};
use reqwest::{Method, StatusCode};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_health_are_served() {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.start();
    let ada = world.registers("Ada");
    world.goes_through(&ada, passes()).await;
    world.until_closed(&ada, "approved").await;
    let ben = world.registers("Ben");
    world.link(&ben).await;
    let answer = world.http().get(format!("{}/metrics", world.url)).send().await.unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = answer.text().await.unwrap();
    let samples = samples(&text);
    for (name, value) in [
        ("proofd_cases_opened_total{policy=\"registration-proofing\"}", 2.0),
        ("proofd_cases_closed_total{policy=\"registration-proofing\",result=\"approved\"}", 1.0),
        ("proofd_cases_open{policy=\"registration-proofing\",state=\"waiting\"}", 1.0),
        ("proofd_policy_last_reload_successful", 1.0),
        ("proofd_policies_not_active", 0.0),
        ("proofd_store_rebuilt", 0.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name}\n{text}");
    }
    for private in ["Ada", "partner.test"] {
        assert!(!text.contains(private), "{private}");
    }
    for (path, expected) in [("/livez", "alive\n"), ("/readyz", "ready\n")] {
        let (status, text) = world.ask(Method::GET, path, "", None).await;
        assert_eq!((status, text), (StatusCode::OK, json!(expected)), "{path}");
    }
    // A daemon without active policies is alive, but not ready.
    world.stop();
    std::fs::remove_dir_all(world.dir.path().join("store")).unwrap();
    std::fs::remove_dir_all(world.policies()).unwrap();
    world.start();
    assert_eq!(world.ask(Method::GET, "/livez", "", None).await.0, StatusCode::OK);
    assert_eq!(world.ask(Method::GET, "/readyz", "", None).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

/// Parses the text as strictly as a scraper does.
fn samples(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert_eq!(text.matches("# EOF").count(), 1, "{text}");
    let (mut samples, mut types) = (BTreeMap::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            if let Some(declared) = comment.strip_prefix("TYPE ") {
                let (name, _) = declared.split_once(' ').unwrap();
                assert!(types.insert(name.to_owned()), "{name} is declared twice");
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        let base = name.split('{').next().unwrap();
        assert!(
            types.iter().any(|declared| base == declared || base.strip_suffix("_total") == Some(declared)),
            "{base} has no type"
        );
        assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{name} stands twice");
    }
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_listener_alone_serves_webhooks_and_links() {
    let public = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut world = World::new(60, Path::new("policies"), &format!("public_listen: {public}\n")).await;
    let outside = format!("http://{public}");
    world.edit_config(&format!("public_url: {}", world.url), &format!("public_url: {outside}"));
    world.town.broadcast_to(&outside);
    world.start();
    // The whole registration uses the public address.
    let ada = world.registers("Ada");
    let link = world.link(&ada).await;
    assert!(link.starts_with(&outside), "{link}");
    world.goes_through(&ada, passes()).await;
    world.until_closed(&ada, "approved").await;

    let path = link.strip_prefix(&outside).unwrap();
    let both = [
        (Method::GET, path, true, false),
        (Method::POST, path, true, false),
        (Method::GET, "/person.css", true, false),
        (Method::POST, "/hooks/onelogin", true, false),
        (Method::GET, "/v1/cases", false, true),
        (Method::POST, "/v1/events", false, true),
        (Method::GET, "/v1/policies", false, true),
        (Method::POST, "/v1/policies/reload", false, true),
        (Method::GET, "/metrics", false, true),
        (Method::GET, "/livez", false, true),
        (Method::GET, "/readyz", false, true),
    ];
    for (method, path, is_public, is_private) in both {
        for (base, there) in [(&outside, is_public), (&world.url, is_private)] {
            let url = format!("{base}{path}");
            let answer = world
                .http()
                .request(method.clone(), &url)
                .bearer_auth(token("t-admin"))
                .send()
                .await
                .unwrap();
            let status = answer.status();
            let text = answer.text().await.unwrap();
            let nothing = text.contains("no such path");
            assert_eq!(status != StatusCode::NOT_FOUND && !nothing, there, "{method} {url} {status}");
        }
    }
}
