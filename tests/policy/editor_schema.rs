//! The schemas for editors: every key has a description, every verb has its outcomes, the shipped files are valid, and
//! the documentation names existing schemas.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

const ALL: [&str; 6] = ["policy", "blocks", "tests", "verifications", "people", "config"];

fn proofd(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_proofd")).args(arguments).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

fn schema(which: &str) -> Value {
    let (good, text) = proofd(&["schema", which]);
    assert!(good, "{which}");
    serde_json::from_str(&text).unwrap()
}

/// Resolves a reference within a schema.
fn resolved<'a>(whole: &'a Value, part: &'a Value) -> &'a Value {
    match part["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
        Some(path) => whole.pointer(path).unwrap_or_else(|| panic!("{path} is nowhere")),
        None => part,
    }
}

/// Paths of keys without a text that an editor can show.
fn undescribed(value: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(properties) = value["properties"].as_object() {
        for (name, property) in properties {
            // Words that join clauses need no text.
            let plain = ["any", "all", "none"].contains(&name.as_str());
            let texts = ["description", "markdownDescription"];
            let told = texts.iter().all(|text| property[*text].as_str().is_some_and(|text| text.len() > 5));
            if !told && !plain {
                found.push(format!("{path}.{name}"));
            }
        }
    }
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| undescribed(field, &format!("{path}/{name}"), found));
        }
        Value::Array(items) => items.iter().for_each(|item| undescribed(item, path, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_schema_key_has_a_description() {
    for which in ALL {
        let mut found = Vec::new();
        undescribed(&schema(which), which, &mut found);
        assert!(found.is_empty(), "without a text: {found:#?}");
    }
}

/// The keys offered at a place. The path has the keys from the top, with `*` for an item or any name.
fn offered(which: &str, path: &str) -> BTreeSet<String> {
    let whole = schema(which);
    let mut at = &whole;
    for word in path.split_whitespace() {
        at = resolved(&whole, at);
        // An optional value is a choice with null.
        if let Some(choice) = at["anyOf"].as_array() {
            at = choice.iter().find(|one| one["type"] != "null").unwrap();
            at = resolved(&whole, at);
        }
        at = match word {
            "*" if at["items"].is_object() => &at["items"],
            "*" => &at["additionalProperties"],
            key => at["properties"].get(key).or_else(|| at["$defs"].get(key)).unwrap_or(&Value::Null),
        };
        assert!(at.is_object(), "{which}: {path}: nothing at {word}");
    }
    at = resolved(&whole, at);
    if let Some(choice) = at["anyOf"].as_array() {
        at = choice.iter().find(|one| one["type"] != "null" || one["enum"].is_array()).unwrap();
        at = resolved(&whole, at);
    }
    let words = at["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let keys = at["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let consts = at["oneOf"].as_array().into_iter().flatten().filter_map(|one| one["const"].as_str());
    words.chain(keys).chain(consts.map(str::to_owned)).collect()
}

#[test]
fn the_schema_offers_the_expected_words() {
    for (which, path, words) in [
        ("policy", "", "policy title owner mode subject when if limits keep settings steps blocks"),
        ("policy", "mode", "enforce shadow disabled"),
        ("policy", "when *", "event sweep manual"),
        ("policy", "when * event", "registration.created login.risk user.role_granted"),
        ("policy", "when * sweep", "over where due run at timezone"),
        (
            "policy",
            "steps *",
            "verify review wait run act approve delete suspend notify close grace outcomes",
        ),
        ("policy", "blocks * *", "verify close"),
        ("blocks", "blocks * *", "verify close"),
        ("policy", "step-verify verify", "workflow answer_within invite remind compare reuse_within"),
        ("policy", "step-verify outcomes", "passed warning rejected no_response unavailable"),
        ("policy", "step-review outcomes", "overdue"),
        ("policy", "step-wait outcomes", "happened timed_out"),
        ("policy", "step-call outcomes", "ok failed"),
        ("policy", "step-delete", "delete grace because id if"),
        ("policy", "limits *", "action at_most per when_exceeded"),
        ("tests", "tests *", "name clock given play"),
        ("tests", "tests * given user", "status department service_account"),
        ("tests", "tests * given registration", "profile email_domain"),
        ("tests", "tests * play *", "send with start advance expect answer"),
        ("tests", "tests * play * with", "score new_device role"),
        ("tests", "tests * play * expect", "closed sent did destroyed"),
        ("verifications", "verifications *", "provider workflow method require fallback"),
        ("verifications", "verifications * method", "full authentication existing_id"),
        ("people", "", "teams queues calendars"),
        ("people", "calendars *", "timezone workdays hours"),
        ("config", "", "listen public_url policies store connectors access"),
        ("config", "connectors", "onelogin jumio smtp scim http events"),
        ("config", "connectors onelogin", "url client_id client_secret webhook attributes"),
        ("config", "access tokens *", "name role roles token"),
    ] {
        let offered = offered(which, path);
        let missing: Vec<_> = words.split_whitespace().filter(|word| !offered.contains(*word)).collect();
        assert!(missing.is_empty(), "{which} at `{path}` does not offer {missing:?}, only {offered:?}");
    }
}

/// Every verb in a policy's step has a schema, and a branching one includes its outcomes.
#[test]
fn every_verb_has_its_outcomes() {
    let policy = schema("policy");
    let defs = policy["$defs"].as_object().unwrap();
    let verbs: Vec<_> =
        defs.iter().filter_map(|(name, def)| Some((name.strip_prefix("step-")?, def))).collect();
    assert!(verbs.len() > 20);
    for (verb, def) in verbs {
        assert!(defs["step"]["properties"].get(verb).is_some(), "{verb} is not offered");
        let outcomes = &def["properties"]["outcomes"];
        let branches = ["verify", "review", "wait", "run", "call"].contains(&verb);
        assert!(!branches || outcomes.is_object(), "{verb} branches");
        for (name, outcome) in outcomes["properties"].as_object().into_iter().flatten() {
            assert!(outcome["description"].is_string(), "{verb}: {name}");
        }
    }
}

/// A combination that the loader refuses is already an error in the editor; similar valid ones are not.
#[test]
fn the_schema_enforces_required_combinations() {
    let validator = jsonschema::validator_for(&schema("policy")).unwrap();
    let verify = |within: &str| {
        let end = "[{close: a}]";
        format!(
            "{{id: p, verify: {{workflow: w, answer_within: {within}}}, outcomes: {{passed: {end}, warning: {end}, \
             rejected: {end}, no_response: {end}, unavailable: {end}}}}}"
        )
    };
    for (limit, step, good) in [
        ("at_most: 5", "delete: user, grace: 7d".to_owned(), true),
        ("at_most: 5", "delete: user".to_owned(), false),
        ("at_most: 5", "delete: user, grace: 0".to_owned(), false),
        ("at_most: 5", "delete: user, grace: 0d".to_owned(), false),
        ("at_most: 5", "delete: user, grace: 0, because: why".to_owned(), true),
        ("at_most: 50%, of: users", "suspend: user".to_owned(), true),
        ("at_most: 50%", "suspend: user".to_owned(), false),
        ("at_most: 5", verify("14d"), true),
        ("at_most: 5", verify("0d"), false),
        ("at_most: 5", verify("00h"), false),
    ] {
        let step = if step.starts_with('{') { step } else { format!("{{{step}}}") };
        let text = format!(
            "format: 1\npolicy: a\ntitle: A\nowner: a@example.com\nmode: enforce\nsubject: user\n\
             when: [{{event: user.activated}}]\n\
             limits: [{{action: suspend, {limit}, per: 1d, when_exceeded: ask}}]\n\
             steps: [{step}, {{close: a}}]\n"
        );
        let value: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        let value = serde_json::to_value(value).unwrap();
        let wrong: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(wrong.is_empty(), good, "{text}: {wrong:#?}");
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn shipped_files_match_their_schemas() {
    let schemas: BTreeMap<_, _> =
        ALL.map(|which| (which, jsonschema::validator_for(&schema(which)).unwrap())).into();
    let mut judged = BTreeSet::new();
    for path in files(Path::new("policies")).into_iter().chain([PathBuf::from("examples/proofd.yaml")]) {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let which = if stem == "proofd" { "config" } else { stem };
        let Some(schema) = schemas.get(which).filter(|_| path.extension().is_some_and(|end| end == "yaml"))
        else {
            continue;
        };
        judged.insert(which.to_owned());
        let text = std::fs::read_to_string(&path).unwrap();
        let value: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        let value = serde_json::to_value(value).unwrap();
        let wrong: Vec<_> =
            schema.iter_errors(&value).map(|error| format!("{} {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", path.display());
    }
    assert_eq!(judged, ALL.map(str::to_owned).into());
}

/// The editor settings in the README of the policies.
#[test]
fn editor_settings_cover_every_schema_and_file() {
    let text = std::fs::read_to_string("policies/README.md").unwrap();
    let settings = text.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let settings: Value = serde_json::from_str(settings).unwrap();
    let map = settings["yaml.schemas"].as_object().unwrap();
    let made = text.split("for which in ").nth(1).unwrap().split(';').next().unwrap();
    assert_eq!(made.split(' ').collect::<Vec<_>>(), ALL);
    let named: BTreeSet<_> = map.keys().cloned().collect();
    assert_eq!(named, ALL.map(|which| format!(".schema/{which}.json")).into());
    // Each pattern finds the shipped files of its kind and no other.
    for (schema, pattern) in map {
        let pattern = pattern.as_str().unwrap();
        let Some(of_tree) = pattern.strip_prefix("policies/") else {
            assert_eq!((schema.as_str(), pattern), (".schema/config.json", "proofd.yaml"));
            continue;
        };
        let name = of_tree.rsplit('/').next().unwrap();
        let depth = of_tree.matches('/').count();
        let found: Vec<_> = files(Path::new("policies"))
            .into_iter()
            .filter(|path| path.file_name().is_some_and(|file| file == name))
            .collect();
        assert!(!found.is_empty(), "{pattern}");
        assert!(found.iter().all(|path| path.components().count() == depth + 2), "{pattern}: {found:?}");
    }
    // The path at the top of a policy is relative to the policy.
    let line = text.split("`# yaml-language-server: $schema=").nth(1).unwrap().split('`').next().unwrap();
    assert_eq!(line, "../../.schema/policy.json");
    assert_eq!(json!(map[".schema/policy.json"]), "policies/*/policy.yaml");
}

/// Schemas beside the tree, and a line that names them, are not errors of the tree.
#[test]
fn schema_files_in_a_tree_are_not_errors() {
    let dir = tempfile::tempdir().unwrap();
    let policies = dir.path().join("policies");
    for path in files(Path::new("policies")) {
        std::fs::create_dir_all(dir.path().join(&path).parent().unwrap()).unwrap();
        let mut text = std::fs::read_to_string(&path).unwrap();
        if path.ends_with("policy.yaml") {
            text.insert_str(0, "# yaml-language-server: $schema=../../.schema/policy.json\n");
        }
        std::fs::write(dir.path().join(&path), text).unwrap();
    }
    std::fs::create_dir(policies.join(".schema")).unwrap();
    std::fs::write(policies.join(".schema/policy.json"), "{}").unwrap();
    let (good, said) = proofd(&["check", policies.to_str().unwrap()]);
    assert!(good && said.contains("0 errors, 0 warnings"), "{said}");
}
