//! Reading runs. The answers are data in `tests/data/jumio`, one file per case.

use std::path::Path;

use proofd::model::{FailureKind, Judgement};
use serde_json::{Value, json};

use super::peer::{ACCOUNT, Peer, RUN, call, failure, read, reading, reply, token};
use crate::perform::perform_at;

/// Checks one file of `tests/data/jumio`: the server's answers and the expected result.
async fn check(file: &Path) {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let case: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let (expect, why) = (case["expect"].clone(), case["why"].clone());
    let run = format!("GET /retrieval/api/v1/accounts/{ACCOUNT}/workflow-executions/{RUN}");
    let answers = case.clone();
    let peer = Peer::start(move |seen, before| {
        let found = |body: &Value| match body {
            Value::Null => reply(404, &json!({"title": "Not Found", "status": 404})),
            body => reply(200, body),
        };
        match seen.line.strip_prefix(&run) {
            Some("/status") => reply(
                200,
                &json!({
                    "account": {"id": ACCOUNT, "href": "https://elsewhere.example.com/never-followed"},
                    "workflowExecution": {"id": RUN, "definitionKey": "10011", "status": answers["status"],
                        "href": "https://elsewhere.example.com/never-followed"}
                }),
            ),
            Some("") => found(&answers["details"]),
            Some("/steps") => found(&answers["steps"]),
            _ => token(before),
        }
    })
    .await;
    let (jumio, _clock) = peer.connector();
    let outcome = perform_at(&jumio, &call(read())).await;
    if let Some(kind) = expect.get("failed") {
        let failure = failure(outcome);
        assert_eq!(&json!(failure.kind), kind, "{name}: {why}: {}", failure.reason);
        return;
    }
    let got = reading(outcome);
    assert_eq!((got.account.as_str(), got.execution.as_str()), (ACCOUNT, RUN), "{name}");
    let numbers = got.proof.as_ref().map_or(0, |proof| proof.numbers.len());
    assert_eq!(case.get("numbers").map_or(numbers, as_count), numbers, "{name}: {why}");
    let got = json!({"phase": got.phase, "reference": got.reference, "proof": got.proof});
    assert_eq!(got, expect, "{name}: {why}");
    let asked_steps = peer.lines().iter().any(|line| line.ends_with("/steps"));
    let rejected_authentication =
        got["proof"]["checks"].get("authentication").is_some() && got["proof"]["decision"] != "passed";
    assert_eq!(asked_steps, rejected_authentication, "{name}");
}

fn as_count(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

#[tokio::test]
async fn recorded_answers_give_the_expected_readings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/jumio");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 40, "the data files are missing");
    for file in files {
        check(&file).await;
    }
}

/// A run that cannot be read counts neither as a pass nor as a rejection.
#[tokio::test]
async fn an_unreadable_run_is_neither_passed_nor_rejected() {
    let other = json!({"workflowExecution": {"id": "another", "status": "INITIATED"}});
    let stranger =
        json!({"account": {"id": "other"}, "workflowExecution": {"id": RUN, "status": "INITIATED"}});
    let details_shape = json!({"workflow": {"id": RUN, "status": "PROCESSED"}});
    for (status, body, kind) in [
        // A new run may not be visible yet.
        (404, json!({"title": "Not Found"}), FailureKind::Unavailable),
        (403, json!({}), FailureKind::Unavailable),
        (429, json!({}), FailureKind::Unavailable),
        (502, json!({}), FailureKind::Unavailable),
        (200, json!("<html>"), FailureKind::Unavailable),
        (200, other, FailureKind::Unavailable),
        (200, stranger, FailureKind::Unavailable),
        (200, details_shape, FailureKind::Unavailable),
        (200, json!({"workflowExecution": {"status": "INITIATED"}}), FailureKind::Unavailable),
    ] {
        let about = format!("{status} {body}");
        let peer =
            Peer::start(
                move |seen, before| {
                    if seen.line.contains("token") { token(before) } else { reply(status, &body) }
                },
            )
            .await;
        let (jumio, _clock) = peer.connector();
        assert_eq!(failure(perform_at(&jumio, &call(read())).await).kind, kind, "{about}");
    }
}

/// The connector waits for the reasons of an authentication, but missing reasons do not lose a result.
#[tokio::test]
async fn unreadable_steps_do_not_lose_a_result() {
    let run = json!({"id": RUN, "status": "PROCESSED"});
    let details = json!({
        "workflow": run, "account": {"id": ACCOUNT},
        "decision": {"type": "WARNING", "risk": {"score": 50}},
        "capabilities": {"authentication": [{"decision": {"type": "WARNING"}}]}
    });
    let status = json!({"workflowExecution": run});
    for (steps, kind) in [
        (404, None),
        (405, None),
        (400, None),
        (401, Some(FailureKind::Unavailable)),
        (403, Some(FailureKind::Unavailable)),
        (429, Some(FailureKind::Unavailable)),
        (500, Some(FailureKind::Unavailable)),
        (200, Some(FailureKind::Unavailable)),
    ] {
        let (status, details) = (status.clone(), details.clone());
        let peer = Peer::start(move |seen, before| match seen.line.rsplit('/').next() {
            Some("status") => reply(200, &status),
            Some("steps") => reply(steps, &json!({"steps": "none"})),
            Some("token") => token(before),
            _ => reply(200, &details),
        })
        .await;
        let (jumio, _clock) = peer.connector();
        let outcome = perform_at(&jumio, &call(read())).await;
        match kind {
            Some(kind) => assert_eq!(failure(outcome).kind, kind, "{steps}"),
            None => {
                let proof = reading(outcome).proof.unwrap();
                assert_eq!(proof.decision, Judgement::Warning, "{steps}");
                assert_eq!(proof.reasons, ["WARNING"], "a judgement without a label is its own reason");
            }
        }
    }
}
