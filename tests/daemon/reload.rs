//! Policies change under the running daemon in every way in which files change. It activates valid policies, keeps the
//! active revision of invalid ones, reports which, and recovers without a command.
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::world::people::passes;
use crate::world::{World, copy_tree, edit};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

pub const TITLE: &str = "title: Proof of identity";

/// Two policies: `proofing` for registrations, and `other`, which no event starts.
pub async fn two(more: &str) -> World {
    let world = World::new(60, Path::new("tests/data/tree"), more).await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    add_other(&world.policies());
    world
}

fn add_other(tree: &Path) {
    copy_tree(&tree.join("proofing"), &tree.join("other"));
    let file = tree.join("other/policy.yaml");
    edit(&file, "policy: proofing", "policy: other");
    edit(&file, "  - event: registration.created\n", "  - manual: true\n");
}

pub fn policy(tree: &Path, name: &str) -> std::path::PathBuf {
    tree.join(name).join("policy.yaml")
}

pub fn retitle(tree: &Path, name: &str, title: &str) {
    let file = policy(tree, name);
    let text = fs::read_to_string(&file).unwrap();
    let old = text.lines().find(|line| line.starts_with("title: ")).unwrap();
    edit(&file, old, &format!("title: {title}"));
}

/// The state and the title of a policy.
pub fn standing(list: &Value, name: &str) -> (String, String) {
    let items = list["items"].as_array().unwrap();
    let line = items.iter().find(|line| line["name"] == name);
    let text = |key| line.and_then(|line| line[key].as_str()).unwrap_or("-").to_owned();
    (text("state"), text("title"))
}

impl World {
    /// Waits until the daemon has noticed a change of the tree.
    pub async fn until_policies(&self, what: &str, expected: &[(&str, &str, &str)]) -> Value {
        self.until(what, async |world| {
            let list = world.get("/v1/policies").await;
            expected
                .iter()
                .all(|(name, state, title)| {
                    standing(&list, name) == ((*state).to_owned(), (*title).to_owned())
                })
                .then_some(list)
        })
        .await
    }

    pub async fn until_verdict(&self, what: &str, ok: bool) -> Value {
        self.until(what, async |world| {
            let list = world.get("/v1/policies").await;
            (list["last_reload"]["ok"] == ok).then_some(list)
        })
        .await
    }

