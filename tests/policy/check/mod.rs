//! Every diagnosis of the loader, as data: `tests/data/policies/mistakes/<mistake>/edit.txt` changes a valid tree, and
//! `expected.txt` has the diagnoses. `UPDATE_EXPECTED=1` rewrites the latter.
mod codes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proofd::cli::compose::known_to_all;
use proofd::model::{EffectKind, Event, EventType, Fields, Origin, SubjectKind, SubjectRef};
use proofd::policy::diagnostic::render;
use proofd::policy::grammar::json_schema;
use proofd::policy::tree::Verb;
use proofd::policy::{Diagnostic, Files, Known, Loaded, Loader, Severity, Source, load};
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

const GOOD: &str = "registration-proofing";

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/policies")
}

fn tree(name: &str) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, at: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let (root, mut found) = (data().join(name), BTreeMap::new());
    walk(&root, &root, &mut found);
    found
}

fn files(tree: &BTreeMap<String, Vec<u8>>) -> Files {
    tree.iter().map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
}

fn known() -> Known {
    let onelogin = Source {
        provider: "onelogin",
        path: "connectors.onelogin".to_owned(),
        mapped: vec!["verified_at".to_owned()],
    };
    let mapped = ["department", "exempt_until", "service_account", "title", "verified_at"];
    let staff = Source {
        provider: "keycloak",
        path: "connectors.keycloak.staff".to_owned(),
        mapped: mapped.map(str::to_owned).to_vec(),
    };
    Known {
        providers: Some([("jumio".to_owned(), "jumio")].into()),
        endpoints: Some(vec!["paging".to_owned(), "ticketing".to_owned()]),
        systems: None,
        deciders: None,
        scim: Some(vec!["hris".to_owned()]),
        sources: Some([("onelogin".to_owned(), onelogin), ("staff".to_owned(), staff)].into()),
        ..known_to_all()
    }
}

/// Edits a tree: after `in: path`, lines with `+` replace those with `-`; without the latter the file is created.
/// `in: remove: path` removes it.
fn spoil(tree: &mut BTreeMap<String, Vec<u8>>, edits: &str) {
    for edit in format!("\n{edits}").split("\nin: ").skip(1) {
        let (path, lines) = edit.split_once('\n').unwrap_or((edit, ""));
        let side = |mark: char| {
            let lines: Vec<_> = lines.split('\n').filter_map(|line| line.strip_prefix(mark)).collect();
            lines.join("\n")
        };
        if let Some(path) = path.strip_prefix("remove: ") {
            tree.remove(path).unwrap();
        } else if lines.split('\n').any(|line| line.starts_with('-')) {
            let text = String::from_utf8(tree[path].clone()).unwrap();
            assert!(text.contains(&side('-')), "{path} does not hold:\n{}", side('-'));
            tree.insert(path.to_owned(), text.replacen(&side('-'), &side('+'), 1).into_bytes());
        } else {
            tree.insert(path.to_owned(), side('+').into_bytes());
        }
    }
}

fn inside(diagnostic: &Diagnostic, files: &Files) {
    let place = &diagnostic.place;
    let Some(bytes) = files.get(&place.file) else { panic!("{place}: there is no such file") };
    let text = String::from_utf8_lossy(bytes);
    let line = text.split('\n').nth(place.line - 1);
    let line = line.unwrap_or_else(|| panic!("{place}: there is no such line: {}", diagnostic.message));
    assert!((1..=line.chars().count() + 1).contains(&place.column), "{place}: outside of the line");
    assert!(place.length >= 1);
}

