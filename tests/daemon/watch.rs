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
    let scrape = async |accept: &str| {
        let request = world.http().get(format!("{}/metrics", world.url)).header("accept", accept);
        let answer = request.send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (kind, answer.text().await.unwrap())
    };
    let (kind, text) = scrape("application/openmetrics-text").await;
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
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
    for name in [
        "proofd_build_info{version=",
        "proofd_call_duration_seconds_bucket{le=\"30.0\",connector=\"jumio\",action=\"start_verification\",outcome=\"done\"}",
        "proofd_commit_duration_seconds_count",
        "proofd_verifications_paid_total{policy=\"registration-proofing\"}",
        "proofd_inbox_events",
        "proofd_calls_due{lane=",
        "proofd_timer_lag_seconds",
        "proofd_oldest_stuck_case_age_seconds",
        "proofd_pauses_open",
        "proofd_store_journal_bytes",
        "proofd_store_state_bytes",
        "proofd_store_free_bytes",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_open_fds",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name}\n{text}");
    }
    let (kind, plain) = scrape("*/*").await;
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    promtool(&["check", "metrics"], &plain);
    for private in ["Ada", "partner.test"] {
        assert!(!text.contains(private), "{private}");
    }
    log_has_what_an_operator_needs(&world.log());
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

/// The log of a start and of a case, without a name.
fn log_has_what_an_operator_needs(log: &str) {
    let lines: Vec<serde_json::Value> =
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let started =
        lines.iter().find(|line| line["message"].as_str().is_some_and(|text| text.starts_with("started:")));
    let started = started.unwrap_or_else(|| panic!("{log}"));
    assert_eq!(
        (&started["policies"], &started["open_cases"], &started["stuck"]),
        (&json!(8), &json!(0), &json!(0))
    );
    let closed =
        lines.iter().find(|line| line["message"] == "case closed").unwrap_or_else(|| panic!("{log}"));
    assert_eq!((&closed["policy"], &closed["result"]), (&json!("registration-proofing"), &json!("approved")));
    assert!(
        closed["case"].is_string() && closed["revision"].is_string() && closed["subject"].is_string(),
        "{closed}"
    );
    assert!(!log.contains("Tester") && !log.contains("Some("), "{log}");
}

/// Checks a text with Prometheus' own tool, which finds wrong names, types and texts too.
fn promtool(arguments: &[&str], input: &str) {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(_) if std::env::var_os("CI").is_none() => {
            println!("SKIPPED: promtool is missing; install Debian's package prometheus");
            return;
        }
        Err(error) => panic!("promtool: {error}"),
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let says = String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}: {says}");
}

/// The rules are valid, behave as their own tests expect, and they and the dashboard name only metrics that exist.
#[test]
fn rules_and_dashboard_use_existing_metrics() {
    promtool(&["check", "rules", "examples/prometheus/rules.yaml"], "");
    promtool(&["test", "rules", "examples/prometheus/rules_test.yaml"], "");
    // A metric without a value is not served, so that the program's text is the list.
    let sources =
        ["metrics", "gauges", "timings"].map(|file| std::fs::read_to_string(format!("src/engine/{file}.rs")));
    let sources: String = sources.into_iter().map(Result::unwrap).collect();
    let known = |word: &str| {
        let name = word.strip_prefix("proofd_").unwrap_or(word);
        let base =
            ["_total", "_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let base = base.unwrap_or(name);
        let plain = ["_seconds", "_bytes"].iter().find_map(|unit| base.strip_suffix(unit)).unwrap_or(base);
        [name, base, plain].iter().any(|name| sources.contains(&format!("\"{name}\"")))
    };
    for file in ["examples/prometheus/rules.yaml", "examples/prometheus/dashboard.json"] {
        let text = std::fs::read_to_string(file).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let used: BTreeSet<&str> =
            words.filter(|word| word.starts_with("proofd_") || word.starts_with("process_")).collect();
        let unknown: Vec<_> = used.iter().filter(|word| !known(word)).collect();
        assert!(used.len() > 8 && unknown.is_empty(), "{file} names metrics that do not exist: {unknown:?}");
    }
    let dashboard = std::fs::read_to_string("examples/prometheus/dashboard.json").unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 10 && panels.iter().all(|panel| panel["title"].is_string()), "{dashboard}");
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
            types.iter().any(|declared| {
                let suffixes = ["_total", "_bucket", "_sum", "_count"];
                base == declared || suffixes.iter().any(|suffix| base.strip_suffix(suffix) == Some(declared))
            }),
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
