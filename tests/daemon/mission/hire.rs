//! A hire without an account: a CloudEvent opens the case. After the proof, the HR system gets an account with the time
//! and kind of the proof. It also receives the proofs of employees.

use proofd::simulate::applicant::Applicant;
use proofd::simulate::onelogin::Registered;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::shipped;
use crate::world::people::{Person, forges, other_name, passes};
use crate::world::staff::DESK;
use crate::world::{World, edit_shipped, token};

const POLICY: &str = "applicant-to-hr";
const PROOFING: &str = "urn:example:params:scim:schemas:extension:proofing:2.0:User";
const INVITED: &str = "Welcome! One step before your first day";

/// A person who accepted an offer.
fn hired(first_name: &str) -> Person {
    let email = format!("{}@home.test", first_name.to_lowercase());
    let applicant = Applicant::new(first_name, "Lovelace", &email).unwrap();
    Person { applicant, registered: Registered { registration_id: 0, user_id: None } }
}

fn event(id: &str, person: &Person) -> Value {
    let Applicant { first_name, last_name, email, .. } = &person.applicant;
    json!({
        "specversion": "1.0", "id": id, "source": "/ats", "type": "com.example.hire.accepted",
        "subject": format!("candidate-{first_name}"),
        "data": {
            "email": email, "first_name": first_name, "last_name": last_name, "department": "Research",
            "job_title": "Analyst", "start_date": "2026-09-01",
        },
    })
}

async fn sends(world: &World, event: &Value) {
    let request = world.http().post(format!("{}/v1/events", world.url)).bearer_auth(token("t-source"));
    let request = request.header("Content-Type", "application/cloudevents+json").body(event.to_string());
    assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED);
}

async fn until(world: &World, person: &Person, state: &str) -> Value {
    let subject = format!("applicant/candidate-{}", person.applicant.first_name);
    world.until_about(POLICY, &subject, state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_hire_gets_an_hr_account_with_time_and_method() {
    let world = shipped().await;
    let ada = hired("Ada");
    for _ in 0..2 {
        sends(&world, &event("hire-1", &ada)).await;
    }
    // The same offer, sent by another program.
    sends(&world, &event("hire-2", &ada)).await;
    let link = world.link_in(&ada, INVITED).await;
    assert!(world.town.office.accounts().is_empty());
    // The account is created once, when the HR system is available again.
    world.town.office.turn(|knobs| knobs.down = true);
    world.goes_through_by(&ada, &link, passes()).await;
    world
        .until("a failed attempt", async |world| {
            let sheet = world.case_about(POLICY, "applicant/candidate-Ada").await?;
            world.words(&sheet).await.contains(&"attempt_failed".to_owned()).then_some(())
        })
        .await;
    world.town.office.turn(|knobs| knobs.down = false);
    let sheet = until(&world, &ada, "closed").await;
    assert_eq!(sheet["result"], "created", "{sheet}");
    let accounts = world.town.office.accounts();
    assert_eq!(accounts.len(), 1, "{accounts:?}");
    let account = &accounts[0];
    assert_eq!(account["userName"], "ada@home.test", "{account}");
    assert_eq!(
        (&account["name"]["givenName"], &account["name"]["familyName"]),
        (&json!("Ada"), &json!("Lovelace"))
    );
    assert_eq!((&account["title"], &account["active"]), (&json!("Analyst"), &json!(true)));
    let proof = &account[PROOFING];
    let second = |value: &Value| value.as_str().unwrap()[.."2026-01-01T00:00:00".len()].to_owned();
    assert_eq!(second(&proof["verifiedAt"]), second(&sheet["steps"]["proof"]["completed_at"]), "{account}");
    assert_eq!(proof["verifiedBy"], "document, selfie and liveness");
    assert_eq!((&proof["proofingCase"], &proof["documentCountry"]), (&sheet["id"], &json!("AUT")), "{proof}");
    let told = world.events("com.example.applicant.verified");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["data"]["applicant"], "candidate-Ada");
    world.until_mail("ada@home.test", "Your identity is confirmed").await;
    assert_eq!(world.cases().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mismatched_document_of_a_hire_opens_a_review() {
    let world = shipped().await;
    let (ada, eve, nameless) = (hired("Ada"), hired("Eve"), hired("Nora"));
    sends(&world, &event("hire-1", &ada)).await;
    sends(&world, &event("hire-2", &eve)).await;
    let mut incomplete = event("hire-3", &nameless);
    incomplete["data"].as_object_mut().unwrap().remove("last_name");
    sends(&world, &incomplete).await;

    world.goes_through(&ada, other_name()).await;
    let sheet = until(&world, &ada, "in_review").await;
    assert_eq!(world.decides_as(DESK, &sheet, "accept").await.0, StatusCode::OK);
    until(&world, &ada, "closed").await;
    let accounts = world.town.office.accounts();
    assert_eq!(accounts[0][PROOFING]["verifiedBy"], "decision of a person", "{accounts:?}");

    world.goes_through(&eve, forges()).await;
    let sheet = until(&world, &eve, "in_review").await;
    world.until_mail("fraud@example.com", "").await;
    assert_eq!(world.decides_as(DESK, &sheet, "decline").await.0, StatusCode::OK);
    let sheet = until(&world, &eve, "closed").await;
    assert_eq!(sheet["result"], "declined");
    world.until_mail("recruiting@example.com", "").await;
    assert_eq!(world.events("com.example.applicant.declined").len(), 1);

    // Without a name, every passport would match.
    let sheet = until(&world, &nameless, "closed").await;
    assert_eq!(sheet["result"], "incomplete");
    assert!(world.subjects(&nameless).is_empty());
    assert_eq!(world.town.office.accounts().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_of_employees_are_written_to_the_hr_system() {
    let world = shipped().await;
    // An additional step in a shipped policy, edited while the daemon runs.
    let policy = world.policies().join("support-reverification/policy.yaml");
    let line = "    - notify: {to: \"team:help-desk\", template: caller-proven}\n";
    let more = format!(
        "{line}    - update_user: user
      in: hris
      match: {{userName: \"${{user.email}}\"}}
      attributes:
        {PROOFING}:verifiedAt: \"${{steps.selfie.completed_at ?? steps.full.completed_at}}\"
        {PROOFING}:proofingCase: \"${{this_case.id}}\"
"
    );
    edit_shipped(&policy, line, &more);
    let (status, answer) = world.ask(Method::POST, "/v1/policies/reload", "t-author", None).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    // The edit writes to another system for the first time, so a person must release it.
    let (status, answer) = world
        .post("/v1/policies/support-reverification/release", json!({"reason": "the HR system is to know"}))
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (ada, ben) = (world.employs(), world.employs());
    for (number, person) in [&ada, &ben].into_iter().enumerate() {
        let email = &person.applicant.email;
        world.town.office.hire(json!({ "userName": email, "title": format!("Title {number}") }));
    }
    world.starts("support-reverification", &ada).await;
    world.goes_through(&ada, passes()).await;
    let sheet = world.until_result("support-reverification", &ada, "verified").await;
    let accounts = world.town.office.accounts();
    assert_eq!(accounts[0][PROOFING]["proofingCase"], sheet["id"], "{accounts:?}");
    assert!(accounts[0][PROOFING]["verifiedAt"].is_string());
    assert_eq!((&accounts[0]["title"], &accounts[1]["title"]), (&json!("Title 0"), &json!("Title 1")));
    assert_eq!(accounts[1][PROOFING], Value::Null, "nobody else's account is touched");
}
