//! What does not start a session: options, answers to a pushed request, metadata.

use proofd::cli::compose;
use proofd::connectors::VerificationProvider as _;
use proofd::model::FailureKind;
use serde_json::{Value, json};

use super::{connector, options, start, vendor};

/// A change of the options, and what the message about it says.
const MISTAKES: &str = include_str!("../../data/openid/options.json");

#[test]
fn options_that_would_pass_everyone_are_refused() {
    let rows: Vec<(Value, String)> = serde_json::from_str(MISTAKES).unwrap();
    for (change, says) in rows {
        let dir = tempfile::tempdir().unwrap();
        let one = options("https://idv.example.com", &change);
        let config = json!({
            "public_url": "https://proof.example.com",
            "connectors": {"openid_verification": {"eid": one}},
        });
        let path = dir.path().join("proofd.yaml");
        std::fs::write(&path, config.to_string()).unwrap();
        let clock: std::sync::Arc<dyn proofd::model::Clock> =
            std::sync::Arc::new(proofd::engine::clock::Scaled::from_now(1));
        let told = match compose::read(&path) {
            Err(mistake) => mistake.to_string(),
            Ok(configured) => match configured.connectors(&clock) {
                Err(error) => format!("{error:#}"),
                Ok(_) => "fine".to_owned(),
            },
        };
        assert!(told.contains(&says), "{change}: {told}");
    }
}

#[test]
fn a_verification_without_requirements_does_not_load() {
    let dir = tempfile::tempdir().unwrap();
    let config = json!({
        "public_url": "https://proof.example.com",
        "connectors": {"openid_verification": {"eid": options("https://idv.example.com", &json!({}))}},
    });
    let path = dir.path().join("proofd.yaml");
    std::fs::write(&path, config.to_string()).unwrap();
    let known = compose::read(&path).unwrap().known();
    let policies = dir.path().join("policies");
    std::fs::create_dir_all(&policies).unwrap();
    for (entry, found) in [
        ("{provider: eid, workflow: idv_flow_7, method: full, require: [given_name]}", vec![]),
        ("{provider: eid, workflow: idv_flow_7, method: full, require: []}", vec!["unsupported"]),
        (
            "{provider: eid, workflow: idv_flow_7, method: authentication, require: [given_name]}",
            vec!["unsupported"],
        ),
        ("{provider: eid, workflow: idv_flow_7, method: full, require: [liveness]}", vec!["unknown-check"]),
    ] {
        let text = format!("format: 1\nverifications:\n  eid-proof: {entry}\n");
        std::fs::write(policies.join("verifications.yaml"), text).unwrap();
        let (files, _) = proofd::rollout::tree::read(&policies).unwrap().unwrap();
        let loaded = proofd::policy::load(&files, &known);
        let codes: Vec<_> = loaded
            .diagnostics
            .iter()
            .filter(|found| found.place.file.ends_with("verifications.yaml") && found.code != "unused")
            .map(|found| found.code)
            .collect();
        assert_eq!(codes, found, "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_gives_no_result() {
    let Some(vendor) = vendor(&json!({})) else { return };
    let connector = connector(&vendor.issuer, &json!({}));
    for (play, kind, outage, says) in [
        ("par_503", FailureKind::Unavailable, true, "503"),
        ("par_401", FailureKind::Unavailable, true, "client_secret"),
        ("par_400", FailureKind::Refused, false, "invalid_request"),
    ] {
        let failure = connector.start(&start(&format!("play_{play}"), "case-1.2.1")).await.unwrap_err();
        assert_eq!((failure.kind, failure.outage), (kind, outage), "{play}: {}", failure.reason);
        assert!(failure.reason.contains(says) && !failure.reason.contains("Anna"), "{}", failure.reason);
    }
    let nothing = proofd::model::StartSession { require: Vec::new(), ..start("play_pass", "case-1.2.1") };
    assert_eq!(connector.start(&nothing).await.unwrap_err().kind, FailureKind::Refused);
    // Its metadata is of another issuer than the configured one, by one character.
    let other = super::connector(&format!("{}/", vendor.issuer), &json!({}));
    let failure = other.start(&start("play_pass", "case-1.2.1")).await.unwrap_err();
    assert!(failure.outage && failure.reason.contains("another issuer"), "{}", failure.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_reports_missing_features() {
    use proofd::connectors::Connector as _;
    let Some(vendor) = vendor(&json!({"par": false})) else { return };
    let without = connector(&vendor.issuer, &json!({}));
    let found = without.examine().await;
    let oks: Vec<_> = found.iter().map(|finding| finding.ok).collect();
    assert_eq!(oks, [true, true, false], "{found:?}");
    let failure = without.start(&start("play_pass", "case-1.2.1")).await.unwrap_err();
    assert!(failure.outage && failure.reason.contains("pushed requests"), "{}", failure.reason);
    let Some(vendor) = super::vendor(&json!({})) else { return };
    let found = connector(&vendor.issuer, &json!({})).examine().await;
    assert!(found.iter().all(|finding| finding.ok), "{found:?}");
    assert!(found[0].detail.contains(super::REDIRECT), "{found:?}");
    let gone = connector("http://127.0.0.1:9", &json!({})).examine().await;
    assert!(gone.len() == 1 && !gone[0].ok, "{gone:?}");
}
