//! The same policy, events and answers give the same journal in `proofd test`, in the daemon and in the back-test.
//! Every test of the shipped policies runs twice: in the simulated world, and with the daemon's engine, store and
//! loops. The journals and the final states of the cases are compared byte for byte. So is a back-test of the
//! daemon's records. Nothing is omitted, sorted or rounded before.
//!
//! Concurrent calls are answered in the order of their numbers, in both. The order in which calls of different lanes
//! begin at one time is not defined in the daemon; no test here has two of those.
pub mod daemon;
mod others;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use daemon::Daemon;
use proofd::case::{Case, Entry};
use proofd::cli::compose::known_to_all;
use proofd::model::CaseId;
use proofd::policy::tests::{Test, Tests};
use proofd::policy::{self, Policy, Severity};
use proofd::rollout::tree;
use proofd::trial::{self, Played, What, World};

/// Tests in which the daemon receives information that it would not find out itself, with the reason.
const TOLD: &[(&str, &str, &str)] = &[(
    "registration-proofing",
    "a provider outage stops the clock",
    "the daemon learns of an outage from calls that fail, and in this test nobody calls; the made-up world knows \
     at once. So its store has the outage's beginning; its end the daemon finds by itself",
)];

/// A tree with one policy and its shared files, without tests.
pub fn alone(name: &str, to: &Path) {
    let shipped = Path::new("policies");
    for file in ["people.yaml", "verifications.yaml"] {
        fs::create_dir_all(to).unwrap();
        fs::copy(shipped.join(file), to.join(file)).unwrap();
    }
    for folder in [name, "shared"] {
        copy(&shipped.join(folder), &to.join(folder));
    }
    fs::remove_file(to.join(name).join("tests.yaml")).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

pub fn tests_of(policies: &Path) -> Vec<Arc<Tests>> {
    let (files, _) = tree::read(policies).unwrap().unwrap();
    let loaded = policy::load(&files, &known_to_all());
    let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    assert_eq!(errors.count(), 0, "{}", policy::diagnostic::render(&loaded.diagnostics, &files, false));
    loaded.tests
}

/// The same policies with other tests.
fn more_tests() -> Vec<Arc<Tests>> {
    let dir = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for entry in fs::read_dir("tests/past/same_journal/more").unwrap() {
        let file = entry.unwrap().path();
        let policy = file.file_stem().unwrap().to_str().unwrap();
        let policies = dir.path().join(policy);
        alone(policy, &policies);
        fs::copy(&file, policies.join(policy).join("tests.yaml")).unwrap();
        all.extend(tests_of(&policies));
    }
    all
}

pub fn load(name: &str, policies: &Path) -> Arc<Policy> {
    let (files, _) = tree::read(policies).unwrap().unwrap();
    Arc::clone(&policy::load(&files, &known_to_all()).set.policies[name])
}

/// The stored result of each case, line by line: its journal and its final state.
type Kept = BTreeMap<CaseId, Vec<String>>;

pub fn lines(journal: &[Entry], case: &Case) -> Vec<String> {
    let entries = journal.iter().map(|entry| serde_json::to_string(entry).unwrap());
    entries.chain([serde_json::to_string(case).unwrap()]).collect()
}

fn kept(world: &World) -> Kept {
    let mut journals: BTreeMap<CaseId, Vec<Entry>> = BTreeMap::new();
    for happened in &world.story {
        if let (Some(case), What::Entry(entry)) = (&happened.case, &happened.what) {
            journals.entry(case.clone()).or_default().push(entry.clone());
        }
    }
    assert_eq!(journals.len(), world.opened().len());
    journals
        .into_iter()
        .map(|(id, journal)| (id.clone(), lines(&journal, world.case(&id).unwrap())))
        .collect()
}

/// The differences of two worlds, with the lines before and after.
fn difference(world: &Kept, daemon: &Kept) -> String {
    let mut told = String::new();
    for case in world.keys().chain(daemon.keys().filter(|case| !world.contains_key(case))) {
        let nothing = Vec::new();
        let (world, daemon) = (world.get(case).unwrap_or(&nothing), daemon.get(case).unwrap_or(&nothing));
        if world == daemon {
            continue;
        }
        let at = world.iter().zip(daemon).take_while(|(one, other)| one == other).count();
        let some = |lines: &[String]| -> String {
            lines.iter().skip(at.saturating_sub(2)).take(7).map(|line| format!("    {line}\n")).collect()
        };
        write!(told, "{case}\n  world\n{}  daemon\n{}", some(world), some(daemon)).unwrap();
    }
    told
}

/// Runs one test in both worlds.
fn play(policy: &str, test: &Test, told: bool) -> (Kept, Kept) {
    let dir = tempfile::tempdir().unwrap();
    alone(policy, &dir.path().join("policies"));
    let loaded = load(policy, &dir.path().join("policies"));
    let Played { world, stimuli, failure } = trial::played(&loaded, test);
    assert_eq!(failure, None, "{policy}: {}", test.name);
    // One thread: tasks run in the order in which they became ready.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let daemon = runtime.block_on(async {
        let mut daemon = Daemon::start(dir.path(), test.clock, told).await;
        for stimulus in &stimuli {
            daemon.take(stimulus).await;
        }
        let kept = daemon.kept();
        crate::world::past::reproduces_the_record(daemon.engine());
        daemon.stop().await;
        kept
    });
    (kept(&world), daemon)
}

/// Runs tests in both worlds; returns the numbers of equal tests, cases and lines.
fn compare(tests: &[Arc<Tests>]) -> (usize, usize, usize) {
    let all = tests.iter().flat_map(|of| of.tests.iter().map(|test| (of.policy.as_str(), test)));
    let (mut played, mut cases, mut lines) = (0, 0, 0);
    let mut wrong = String::new();
    for (policy, test) in all {
        let told = TOLD.iter().find(|(of, name, _)| *of == policy && *name == test.name);
        if let Some((_, _, why)) = told {
            println!("{policy}: {}: {why}", test.name);
        }
        let (world, daemon) = play(policy, test, told.is_some());
        played += 1;
        cases += world.len();
        lines += world.values().map(Vec::len).sum::<usize>();
        if world != daemon {
            writeln!(wrong, "{policy}: {}\n{}", test.name, difference(&world, &daemon)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    println!("{played} tests, {cases} cases, {lines} lines: the same");
    (played, cases, lines)
}

#[test]
fn shipped_tests_give_the_same_journal_in_the_daemon() {
    let (played, cases, lines) = compare(&tests_of(Path::new("policies")));
    assert!(played >= 49 && cases >= 35 && lines >= 1_000, "{played} tests, {cases} cases, {lines} lines");
}

#[test]
fn outages_orders_and_late_answers_give_the_same_journal() {
    let (played, cases, lines) = compare(&more_tests());
    assert!(played >= 20 && cases >= 20 && lines >= 1_000, "{played} tests, {cases} cases, {lines} lines");
}
