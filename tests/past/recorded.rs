//! Journals written by earlier versions of the program, in `tests/data/journals/VERSION`. Each opens, verifies and
//! continues: the journal holds the first part of a story, and the current program runs the rest.
//!
//! To record the stories with the current program: `PROOFD_RECORD=VERSION cargo test --test past record`.
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proofd::case::Case;
use proofd::engine::replay;
use proofd::model::{CaseId, Timestamp};
use proofd::policy::Policy;
use proofd::policy::tests::Test;
use proofd::store::{self, CaseFilter, Options, Store};
use proofd::trial::{self, Played};

use crate::same_journal::daemon::{Daemon, settings};
use crate::same_journal::{alone, load, tests_of};
use crate::world::copy_tree;

const JOURNALS: &str = "tests/data/journals";

/// The kept files of a store. Its state is rebuilt from the journal.
const KEPT: [&str; 3] = ["journal", "mark", "secret"];

/// A policy, one of its tests, and the number of the test's lines that the journal holds.
const STORIES: &[(&str, &str, usize)] = &[
    ("registration-proofing", "a good proof lets the person in", 1),
    ("registration-proofing", "our own people are not asked", usize::MAX),
    ("registration-proofing", "silence leads to reminders, then expiry, then deletion", usize::MAX),
    ("registration-proofing", "fraud is never deleted without a grace period, and the person can object", 5),
    ("registration-proofing", "a good proof lets the person in", usize::MAX),
    ("registration-proofing", "nobody can be invited at all", 3),
    ("login-risk", "another face is for two analysts", 5),
    ("login-risk", "what was left suspended is lifted", 3),
    ("quarterly-reverification", "silence suspends the account, and the way back stays open for a month", 3),
    ("applicant-to-hr", "forged papers are told to the fraud team, and people decide", 2),
    ("partner-with-sponsor", "forged papers end it, with a month to object", 3),
];

/// A policy test with its result, and the stimuli of the part that the journal holds.
struct Story {
    policy: Arc<Policy>,
    test: Test,
    whole: Played,
    recorded: usize,
}

impl Story {
    fn play(policy: Arc<Policy>, test: Test, lines: usize) -> Self {
        let lines = lines.min(test.play.len());
        let part = Test { play: test.play[..lines].to_vec(), ..test.clone() };
        let recorded = trial::played(&policy, &part).stimuli.len();
        let whole = trial::played(&policy, &test);
        assert_eq!(whole.failure, None, "{}: {}", policy.name, test.name);
        assert!(0 < recorded && recorded <= whole.stimuli.len());
        Self { policy, test, whole, recorded }
    }

    /// The final states of the cases.
    fn end(&self) -> Standing {
        self.whole.world.opened().iter().map(|id| standing(self.whole.world.case(id).unwrap())).collect()
    }
}

/// The states of cases, in words that do not change between versions.
type Standing = BTreeMap<CaseId, (String, Option<String>, Vec<&'static str>)>;

fn standing(case: &Case) -> (CaseId, (String, Option<String>, Vec<&'static str>)) {
    let settled = case.settled.iter().map(|kind| kind.word()).collect();
    (case.id.clone(), (case.state_word().to_owned(), case.result.clone(), settled))
}

fn cases(store: &Store) -> Vec<Case> {
    store.cases(&CaseFilter::default(), None, 1_000).unwrap().0
}

/// A runtime with one thread: tasks run in the order in which they became ready.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn options() -> Options {
    Options { reserve_bytes: 64 << 10, ..Options::default() }
}

/// Copies the kept files of a store.
fn keep(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in KEPT {
        match from.join(name).is_dir() {
            true => copy_tree(&from.join(name), &to.join(name)),
            false => drop(fs::copy(from.join(name), to.join(name)).unwrap()),
        }
    }
}

/// The directories of every recorded journal.
fn recorded() -> Vec<PathBuf> {
    let within = |dir: &Path| -> Vec<PathBuf> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
    };
    let mut all: Vec<PathBuf> = within(Path::new(JOURNALS)).iter().flat_map(|dir| within(dir)).collect();
    all.sort();
    all
}

/// Opens and verifies a copy of a recorded journal.
fn opened(journal: &Path, store: &Path) -> Store {
    let _ = fs::remove_dir_all(store);
    keep(journal, store);
    let open = || Store::open_with(store, Timestamp::UNIX_EPOCH, options()).unwrap();
    drop(open());
    let (report, again) = replay::verify(store, &settings(store)).unwrap();
    let name = journal.display();
    assert_eq!((report.lost, report.different), (None, 0), "{name}: {:?}", report.differences);
    assert_eq!(report.applied, report.records, "{name}");
    assert_eq!(again.different, 0, "{name}: {:?}", again.differences);
    open().0
}

