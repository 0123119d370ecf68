//! The information for an operator when something is wrong.
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::world::{Said, World, copy_tree, edit};
use serde_json::Value;

/// Two policies: `proofing` for registrations, and `other`, which is started by hand.
async fn two() -> World {
    let world = World::new(60, Path::new("tests/data/tree"), "").await;
    copy_tree(&world.policies().join("proofing"), &world.policies().join("other"));
    edit(&world.policies().join("other/policy.yaml"), "policy: proofing", "policy: other");
    edit(&world.policies().join("other/policy.yaml"), "  - event: registration.created", "  - manual: true");
    world
}

fn check(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:?}");
    for part in parts {
        assert!(said.out.contains(part) || said.err.contains(part), "{part}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_tree_is_reported_with_its_cause() {
    let mut world = two().await;
    world.start();
    let tree = world.policies();
    fs::rename(&tree, world.dir.path().join("aside")).unwrap();
    symlink("nothing", &tree).unwrap();
    let why = ["nothing of the tree was loaded", "policies failed: No such file"];
    check(&world.say(&["policy", "reload"]), 1, &why);
    check(&world.say(&["policy", "list"]), 0, &why);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_policy_is_listed_while_it_has_open_cases() {
    let mut world = two().await;
    world.start();
    let ada = world.registers("Ada");
    world.link(&ada).await;
    fs::rename(world.policies().join("proofing"), world.dir.path().join("aside")).unwrap();
    // The policy asks for proof, so its removal waits for a release.
    check(&world.say(&["policy", "reload"]), 1, &["proofing", "needs_release"]);
    check(&world.say(&["policy", "release", "proofing", "--reason", "replaced"]), 0, &["proofing"]);
    check(&world.say(&["policy", "list"]), 0, &["gone", "1 open case goes on"]);
    // Every line has every key, for every state of a policy.
    let list = world.say(&["policy", "list", "--json"]).json();
    let keys = |line: &Value| line.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let lines = list["items"].as_array().unwrap();
    assert!(lines.len() == 2 && lines.iter().all(|line| keys(line) == keys(&lines[0])), "{list}");
    let list = world.say(&["policy", "list"]);
    check(
        &list,
        0,
        &["proofing", "gone", "gone from the tree, 1 open case goes on", "the whole tree is active"],
    );
    let show = world.say(&["policy", "show", "proofing"]);
    check(
        &show,
        0,
        &["not active", "gone from the tree", "1 open case", "proofing/policy.yaml", "policy reload"],
    );
    let revision = show.out.lines().next().unwrap().split_whitespace().nth(1).unwrap().trim_end_matches(',');
    let revert = world.say(&["policy", "revert", "proofing", revision, "--reason", "it is needed"]);
    check(&revert, 1, &["put its directory back", "proofd policy show proofing"]);
    check(
        &world.say(&["policy", "show", "proofing", "--revision", "running"]),
        1,
        &["proofd policy show proofing"],
    );
    // Restoring the folder restores the policy, as the output announced.
    fs::rename(world.dir.path().join("aside"), world.policies().join("proofing")).unwrap();
    let back = world.say(&["policy", "reload"]);
    check(&back, 0, &["active"]);
    assert!(!back.out.contains("gone"), "{back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_lists_the_new_step_of_each_case() {
    let mut world = two().await;
    world.start();
    let wrong = world.say(&["case", "migrate", "--policy", "profing"]);
    check(&wrong, 1, &["unknown policy profing", "did you mean `proofing`?"]);
    check(&world.say(&["case", "migrate", "--policy", "proofing"]), 0, &["proofing has no open cases"]);
    let ada = world.registers("Ada");
    world.link(&ada).await;
    // The case already has the revision, so it cannot move.
    let look = world.say(&["case", "migrate", "--policy", "proofing", "--json"]);
    assert_eq!(look.code, Some(1), "{look:?}");
    let line = &look.json()["items"][0];
    let stays = (&line["can"], &line["step_now"], &line["step_then"]);
    assert_eq!(stays, (&false.into(), &"proof".into(), &Value::Null), "{line}");
    assert!(line.as_object().unwrap().contains_key("step_then"), "{line}");
    assert_eq!(line["due_now"], world.case_of("Ada").await.unwrap()["due_at"], "{line}");
    let due = line["due_now"].as_str().unwrap().get(..10).unwrap();
    let said = world.say(&["case", "migrate", "--policy", "proofing"]);
    check(&said, 1, &["proof  ", due, "cannot move: the case has this revision already"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_json_with_the_json_option() {
    let mut world = two().await;
    let problem = |said: Said, code: i32, title: &str, part: &str| {
        assert_eq!((said.code, said.out.as_str()), (Some(code), ""), "{said:?}");
        let last = said.err.lines().last().unwrap_or_default();
        let problem: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        assert_eq!((&problem["title"], &problem["exit_code"]), (&title.into(), &code.into()));
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
    };
    problem(world.say(&["case", "list", "--json"]), 3, "cannot be reached", "cannot be reached");
    problem(world.say(&["case", "nosuch", "--json"]), 2, "wrong use or bad configuration", "nosuch");
    world.start();
    problem(world.say(&["case", "show", "nosuch", "--json"]), 1, "failed or refused", "no such case");
}
