//! The erasure of a person, and the retention of cases, by the real daemon.
use std::path::Path;

use proofd::store;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::World;
use crate::world::people::{Person, passes};

fn reference(sheet: &Value) -> String {
    let subject = &sheet["subject"];
    let text = |name: &str| subject[name].as_str().unwrap().to_owned();
    format!("{}/{}/{}", text("source"), text("type"), text("id"))
}

/// What the store knows of the person and of nobody else.
fn canaries(person: &Person) -> Vec<String> {
    let applicant = &person.applicant;
    vec![
        applicant.first_name.clone(),
        applicant.first_name.to_uppercase(),
        format!("{}@", applicant.first_name.to_lowercase()),
    ]
}

/// The places of a stopped store that hold a text of the person.
fn places(world: &World, person: &Person) -> Vec<String> {
    let found = store::search(&world.dir.path().join("store"), &canaries(person)).unwrap();
    found.iter().map(|(number, place)| format!("{number} in {place}")).collect()
}

async fn erase(world: &World, token: &str, subject: &str, close: bool) -> (StatusCode, Value) {
    let body = json!({ "subject": subject, "reason": "a request", "close_cases": close });
    world.ask(Method::POST, "/v1/subjects/erase", token, Some(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_is_in_no_file_and_the_others_go_on() {
    let mut world = World::new(60, Path::new("tests/data/tree"), "").await;
    world.start();
    let (erika, max) = (world.registers("Zyxerika"), world.registers("Quomaximo"));
    let open = world.until_state(&erika, "waiting").await;
    let subject = reference(&open);
    // Refusals: the role, an unknown person, an open case.
    assert_eq!(erase(&world, "t-operator", &subject, false).await.0, StatusCode::FORBIDDEN);
    let (status, answer) = erase(&world, "t-privacy", "user/99999999", false).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{answer}");
    let (status, answer) = erase(&world, "t-privacy", &subject, false).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("open cases"), "{answer}");
    world.goes_through(&erika, passes()).await;
    world.until_closed(&erika, "approved").await;
    // The provider reports the changes of the approval a moment later.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    // The command without its confirmation changes nothing.
    let said = world.say(&["subject", "erase", &subject, "--reason", "a request"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let said = world.say(&["subject", "show", &subject, "--reason", "a request"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("Zyxerika") && !said.out.contains("Quomaximo"), "{said:?}");
    let file = world.dir.path().join("export.json");
    let to = file.to_str().unwrap();
    let said = world.say(&["subject", "export", &subject, "--reason", "a request", "--to", to]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let exported: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!((exported["version"].as_u64(), exported["cases"].as_array().unwrap().len()), (Some(1), 1));

    let said = world.say(&["subject", "erase", &subject, "--reason", "a request", "--yes", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}\n{}", world.log());
    let erased = said.json();
    assert_eq!(erased["erased"], true, "{erased}");
    assert_eq!(erased["pending"], json!([]), "{erased}");
    assert_eq!(erased["deletions"][0]["done"], true, "{erased}");
    assert_eq!(erased["certificate"]["counts"]["cases"], 1, "{erased}");
    assert!(erased["certificate"]["records"].as_u64() > Some(3), "{erased}");
    // The skeleton stays: when, by which policy, with which result.
    let id = erased["cases"][0].as_str().unwrap();
    let skeleton = world.get(&format!("/v1/cases/{id}")).await;
    assert_eq!((&skeleton["result"], &skeleton["policy"]), (&json!("approved"), &json!("proofing")));
    assert!(!skeleton.to_string().contains("Zyxerika"), "{skeleton}");
    let (_, again) = erase(&world, "t-privacy", &subject, false).await;
    assert_eq!(
        (&again["erased"], &again["certificate"]["entry"]),
        (&json!(false), &erased["certificate"]["entry"])
    );

    // The other person goes on, also over a restart.
    world.kill();
    world.start();
    world.goes_through(&max, passes()).await;
    world.until_closed(&max, "approved").await;
    assert_eq!(world.stop(), Some(0));
    assert_eq!(places(&world, &erika), Vec::<String>::new());
    assert!(!places(&world, &max).is_empty());
    let said = world.say(&["store", "verify", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let report = said.json();
    assert_eq!(report["redactions"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["decisions"]["different"], 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_closes_open_cases_on_request_and_survives_a_kill() {
    let mut world = World::new(60, Path::new("tests/data/tree"), "").await;
    world.start();
    let erika = world.registers("Zyxerika");
    let open = world.until_state(&erika, "waiting").await;
    let (status, answer) = erase(&world, "t-privacy", &reference(&open), true).await;
    assert_eq!(status, StatusCode::OK, "{answer}\n{}", world.log());
    assert_eq!(answer["erased"], true);
    world.kill();
    world.start();
    assert_eq!(world.stop(), Some(0));
    assert_eq!(places(&world, &erika), Vec::<String>::new());
    assert_eq!(world.say(&["store", "verify"]).code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_and_cases_go_when_their_time_is_over() {
    let mut world = World::new(60, Path::new("tests/data/tree"), "").await;
    world.start();
    let erika = world.registers("Zyxerika");
    world.goes_through(&erika, passes()).await;
    let closed = world.until_closed(&erika, "approved").await;
    let path = format!("/v1/cases/{}", closed["id"].as_str().unwrap());
    let document = async |world: &World| {
        let (_, sheet) = world.ask(Method::GET, &path, "t-raw", None).await;
        sheet["steps"]["proof"]["document"]["last_name"].clone()
    };
    assert_ne!(document(&world).await, Value::Null);
    world.pass(chrono::TimeDelta::days(31));
    world.until("the evidence to go", async |world| document(world).await.is_null().then_some(())).await;
    let (_, sheet) = world.ask(Method::GET, &path, "t-raw", None).await;
    assert!(sheet["subject"]["name"].as_str().unwrap().contains("Zyxerika"), "the case is kept: {sheet}");
    world.pass(chrono::TimeDelta::days(720));
    world
        .until("the case to go", async |world| {
            let sheet = world.get(&path).await;
            (!sheet.to_string().contains("Zyxerika")).then_some(())
        })
        .await;
    let metrics =
        world.http().get(format!("{}/metrics", world.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("proofd_retention_cases_total{class=\"case\"} 1"), "{metrics}");
    assert!(!world.log().contains("Zyxerika"));
}
