//! The active revision of a policy that is removed, restored, renamed or loses its tests: no detour avoids the check
//! for more harm.
use std::fs;
use std::path::{Path, PathBuf};

use crate::world::inside::Inside;
use crate::world::{copy_tree, edit};
use chrono::TimeDelta;
use proofd::model::Actor;
use proofd::policy::Revision;
use proofd::rollout::PolicyState;

const GRAVER: (&str, &str) = (
    "        - close: unclear",
    "        - delete: registration\n          grace: 1d\n        - close: unclear",
);

struct Tree {
    inside: Inside,
    dir: PathBuf,
}

impl Tree {
    async fn of(policies: &Path) -> Self {
        let inside = Inside::with(policies, "2026-01-05T09:00:00Z".parse().unwrap()).await;
        let dir = inside.dir.path().join("policies");
        Self { inside, dir }
    }

    fn file(&self) -> PathBuf {
        self.dir.join("proofing/policy.yaml")
    }

    fn is_gone(&self) {
        fs::remove_dir_all(self.dir.join("proofing")).unwrap();
    }

    fn is_back(&self) {
        copy_tree(Path::new("tests/data/tree/proofing"), &self.dir.join("proofing"));
    }

    /// The policy's state, its active revision and the reasons, after a reload.
    async fn stands(&self, name: &str) -> (Option<PolicyState>, Option<Revision>, Vec<String>) {
        self.inside.engine().rollout().reload.reload(None).await;
        let active = self.inside.engine().active();
        let status = active.report.policies.iter().find(|status| status.name == name);
        let runs = active.set.policies.get(name).map(|policy| policy.revision.clone());
        let why = status.map(|status| status.why.clone()).unwrap_or_default();
        (status.map(|status| status.state), runs, why)
    }

