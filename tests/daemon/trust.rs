//! Another person's proof admits no one: neither by a name that is changed afterwards, nor by a document that another
//! person has shown. The real daemon with the shipped policies and simulated vendors.

use std::path::Path;

use proofd::simulate::applicant::Led;
use proofd::simulate::jumio::{Outcome, Script};
use proofd::simulate::onelogin::Edit;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::people::{Person, passes};
use crate::world::{World, edit_shipped};

const ROLE: &str = "Payments admin";

/// The daemon with the shipped policies; a minute takes a second.
async fn shipped() -> World {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    world.start();
    world
}

/// A valid document with a number.
fn shows(number: &str) -> Script {
    let mut script = passes();
    script.extraction.insert("documentNumber".to_owned(), number.into());
    script
}

fn renames(world: &World, person: &Person, first: &str, last: &str) {
    let edit = Edit { firstname: Some(first.into()), lastname: Some(last.into()), ..Edit::default() };
    world.town.onelogin.edit(person.id(), &edit).unwrap();
}

fn words(journal: &[Value]) -> Vec<&str> {
    journal.iter().filter_map(|entry| entry["what"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_under_another_name_assigns_no_role() {
    let world = shipped().await;
    let mallory = world.employs_proven().await;
    renames(&world, &mallory, "Grace", "Hopper");
    world.grants(&mallory, ROLE);
    let sheet = world.until_in("privileged-role", &mallory, "waiting").await;
    let journal = world.journal(&sheet).await;
    assert!(!words(&journal).contains(&"reused"), "{journal:?}");
    assert!(!world.has_role(&mallory, ROLE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selfie_after_a_name_change_requires_a_document() {
    let world = shipped().await;
    let mallory = world.employs_proven().await;
    renames(&world, &mallory, "Grace", "Hopper");
    let old = world.link(&mallory).await;
    world.starts("support-reverification", &mallory).await;
    let link = world.newer_link(&mallory, &old).await;
    let execution = world.presses(&mallory, &link).await;
    assert!(world.execution(&execution).takes_document(), "a selfie says only that the face is the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_between_proof_and_approval_prevents_the_approval() {
    let world = shipped().await;
    let ada = world.registers("Ada");
    let link = world.link(&ada).await;
    let execution = world.presses(&ada, &link).await;
    renames(&world, &ada, "Grace", "Hopper");
    // The document has the registered name.
    ada.applicant.prove(&world.town, &execution, passes()).unwrap();
    let sheet = world.until_state(&ada, "stuck").await;
    assert!(sheet.to_string().contains("first_name changed"), "{sheet}");
    assert_eq!((world.standing(&ada), world.applied("user.approve", &ada)), (("unapproved", 0), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_during_the_review_prevents_the_approval() {
    let world = shipped().await;
    let ada = world.registers("Ada");
    let mut doubtful = passes();
    doubtful.outcome = Outcome::Warn;
    world.goes_through(&ada, doubtful).await;
    let sheet = world.until_state(&ada, "in_review").await;
    renames(&world, &ada, "Ada", "Hopper");
    world.decides(&sheet, "approve").await;
    let sheet = world.until_state(&ada, "stuck").await;
    assert!(sheet.to_string().contains("last_name changed"), "{sheet}");
    assert_eq!(world.applied("user.approve", &ada), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_document_approves_one_person() {
    const NUMBER: &str = "QQ CANARY-4711";
    let mut world = shipped().await;
    let first = world.registers("Ada");
    world.goes_through(&first, shows(NUMBER)).await;
    let approved = world.until_closed(&first, "approved").await;
    // The same number in the format of a machine-readable zone.
    let second = world.registers("Grace");
    world.goes_through(&second, shows("qqcanary4711<<<")).await;
    let sheet = world.until_state(&second, "in_review").await;
    assert_eq!(sheet["steps"]["proof"]["outcome"], "warning", "{sheet}");
    assert_eq!(sheet["steps"]["proof"]["reasons"], json!(["document_seen_before"]), "{sheet}");
    let journal = world.journal(&sheet).await;
    let seen = journal.iter().find(|entry| entry["what"] == "document_seen_before");
    assert_eq!(seen.map(|entry| &entry["cases"]), Some(&json!([approved["id"]])), "{journal:?}");
    // A different document is accepted.
    let third = world.registers("Berta");
    world.goes_through(&third, shows("QQ CANARY-4712")).await;
    world.until_closed(&third, "approved").await;
    // The number itself appears nowhere.
    for case in [&approved, &sheet] {
        let told = format!("{case} {:?}", world.journal(case).await);
        assert!(!told.to_lowercase().contains("canary"), "{told}");
    }
    assert!(!world.log().to_lowercase().contains("canary"));
    world.stop();
    // Every decision is repeated with the same answer of the index.
    let verified = world.say(&["store", "verify"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_concurrent_uses_of_a_document_is_approved() {
    let world = shipped().await;
    let people = ["Ada", "Grace", "Berta"].map(|name| world.registers(name));
    let mut executions = Vec::new();
    for person in &people {
        let link = world.link(person).await;
        executions.push(world.presses(person, &link).await);
    }
    for (person, execution) in people.iter().zip(&executions) {
        person.applicant.prove(&world.town, execution, shows("SAME-1")).unwrap();
    }
    let outcomes = world
        .until("three results", async |world| {
            let mut outcomes = Vec::new();
            for person in &people {
                outcomes.push(world.sheet(person).await?["steps"]["proof"]["outcome"].clone());
            }
            outcomes.iter().all(Value::is_string).then_some(outcomes)
        })
        .await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "passed").count(), 1, "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_budget_holds_the_next_person_and_gives_a_time() {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    edit_shipped(
        &world.policies().join("registration-proofing/policy.yaml"),
        "limits:\n",
        "limits:\n  - {action: verify, at_most: 1, per: 1d, when_exceeded: ask}\n",
    );
    world.start();
    let (ada, grace) = (world.registers("Ada"), world.registers("Grace"));
    world.goes_through(&ada, passes()).await;
    world.until_closed(&ada, "approved").await;
    let link = world.link(&grace).await;
    for looks in [false, true] {
        let (status, page) = match looks {
            true => grace.applicant.look(&link).await.unwrap(),
            false => match grace.applicant.press(&world.town, &link).await.unwrap() {
                Led::Page(status, page) => (status, page),
                Led::Vendor { .. } => panic!("more is spent than there is"),
            },
        };
        assert_eq!(status, StatusCode::OK, "{page}");
        assert!(page.contains("You can start again from <time"), "{page}");
    }
    let sheet = world.until_state(&grace, "over_limit").await;
    let mails = world.subjects(&grace).len();
    let path = format!("/v1/limits/{}/release", sheet["id"].as_str().unwrap());
    assert_eq!(world.post(&path, json!({ "reason": "a test" })).await.0, StatusCode::OK);
    world.until("the link again", async |world| (world.subjects(&grace).len() > mails).then_some(())).await;
    world.goes_through(&grace, passes()).await;
    world.until_closed(&grace, "approved").await;
    // Another person returns a day later and continues without help.
    let berta = world.registers("Berta");
    let link = world.link(&berta).await;
    assert!(matches!(berta.applicant.press(&world.town, &link).await.unwrap(), Led::Page(..)));
    world.pass(chrono::TimeDelta::hours(25));
    world.goes_through_by(&berta, &link, passes()).await;
    world.until_closed(&berta, "approved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_cannot_exhaust_the_shared_budget() {
    let mut world = shipped().await;
    let ada = world.registers("Ada");
    let link = world.link(&ada).await;
    for _ in 0..3 {
        let execution = world.presses(&ada, &link).await;
        world.town.jumio.expire(&execution).unwrap();
    }
    let Led::Page(status, page) = ada.applicant.press(&world.town, &link).await.unwrap() else {
        panic!("a fourth session in one day");
    };
    assert!(status == StatusCode::OK && page.contains("Please take a break"), "{page}");
    world.pass(chrono::TimeDelta::hours(25));
    world.goes_through_by(&ada, &link, passes()).await;
    world.until_closed(&ada, "approved").await;
}