fn check(mistake: &Path) {
    let mut tree = tree("good");
    let edit = fs::read_to_string(mistake.join("edit.txt")).unwrap();
    spoil(&mut tree, &edit);
    let files = files(&tree);
    let mut loaded = load(&files, &known());
    // The small policies of this test have no tests of their own. `check` reports that, and so does its row.
    if edit.contains("/tests.yaml") {
        let untested = loaded.untested();
        loaded.diagnostics.extend(untested);
    }
    for diagnostic in &loaded.diagnostics {
        inside(diagnostic, &files);
    }
    let mut found = render(&loaded.diagnostics, &files, false);
    let running: Vec<_> = loaded.set.policies.keys().map(String::as_str).collect();
    found.push_str(&format!("runs: {}\n", running.join(", ")));
    let expected = mistake.join("expected.txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&expected, &found).unwrap();
    }
    let expected = fs::read_to_string(&expected).unwrap_or_default();
    assert_eq!(found, expected, "{}", mistake.display());
}

#[test]
fn every_mistake_gives_the_expected_diagnosis() {
    let mut mistakes: Vec<_> =
        fs::read_dir(data().join("mistakes")).unwrap().map(|entry| entry.unwrap().path()).collect();
    mistakes.sort();
    assert!(mistakes.len() > 150);
    mistakes.iter().for_each(|mistake| check(mistake));
}

#[test]
fn a_valid_tree_loads_a_complete_policy() {
    let loaded = load(&files(&tree("good")), &known());
    assert_eq!(loaded.diagnostics, []);
    let policy = &loaded.set.policies[GOOD];
    let paths: Vec<_> = policy.steps.iter().map(|step| step.path.as_str()).collect();
    for path in ["proof", "proof/passed/2", "proof/rejected/sort", "desk_review/desk", "expire/3"] {
        assert!(paths.contains(&path), "{path} in {paths:?}");
    }
    let proof = policy.step(policy.graph.first).unwrap();
    assert_eq!(proof.path, "proof");
    assert_eq!(proof.next, None);
    let outcomes: Vec<_> = proof.outcomes.keys().map(|ending| ending.word()).collect();
    assert_eq!(outcomes, ["no_response", "passed", "rejected", "unavailable", "warning"]);
    for (at, step) in policy.steps.iter().enumerate() {
        assert_eq!(step.index.0 as usize, at);
        let targets = step.outcomes.values().chain(&step.next);
        for target in targets {
            assert!(policy.step(*target).is_some());
        }
        match &step.verb {
            Verb::Do { block, target } => {
                assert!(policy.step(*target).unwrap().path.starts_with(&format!("{block}/")));
            }
            Verb::RetryFrom { step, or_else, .. } => {
                assert_eq!(*step, policy.by_id["proof"]);
                assert!(policy.step(*or_else).is_some());
            }
            _ => {}
        }
    }
    let delete: Vec<_> = policy.limits.iter().filter(|limit| limit.action == EffectKind::Delete).collect();
    assert!(delete.len() == 1 && delete[0].stated);
}

#[test]
fn a_policy_without_a_deletion_limit_gets_the_default() {
    let mut tree = tree("good");
    let edit = "in: registration-proofing/policy.yaml\n-  - action: delete\n+  - action: approve\n";
    spoil(&mut tree, edit);
    let loaded = load(&files(&tree), &known());
    let limits = &loaded.set.policies[GOOD].limits;
    assert!(limits.iter().any(|limit| limit.action == EffectKind::Delete && !limit.stated));
}

#[test]
fn the_whole_language_loads_except_unsupported_channels() {
    let files = files(&tree("later"));
    let loaded = load(&files, &known());
    let mistakes = |found: &&Diagnostic| {
        let channel = found.message.contains("`sms`") || found.message.contains("`chat`");
        found.code != "not-yet" || !channel
    };
    let others: Vec<_> = loaded.diagnostics.iter().filter(mistakes).cloned().collect();
    assert_eq!(others, [], "{}", render(&others, &files, false));
    assert_eq!(loaded.declared.len(), 3);
    let told = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    let told: BTreeSet<_> = told.filter_map(|found| found.policy.clone()).collect();
    let running: BTreeSet<_> = loaded.set.policies.keys().cloned().collect();
    let declared: BTreeSet<_> = loaded.declared.iter().cloned().collect();
    assert_eq!(&declared - &told, running);
}

