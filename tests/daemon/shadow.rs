//! Shadow policies beside a live one: they change nothing, and report their effects person by person.
use std::path::Path;

use crate::world::people::{Person, passes};
use crate::world::{World, edit, edit_shipped};
use chrono::TimeDelta;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// The shipped policy again, with another name and as a shadow.
fn shadow(world: &World, name: &str, from: &str, to: &str) {
    let dir = world.policies().join(name);
    crate::world::copy_tree(&world.policies().join("registration-proofing"), &dir);
    let file = dir.join("policy.yaml");
    edit_shipped(&file, "policy: registration-proofing", &format!("policy: {name}"));
    edit(&file, "mode: enforce", "mode: shadow");
    edit(&file, from, to);
}

async fn report(world: &World, name: &str) -> Value {
    world.get(&format!("/v1/policies/{name}/shadow")).await
}

fn of<'a>(report: &'a Value, person: &Person) -> &'a Value {
    let id = json!(person.id().to_string());
    let items = report["items"].as_array().unwrap();
    items.iter().find(|one| one["subject"]["id"] == id).unwrap_or_else(|| panic!("{report}"))
}

fn would(person: &Value) -> Vec<&str> {
    let lines = person["would"][0]["lines"].as_array().unwrap();
    lines.iter().map(|line| line["would"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_report_lists_projected_and_actual_results() {
    let mut world = World::new(60, Path::new("policies"), "").await;
    let passed = "passed:\n        - do: let_in";
    shadow(&world, "same", "title: Your", "title: A");
    shadow(&world, "to-the-desk", passed, "passed:\n        - do: desk_review");
    let nobody = "passed:\n        - delete: registration\n          grace: 0\n          because: nobody is wanted\n        \
                  - close: rejected";
    shadow(&world, "nobody", passed, nobody);
    shadow(&world, "others", "workflow: id-and-selfie", "workflow: selfie-reauth");
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    world.start();
    let (ada, ben) = (world.registers("Ada"), world.registers("Ben"));
    let own = world.registers_from("Cyd", "example.com");
    world.goes_through(&ada, passes()).await;
    world.until_closed(&ada, "approved").await;
    world.until_state(&ben, "waiting").await;
    world
        .until("both in all shadows", async |world| {
            let mut people = 0;
            for name in ["same", "to-the-desk", "nobody", "others"] {
                people += report(world, name).await["people"].as_u64().unwrap();
            }
            (people == 8).then_some(())
        })
        .await;

    the_same_policy_would_do_the_same(&world, &ada).await;
    never_a_guess(&world, &ada, &ben).await;
    let nobody = report(&world, "nobody").await;
    assert_eq!(of(&nobody, &ada)["same"], false, "{nobody}");
    let (would, happened) =
        (json!({"verify": 1, "delete": 1}), json!({"verify": 1, "approve": 1, "notify": 1}));
    assert_eq!((&nobody["would"], &nobody["happened"]), (&would, &happened));
    let (items, own) = (nobody["items"].as_array().unwrap(), json!(own.id().to_string()));
    assert!(items.iter().all(|one| one["subject"]["id"] != own), "its clause said no: {nobody}");

    // Nothing was changed: one case each, one mail of each kind.
    assert_eq!(world.cases().await.len(), 2);
    assert_eq!(world.town.mailbox.mails_to(&ada.applicant.email).len(), 2);
    on_the_command_line(&world).await;
    // The report survives a restart.
    assert_eq!(world.stop(), Some(0));
    world.start();
    assert_eq!(report(&world, "nobody").await["would"], would);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_as_long_as_the_shadows_deadline_is_a_missing_answer() {
    let mut world = World::new(60, Path::new("tests/data/tree"), "").await;
    for (name, waits) in [("sooner", "1d"), ("later", "5d")] {
        let dir = world.policies().join(name);
        crate::world::copy_tree(&world.policies().join("proofing"), &dir);
        let file = dir.join("policy.yaml");
        edit(&file, "policy: proofing", &format!("policy: {name}"));
        edit(&file, "mode: enforce", "mode: shadow");
        edit(&file, "answer_within: 14d", &format!("answer_within: {waits}"));
    }
    world.start();
    let (ada, ben) = (world.registers("Ada"), world.registers("Ben"));
    world.link(&ada).await;
    let link = world.link(&ben).await;
    // The live case still waits.
    world.pass(TimeDelta::days(3));
    world.goes_through_by(&ben, &link, passes()).await;
    world.until_closed(&ben, "approved").await;
    for (name, ended) in [("sooner", true), ("later", false)] {
        let report = report(&world, name).await;
        let case = &of(&report, &ada)["would"][0];
        // A person with time left has not answered yet, in recorded time too.
        let expected = if ended { (json!("closed"), json!("expired")) } else { (json!("open"), Value::Null) };
        assert_eq!((&case["end"], &case["result"]), (&expected.0, &expected.1), "{name}: {report}");
        let bens = &of(&report, &ben)["would"][0];
        assert_eq!(bens["result"], if ended { "expired" } else { "approved" }, "{name}: {report}");
    }
}

async fn never_a_guess(world: &World, ada: &Person, ben: &Person) {
    for (name, person, end, why, says) in [
        ("same", ben, "open", "state", "waiting"),
        ("to-the-desk", ada, "unknown", "because", "no review identity-desk was recorded"),
    ] {
        let report = report(world, name).await;
        let one = of(&report, person);
        assert_eq!((&one["same"], &one["would"][0]["end"]), (&Value::Null, &json!(end)), "{report}");
        assert_eq!(one["would"][0][why], says, "{report}");
    }
    let others = report(world, "others").await;
    assert!(!would(of(&others, ada)).contains(&"approve"), "another verification's answer is none: {others}");
}

async fn on_the_command_line(world: &World) {
    let said = world.say(&["policy", "shadow", "nobody"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for text in [
        "nobody: 2 people; effects it would have had: ",
        "delete 1, verify 1; effects of live cases of the same events: ",
        "approve 1",
        ": effect: delete registration",
        "different effects",
        "waiting at proof",
    ] {
        assert!(said.out.contains(text), "{text:?} is not in {}", said.out);
    }
    assert_eq!(world.say(&["policy", "shadow", "nowhere"]).code, Some(1));
    let (status, _) = world.ask(Method::GET, "/v1/policies/same/shadow", "t-source", None).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

async fn the_same_policy_would_do_the_same(world: &World, ada: &Person) {
    let same = report(world, "same").await;
    let adas = of(&same, ada);
    assert_eq!(adas["same"], true, "{same}");
    assert_eq!(
        (&adas["would"][0]["end"], &adas["would"][0]["result"]),
        (&json!("closed"), &json!("approved"))
    );
    let lines = would(adas);
    for line in [
        "started verify",
        "sent: proof-invite to subject",
        "outcome: passed",
        "effect: approve registration",
        "sent: proofing-done to subject",
        "closed: approved",
    ] {
        assert!(lines.contains(&line), "{line} is not in {lines:?}");
    }
    let happened = &adas["happened"][0];
    assert_eq!(
        (&happened["policy"], &happened["did"]),
        (&json!("registration-proofing"), &json!(["verify", "approve", "notify"]))
    );
    let both = json!({"verify": 1, "approve": 1, "notify": 1});
    assert_eq!((&same["would"], &same["happened"]), (&both, &both));
    assert_eq!(same["unknown"], 1, "Ben has not answered: {same}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_policy_cannot_be_started_by_hand() {
    let mut world = World::new(60, Path::new("policies"), "").await;
    shadow(&world, "same", "title: Your", "title: A");
    world.start();
    let ada = world.registers("Ada");
    world.link(&ada).await;
    let started = |policy: &str| {
        let subject = json!({ "type": "registration", "id": ada.id().to_string() });
        json!({ "policy": policy, "subject": subject, "reason": "ticket 4711" })
    };
    for (policy, says) in [("same", "not enforced"), ("registration-proofing", "open already")] {
        let (status, answer) =
            world.ask(Method::POST, "/v1/cases", "t-operator", Some(started(policy))).await;
        assert_eq!(status, StatusCode::CONFLICT, "{policy}: {answer}");
        assert!(answer.to_string().contains(says), "{policy}: {answer}");
    }
    // The live case and its mail are the only ones.
    assert_eq!(world.cases().await.len(), 1);
    assert_eq!(world.town.mailbox.mails_to(&ada.applicant.email).len(), 1);
}