    /// Asserts the result of a reload in the API, the command's exit code and the metric.
    pub async fn reloads(&self, ok: bool) -> Value {
        let said = self.say(&["policy", "reload", "--json"]);
        assert_eq!(said.code, Some(i32::from(!ok)), "{said:?}");
        assert_eq!(said.json()["ok"], ok, "{said:?}");
        let status = if ok { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        let (got, report) = self.ask(Method::POST, "/v1/policies/reload", "t-author", None).await;
        assert_eq!((got, &report["ok"]), (status, &json!(ok)), "{report}");
        assert_eq!(report["text"].as_str().unwrap().is_empty(), ok, "{report}");
        assert_eq!(self.metric("proofd_policy_last_reload_successful").await, f64::from(u8::from(ok)));
        let list = self.say(&["policy", "list"]);
        assert_eq!(list.code, Some(0), "{list:?}");
        assert_eq!(list.out.contains("the whole tree is active") && !list.out.contains("not active"), ok);
        report
    }

    pub async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.ask(Method::GET, "/metrics", "", None).await;
        let text = text.as_str().unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}

/// A way to give `proofing` a new title.
type Change = fn(&Path, &str);

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_change_files_causes_a_reload() {
    let changes: &[(&str, Change)] = &[
        ("written in place", |tree, title| retitle(tree, "proofing", title)),
        ("a new file renamed over", |tree, title| {
            let new = tree.join("proofing/policy.yaml~");
            fs::copy(policy(tree, "proofing"), &new).unwrap();
            let text = fs::read_to_string(&new).unwrap();
            let old = text.lines().find(|line| line.starts_with("title: ")).unwrap().to_owned();
            edit(&new, &old, &format!("title: {title}"));
            fs::rename(&new, policy(tree, "proofing")).unwrap();
        }),
        ("deleted and made anew", |tree, title| {
            let text = fs::read_to_string(policy(tree, "proofing")).unwrap();
            fs::remove_file(policy(tree, "proofing")).unwrap();
            fs::write(policy(tree, "proofing"), text).unwrap();
            retitle(tree, "proofing", title);
        }),
        ("the folder replaced", |tree, title| {
            let new = tree.join(".new");
            copy_tree(&tree.join("proofing"), &new);
            let text = fs::read_to_string(new.join("policy.yaml")).unwrap();
            let old = text.lines().find(|line| line.starts_with("title: ")).unwrap().to_owned();
            edit(&new.join("policy.yaml"), &old, &format!("title: {title}"));
            fs::rename(tree.join("proofing"), tree.join(".old")).unwrap();
            fs::rename(&new, tree.join("proofing")).unwrap();
            fs::remove_dir_all(tree.join(".old")).unwrap();
        }),
        ("the whole tree replaced", |tree, title| {
            let (new, old) = (tree.with_extension("new"), tree.with_extension("old"));
            copy_tree(tree, &new);
            retitle(&new, "proofing", title);
            fs::rename(tree, &old).unwrap();
            fs::rename(&new, tree).unwrap();
            fs::remove_dir_all(&old).unwrap();
        }),
        ("every file unlinked and written, as a checkout does", |tree, title| {
            let copy = tree.with_extension("checkout");
            copy_tree(tree, &copy);
            retitle(&copy, "proofing", title);
            for name in ["people.yaml", "verifications.yaml", "proofing/policy.yaml", "other/policy.yaml"] {
                fs::remove_file(tree.join(name)).unwrap();
                fs::copy(copy.join(name), tree.join(name)).unwrap();
            }
            fs::remove_dir_all(&copy).unwrap();
        }),
    ];
    let mut world = two("").await;
    world.start();
    world.reloads(true).await;
    for (number, (what, change)) in changes.iter().enumerate() {
        let title = format!("Edition {number}");
        change(&world.policies(), &title);
        let expected = [("proofing", "active", title.as_str()), ("other", "active", "Proof of identity")];
        world.until_policies(what, &expected).await;
        world.reloads(true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_policy_keeps_its_last_revision_and_the_others_reload() {
    let mut world = two("").await;
    world.start();
    let tree = world.policies();
    let good = fs::read_to_string(policy(&tree, "proofing")).unwrap();
    let mistakes = [
        ("cut in the middle of a write", good[..good.len() / 2].to_owned()),
        ("not YAML", "{{{".to_owned()),
        ("empty", String::new()),
        ("an unknown key", good.replace("owner:", "ownr:")),
        ("an outcome skipped", good.replace("      no_response:\n        - close: expired\n", "")),
        ("a clause that is none", good.replace("limits:", "if: [registration. ]\nlimits:")),
        ("an unknown field", good.replace("limits:", "if: [registration.emial != \"x\"]\nlimits:")),
    ];
    let before = world.get("/v1/policies").await;
    let revision = |list: &Value| {
        let items = list["items"].as_array().unwrap().clone();
        items.iter().find(|line| line["name"] == "proofing").unwrap()["revision"].clone()
    };
    for (number, (what, text)) in mistakes.iter().enumerate() {
        let title = format!("Moved {number}");
        fs::write(policy(&tree, "proofing"), text).unwrap();
        retitle(&tree, "other", &title);
        let expected =
            [("proofing", "kept_last_good", "Proof of identity"), ("other", "active", title.as_str())];
        let list = world.until_policies(what, &expected).await;
        assert_eq!(revision(&list), revision(&before), "{what}");
        let place = &list["last_reload"]["diagnostics"][0]["place"];
        assert_eq!(place["file"], "proofing/policy.yaml", "{what}: {list}");
        let report = world.reloads(false).await;
        assert!(report["text"].as_str().unwrap().contains("proofing/policy.yaml"), "{what}: {report}");
        assert_eq!(world.metric("proofd_policies_not_active").await, 1.0);
        assert_eq!(world.ask(Method::GET, "/readyz", "", None).await.0, StatusCode::OK, "{what}");
    }
    // Registrations meanwhile use the active revision.
    let ada = world.registers("Ada");
    world.goes_through(&ada, passes()).await;
    let sheet = world.until_closed(&ada, "approved").await;
    assert_eq!(sheet["revision"], revision(&before));
    // The write is completed: the daemon notices it without a command.
    fs::write(policy(&tree, "proofing"), &good).unwrap();
    world.until_verdict("recovery", true).await;
    world.reloads(true).await;
    assert_eq!(world.metric("proofd_policies_not_active").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_empty_tree_stops_no_policy() {
    type Harm = fn(&Path);
    let harms: &[(&str, Harm)] = &[
        ("gone", |_| {}),
        ("empty", |tree| fs::create_dir(tree).unwrap()),
        ("a file", |tree| fs::write(tree, "not a folder").unwrap()),
        ("a link to nothing", |tree| symlink("nowhere", tree).unwrap()),
    ];
    let mut world = two("").await;
    world.start();
    let tree = world.policies();
    let aside = world.dir.path().join("aside");
    for (what, harm) in harms {
        fs::rename(&tree, &aside).unwrap();
        harm(&tree);
        let list = world.until_verdict(what, false).await;
        assert!(list["last_reload"]["problem"].is_string(), "{what}: {list}");
        assert_eq!(standing(&list, "proofing").1, "Proof of identity", "{what}: {list}");
        world.reloads(false).await;
        assert_eq!(world.ask(Method::GET, "/readyz", "", None).await.0, StatusCode::OK, "{what}");
        let person = world.registers(&format!("During{}", what.replace(' ', "")));
        world.link(&person).await;
        // Restored: noticed without a command.
        if tree.is_dir() {
            fs::remove_dir(&tree).unwrap();
        } else if tree.symlink_metadata().is_ok() {
            fs::remove_file(&tree).unwrap();
        }
        fs::rename(&aside, &tree).unwrap();
        world.until_verdict(&format!("recovery from {what}"), true).await;
        world.reloads(true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_cases_keep_the_revision_they_opened_with() {
    let mut world = two("reload: {park: []}\n").await;
    world.start();
    let tree = world.policies();
    let (ada, ben) = (world.registers("Ada"), world.registers("Ben"));
    let (first, _) = (world.link(&ada).await, world.link(&ben).await);
    edit(&policy(&tree, "proofing"), "- close: approved", "- close: approved_anew");
    retitle(&tree, "proofing", "Anew");
    world.until_policies("the edit", &[("proofing", "active", "Anew")]).await;
    let cleo = world.registers("Cleo");
    world.goes_through(&cleo, passes()).await;
    let new = world.until_closed(&cleo, "approved_anew").await;
    // The link of the old revision works, and its case ends with that revision.
    world.goes_through_by(&ada, &first, passes()).await;
    let old = world.until_closed(&ada, "approved").await;
    assert_ne!(old["revision"], new["revision"]);
    // Also if the policy is removed from the tree and the daemon restarts.
    fs::remove_dir_all(tree.join("proofing")).unwrap();
    world
        .until("the policy's end", async |world| {
            let list = world.get("/v1/policies").await;
            (standing(&list, "proofing").0 == "gone").then_some(())
        })
        .await;
    assert_eq!(world.stop(), Some(0));
    world.start();
    let dora = world.registers("Dora");
    world.goes_through(&ben, passes()).await;
    let sheet = world.until_closed(&ben, "approved").await;
    assert_eq!(sheet["revision"], old["revision"]);
    assert!(world.sheet(&dora).await.is_none(), "a policy that is gone opens no case");
    let revisions = world.say(&["policy", "revisions", "proofing", "--json"]);
    assert_eq!(revisions.code, Some(0), "{revisions:?}");
    assert!(revisions.out.contains(old["revision"].as_str().unwrap()), "{revisions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_an_invalid_tree_runs_the_last_valid_revisions() {
    type Harm = fn(&Path);
    let harms: &[(&str, Harm)] = &[
        ("a broken policy", |tree| fs::write(policy(tree, "proofing"), "{{{").unwrap()),
        ("a broken shared file", |tree| fs::write(tree.join("verifications.yaml"), "{{{").unwrap()),
        ("no tree", |tree| fs::remove_dir_all(tree).unwrap()),
    ];
    for (what, harm) in harms {
        let mut world = two("").await;
        world.start();
        assert_eq!(world.stop(), Some(0));
        let tree = world.policies();
        let aside = world.dir.path().join("aside");
        copy_tree(&tree, &aside);
        harm(&tree);
        world.start();
        let list = world.get("/v1/policies").await;
        assert_eq!(list["last_reload"]["ok"], false, "{what}: {list}");
        assert_eq!(world.ask(Method::GET, "/readyz", "", None).await.0, StatusCode::OK, "{what}");
        world.reloads(false).await;
        let ada = world.registers("Ada");
        world.goes_through(&ada, passes()).await;
        world.until_closed(&ada, "approved").await;
        copy_tree(&aside, &tree);
        world.until_verdict("recovery", true).await;
        world.reloads(true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_without_a_valid_policy_waits_for_one() {
    let mut world = two("").await;
    let tree = world.policies();
    let good = fs::read_to_string(policy(&tree, "proofing")).unwrap();
    fs::remove_dir_all(tree.join("other")).unwrap();
    fs::write(policy(&tree, "proofing"), "{{{").unwrap();
    world.start();
    let (status, why) = world.ask(Method::GET, "/readyz", "", None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{why}");
    assert_eq!(standing(&world.get("/v1/policies").await, "proofing").0, "refused");
    world.reloads(false).await;
    fs::write(policy(&tree, "proofing"), good).unwrap();
    world.until_verdict("the good tree", true).await;
    assert_eq!(world.ask(Method::GET, "/readyz", "", None).await.0, StatusCode::OK);
    let ada = world.registers("Ada");
    world.link(&ada).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reloads_the_tree() {
    let mut world = two("").await;
    world.start();
    let name = "proofd_policy_reloads_total{result=\"ok\"}";
    for _ in 0..3 {
        let before = world.metric(name).await;
        world.hangup();
        world.until("a reload", async |world| (world.metric(name).await > before).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing_rejects_every_edit_of_an_invalid_tree() {
    let mut world = two("reload: {all_or_nothing: true, park: []}\n").await;
    let tree = world.policies();
    copy_tree(&tree.join("other"), &tree.join("third"));
    edit(&policy(&tree, "third"), "policy: other", "policy: third");
    world.start();
    // One invalid edit, one valid edit, one removed policy, one new policy: none of them takes effect.
    let good = fs::read_to_string(policy(&tree, "proofing")).unwrap();
    let aside = world.dir.path().join("third");
    fs::rename(tree.join("third"), &aside).unwrap();
    retitle(&tree, "other", "Moved");
    copy_tree(&tree.join("other"), &tree.join("fourth"));
    edit(&policy(&tree, "fourth"), "policy: other", "policy: fourth");
    fs::write(policy(&tree, "proofing"), good.replace("owner:", "ownr:")).unwrap();
    let report = world.reloads(false).await;
    let list = world.get("/v1/policies").await;
    for (name, expected) in [
        ("proofing", ("kept_last_good", "Proof of identity")),
        ("other", ("kept_back", "Proof of identity")),
        ("third", ("kept_back", "Proof of identity")),
        ("fourth", ("kept_back", "-")),
    ] {
        let got = standing(&list, name);
        assert_eq!((got.0.as_str(), got.1.as_str()), expected, "{name} {report}");
    }
    // Fixed: all of them take effect.
    fs::write(policy(&tree, "proofing"), good.replace(TITLE, "title: Mended")).unwrap();
    let expected = [
        ("proofing", "active", "Mended"),
        ("other", "active", "Moved"),
        ("third", "-", "-"),
        ("fourth", "active", "Moved"),
    ];
    world.until_policies("the mended tree", &expected).await;
    world.reloads(true).await;
}

const TESTS: &str = "tests_for: proofing
tests:
  - name: a good proof lets the person in
    play:
      - send: registration.created
      - answer: {proof: passed}
      - expect: {did: [approve registration], closed: approved}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_whose_tests_fail_is_not_activated() {
    let mut world = two("reload: {park: []}\n").await;
    let tree = world.policies();
    let tests = tree.join("proofing/tests.yaml");
    fs::write(&tests, TESTS).unwrap();
    world.start();
    world.reloads(true).await;
    // The policy loads without errors, but its behavior is wrong.
    edit(&policy(&tree, "proofing"), "        - approve: registration\n", "");
    retitle(&tree, "other", "Moved");
    let expected = [("proofing", "kept_last_good", "Proof of identity"), ("other", "active", "Moved")];
    let list = world.until_policies("an edit that lets nobody in", &expected).await;
    let told = &list["last_reload"]["diagnostics"][0];
    assert_eq!((&told["word"], &told["place"]["line"]), (&json!("test-failed"), &json!(7)), "{list}");
    let report = world.reloads(false).await;
    let text = report["text"].as_str().unwrap();
    assert!(
        text.contains("a good proof lets the person in") && text.contains("proofing/tests.yaml:7"),
        "{text}"
    );
    // The active revision continues.
    let ada = world.registers("Ada");
    world.goes_through(&ada, passes()).await;
    world.until_closed(&ada, "approved").await;
    assert_eq!(world.standing(&ada).0, "approved");
    // Tests are not part of the revision, but an edit of them alone is still checked.
    edit(&tests, "did: [approve registration]", "did: []");
    world.until_verdict("tests that want what the policy does", true).await;
    world.reloads(true).await;
    fs::write(&tests, "tests_for: [").unwrap();
    world.until_verdict("tests that cannot be read", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_policy_can_be_removed_and_a_missing_tree_removes_none() {
    let mut world = two("reload: {park: []}\n").await;
    world.start();
    world.reloads(true).await;
    let (tree, aside) = (world.policies(), world.dir.path().join("aside"));
    // A lost mount leaves an empty directory.
    fs::rename(&tree, &aside).unwrap();
    fs::create_dir(&tree).unwrap();
    world.reloads(false).await;
    let (status, ready) = world.ask(Method::GET, "/readyz", "", None).await;
    let ready = ready.as_str().unwrap().to_owned();
    assert_eq!(status, StatusCode::OK, "{ready}");
    for says in [
        "degraded\n",
        "policies since 20",
        "the policy tree is empty",
        "these policies keep running: other, proofing",
    ] {
        assert!(ready.contains(says), "{says}: {ready}");
    }
    fs::remove_dir(&tree).unwrap();
    world.reloads(false).await;
    let (_, again) = world.ask(Method::GET, "/readyz", "", None).await;
    assert!(again.as_str().unwrap().contains("failed: No such file"), "{again}");
    let since = |text: &str| text.split(" UTC").next().map(str::to_owned);
    assert_eq!(since(&ready), since(again.as_str().unwrap()), "since when it is so");
    fs::rename(&aside, &tree).unwrap();
    world.reloads(true).await;
    let (_, ready) = world.ask(Method::GET, "/readyz", "", None).await;
    assert!(!ready.as_str().unwrap().contains("keep running"), "{ready}");
    // Both policies are removed; shared files stay.
    fs::remove_dir_all(tree.join("proofing")).unwrap();
    fs::remove_dir_all(tree.join("other")).unwrap();
    let (status, report) = world.ask(Method::POST, "/v1/policies/reload", "t-author", None).await;
    assert_eq!(
        (status, &report["ok"], &report["problem"]),
        (StatusCode::OK, &json!(true), &Value::Null),
        "{report}"
    );
    assert!(report["policies"].as_array().unwrap().is_empty(), "{report}");
    assert_eq!(world.ask(Method::GET, "/readyz", "", None).await.0, StatusCode::OK);
    world.registers("Ada");
    world
        .until("the event dealt with", async |world| {
            (world.metric("proofd_events_total{source=\"onelogin\"}").await > 0.0).then_some(())
        })
        .await;
    assert!(world.cases().await.is_empty());
}