#[test]
fn the_examples_of_the_language_load() {
    let files = files(&tree("examples"));
    let loaded = load(&files, &known());
    let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    let others: Vec<_> = errors.filter(|found| found.code != "not-yet").cloned().collect();
    assert_eq!(others, [], "{}", render(&others, &files, false));
    assert_eq!(loaded.declared.len(), 4);
    // One of them sends a text message, which is not supported; a diagnosis reports that.
    let running: Vec<_> = loaded.set.policies.keys().map(String::as_str).collect();
    assert_eq!(running, ["privileged-role-step-up", "quarterly-reverification", GOOD]);
    let told = |found: &Diagnostic| found.policy.as_deref() == Some("login-risk-check");
    assert!(loaded.diagnostics.iter().any(told));
}

#[test]
fn the_files_of_a_revision_reproduce_the_policy() {
    let mut tree = tree("good");
    tree.insert("shared/templates/unused/en.md".to_owned(), b"---\nsubject: x\n---\nx".to_vec());
    let first = load(&files(&tree), &known());
    let policy = &first.set.policies[GOOD];
    assert!(policy.files.get("shared/templates/unused/en.md").is_none());
    assert!(policy.files.get("registration-proofing/tests.yaml").is_none());
    assert!(policy.files.get("shared/templates/proof-invite/de.md").is_some());
    assert!(policy.files.get("shared/words.rhai").is_some());
    let again = load(&policy.files, &known_to_all());
    let copy = &again.set.policies[GOOD];
    assert_eq!(copy.revision, policy.revision);
    assert_eq!(copy.files, policy.files);
    let shape = |policy: &proofd::policy::Policy| -> Vec<_> {
        policy.steps.iter().map(|s| (s.path.clone(), s.outcomes.clone(), s.next)).collect()
    };
    assert_eq!(shape(copy), shape(policy));
    tree.insert("shared/templates/proof-invite/en.md".to_owned(), b"---\nsubject: x\n---\nx".to_vec());
    let edited = load(&files(&tree), &known());
    assert_ne!(edited.set.policies[GOOD].revision, policy.revision);
}

#[test]
fn events_select_their_policies() {
    let set = load(&files(&tree("good")), &known()).set;
    let event = |kind: &str, subject| Event {
        key: "k".to_owned(),
        near: Vec::new(),
        leaves: Vec::new(),
        kind: EventType::new(kind),
        also: Vec::new(),
        source: "test".to_owned(),
        time: chrono::DateTime::UNIX_EPOCH,
        subject: SubjectRef { source: String::new(), kind: subject, id: "1".to_owned() },
        actor: None,
        actor_id: None,
        by_subject: false,
        origin: Origin::Unknown,
        ip: None,
        fields: Fields::new(),
    };
    let created = event("registration.created", SubjectKind::Registration);
    assert_eq!(set.matching(&created).len(), 1);
    assert_eq!(set.matching(&event("registration.created", SubjectKind::User)).len(), 0);
    assert_eq!(set.cancelled_by(&created).len(), 0);
    assert_eq!(set.cancelled_by(&event("registration.deleted", SubjectKind::Registration)).len(), 1);
    let mut other = event("onelogin.533", SubjectKind::Registration);
    other.also.push(EventType::new("registration.created"));
    assert_eq!(set.matching(&other).len(), 1);
}

/// A file as an independent parser reads it.
fn json(bytes: &[u8]) -> serde_json::Value {
    let value: serde_yaml::Value = serde_yaml::from_slice(bytes).unwrap();
    serde_json::to_value(value).unwrap()
}

