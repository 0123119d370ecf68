//! The same policy, events and answers give the same journal in `proofd test` and in the daemon. Every test of
//! the shipped policies is played twice, in the made-up world and through the daemon's own engine, store and
//! loops; then the journals are compared byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what went wrong by failing"
)]

mod daemon;
mod others;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use daemon::Daemon;
use proofd::case::Entry;
use proofd::engine::tree;
use proofd::model::CaseId;
use proofd::policy::tests::{Test, Tests};
use proofd::policy::{self, Known, Policy};
use proofd::trial::{self, Played, What, World};

/// Tests in which the daemon is told what it would not find out by itself, and why. Nothing else is.
const TOLD: &[(&str, &str, &str)] = &[(
    "registration-proofing",
    "a provider outage stops the clock",
    "the daemon learns of an outage from calls that fail, and in this test nobody calls; the made-up world knows \
     at once. So its store has the outage's beginning; its end the daemon finds by itself",
)];

/// A tree with one policy and what it shares with the others, without tests: as a test has it.
fn alone(name: &str, to: &Path) {
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

fn shipped_tests() -> Vec<Tests> {
    let (files, _) = tree::read(Path::new("policies")).unwrap().unwrap();
    policy::load(&files, &Known::default()).tests
}

fn load(name: &str, policies: &Path) -> Arc<Policy> {
    let (files, _) = tree::read(policies).unwrap().unwrap();
    Arc::clone(&policy::load(&files, &Known::default()).set.policies[name])
}

/// The journals of the made-up world.
fn journals(world: &World) -> BTreeMap<CaseId, Vec<Entry>> {
    let mut journals: BTreeMap<CaseId, Vec<Entry>> = BTreeMap::new();
    for happened in &world.story {
        if let (Some(case), What::Entry(entry)) = (&happened.case, &happened.what) {
            journals.entry(case.clone()).or_default().push(entry.clone());
        }
    }
    journals
}

fn written(entries: Option<&Vec<Entry>>) -> Vec<String> {
    entries.into_iter().flatten().map(|entry| serde_json::to_string(entry).unwrap()).collect()
}

/// Where two sets of journals differ, with what comes before and after.
fn difference(world: &BTreeMap<CaseId, Vec<Entry>>, daemon: &BTreeMap<CaseId, Vec<Entry>>) -> Option<String> {
    let mut told = String::new();
    for case in world.keys().chain(daemon.keys().filter(|case| !world.contains_key(case))) {
        let (world, daemon) = (written(world.get(case)), written(daemon.get(case)));
        if world == daemon {
            continue;
        }
        let at = world.iter().zip(&daemon).take_while(|(one, other)| one == other).count();
        writeln!(told, "{case}").unwrap();
        let some = |entries: &[String]| -> String {
            let entries = entries.iter().skip(at.saturating_sub(2)).take(7);
            entries.map(|entry| format!("    {entry}\n")).collect()
        };
        write!(told, "  world\n{}  daemon\n{}", some(&world), some(&daemon)).unwrap();
    }
    Some(told).filter(|told| !told.is_empty())
}

/// Plays one test twice; the difference, if there is one.
fn compare(policy: &str, test: &Test, told: bool) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    alone(policy, &dir.path().join("policies"));
    let loaded = load(policy, &dir.path().join("policies"));
    let Played { world, cues, failure } = trial::played(&loaded, test);
    assert_eq!(failure, None, "{policy}: {}", test.name);
    // One thread: what is ready at the same time is done in the order in which it became so.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let daemon = runtime.block_on(async {
        let mut daemon = Daemon::start(dir.path(), test.clock, told).await;
        for cue in &cues {
            daemon.take(cue).await;
        }
        let journals = daemon.journals();
        daemon.stop().await;
        journals
    });
    difference(&journals(&world), &daemon)
}

#[test]
fn every_shipped_test_has_the_same_journal_in_the_daemon() {
    let tests = shipped_tests();
    let all: Vec<(&str, &Test)> =
        tests.iter().flat_map(|of| of.tests.iter().map(|test| (of.policy.as_str(), test))).collect();
    assert!(all.len() >= 49, "{}", all.len());
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut wrong = String::new();
    for (policy, test) in all {
        let name = format!("{policy}: {}", test.name);
        if !name.contains(&only) {
            continue;
        }
        let told = TOLD.iter().find(|(of, test_of, _)| *of == policy && *test_of == test.name);
        if let Some((_, _, why)) = told {
            println!("told: {name}: {why}");
        }
        if let Some(difference) = compare(policy, test, told.is_some()) {
            writeln!(wrong, "{name}\n{difference}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
