//! Revisions under the running daemon: a more harmful one waits for a release, an older one can be restored, and both
//! survive a restart and are reported.
use std::fs;
use std::path::{Path, PathBuf};

use crate::world::people::passes;
use crate::world::{World, copy_tree, edit};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

async fn started(more: &str) -> (World, PathBuf) {
    let mut world = World::new(60, Path::new("tests/data/tree"), more).await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    world.start();
    let file = world.policies().join("proofing/policy.yaml");
    (world, file)
}

impl World {
    /// The state of the policy after a reload.
    async fn stands(&self, name: &str) -> Value {
        self.ask(Method::POST, "/v1/policies/reload", "t-author", None).await;
        let list = self.get("/v1/policies").await;
        let items = list["items"].as_array().unwrap().clone();
        items.into_iter().find(|line| line["name"] == name).unwrap_or_default()
    }

    async fn order(&self, token: &str, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(Method::POST, path, token, Some(body)).await
    }
}

fn revision(line: &Value) -> String {
    line["revision"].as_str().unwrap_or_default().to_owned()
}

fn has_reason(line: &Value, part: &str) -> bool {
    line["why"].as_array().unwrap().iter().any(|why| why.as_str().unwrap().contains(part))
}

/// Asserts that a diff of the parked edit is available before its release.
fn is_shown(world: &World) {
    let diff = world.say(&["policy", "diff", "proofing"]);
    assert_eq!(diff.code, Some(0), "{diff:?}");
    assert!(diff.out.contains("!+ delete registration: proof warning"), "{diff:?}");
    assert!(
        diff.out.contains("+        - delete: registration")
            && diff.out.contains("+++ b/proofing/policy.yaml"),
        "{diff:?}"
    );
    let show = world.say(&["policy", "show", "proofing", "--revision", "waiting"]);
    assert!(show.out.contains("not active") && show.out.contains("proof warning"), "{show:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_edit_does_not_run_and_no_longer_waits() {
    let (mut world, file) = started("").await;
    let good = world.stands("proofing").await;
    let path = "/v1/policies/proofing/reject";
    let reason = json!({ "reason": "too harsh" });
    assert_eq!(world.order("t-admin", path, reason.clone()).await.0, StatusCode::CONFLICT, "nothing waits");
    edit(
        &file,
        "        - close: unclear",
        "        - delete: registration\n          grace: 1d\n        - close: unclear",
    );
    let parked = world.stands("proofing").await;
    assert_eq!(world.order("t-author", path, reason.clone()).await.0, StatusCode::FORBIDDEN);
    let other = json!({ "reason": "too harsh", "revision": revision(&good) });
    assert_eq!(world.order("t-admin", path, other).await.0, StatusCode::CONFLICT);
    let said = world.say(&["policy", "reject", "proofing", "--reason", "too harsh"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(world.stop(), Some(0));
    world.start();
    let rejected = world.stands("proofing").await;
    assert_eq!(
        (&rejected["state"], revision(&rejected), &rejected["waiting"]),
        (&json!("reverted"), revision(&good), &parked["waiting"])
    );
    assert!(has_reason(&rejected, "rejected: too harsh"), "{rejected}");
    // The next edit is judged anew.
    edit(&file, "grace: 1d", "grace: 2d");
    assert_eq!(world.stands("proofing").await["state"], "needs_release");
    // A new policy has no revision that could stay.
    let tree = world.policies();
    copy_tree(&tree.join("proofing"), &tree.join("other"));
    edit(&tree.join("other/policy.yaml"), "policy: proofing", "policy: other");
    assert_eq!(world.stands("other").await["state"], "needs_release");
    let path = "/v1/policies/other/reject";
    assert_eq!(world.order("t-admin", path, reason).await.0, StatusCode::CONFLICT);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_with_more_harm_is_parked_until_release() {
    let (mut world, file) = started("").await;
    let good = world.stands("proofing").await;
    assert_eq!(good["state"], "active", "the first tree is what was meant");
    // A new path to a deletion.
    edit(
        &file,
        "        - close: unclear",
        "        - delete: registration\n          grace: 1d\n        - close: unclear",
    );
    let parked = world.stands("proofing").await;
    assert_eq!((&parked["state"], revision(&parked)), (&json!("needs_release"), revision(&good)), "{parked}");
    assert!(has_reason(&parked, "a new path to delete registration: proof warning"), "{parked}");
    let said = world.say(&["policy", "list"]);
    assert!(said.out.contains("needs_release") && said.out.contains("a new path to delete"), "{said:?}");
    assert_eq!(world.say(&["policy", "reload"]).code, Some(1));
    // The last valid revision stays active after a restart, and the edit is parked again.
    assert_eq!(world.stop(), Some(0));
    world.start();
    let again = world.stands("proofing").await;
    assert_eq!(
        (&again["state"], &again["waiting"]),
        (&json!("needs_release"), &parked["waiting"]),
        "{again}"
    );
    let ada = world.registers("Ada");
    world.goes_through(&ada, passes()).await;
    assert_eq!(world.until_closed(&ada, "approved").await["revision"], good["revision"]);
    is_shown(&world);
    // Only an admin can release, with a reason, and only the revision that was shown.
    let path = "/v1/policies/proofing/release";
    let reason = json!({ "reason": "agreed" });
    assert_eq!(world.order("t-author", path, reason.clone()).await.0, StatusCode::FORBIDDEN);
    assert_eq!(
        world.order("t-admin", path, json!({ "reason": " " })).await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let other = json!({ "reason": "agreed", "revision": revision(&good) });
    assert_eq!(world.order("t-admin", path, other).await.0, StatusCode::CONFLICT);
    let said = world.say(&["policy", "release", "proofing", "--reason", "agreed with legal"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.lines().count() == 1 && said.out.contains(" is active"), "{said:?}");
    let released = world.stands("proofing").await;
    assert_eq!((&released["state"], &released["revision"]), (&json!("active"), &parked["waiting"]));
    assert_eq!(world.order("t-admin", path, reason).await.0, StatusCode::CONFLICT, "nothing waits any more");
    assert_eq!(world.say(&["policy", "reload"]).code, Some(0));
    assert_eq!(world.stop(), Some(0));
    world.start();
    assert_eq!(revision(&world.stands("proofing").await), revision(&released));
    // A new policy that can delete waits too; a restored one does not.
    let (tree, aside) = (world.policies(), world.dir.path().join("aside"));
    copy_tree(&tree.join("proofing"), &tree.join("other"));
    edit(&tree.join("other/policy.yaml"), "policy: proofing", "policy: other");
    edit(&tree.join("other/policy.yaml"), "  - event: registration.created\n", "  - manual: true\n");
    let new = world.stands("other").await;
    assert_eq!((&new["state"], &new["revision"]), (&json!("needs_release"), &Value::Null), "{new}");
    assert!(has_reason(&new, "can delete for the first time"), "{new}");
    fs::rename(tree.join("proofing"), &aside).unwrap();
    let gone = world.stands("proofing").await;
    assert!(
        has_reason(&gone, "is no longer in the tree and stays active until its removal is released"),
        "{gone}"
    );
    let said = world.say(&["policy", "list"]);
    assert!(said.out.contains("proofing: stays active until its removal is released"), "{said:?}");
    assert_eq!(world.order("t-admin", path, json!({ "reason": "agreed" })).await.0, StatusCode::OK);
    assert_eq!(world.stands("proofing").await, Value::Null);
    fs::rename(&aside, tree.join("proofing")).unwrap();
    assert_eq!(world.stands("proofing").await["state"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn park_none_activates_every_edit() {
    let (world, file) = started("reload: {park: []}\n").await;
    edit(&file, "at_most: 1000", "at_most: 100000");
    assert_eq!(world.stands("proofing").await["state"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_revision_runs_until_the_next_edit() {
    let (mut world, file) = started("").await;
    let first = world.stands("proofing").await;
    edit(&file, "title: Proof of identity", "title: Second");
    let second = world.stands("proofing").await;
    let short = &revision(&first)[..8];
    let path = "/v1/policies/proofing/revert";
    let body = json!({ "reason": "the mails were wrong", "revision": short });
    assert_eq!(world.order("t-author", path, body.clone()).await.0, StatusCode::FORBIDDEN);
    assert_eq!(
        world.order("t-admin", path, json!({ "reason": "x" })).await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let said = world.say(&["policy", "revert", "proofing", short, "--reason", "the mails were wrong"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let until = "is active until the policy's files are edited again";
    assert!(said.out.lines().count() == 1 && said.out.contains(until), "{said:?}");
    for _ in 0..2 {
        let now = world.stands("proofing").await;
        assert_eq!((&now["state"], revision(&now)), (&json!("reverted"), revision(&first)), "{now}");
        assert_eq!(now["waiting"], second["revision"]);
        assert!(has_reason(&now, "the mails were wrong"), "{now}");
        assert!(world.say(&["policy", "list"]).out.contains("the mails were wrong"));
        assert_eq!(world.stop(), Some(0));
        world.start();
    }
    assert_eq!(world.order("t-admin", path, body).await.0, StatusCode::CONFLICT, "it runs already");
    let ada = world.registers("Ada");
    world.goes_through(&ada, passes()).await;
    assert_eq!(world.until_closed(&ada, "approved").await["revision"], first["revision"]);
    // An error in the tree changes nothing; the next valid edit ends the revert.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, "{{{").unwrap();
    assert_eq!(revision(&world.stands("proofing").await), revision(&first));
    fs::write(&file, text.replace("title: Second", "title: Third")).unwrap();
    let third = world.stands("proofing").await;
    assert_eq!((&third["state"], &third["title"]), (&json!("active"), &json!("Third")));
    // The revert has ended: the tree's earlier revision is now active.
    fs::write(&file, &text).unwrap();
    let again = world.stands("proofing").await;
    assert_eq!((&again["state"], revision(&again)), (&json!("active"), revision(&second)));
    // Reverting to the tree's revision also ends a revert.
    let (status, _) = world.order("t-admin", path, json!({ "reason": "once more", "revision": short })).await;
    assert_eq!(status, StatusCode::OK);
    let back = json!({ "reason": "enough", "revision": revision(&second) });
    let (status, sheet) = world.order("t-admin", path, back).await;
    assert_eq!((status, &sheet["status"]["state"]), (StatusCode::OK, &json!("active")), "{sheet}");
    let unknown = json!({ "reason": "x", "revision": "ffffffff" });
    assert_eq!(world.order("t-admin", path, unknown).await.0, StatusCode::CONFLICT);
    let revisions = world.say(&["policy", "revisions", "proofing", "--json"]).json();
    assert_eq!(revisions["items"].as_array().unwrap().len(), 3, "{revisions}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_is_previewed_then_moves_open_cases() {
    let (mut world, file) = started("").await;
    let first = world.stands("proofing").await;
    let (ada, ben) = (world.registers("Ada"), world.registers("Ben"));
    let (ada_link, _) = (world.link(&ada).await, world.link(&ben).await);
    let case = |name: &'static str| {
        let world = &world;
        async move { world.until("the case", async |world| world.case_of(name).await).await }
    };
    let (ada_case, ben_case) = (case("Ada").await, case("Ben").await);
    let id = |case: &Value| case["id"].as_str().unwrap().to_owned();
    edit(&file, "answer_within: 14d", "answer_within: 30d");
    edit(&file, "- close: approved", "- close: approved_anew");
    let second = world.stands("proofing").await;
    assert_eq!(second["state"], "active");
    // No case moves by itself, and a preview moves none.
    let look = world.say(&["case", "migrate", "--policy", "proofing", "--json"]);
    assert_eq!(look.code, Some(0), "{look:?}");
    for line in look.json()["items"].as_array().unwrap() {
        assert_eq!((&line["can"], &line["done"]), (&json!(true), &json!(false)), "{line}");
        assert_eq!((&line["step_now"], &line["step_then"]), (&json!("proof"), &json!("proof")));
        assert_eq!((&line["from"], &line["to"]), (&first["revision"], &second["revision"]));
        assert!(line["due_then"].as_str() > line["due_now"].as_str(), "{line}");
    }
    assert!(world.say(&["case", "migrate", &id(&ada_case)]).out.contains("Ada Tester"));
    assert_eq!(case("Ada").await["revision"], first["revision"]);
    // Applying needs a reason and the operator role.
    assert_eq!(world.say(&["case", "migrate", &id(&ada_case), "--apply"]).code, Some(2));
    let path = format!("/v1/cases/{}/migrate", id(&ada_case));
    let body = json!({ "reason": "more time" });
    assert_eq!(world.order("t-author", &path, body.clone()).await.0, StatusCode::FORBIDDEN);
    assert_eq!(world.order("t-operator", &path, json!({})).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let said = world.say(&["case", "migrate", &id(&ada_case), "--apply", "--reason", "more time"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(case("Ada").await["revision"], second["revision"]);
    assert_eq!(case("Ben").await["revision"], first["revision"]);
    let (status, why) = world.order("t-operator", &path, body).await;
    assert_eq!(
        (status, why["detail"].as_str()),
        (StatusCode::CONFLICT, Some("the case has this revision already"))
    );
    let journal = world.get(&format!("/v1/cases/{}/journal", id(&ada_case))).await;
    let moved =
        journal["items"].as_array().unwrap().iter().find(|entry| entry["what"] == "migrated").unwrap();
    assert_eq!((&moved["from"], &moved["reason"]), (&first["revision"], &json!("more time")));
    // The link in her mail works, by the new revision; his case ends with its first revision.
    world.goes_through_by(&ada, &ada_link, passes()).await;
    world.until_closed(&ada, "approved_anew").await;
    world.goes_through(&ben, passes()).await;
    world.until_closed(&ben, "approved").await;
    let said = world.say(&["case", "migrate", &id(&ben_case)]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("cannot move: the case is closed"), "{said:?}");
    // Decisions of two revisions are verified with two revisions.
    assert_eq!(world.stop(), Some(0));
    let verified = world.say(&["store", "verify"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
}