#[test]
fn the_published_schemas_accept_what_the_loader_accepts() {
    let schemas = ["policy", "blocks", "verifications", "people"].map(|which| {
        (which, jsonschema::validator_for(&json_schema(which, &known_to_all().vocabulary)).unwrap())
    });
    let schemas = BTreeMap::from(schemas);
    for tree in [tree("good"), tree("later"), tree("examples")] {
        for (path, bytes) in &tree {
            let which = path.rsplit('/').next().unwrap().trim_end_matches(".yaml");
            let Some(schema) = schemas.get(which) else { continue };
            let mut value = json(bytes);
            let wrong: Vec<_> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{path}: {wrong:?}");
            value.as_object_mut().unwrap().insert("colour".to_owned(), "red".into());
            assert!(!schema.is_valid(&value), "{path}: an unknown key is accepted");
        }
    }
}

/// What an editor underlines, and the texts that it shows.
#[test]
fn the_published_schema_contains_verbs_outcomes_and_texts() {
    let schema = json_schema("policy", &known_to_all().vocabulary);
    let valid = jsonschema::validator_for(&schema).unwrap();
    let policy = |step: &str| {
        json(
            format!(
                "format: 1\npolicy: p\ntitle: t\nowner: a@b\nmode: enforce\nsubject: user\n\
                 when: [{{manual: true}}]\nsteps:\n  - {step}\n"
            )
            .as_bytes(),
        )
    };
    for (step, good) in [
        ("{suspend: user, end_sessions: true}", true),
        ("{end_sessions: user}", true),
        ("{approve: registration, close: done}", false),
        ("{id: nothing}", false),
        ("{suspend: user, grace: 7d}", false),
        ("{wait: {until: x}}", true),
        ("{wait: {for: user.activated, answer_within: 1d}, outcomes: {happened: [{close: a}]}}", false),
        ("{run: 'a::b()', returns: [x], outcomes: {x: [{close: a}]}}", true),
        ("{call: desk, outcomes: {ok: [{close: a}], failed: [{close: b}]}}", true),
        ("{call: desk, outcomes: {ok: [{close: a}]}}", false),
        ("{close: done, outcomes: {ok: [{close: a}]}}", false),
    ] {
        assert_eq!(valid.is_valid(&policy(step)), good, "{step}");
    }
    let defs = &schema["$defs"];
    for word in ["verify", "review", "suspend", "grace", "outcomes", "because"] {
        let text = defs["step"]["properties"][word]["markdownDescription"].as_str();
        assert!(text.is_some_and(|text| !text.is_empty()), "{word}");
    }
    let outcomes = &defs["step-verify"]["properties"]["outcomes"];
    assert_eq!(outcomes["required"].as_array().unwrap().len(), 5);
    assert!(outcomes["properties"]["unavailable"]["description"].is_string());
    // Every key at every depth has a description.
    fn undescribed(value: &serde_json::Value, found: &mut Vec<String>) {
        if let Some(properties) = value["properties"].as_object() {
            let bare = properties.iter().filter(|(_, property)| !property["description"].is_string());
            found.extend(
                bare.map(|(name, _)| name.clone())
                    .filter(|name| !["any", "all", "none"].contains(&name.as_str())),
            );
        }
        match value {
            serde_json::Value::Object(fields) => fields.values().for_each(|field| undescribed(field, found)),
            serde_json::Value::Array(items) => items.iter().for_each(|item| undescribed(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    undescribed(&schema, &mut found);
    assert_eq!(found, [""; 0]);
}

#[test]
fn both_yaml_readers_agree() {
    for tree in [tree("good"), tree("later"), tree("examples")] {
        for (path, bytes) in tree.iter().filter(|(path, _)| path.ends_with(".yaml")) {
            let node = proofd::policy::source::read(path, bytes, &mut Vec::new()).unwrap();
            assert_eq!(node.json(), json(bytes), "{path}");
        }
    }
}

#[test]
fn a_utf_16_file_has_its_own_diagnosis() {
    let mut tree = tree("good");
    tree.insert("registration-proofing/policy.yaml".to_owned(), b"\xff\xfef\0o\0".to_vec());
    let loaded = load(&files(&tree), &known());
    assert!(
        loaded.diagnostics.iter().any(|found| found.code == "encoding" && found.message.contains("UTF-16"))
    );
    assert_eq!(loaded.declared, [GOOD]);
}

/// Asserts that a text does not panic the loader, and that every diagnosis has an existing place.
fn survives(loaded: &Loaded, files: &Files) {
    for diagnostic in &loaded.diagnostics {
        inside(diagnostic, files);
    }
    render(&loaded.diagnostics, files, true);
    let errors = loaded.diagnostics.iter().any(|found| found.severity == Severity::Error);
    let told = errors || loaded.set.policies.len() == loaded.declared.len();
    assert!(told, "a policy is left out and nothing says why");
}

#[test]
fn a_truncated_file_gives_a_diagnosis() {
    for path in
        ["registration-proofing/policy.yaml", "verifications.yaml", "people.yaml", "shared/blocks.yaml"]
    {
        let good = tree("good");
        // Every end of a line, and each seventh place between.
        let bytes = &good[path];
        for length in (0..bytes.len()).filter(|at| at % 7 == 0 || bytes[*at] == b'\n') {
            let mut tree = good.clone();
            tree.get_mut(path).unwrap().truncate(length);
            let files = files(&tree);
            survives(&load(&files, &known()), &files);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_mutated_file_does_not_panic(
        file in 0_usize..4,
        edits in proptest::collection::vec((0_usize..4000, 0_usize..12, "[ \\t\\n:{}\\[\\]\"'&*!|>%@#$a-z0-9_.,ä\\-]{0,8}"), 1..4),
    ) {
        // One loader for all: what it takes over from the tree before must change nothing.
        static LOADER: LazyLock<Loader> = LazyLock::new(|| Loader::new(known()));
        let mut tree = tree("good");
        let path = ["registration-proofing/policy.yaml", "verifications.yaml", "people.yaml", "shared/blocks.yaml"][file];
        let bytes = tree.get_mut(path).unwrap();
        for (at, cut, text) in edits {
            let at = at % bytes.len().max(1);
            let end = (at + cut).min(bytes.len());
            bytes.splice(at.min(end)..end, text.into_bytes());
        }
        let files = files(&tree);
        let (fresh, again) = (load(&files, &known()), LOADER.load(&files));
        survives(&fresh, &files);
        prop_assert_eq!(&fresh.diagnostics, &again.diagnostics);
        prop_assert_eq!(&fresh.declared, &again.declared);
        prop_assert_eq!(&fresh.tests, &again.tests);
        let revisions = |loaded: &Loaded| -> Vec<_> {
            loaded.set.policies.values().map(|policy| (policy.name.clone(), policy.revision.clone())).collect()
        };
        prop_assert_eq!(revisions(&fresh), revisions(&again));
    }
}

#[test]
fn an_invalid_shared_file_blocks_only_policies_that_use_it() {
    let plain = "format: 1\npolicy: plain\ntitle: t\nowner: a@example.com\nmode: shadow\nsubject: user\n\
                 when:\n  - manual: true\nsteps:\n  - close: done\n";
    for (path, text) in [
        ("verifications.yaml", "format: 1\nverifications: {"),
        ("people.yaml", "format: 9\nteams: {}\n"),
        ("shared/blocks.yaml", "- no\n"),
    ] {
        let mut tree = tree("good");
        tree.insert("plain/policy.yaml".to_owned(), plain.as_bytes().to_vec());
        tree.insert(path.to_owned(), text.as_bytes().to_vec());
        let files = files(&tree);
        let loaded = load(&files, &known());
        let running: Vec<_> = loaded.set.policies.keys().collect();
        assert_eq!(running, ["plain"], "{path}: {}", render(&loaded.diagnostics, &files, false));
        assert_eq!(loaded.declared, ["plain", GOOD]);
        let own = loaded.set.policies["plain"].files.clone();
        let again = load(&own, &known_to_all());
        assert_eq!(again.set.policies["plain"].revision, loaded.set.policies["plain"].revision);
    }
}
