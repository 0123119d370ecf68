//! An edit whose harm only the recorded events show. `proofd plan` reports it before the activation, the daemon parks
//! it with the list of people, and a release activates it.
use std::path::Path;

use crate::world::people::{forges, passes};
use crate::world::{World, copy_tree, edit};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// A policy that deletes depending on a setting, which a list of effects cannot show.
async fn started(more: &str) -> World {
    let mut world = World::new(60, Path::new("tests/data/tree"), more).await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    let file = world.policies().join("proofing/policy.yaml");
    edit(&file, "limits:\n", "settings:\n  strict: false\nlimits:\n");
    edit(&file, "- delete: registration\n", "- delete: registration\n          if: settings.strict\n");
    world.start();
    world
}

async fn stands(world: &World) -> Value {
    world.ask(Method::POST, "/v1/policies/reload", "t-author", None).await;
    world.get("/v1/policies").await["items"][0].clone()
}

/// The reasons without the length of the past, which grows during the test.
fn reasons(policy: &Value) -> Vec<String> {
    let texts = policy["why"].as_array().unwrap().iter().map(|why| why.as_str().unwrap());
    texts.map(|why| why.split(", in the last ").next().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_would_have_deleted_many_is_parked_with_their_list() {
    let mut world = started("reload: {park_above: 2}\n").await;
    for name in ["Mallory", "Trudy", "Oscar"] {
        let person = world.registers(name);
        world.goes_through(&person, forges()).await;
        world.until_closed(&person, "rejected").await;
    }
    let ada = world.registers("Ada");
    world.goes_through(&ada, passes()).await;
    world.until_closed(&ada, "approved").await;
    let open = world.registers("Ben");
    world.link(&open).await;

    // Previewed from another directory, before the daemon reads it.
    let aside = world.dir.path().join("edited");
    copy_tree(&world.policies(), &aside);
    edit(&aside.join("proofing/policy.yaml"), "strict: false", "strict: true");
    let (tree, csv) = (aside.to_str().unwrap(), world.dir.path().join("people.csv"));
    let plan = world.say(&["plan", tree, "--export", csv.to_str().unwrap()]);
    assert_eq!(plan.code, Some(1), "{plan:?}");
    for part in [
        "WOULD BE PARKED",
        "would have done delete to 3 people",
        "~ setting strict (false -> true)",
        "3 cases would have ended differently",
        "Mallory Tester",
        "+delete",
        "3 additional people",
        "1 cases are open and keep their revision",
        "-  strict: false",
        "verdict: 1 policy differs, ",
        "1 would wait for a release (exit code 1)",
    ] {
        assert!(plan.out.contains(part), "{part}: {plan:?}");
    }
    assert!(!plan.out.contains("Ada Tester"), "{plan:?}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&csv).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "it has names in it");
    let lines = std::fs::read_to_string(&csv).unwrap();
    assert_eq!(lines.lines().count(), 4, "{lines}");
    assert!(lines.contains("\"Oscar Tester\"") && lines.contains(", delete\""), "{lines}");
    let told = world.say(&["plan", tree, "--json"]).json();
    let delete = told["policies"][0]["past"]["effects"].as_array().unwrap();
    let delete = delete.iter().find(|effect| effect["what"] == "delete").unwrap();
    assert_eq!(
        (&delete["newly"], &delete["before"]["most"], &delete["after"]["least"]),
        (&json!({ "least": 3, "most": 3 }), &json!(0), &json!(3))
    );
    // Only authors may plan, and a plan changes nothing.
    let body = json!({ "files": {} });
    let (status, _) = world.ask(Method::POST, "/v1/plan", "t-viewer", Some(body)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(stands(&world).await["state"], "active");

    // The same by hot reload.
    edit(&world.policies().join("proofing/policy.yaml"), "strict: false", "strict: true");
    let parked = stands(&world).await;
    assert_eq!(parked["state"], "needs_release", "{parked}");
    assert!(parked["why"][0].as_str().unwrap().contains("would have done delete to 3 people"), "{parked}");
    let show = world.say(&["policy", "show", "proofing", "--revision", "waiting"]);
    assert!(show.out.contains("Trudy Tester") && show.out.contains("3 additional people"), "{show:?}");
    let again = stands(&world).await;
    assert_eq!((&again["state"], reasons(&again)), (&parked["state"], reasons(&parked)));
    // The result of the back-test survives a restart, and so does the list.
    assert_eq!(world.stop(), Some(0));
    world.start();
    let again = stands(&world).await;
    assert_eq!((&again["state"], reasons(&again)), (&parked["state"], reasons(&parked)));
    let show = world.say(&["policy", "show", "proofing", "--revision", "waiting"]);
    assert!(show.out.contains("Trudy Tester"), "{show:?}");
    assert!(!world.log().contains("Tester"), "names are for who may see them");
    let said = world.say(&["policy", "release", "proofing", "--reason", "all of them were forgers"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(stands(&world).await["state"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_a_deciding_setting_is_parked_and_an_invalid_tree_has_a_plan() {
    let world = started("").await;
    for name in ["Ada", "Ben"] {
        let person = world.registers(name);
        world.goes_through(&person, passes()).await;
        world.until_closed(&person, "approved").await;
    }
    let mallory = world.registers("Mallory");
    world.goes_through(&mallory, forges()).await;
    world.until_closed(&mallory, "rejected").await;
    let file = world.policies().join("proofing/policy.yaml");
    let aside = world.dir.path().join("edited");
    let plan = |what: &str, world: &World| {
        let said = world.say(&["plan", aside.to_str().unwrap(), "--brief"]);
        (said.code, said.out, what.to_owned())
    };
    copy_tree(&world.policies(), &aside);
    let (code, out, _) = plan("nothing", &world);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("no active policy would change"), "{out}");
    // A file that a policy no longer uses is not reported as deleted.
    let template = aside.join("shared/templates/proof-second");
    copy_tree(&aside.join("shared/templates/proof-invite"), &template);
    edit(&aside.join("proofing/policy.yaml"), "template: proof-invite", "template: proof-second");
    let said = world.say(&["plan", aside.to_str().unwrap()]);
    assert!(said.out.contains("shared/templates/proof-invite/en.md: proofing no longer uses it"), "{said:?}");
    assert!(!said.out.contains("--- a/shared/templates/proof-invite"), "{said:?}");
    edit(&aside.join("proofing/policy.yaml"), "template: proof-second", "template: proof-invite");
    let nothing = world.dir.path().join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    let said = world.say(&["plan", nothing.to_str().unwrap()]);
    assert!(said.code == Some(1) && said.out.contains(": no policy found in "), "{said:?}");
    assert!(!said.out.contains("because of the errors"), "{said:?}");
    edit(&aside.join("proofing/policy.yaml"), "strict: false", "strict: true");
    let (code, out, _) = plan("one person", &world);
    let setting = "decides differently by a setting: strict false -> true";
    assert!(code == Some(1) && out.contains(setting) && out.contains("Mallory Tester"), "{out}");
    assert!(!out.contains("would have done delete to"), "one person is fewer than park_above: {out}");
    edit(&aside.join("proofing/policy.yaml"), "- close: unclear", "- close: unclear\n        - clos: again");
    let (code, out, _) = plan("a mistake", &world);
    assert!(code == Some(1) && out.contains("proofing/policy.yaml") && out.contains("clos"), "{out}");
    edit(&file, "strict: false", "strict: true");
    assert_eq!(stands(&world).await["state"], "needs_release");
}
