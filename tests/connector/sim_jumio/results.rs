//! The details of a simulated execution.

use chrono::TimeDelta;
use proofd::simulate::jumio::{Expired, Outcome, Script};
use serde_json::json;

use super::bench::{Bench, label};

#[tokio::test]
async fn results_match_the_script() {
    let bench = Bench::new().await;
    let check = async |outcome: Outcome, labels: &[&str], decision: &str, expected: &[(&str, &str)]| {
        let (account, execution, _) = bench.started(json!({})).await;
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        bench.simulator.finish(&execution, Some(Script { outcome, labels, ..Script::default() })).unwrap();
        let (_, details) = bench.read(&account, &execution, "").await;
        assert_eq!(details["decision"]["type"], decision, "{outcome:?}");
        for (name, text) in expected {
            assert_eq!(label(&details, name), *text, "{outcome:?} {name}");
        }
    };
    check(Outcome::Pass, &[], "PASSED", &[("similarity", "MATCH"), ("liveness", "OK")]).await;
    let stopped = [("usability", "OK"), ("extraction", "PRECONDITION_NOT_FULFILLED"), ("liveness", "OK")];
    check(Outcome::Reject, &["BLURRED"], "REJECTED", &[("usability", "BLURRED"), stopped[1], stopped[2]])
        .await;
    check(Outcome::FaceMismatch, &[], "REJECTED", &[("similarity", "NO_MATCH"), ("dataChecks", "OK")]).await;
    check(Outcome::Warn, &["AGE_DIFFERENCE"], "WARNING", &[("liveness", "AGE_DIFFERENCE")]).await;
    check(Outcome::PassWithout, &[], "PASSED", &[("liveness", "-"), ("similarity", "MATCH")]).await;
    check(Outcome::PassEmpty, &[], "PASSED", &[("liveness", "-"), ("usability", "-")]).await;

    let mock = r#"{"decisionLabel":"NFC_CERTIFICATE","extractionOverrides":{"firstName":"SAM"}}"#;
    let (account, execution, _) = bench.started(json!({"customerInternalReference": mock})).await;
    bench.simulator.finish(&execution, None).unwrap();
    let (_, details) = bench.read(&account, &execution, "").await;
    assert_eq!(label(&details, "dataChecks"), "NFC_CERTIFICATE");
    assert_eq!(details["capabilities"]["extraction"][0]["data"]["firstName"], "SAM");
}

/// An unfinished execution, in every form that a knob selects.
#[tokio::test]
async fn a_knob_sets_how_expired_executions_read() {
    for (expired, status, details, decision) in [
        (Expired::New, "expired", "expired", "NOT_EXECUTED"),
        (Expired::Old, "expired", "expired", "REJECTED"),
        (Expired::NotFound, "expired", "404", ""),
        (Expired::Late, "PROCESSED", "expired", "REJECTED"),
        (Expired::Unsaid, "PROCESSED", "PROCESSED", "NOT_EXECUTED"),
        (Expired::Nowhere, "PROCESSED", "PROCESSED", "REJECTED"),
    ] {
        for opened in [false, true] {
            for key in [10_011, 10_014, 10_022] {
                let bench = Bench::new().await;
                bench.simulator.turn(|knobs| knobs.expired = expired);
                let account = bench.simulator.enrol("ann", Script::default()).unwrap().account;
                let (_, answer) = bench.start(Some(&account), key, json!({})).await;
                let execution = answer["workflowExecution"]["id"].as_str().unwrap();
                if opened {
                    bench.simulator.abandon(execution).unwrap();
                }
                bench.clock.advance(TimeDelta::minutes(30));
                let own = if opened { "SESSION_EXPIRED" } else { "TOKEN_EXPIRED" };
                let word = |word: &'static str| if word == "expired" { own } else { word };
                assert_eq!(bench.status(&account, execution).await, word(status), "{expired:?} {key}");
                let (code, body) = bench.read(&account, execution, "").await;
                if details == "404" {
                    assert_eq!(code, 404, "{expired:?} {key}");
                    continue;
                }
                assert_eq!(body["workflow"]["status"], word(details), "{expired:?} {key}");
                assert_eq!(body["decision"]["type"], decision, "{expired:?} {key}");
                let score = if decision == "REJECTED" { 100.0 } else { -1.0 };
                assert_eq!(body["decision"]["risk"]["score"], score, "{expired:?} {key}");
                assert_eq!(label(&body, "usability"), "NOT_UPLOADED", "{expired:?} {key}");
                assert!(body["startedAt"].is_null(), "{expired:?} {key}");
            }
        }
    }
}
