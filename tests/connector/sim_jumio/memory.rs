//! The simulated vendor's data on file: who is enrolled, which face a later selfie is compared with, and how long
//! the data is kept.

use chrono::TimeDelta;
use proofd::simulate::jumio::{Enrolment, Execution, Knobs, Outcome, Script, Wiped};
use proofd::simulate::ledger::Record;
use reqwest::Method;
use serde_json::{Value, json};

use super::bench::{Bench, label};

const FULL: u32 = 10_011;
const AUTHENTICATION: u32 = 10_014;
const EXISTING_ID: u32 = 10_022;

fn ends(outcome: Outcome) -> Script {
    Script { outcome, ..Script::default() }
}

fn rejects(label: &str) -> Script {
    Script { labels: vec![label.to_owned()], ..ends(Outcome::Reject) }
}

/// Each history of an account, and whether a selfie check can start on it.
#[tokio::test]
async fn stored_data_determines_which_checks_can_start() {
    // (earlier runs on the account, a knob) to the answers to full, authentication (both generations) and existing
    // ID
    type Row = (&'static str, fn() -> Vec<(u32, Script)>, fn(&mut Knobs), [u16; 4]);
    let rows: &[Row] = &[
        ("nothing captured", Vec::new, |_| (), [200, 400, 400, 400]),
        ("passed", || vec![(FULL, Script::default())], |_| (), [200; 4]),
        ("liveness only", || vec![(6, Script::default())], |_| (), [200, 200, 200, 400]),
        ("document only", || vec![(2, Script::default())], |_| (), [200, 400, 400, 200]),
        ("blurred document", || vec![(FULL, rejects("BLURRED"))], |_| (), [200, 200, 200, 400]),
        ("poor selfie", || vec![(FULL, Script::poor_image())], |_| (), [200, 400, 400, 200]),
        ("not live", || vec![(FULL, rejects("MANIPULATED"))], |_| (), [200, 400, 400, 200]),
        ("nothing checked", || vec![(FULL, ends(Outcome::PassEmpty))], |_| (), [200, 400, 400, 200]),
        ("no liveness", || vec![(FULL, ends(Outcome::PassWithout))], |_| (), [200, 400, 400, 200]),
        ("other face", || vec![(FULL, Script::another_person())], |_| (), [200; 4]),
        (
            "other face, where only a passed run enrols",
            || vec![(FULL, Script::another_person())],
            |knobs| knobs.enrolment = Enrolment::PassedRun,
            [200, 400, 400, 200],
        ),
        (
            "passed, then rejected, where only a passed run enrols",
            || vec![(FULL, Script::default()), (FULL, Script::another_person())],
            |knobs| knobs.enrolment = Enrolment::PassedRun,
            [200; 4],
        ),
    ];
    for (why, before, turn, expected) in rows {
        let bench = Bench::new().await;
        bench.simulator.turn(turn);
        let (account, ..) = bench.started(json!({})).await;
        for (key, script) in before() {
            bench.run(Some(&account), key, script).await;
        }
        for (key, expected) in [FULL, AUTHENTICATION, 9, EXISTING_ID].into_iter().zip(expected) {
            let (code, answer) = bench.start(Some(&account), key, json!({})).await;
            assert_eq!(code, *expected, "{why}: {key}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_knob_sets_the_answer_to_a_start_without_enrolment() {
    let bench = Bench::new().await;
    let (account, ..) = bench.started(json!({})).await;
    let body = json!({"title": "Precondition", "detail": "no facemap"});
    for (status, own) in [(400, None), (404, None), (412, Some(&body)), (422, Some(&body))] {
        bench.simulator.turn(|knobs| {
            knobs.not_enrolled_status = status;
            knobs.not_enrolled_body = own.cloned();
        });
        for key in [AUTHENTICATION, EXISTING_ID] {
            let (code, answer) = bench.start(Some(&account), key, json!({})).await;
            assert_eq!(code, status, "{key}");
            match own {
                Some(own) => assert_eq!(&answer, own, "{key}"),
                None => assert_eq!(answer["httpStatus"], status, "{key}"),
            }
        }
    }
    assert_eq!(bench.start(Some("nobody"), AUTHENTICATION, json!({})).await.0, 404);
    let refused: Vec<Record> = records(&bench, "update").into_iter().filter(|one| !one.applied).collect();
    assert_eq!(refused.len(), 9, "a refused start is in the ledger too");
}

fn records(bench: &Bench, what: &str) -> Vec<Record> {
    bench.ledger.records().into_iter().filter(|one| one.what == what).collect()
}

/// The document on file is the latest, or the one that the start names; it is returned without a channel.
#[tokio::test]
async fn a_start_uses_the_named_or_latest_document() {
    let bench = Bench::new().await;
    let (one, _) = bench.run(None, FULL, Script::face_of("ann")).await;
    let (two, _) = bench.run(Some(&one.account), FULL, Script::face_of("ann")).await;
    let (other, _) = bench.run(None, FULL, Script::face_of("bob")).await;
    let id = |one: &Execution| one.credentials.iter().find(|one| one.category == "ID").unwrap().id.clone();
    // (key, the named document) to the answer and the document that is used
    for (key, named, code, used) in [
        (5, None, 400, None),
        (5, Some(&one), 200, Some(&one)),
        (5, Some(&other), 400, None),
        (EXISTING_ID, None, 200, Some(&two)),
        (EXISTING_ID, Some(&one), 200, Some(&one)),
        (EXISTING_ID, Some(&other), 400, None),
    ] {
        let mut credentials = vec![json!({"category": "SELFIE"})];
        credentials.extend(named.map(|one| json!({"category": "ID", "id": id(one)})));
        let definition = json!({"workflowDefinition": {"key": key, "credentials": credentials}});
        let (got, answer) = bench.start(Some(&one.account), key, definition).await;
        assert_eq!(got, code, "{key} {named:?}: {answer}");
        let Some(used) = used else { continue };
        let list = answer["workflowExecution"]["credentials"].as_array().unwrap();
        let document = list.iter().find(|one| one["category"] == "ID").unwrap();
        assert_eq!(document["id"], id(used), "{key}");
        assert_eq!(document["allowedChannels"], json!([]), "{key}");
        assert_eq!(answer["web"]["href"].is_string(), key == EXISTING_ID, "one is for the API only");
    }
    bench.simulator.turn(|knobs| knobs.existing_id_on_web = false);
    let (_, answer) = bench.start(Some(&one.account), EXISTING_ID, json!({})).await;
    assert!(answer["web"].is_null() && answer["sdk"]["token"].is_string());
}

/// The person who returns, and the result.
#[tokio::test]
async fn a_selfie_is_compared_with_the_face_on_file() {
    const GONE: &str = "PRECONDITION_NOT_FULFILLED";
    // (the enrolled person, the person who returns) to (decision, authentication), (decision, similarity)
    type Row = (Script, Script, [(&'static str, &'static str); 2]);
    let enrolled = || Script::face_of("ann");
    let rows: Vec<Row> = vec![
        (enrolled(), Script::face_of("ann"), [("PASSED", "OK"), ("PASSED", "MATCH")]),
        (Script::default(), Script::same_person(), [("PASSED", "OK"), ("PASSED", "MATCH")]),
        (enrolled(), Script::face_of("bob"), [("REJECTED", "FAILED"), ("REJECTED", "NO_MATCH")]),
        (enrolled(), Script::another_person(), [("REJECTED", "FAILED"), ("REJECTED", "NO_MATCH")]),
        (enrolled(), Script::poor_image(), [("REJECTED", GONE), ("REJECTED", GONE)]),
        (
            enrolled(),
            Script { labels: vec!["BLURRED".to_owned()], ..Script::poor_image() },
            [("REJECTED", GONE), ("REJECTED", GONE)],
        ),
        (
            enrolled(),
            Script { outcome: Outcome::Warn, ..enrolled() },
            [("WARNING", "FAILED"), ("WARNING", "NOT_POSSIBLE")],
        ),
        // The enrolled face is the live one, whatever the document shows.
        (
            Script { face: Some("bob".to_owned()), ..Script::another_person() },
            Script::face_of("bob"),
            [("PASSED", "OK"), ("REJECTED", "NO_MATCH")],
        ),
        (
            Script { face: Some("bob".to_owned()), ..Script::another_person() },
            Script::same_person(),
            [("REJECTED", "FAILED"), ("PASSED", "MATCH")],
        ),
    ];
    for (who, back, [authentication, similarity]) in rows {
        let about = format!("{who:?} then {back:?}");
        for (key, check, expected) in
            [(AUTHENTICATION, "authentication", authentication), (EXISTING_ID, "similarity", similarity)]
        {
            let bench = Bench::new().await;
            let (first, _) = bench.run(None, FULL, who.clone()).await;
            let (second, details) = bench.run(Some(&first.account), key, back.clone()).await;
            let said = (details["decision"]["type"].as_str().unwrap(), label(&details, check));
            assert_eq!(said, expected, "{key}: {about}");
            assert_eq!(second.faces.from.as_deref(), Some(first.execution.as_str()), "{key}: {about}");
            assert!(details["capabilities"]["extraction"].is_null(), "no document is read again");
            let result = records(&bench, "result").pop().unwrap();
            assert_eq!(result.detail["faces"], json!(second.faces), "{about}");
        }
    }
}

/// A passed authentication becomes the face on file; a failed one changes nothing.
#[tokio::test]
async fn the_face_on_file_is_the_latest_passed_one() {
    let bench = Bench::new().await;
    let (first, _) = bench.run(None, FULL, Script::face_of("ann")).await;
    let on_file = || bench.simulator.account(&first.account).unwrap().enrolled_by.unwrap();
    assert_eq!(on_file(), first.execution);
    bench.run(Some(&first.account), AUTHENTICATION, Script::face_of("bob")).await;
    assert_eq!(on_file(), first.execution);
    let (third, details) = bench.run(Some(&first.account), AUTHENTICATION, Script::face_of("ann")).await;
    assert_eq!(on_file(), third.execution);
    assert!(details["capabilities"]["authentication"][0]["validFaceMapForAuthentication"].is_string());
    let (_, list) = bench.call(Method::GET, "/_sim/accounts", &Value::Null).await;
    assert_eq!((&list[0]["face"], &list[0]["enrolledBy"]), (&json!("ann"), &json!(third.execution)));
}

/// Data is kept for a period after an account's last activity; until then the person stays enrolled.
#[tokio::test]
async fn retention_counts_from_the_last_activity() {
    let bench = Bench::new().await;
    bench.simulator.turn(|knobs| knobs.retention_seconds = Some(86_400));
    let (first, _) = bench.run(None, FULL, Script::default()).await;
    let account = first.account.clone();
    bench.clock.advance(TimeDelta::hours(23));
    let bench = bench.with_fresh_token().await;
    // A running check keeps the data, however long it takes, and the period begins again at its end.
    let (_, answer) = bench.start(Some(&account), AUTHENTICATION, json!({"tokenLifetime": "3d"})).await;
    let second = answer["workflowExecution"]["id"].as_str().unwrap().to_owned();
    bench.clock.advance(TimeDelta::hours(47));
    let bench = bench.with_fresh_token().await;
    bench.simulator.finish(&second, None).unwrap();
    assert_eq!(bench.read(&account, &second, "").await.1["decision"]["type"], "PASSED");
    bench.clock.advance(TimeDelta::hours(23));
    assert!(bench.simulator.account(&account).unwrap().face.is_some());
    // An abandoned check counts too: it ended half an hour after its start.
    let bench = bench.with_fresh_token().await;
    assert_eq!(bench.start(Some(&account), AUTHENTICATION, json!({})).await.0, 200);
    bench.clock.advance(TimeDelta::minutes(30) + TimeDelta::hours(24) - TimeDelta::seconds(1));
    assert!(bench.simulator.account(&account).unwrap().face.is_some());
    bench.clock.advance(TimeDelta::seconds(1));
    let gone = bench.simulator.account(&account).unwrap();
    assert_eq!((gone.face, gone.document, gone.wiped), (None, None, true));
    let bench = bench.with_fresh_token().await;
    assert_eq!(bench.start(Some(&account), AUTHENTICATION, json!({})).await.0, 400);
    assert_eq!(bench.start(Some(&account), EXISTING_ID, json!({})).await.0, 400);
    assert_eq!(records(&bench, "wipe").len(), 1);
    // A new full check on the same account enrolls the person again.
    bench.run(Some(&account), FULL, Script::default()).await;
    assert_eq!(bench.start(Some(&account), AUTHENTICATION, json!({})).await.0, 200);
}

/// A wipe is recorded at its due time, even if it is noticed much later.
#[tokio::test]
async fn a_wipe_has_its_due_time() {
    let bench = Bench::new().await;
    bench.simulator.turn(|knobs| knobs.retention_seconds = Some(840));
    let (one, _) = bench.run(None, FULL, Script::default()).await;
    let completed = one.completed_at.unwrap();
    bench.clock.advance(TimeDelta::minutes(50));
    let one = bench.simulator.execution(&one.execution).unwrap();
    assert_eq!(one.wiped_out_at, Some(completed + TimeDelta::seconds(840)));
}

#[tokio::test]
async fn a_knob_sets_how_a_wiped_execution_reads() {
    // knob to (status call, details call, decision, wipedOutAt)
    for (wiped, status, details, decision, said) in [
        (Wiped::Emptied, 200, 200, true, true),
        (Wiped::Silently, 200, 200, true, false),
        (Wiped::Undecided, 200, 200, false, true),
        (Wiped::NoDetails, 200, 404, false, false),
        (Wiped::Gone, 404, 404, false, false),
    ] {
        let bench = Bench::new().await;
        bench.simulator.turn(|knobs| knobs.wiped = wiped);
        let (one, before) = bench.run(None, FULL, Script::another_person()).await;
        assert_eq!(before["decision"]["type"], "REJECTED");
        bench.simulator.wipe(&one.account);
        assert_eq!(bench.read(&one.account, &one.execution, "/status").await.0, status, "{wiped:?}");
        let (code, body) = bench.read(&one.account, &one.execution, "").await;
        assert_eq!(code, details, "{wiped:?}");
        let kept = (body["decision"].is_object(), body["wipedOutAt"].is_string());
        assert_eq!(kept, (decision, said), "{wiped:?}");
        if code == 200 {
            assert_eq!(body["capabilities"], json!({}), "{wiped:?}");
        }
        assert_eq!(bench.read(&one.account, &one.execution, "/steps").await.0, 404, "{wiped:?}");
    }
}

/// An account that was deleted, or wiped and unknown: no check can start, not even a full one.
#[tokio::test]
async fn no_check_starts_on_a_deleted_account() {
    for deleted in [true, false] {
        let bench = Bench::new().await;
        bench.simulator.turn(|knobs| knobs.wiped_account_unknown = true);
        let (one, _) = bench.run(None, FULL, Script::default()).await;
        match deleted {
            true => assert!(bench.simulator.forget(&one.account)),
            false => bench.simulator.wipe(&one.account),
        }
        for key in [FULL, AUTHENTICATION, EXISTING_ID] {
            assert_eq!(bench.start(Some(&one.account), key, json!({})).await.0, 404, "{deleted} {key}");
        }
        assert_eq!(bench.read(&one.account, &one.execution, "/status").await.0 == 404, deleted);
        assert_eq!(bench.simulator.forget(&one.account), !deleted, "deleted once");
    }
}

/// Data that is wiped between start and selfie causes no mismatch.
#[tokio::test]
async fn a_wipe_during_a_check_causes_no_mismatch() {
    for (key, check) in [(AUTHENTICATION, "authentication"), (EXISTING_ID, "similarity")] {
        let bench = Bench::new().await;
        let (one, _) = bench.run(None, FULL, Script::default()).await;
        let (_, answer) = bench.start(Some(&one.account), key, json!({})).await;
        let second = answer["workflowExecution"]["id"].as_str().unwrap();
        bench.simulator.wipe(&one.account);
        bench.simulator.finish(second, None).unwrap();
        let (_, details) = bench.read(&one.account, second, "").await;
        assert_eq!(details["decision"]["type"], "NOT_EXECUTED", "{key}");
        assert_eq!(label(&details, check), "PRECONDITION_NOT_FULFILLED", "{key}");
    }
}

/// Earlier runs with the same face are found, on the person's own and on other accounts.
#[tokio::test]
async fn a_repeated_face_is_reported() {
    let bench = Bench::new().await;
    let full =
        async |account: Option<&str>, face: &str| bench.run(account, FULL, Script::face_of(face)).await;
    let (ann, _) = full(None, "ann").await;
    let (bob, details) = full(None, "bob").await;
    assert_eq!(label(&details, "imageChecks"), "OK");
    let (again, details) = full(Some(&ann.account), "ann").await;
    assert_eq!(
        (again.faces.found, label(&details, "imageChecks")),
        (vec![ann.execution.clone()], "REPEATED_FACE")
    );
    assert_eq!(details["decision"]["type"], "WARNING");
    let (third, details) = full(Some(&bob.account), "ann").await;
    let mut expected = vec![ann.execution.clone(), again.execution.clone()];
    assert_eq!(third.faces.found, expected);
    let findings = &details["capabilities"]["imageChecks"][0]["data"]["faceSearchFindings"];
    assert_eq!(findings, &json!({"status": "DONE", "findings": expected}));
    expected.push(third.execution);
    // The vendor reports four or more, and rejects from five.
    bench.simulator.turn(|knobs| {
        knobs.repeated_face_after = 4;
        knobs.repeated_face_rejects_after = Some(5);
    });
    for (decision, image, data) in [
        ("PASSED", "OK", "OK"),
        ("WARNING", "REPEATED_FACE", "OK"),
        ("REJECTED", "REPEATED_FACE", "MISMATCHING_DATA_REPEATED_FACE"),
    ] {
        let (one, details) = full(None, "ann").await;
        assert_eq!(details["decision"]["type"], decision);
        assert_eq!((label(&details, "imageChecks"), label(&details, "dataChecks")), (image, data));
        if decision != "PASSED" {
            assert_eq!(one.faces.found, expected, "{decision}");
        }
        expected.push(one.execution);
    }
    // Wiped runs are not found, and a selfie alone is not searched for.
    bench.simulator.wipe(&ann.account);
    let (one, _) = full(Some(&bob.account), "ann").await;
    assert!(!one.faces.found.contains(&ann.execution) && !one.faces.found.is_empty());
    let (_, details) = bench.run(Some(&bob.account), AUTHENTICATION, Script::face_of("ann")).await;
    assert_eq!(details["decision"]["type"], "PASSED");
}

/// A person plays a re-verification on the page.
#[tokio::test]
async fn the_page_offers_who_returns() {
    for (action, face, decision) in [
        ("pass", "", "PASSED"),
        ("pass", "ann", "PASSED"),
        ("pass", "bob", "REJECTED"),
        ("mismatch", "", "REJECTED"),
        ("poor", "", "REJECTED"),
        ("warn", "", "WARNING"),
    ] {
        let bench = Bench::new().await;
        let one = bench.simulator.enrol("ann", Script::default()).unwrap();
        let (_, answer) = bench.start(Some(&one.account), AUTHENTICATION, json!({})).await;
        let href = answer["web"]["href"].as_str().unwrap();
        let page = bench.client.get(href).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("a selfie only") && page.contains("the face of ann"), "{page}");
        let token = href.split("authorizationToken=").nth(1).unwrap().split('&').next().unwrap();
        let form = [("authorizationToken", token), ("face", face)];
        let url = format!("{}/web/v4/app/{action}", bench.serving.url);
        assert_eq!(bench.client.post(url).form(&form).send().await.unwrap().status(), 200);
        let second = answer["workflowExecution"]["id"].as_str().unwrap();
        let (_, details) = bench.read(&one.account, second, "").await;
        assert_eq!(details["decision"]["type"], decision, "{action} {face}");
        let overview = bench.client.get(&bench.serving.url).send().await.unwrap().text().await.unwrap();
        assert!(overview.contains("Remembered") && overview.contains(&one.account));
    }
}