    async fn release(&self, name: &str) {
        let engine = self.inside.engine();
        engine
            .rollout()
            .orders
            .release(name, None, Actor::named("Dana"), "looked at".to_owned())
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_policy_is_compared_with_its_last_revision() {
    // A tree without any policy is not loaded, so there is another one.
    let made = tempfile::tempdir().unwrap();
    copy_tree(Path::new("tests/data/tree"), made.path());
    copy_tree(Path::new("tests/data/tree/proofing"), &made.path().join("other"));
    edit(&made.path().join("other/policy.yaml"), "policy: proofing", "policy: other");
    let tree = Tree::of(made.path()).await;
    let (_, good, _) = tree.stands("proofing").await;
    assert!(good.is_some());
    let (waits, active) = (Some(PolicyState::NeedsRelease), Some(PolicyState::Active));
    // Removed briefly: the active revision stays while the edit waits. Removed for long: none is active until a
    // release.
    for (away, runs) in [(TimeDelta::minutes(1), good.clone()), (TimeDelta::days(3), None)] {
        tree.is_gone();
        let (state, running, why) = tree.stands("proofing").await;
        assert_eq!((state, &running), (waits, &good), "it asks for proof: {why:?}");
        tree.release("proofing").await;
        assert_eq!(tree.stands("proofing").await, (None, None, vec![]));
        tree.inside.clock.advance(away);
        tree.is_back();
        edit(&tree.file(), GRAVER.0, GRAVER.1);
        let (state, running, why) = tree.stands("proofing").await;
        assert_eq!((state, running), (waits, runs), "{away}: {why:?}");
        assert!(why.iter().any(|why| why.contains("path to delete registration")), "{away}: {why:?}");
        tree.is_back();
        let (state, running, why) = tree.stands("proofing").await;
        assert_eq!((state, &running), (active, &good), "{away}: {why:?}");
    }
    // A release covers one edit. A revision that returns after another edit waits again.
    edit(&tree.file(), GRAVER.0, GRAVER.1);
    assert_eq!(tree.stands("proofing").await.0, waits);
    tree.release("proofing").await;
    let (state, graver, _) = tree.stands("proofing").await;
    assert_eq!(state, active);
    assert_ne!(graver, good);
    tree.is_back();
    assert_eq!(tree.stands("proofing").await.1, good);
    edit(&tree.file(), GRAVER.0, GRAVER.1);
    assert_eq!(tree.stands("proofing").await.0, waits, "the release was for what was there then");
    // A revision that was active once, but not last, waits as well.
    tree.is_back();
    assert_eq!(tree.stands("proofing").await.1, good);
    tree.is_gone();
    tree.stands("proofing").await;
    tree.is_back();
    edit(&tree.file(), GRAVER.0, GRAVER.1);
    assert_eq!(tree.stands("proofing").await.0, waits);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_policy_is_parked_and_the_old_one_continues() {
    let tree = Tree::of(Path::new("tests/data/tree")).await;
    let (_, good, _) = tree.stands("proofing").await;
    fs::rename(tree.dir.join("proofing"), tree.dir.join("proving")).unwrap();
    edit(&tree.dir.join("proving/policy.yaml"), "policy: proofing", "policy: proving");
    let (state, running, why) = tree.stands("proving").await;
    assert_eq!((state, running), (Some(PolicyState::NeedsRelease), None), "{why:?}");
    let (state, running, why) = tree.stands("proofing").await;
    assert_eq!((state, running), (Some(PolicyState::KeptBack), good), "{why:?}");
    assert!(why.iter().any(|why| why.contains("proving, which may replace it")), "{why:?}");
    tree.release("proving").await;
    assert_eq!(tree.stands("proving").await.0, Some(PolicyState::Active));
    assert_eq!(tree.stands("proofing").await, (None, None, vec![]));
}

const TESTS: &str = "tests_for: proofing
tests:
  - name: a pass is approved
    given: {registration: {id: r1}}
    play:
      - send: registration.created
      - expect: {waiting_at: proof}
";

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_removes_tests_is_parked() {
    let made = tempfile::tempdir().unwrap();
    copy_tree(Path::new("tests/data/tree"), made.path());
    fs::write(made.path().join("proofing/tests.yaml"), TESTS).unwrap();
    let tree = Tree::of(made.path()).await;
    let tests = tree.dir.join("proofing/tests.yaml");
    assert_eq!(tree.stands("proofing").await.0, Some(PolicyState::Active));
    let waits = async |what: &str| {
        let (state, _, why) = tree.stands("proofing").await;
        let said = why.iter().any(|why| why == "no longer has tests; the active revision has 1");
        assert!(state == Some(PolicyState::NeedsRelease) && said, "{what}: {state:?} {why:?}");
    };
    // In one edit, and in two.
    edit(&tree.file(), "title: Proof", "title: A proof");
    fs::remove_file(&tests).unwrap();
    waits("both at once").await;
    edit(&tree.file(), "title: A proof", "title: Proof");
    assert_eq!(tree.stands("proofing").await.0, Some(PolicyState::Active), "no edit of what it does");
    edit(&tree.file(), "title: Proof", "title: A proof");
    waits("the tests first").await;
    fs::write(&tests, "tests_for: proofing\ntests: []\n").unwrap();
    waits("an empty list").await;
    fs::write(&tests, TESTS).unwrap();
    assert_eq!(tree.stands("proofing").await.0, Some(PolicyState::Active), "with its tests");
}

/// An edit of a sweep's selection: file, old text, new text, and the reason to wait; empty: it does not wait.
const SWEEPS: &[(&str, &str, &str, &str, &str)] = &[
    ("a script's body", "due.rhai", "user.status", "true || user.status", OTHERS),
    (
        "a setting that a script gets",
        "policy.yaml",
        "departments: [Finance]",
        "departments: [Finance, Sales]",
        OTHERS,
    ),
    ("a clause less", "policy.yaml", "  - due::who(user, settings)\n", "", OTHERS),
    ("every hour", "policy.yaml", "run: daily\n      at: \"02:00\"", "run: hourly", "runs more often"),
    (
        "more at once",
        "policy.yaml",
        "at_most: 500   ",
        "at_most: 900   ",
        "at most 500 per run -> 900 per run",
    ),
    ("another hour", "policy.yaml", "at: \"02:00\"", "at: \"03:00\"", ""),
    ("fewer at once", "policy.yaml", "at_most: 500   ", "at_most: 400   ", ""),
    ("hardly anybody at once", "policy.yaml", "at_most: 500   ", "at_most: 100   ", "covers fewer people"),
    (
        "a clause more",
        "policy.yaml",
        "if_already_open: attach",
        "  - user.department != \"Kiosk\"\nif_already_open: attach",
        "protects less: covers fewer people",
    ),
    ("another title", "policy.yaml", "title: Please", "title: Do please", ""),
];
const OTHERS: &str = "which may select other people";

#[tokio::test(flavor = "multi_thread")]
async fn every_edit_of_a_sweeps_selection_is_parked() {
    let made = tempfile::tempdir().unwrap();
    copy_tree(Path::new("policies"), made.path());
    let (folder, policy) = ("quarterly-reverification", "quarterly-reverification/policy.yaml");
    let clause = "  - \"!(user.service_account ?? false)\"\n";
    edit(&made.path().join(policy), clause, &format!("{clause}  - due::who(user, settings)\n"));
    let settings = "settings:\n";
    edit(&made.path().join(policy), settings, &format!("{settings}  departments: [Finance]\n"));
    let script =
        "fn who(user, settings) { user.status == \"active\" || user.department in settings.departments }\n";
    fs::write(made.path().join(folder).join("due.rhai"), script).unwrap();
    let tree = Tree::of(made.path()).await;
    assert_eq!(tree.stands(folder).await.0, Some(PolicyState::Active));
    for (what, file, from, to, because) in SWEEPS {
        let file = tree.dir.join(folder).join(file);
        let was = fs::read_to_string(&file).unwrap();
        edit(&file, from, to);
        let (state, _, why) = tree.stands(folder).await;
        let expected = if because.is_empty() { PolicyState::Active } else { PolicyState::NeedsRelease };
        let said = why.is_empty() == because.is_empty() && why.join("; ").contains(because);
        assert!(state == Some(expected) && said, "{what}: {state:?} {why:?}");
        fs::write(&file, was).unwrap();
        assert_eq!(tree.stands(folder).await.0, Some(PolicyState::Active), "{what}: taken back");
    }
}

const WALKS: &str = "tests_for: proofing
tests:
  - name: a pass is approved
    play:
      - send: registration.created
      - answer: {proof: passed}
      - expect: {closed: approved}
  - name: silence
    play:
      - send: registration.created
      - advance: 15d
      - expect: {closed: expired}
";

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_with_less_test_coverage_stays_parked_after_a_restart() {
    let made = tempfile::tempdir().unwrap();
    copy_tree(Path::new("tests/data/tree"), made.path());
    let tests = made.path().join("proofing/tests.yaml");
    fs::write(&tests, WALKS).unwrap();
    let mut tree = Tree::of(made.path()).await;
    let tests = tree.dir.join("proofing/tests.yaml");
    assert_eq!(tree.stands("proofing").await.0, Some(PolicyState::Active));
    let (one, _) = WALKS.split_once("  - name: silence").unwrap();
    // Removing the tests alone is no edit of the policy. The next edit of the policy waits, even if the daemon was
    // restarted in between.
    for restart in [false, true] {
        fs::write(&tests, one).unwrap();
        assert_eq!(tree.stands("proofing").await.0, Some(PolicyState::Active), "the same revision");
        if restart {
            tree.inside.stop().await;
            tree.inside.start().await;
        }
        edit(&tree.file(), "title: Proof", "title: A proof");
        let (state, _, why) = tree.stands("proofing").await;
        let said = why.iter().any(|why| why == "tests 1 fewer branches, such as proof no_response");
        assert!(state == Some(PolicyState::NeedsRelease) && said, "{restart}: {state:?} {why:?}");
        fs::write(&tests, WALKS).unwrap();
        assert_eq!(tree.stands("proofing").await.0, Some(PolicyState::Active), "with its tests");
        edit(&tree.file(), "title: A proof", "title: Proof");
        assert_eq!(tree.stands("proofing").await.0, Some(PolicyState::Active), "put back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reverting_to_the_active_revision_activates_at_once() {
    let made = tempfile::tempdir().unwrap();
    copy_tree(Path::new("policies"), made.path());
    fs::remove_file(made.path().join("partner-role/tests.yaml")).unwrap();
    let tree = Tree::of(made.path()).await;
    let (folder, file) = ("partner-role", tree.dir.join("partner-role/policy.yaml"));
    let (_, first, _) = tree.stands(folder).await;
    let clause =
        ("  - settings.role !in user.roles\n", "  - settings.role !in user.roles\n  - user.email != ()\n");
    let active = Some(PolicyState::Active);
    // Adding a clause takes effect at once; removing one would wait, unless that revision was active before.
    edit(&file, clause.0, clause.1);
    assert_eq!(tree.stands(folder).await.0, active);
    edit(&file, clause.1, clause.0);
    let (state, running, why) = tree.stands(folder).await;
    assert_eq!((state, &running), (active, &first), "{why:?}");
    // A release that is undone.
    let role = ("  role: Partner\n", "  role: Guest\n");
    edit(&file, role.0, role.1);
    assert_eq!(tree.stands(folder).await.0, Some(PolicyState::NeedsRelease));
    tree.release(folder).await;
    let (state, guest, _) = tree.stands(folder).await;
    assert_eq!(state, active);
    edit(&file, role.1, role.0);
    let (state, running, why) = tree.stands(folder).await;
    assert_eq!((state, &running), (active, &first), "{why:?}");
    // A revision that was set aside is no way back.
    edit(&file, role.0, role.1);
    let (state, _, why) = tree.stands(folder).await;
    assert_eq!(state, Some(PolicyState::NeedsRelease), "{why:?}");
    tree.release(folder).await;
    assert_eq!(tree.stands(folder).await.1, guest);
    // After a week it is treated as any other edit.
    tree.inside.clock.advance(TimeDelta::days(8));
    edit(&file, role.1, role.0);
    assert_eq!(tree.stands(folder).await.0, Some(PolicyState::NeedsRelease));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protective_policy_runs_until_its_removal_is_released() {
    let mut tree = Tree::of(Path::new("policies")).await;
    let (_, risk, _) = tree.stands("login-risk").await;
    let waits = Some(PolicyState::NeedsRelease);
    fs::remove_dir_all(tree.dir.join("partner-role")).unwrap();
    fs::remove_dir_all(tree.dir.join("login-risk")).unwrap();
    assert_eq!(tree.stands("partner-role").await, (None, None, vec![]), "it protects nobody");
    for _ in 0..2 {
        let (state, running, why) = tree.stands("login-risk").await;
        assert_eq!((state, &running), (waits, &risk), "{why:?}");
        assert!(why.iter().any(|why| why.contains("stops protecting")), "{why:?}");
        tree.inside.stop().await;
        tree.inside.start().await;
    }
    // A less harmful policy in the same place does not end it; a released one does.
    let weaker = tree.dir.join("sign-in-risk");
    copy_tree(Path::new("policies/login-risk"), &weaker);
    fs::remove_file(weaker.join("tests.yaml")).unwrap();
    edit(&weaker.join("policy.yaml"), "policy: login-risk", "policy: sign-in-risk");
    edit(&weaker.join("policy.yaml"), "people: 2 ", "people: 1 ");
    let (state, running, why) = tree.stands("sign-in-risk").await;
    assert_eq!((state, running), (waits, None), "{why:?}");
    let replaced = "replaces login-risk and weakens the decision at analyst: people 2 -> 1";
    assert!(why.iter().any(|why| why == replaced), "{why:?}");
    assert_eq!(tree.stands("login-risk").await.1, risk);
    tree.release("sign-in-risk").await;
    assert_eq!(tree.stands("sign-in-risk").await.0, Some(PolicyState::Active));
    assert_eq!(tree.stands("login-risk").await, (None, None, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn small_edits_accumulate_until_a_release() {
    let mut tree = Tree::of(Path::new("policies")).await;
    let file = tree.dir.join("login-risk/policy.yaml");
    let (active, waits) = (Some(PolicyState::Active), Some(PolicyState::NeedsRelease));
    let (_, first, _) = tree.stands("login-risk").await;
    edit(&file, "at_most: 25\n", "at_most: 13\n");
    let (state, running, why) = tree.stands("login-risk").await;
    assert!(state == active && running != first, "{why:?}");
    // Half of the limit and half of that again is a quarter, however long ago the first edit was.
    tree.inside.clock.advance(TimeDelta::days(30));
    tree.inside.stop().await;
    tree.inside.start().await;
    edit(&file, "at_most: 13\n", "at_most: 7\n");
    let (state, _, why) = tree.stands("login-risk").await;
    let said = format!(
        "together with the edits since revision {} protects less: limits suspend: ",
        first.as_ref().map(|first| first.short().to_owned()).unwrap_or_default()
    );
    assert!(state == waits && why.iter().any(|why| why.starts_with(&said)), "{state:?} {why:?}");
    tree.release("login-risk").await;
    assert_eq!(tree.stands("login-risk").await.0, active);
    // The next edits are compared with the released revision.
    edit(&file, "at_most: 7\n", "at_most: 5\n");
    let (state, _, why) = tree.stands("login-risk").await;
    assert_eq!(state, active, "{why:?}");
    edit(&file, "at_most: 5\n", "at_most: 3\n");
    assert_eq!(tree.stands("login-risk").await.0, waits);
}
