//! Policy tests as data: the results of `proofd test` for passing, failing and broken `tests.yaml`. The simulated world
//! stores the same data as the daemon.
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, TimeDelta};
use proofd::case::{Input, Press};
use proofd::cli::compose::known_to_all;
use proofd::model::{
    Document, Event, EventType, Fields, Judgement, Origin, Proof, Subject, SubjectKind, SubjectRef,
};
use proofd::policy;
use proofd::policy::grammar::json_schema;
use proofd::rollout::tree;
use proofd::trial::{self, Terms, World};
use serde_json::json;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn proofd(dir: &Path, arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_proofd")).args(arguments).current_dir(dir).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    format!("{}{}exit code {}\n", text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

fn check(tests: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("policies");
    copy_tree(&data().join("policies/good"), &tree);
    fs::copy(tests, tree.join("registration-proofing/tests.yaml")).unwrap();
    let found = proofd(dir.path(), &["test", "--junit", "results.xml"]);
    let junit = fs::read_to_string(dir.path().join("results.xml")).unwrap();
    let failed = junit.matches("<failure").count() + junit.matches("<error ").count();
    assert_eq!(failed > 0, !found.ends_with("exit code 0\n"), "{junit}");
    let expected = tests.with_extension("txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&expected, &found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(&expected).unwrap_or_default(), "{}", tests.display());
}

#[test]
fn test_reports_match_the_expected_ones() {
    let files = fs::read_dir(data().join("policy_tests")).unwrap().map(|entry| entry.unwrap().path());
    let mut tests: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == "yaml")).collect();
    tests.sort();
    assert!(tests.len() > 10);
    tests.iter().for_each(|tests| check(tests));
}

#[test]
fn every_shipped_policy_passes_its_tests() {
    let (files, _) = tree::read(Path::new("policies")).unwrap().unwrap();
    let loaded = policy::load(&files, &known_to_all());
    let tested = trial::run(&loaded);
    let failed = policy::diagnostic::render(&trial::diagnostics(&tested), &files, false);
    assert!(failed.is_empty(), "{failed}");
    assert_eq!(tested.len(), loaded.declared.len(), "every shipped policy has tests");
    assert!(tested.iter().all(|tested| tested.tests.len() > 1));
    // A second run is equal: only the files determine the result.
    let again = trial::run(&loaded);
    assert_eq!(serde_json::to_string(&tested).unwrap(), serde_json::to_string(&again).unwrap());
}

#[test]
fn the_published_schema_accepts_what_the_loader_accepts() {
    let schema = jsonschema::validator_for(&json_schema("tests", &known_to_all().vocabulary)).unwrap();
    let json = |path: &Path| -> serde_json::Value {
        let value: serde_yaml::Value = serde_yaml::from_slice(&fs::read(path).unwrap()).unwrap();
        serde_json::to_value(value).unwrap()
    };
    let shipped = fs::read_dir("policies").unwrap().map(|entry| entry.unwrap().path().join("tests.yaml"));
    let shipped = shipped.filter(|path| path.exists()).chain([data().join("policy_tests/good.yaml")]);
    for path in shipped {
        let mut value = json(&path);
        let wrong: Vec<_> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
        value.as_object_mut().unwrap().insert("colour".to_owned(), "red".into());
        assert!(!schema.is_valid(&value), "{}: an unknown key is accepted", path.display());
    }
    assert!(!schema.is_valid(&json(&data().join("policy_tests/mistakes.yaml"))));
}

fn recorded(number: usize) -> Event {
    Event {
        key: format!("recorded:{number}"),
        near: Vec::new(),
        leaves: Vec::new(),
        kind: EventType::new("registration.created"),
        also: Vec::new(),
        source: "onelogin".to_owned(),
        time: DateTime::UNIX_EPOCH + TimeDelta::hours(i64::try_from(number).unwrap()),
        subject: SubjectRef {
            source: String::new(),
            kind: SubjectKind::Registration,
            id: number.to_string(),
        },
        actor: None,
        actor_id: None,
        by_subject: false,
        origin: Origin::Unknown,
        ip: None,
        fields: Fields::new(),
    }
}

/// Runs recorded events with their answers at full speed; `EVENTS=100000` sets their number. They are an hour apart to
/// stay below every limit.
#[test]
fn recorded_events_are_replayed_with_their_answers() {
    let count = std::env::var("EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let (files, _) = tree::read(Path::new("policies")).unwrap().unwrap();
    let loaded = policy::load(&files, &known_to_all());
    let policies: Vec<_> = loaded.set.policies.values().cloned().collect();
    let mut world = World::new(policies, DateTime::UNIX_EPOCH, Terms::default());
    for number in 0..count {
        let event = recorded(number);
        world.run_until(event.time).unwrap();
        let person = json!({
            "id": event.subject.id, "user_id": event.subject.id, "email": "ada@partner.test", "first_name": "Ada",
            "last_name": "Byron", "state": "not_reviewed", "profile": "Sign-up", "attributes": {},
            "email_domain": "partner.test",
        });
        let fields = person.as_object().unwrap().clone();
        let person = Subject {
            source: String::new(),
            kind: SubjectKind::Registration,
            id: event.subject.id.clone(),
            fields,
        };
        world.environment.people.insert(event.subject.clone(), person);
        world.send(event).unwrap();
        // Every other person answers at once; the others never do.
        if number % 2 == 0 {
            let id = world.opened().last().unwrap().clone();
            world.apply(&id, Input::Press(Press { link: 1, ..Press::default() })).unwrap().unwrap();
            world.settle().unwrap();
            let execution = world.case(&id).unwrap().session().unwrap().execution.clone();
            let checks = ["usability", "imageChecks", "extraction", "dataChecks", "liveness", "similarity"];
            let proof = Proof {
                decision: Judgement::Passed,
                score: None,
                reasons: Vec::new(),
                checks: checks.map(|check| (check.to_owned(), Judgement::Passed)).into(),
                document: Some(Document {
                    first_name: Some("ADA".to_owned()),
                    last_name: Some("BYRON".to_owned()),
                    ..Document::default()
                }),
                numbers: Vec::new(),
                fingerprints: Vec::new(),
                same_face: Vec::new(),
                completed_at: Some(world.now),
            };
            world.environment.vendor.finds(&execution, proof);
            world.apply(&id, Input::Hint { execution }).unwrap().unwrap();
            world.settle().unwrap();
        }
    }
    world.run_until(world.now + TimeDelta::days(60)).unwrap();
    let results: Vec<_> =
        world.opened().iter().map(|id| world.case(id).unwrap().result.clone().unwrap_or_default()).collect();
    assert_eq!(results.len(), count);
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result, if number % 2 == 0 { "approved" } else { "expired" }, "person {number}");
    }
    // Each journal is complete: numbered from 1 without a gap, as the daemon's.
    let mut numbers: BTreeMap<_, u64> = BTreeMap::new();
    for happened in &world.story {
        if let (Some(case), trial::What::Entry(entry)) = (&happened.case, &happened.what) {
            let last = numbers.entry(case.clone()).or_default();
            assert_eq!(entry.number, *last + 1);
            *last = entry.number;
        }
    }
}