/// The active policy of a store, from the files in the journal, and the test beside the journal.
fn story(journal: &Path, store: &Store, policies: &Path) -> Story {
    let active = store.active().unwrap();
    let (name, revision) = active.first_key_value().unwrap();
    for (path, bytes) in store.revision(revision).unwrap().unwrap().0 {
        let path = policies.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let tests = policies.join(name).join("tests.yaml");
    fs::copy(journal.join("story.yaml"), &tests).unwrap();
    let test = tests_of(policies).remove(0).tests[0].clone();
    fs::remove_file(tests).unwrap();
    let lines = fs::read_to_string(journal.join("lines")).unwrap().trim().parse().unwrap();
    Story::play(load(name, policies), test, lines)
}

#[test]
fn every_recorded_journal_opens_verifies_and_continues() {
    let mut gone_on = 0;
    for journal in recorded() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        let store = opened(&journal, &kept);
        let before = cases(&store);
        let name = journal.display();
        for case in &before {
            assert_eq!(store.case(&case.id).unwrap().as_ref(), Some(case), "{name}");
            let entries = store.entries(&case.id, 0, 10_000).unwrap();
            assert_eq!(entries.last().map(|entry| entry.number + 1), Some(case.next_entry), "{name}");
        }
        if !journal.join("story.yaml").exists() {
            continue;
        }
        let story = story(&journal, &store, &dir.path().join("policies"));
        drop(store);
        let end = runtime().block_on(async {
            let mut daemon = Daemon::start(dir.path(), story.test.clock, false).await;
            let (recorded, rest) = story.whole.stimuli.split_at(story.recorded);
            for stimulus in recorded {
                daemon.take(stimulus).await;
            }
            daemon.go_on_with(&kept).await;
            for stimulus in rest {
                daemon.take(stimulus).await;
            }
            let end: Standing = cases(daemon.engine().store()).iter().map(standing).collect();
            daemon.stop().await;
            end
        });
        assert_eq!(end, story.end(), "{name}");
        gone_on += usize::from(before.iter().map(standing).collect::<Standing>() != end);
    }
    assert!(gone_on >= 7, "{gone_on} journals held a case that went on");
}

/// The text of one test, as a tests file of its own.
fn alone_in_a_file(tests: &str, name: &str) -> String {
    let (head, rest) = tests.split_once("\n  - name: ").unwrap();
    let test = rest.split("\n  - name: ").find(|test| test.lines().next() == Some(name)).unwrap();
    let head: Vec<&str> = head.lines().filter(|line| !line.starts_with('#')).collect();
    format!("{}\n  - name: {}\n", head.join("\n"), test.trim_end())
}

#[test]
fn record() {
    let Ok(version) = std::env::var("PROOFD_RECORD") else { return };
    for (number, (name, of, lines)) in STORIES.iter().enumerate() {
        let places = [
            PathBuf::from("policies").join(name).join("tests.yaml"),
            PathBuf::from("tests/past/same_journal/more").join(format!("{name}.yaml")),
        ];
        let texts = places.iter().filter_map(|path| fs::read_to_string(path).ok());
        let text = texts.into_iter().find(|text| text.contains(&format!("- name: {of}\n"))).expect(of);
        let to = Path::new(JOURNALS).join(&version).join(format!("{number:02}-{name}"));
        let dir = tempfile::tempdir().unwrap();
        let policies = dir.path().join("policies");
        alone(name, &policies);
        fs::create_dir_all(&to).unwrap();
        fs::write(to.join("story.yaml"), alone_in_a_file(&text, of)).unwrap();
        fs::write(to.join("lines"), format!("{lines}\n")).unwrap();
        let tests = policies.join(name).join("tests.yaml");
        fs::copy(to.join("story.yaml"), &tests).unwrap();
        let test = tests_of(&policies).remove(0).tests[0].clone();
        fs::remove_file(tests).unwrap();
        let story = Story::play(load(name, &policies), test, *lines);
        runtime().block_on(async {
            let mut daemon = Daemon::start(dir.path(), story.test.clock, false).await;
            for stimulus in &story.whole.stimuli[..story.recorded] {
                daemon.take(stimulus).await;
            }
            let cases = cases(daemon.engine().store());
            let words: Vec<_> = cases.iter().map(|case| (case.state_word(), &case.result)).collect();
            println!("{}: {of}: {words:?} of {}", to.display(), story.policy.name);
            daemon.stop().await;
        });
        keep(&dir.path().join("store"), &to);
    }
    record_everything(version.parse().unwrap());
}

/// Commits the records of the previous version's journal with the current program.
fn record_everything(version: u32) {
    let of = |version: u32| Path::new(JOURNALS).join(version.to_string()).join("everything");
    let dir = tempfile::tempdir().unwrap();
    let (before, now) = (dir.path().join("before"), dir.path().join("now"));
    drop(opened(&of(version - 1), &before));
    let mut commits = Vec::new();
    store::verify_with(&before, &mut |_, commit, _| commits.push(commit.clone())).unwrap();
    runtime().block_on(async {
        let (store, _) = Store::open_with(&now, Timestamp::UNIX_EPOCH, options()).unwrap();
        for commit in commits {
            store.commit(commit).await.unwrap();
        }
        store.close().await.unwrap();
    });
    keep(&now, &of(version));
}
