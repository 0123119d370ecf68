//! The possible effects of policies, as expected files: the sheets of all shipped policies, and the changes by edits.
//! `PROOFD_WRITE=1` writes the actual sheets and diffs for a review.
use proofd::model::{EffectKind, Watched};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use proofd::cli::compose::known_to_all;
use proofd::policy::effects::{diff, effects, reasons};
use proofd::policy::{self, Files, Loaded, Policy};
use proofd::rollout::tree;
use serde::Deserialize;

/// Reads a tree without its tests, which the edits here would fail.
fn read(dir: &str) -> Files {
    let mut files = tree::read(Path::new(dir)).unwrap().unwrap().0;
    files.0.retain(|path, _| !path.ends_with("tests.yaml"));
    files
}

fn load(files: &Files, name: &str) -> Arc<Policy> {
    of(&policy::load(files, &known_to_all()), files, name)
}

fn of(loaded: &Loaded, files: &Files, name: &str) -> Arc<Policy> {
    let text = policy::diagnostic::render(&loaded.diagnostics, files, false);
    loaded.set.policies.get(name).unwrap_or_else(|| panic!("{name} does not load: {text}")).clone()
}

/// Compares a text with the expected one in a file.
fn expect(file: &str, found: &str) {
    let path = Path::new("tests/data/effects").join(file);
    if std::env::var_os("PROOFD_WRITE").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == found, "{} is not what is found:\n{found}", path.display());
}

#[test]
fn effects_of_shipped_policies_match_the_expected_ones() {
    for dir in ["policies", "tests/data/tree"] {
        let files = read(dir);
        let loaded = policy::load(&files, &known_to_all());
        for policy in loaded.set.policies.values() {
            let sheet = effects(policy);
            assert!(sheet.complete);
            expect(&format!("sheets/{}.txt", policy.name), &sheet.to_string());
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    name: String,
    policy: String,
    /// The edited file; by default the policy's.
    file: Option<String>,
    /// Texts of the file with their replacements.
    edit: Vec<(String, String)>,
    /// The changes that the edit causes, one per line.
    changes: Vec<String>,
    /// Why the edit must be released: the beginning of each sentence.
    #[serde(default)]
    parked: Vec<String>,
    /// If set: why the original must be released when it is restored.
    back: Option<Vec<String>>,
}

/// Whether each sentence begins with the expected text.
fn say(reasons: &[String], expected: &[String]) -> bool {
    reasons.len() == expected.len()
        && reasons.iter().zip(expected).all(|(reason, part)| reason.starts_with(part.as_str()))
}

#[test]
fn edits_give_the_expected_effect_changes() {
    let files = read("policies");
    let text = std::fs::read_to_string("tests/data/effects/edits.yaml").unwrap();
    let edits: Vec<Edit> = serde_yaml::from_str(&text).unwrap();
    let loader = policy::Loader::new(known_to_all());
    let shipped = loader.load(&files);
    let mut wrong = String::new();
    for edit in edits {
        let path = edit.file.clone().unwrap_or_else(|| format!("{}/policy.yaml", edit.policy));
        let mut policy = String::from_utf8(files.get(&path).unwrap().to_vec()).unwrap();
        for (old, new) in &edit.edit {
            assert!(policy.contains(old), "{}: {old:?} is not in the policy", edit.name);
            policy = policy.replacen(old, new, 1);
        }
        let mut edited = files.clone();
        edited.0.insert(path, Arc::from(policy.as_bytes()));
        let before = effects(&of(&shipped, &files, &edit.policy));
        let after = effects(&of(&loader.load(&edited), &edited, &edit.policy));
        let shown = diff(Some(&before), Some(&after)).to_string();
        let found: Vec<&str> = shown.lines().skip(1).map(str::trim).collect();
        let expected: Vec<&str> = edit.changes.iter().map(|line| line.trim()).collect();
        let reasons = reasons(Some(&before), &after, &Watched::by_default());
        let back = policy::effects::reasons(Some(&after), &before, &Watched::by_default());
        let returns = edit.back.as_ref().is_none_or(|expected| say(&back, expected));
        if found != expected || !say(&reasons, &edit.parked) || !returns {
            writeln!(
                wrong,
                "{}:\n  changes: {found:#?}\n  parked: {reasons:#?}\n  back: {back:#?}",
                edit.name
            )
            .unwrap();
        }
        // An active revision needs no second release.
        assert!(diff(Some(&after), Some(&after)).changes.is_empty(), "{}", edit.name);
        assert!(
            policy::effects::reasons(Some(&after), &after, &Watched::by_default()).is_empty(),
            "{}",
            edit.name
        );
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_new_policy_with_effects_is_parked() {
    let files = read("policies");
    let sheet = effects(&load(&files, "quarterly-reverification"));
    let takes = [
        "can end_sessions for the first time",
        "can suspend for the first time",
        "can set for the first time",
    ];
    assert_eq!(reasons(None, &sheet, &Watched::by_default()), takes);
    assert!(reasons(None, &sheet, &[]).is_empty());
    let mut shadow = sheet.clone();
    shadow.mode = policy::Mode::Shadow;
    assert!(reasons(None, &shadow, &Watched::by_default()).is_empty());
    // A shadow's effects become real for the first time.
    assert_eq!(reasons(Some(&shadow), &sheet, &Watched::by_default()), takes);
}

#[test]
fn a_new_policy_that_revokes_roles_or_admits_unverified_people_is_parked() {
    let files = read("policies");
    let path = "registration-proofing/policy.yaml";
    let text = String::from_utf8(files.get(path).unwrap().to_vec()).unwrap();
    let silence = "        - delete: registration\n          grace: 7d\n        - close: expired";
    assert!(text.contains(silence));
    let edited = text.replacen(silence, "        - do: let_in", 1);
    let mut files = files;
    files.0.insert(path.to_owned(), Arc::from(edited.as_bytes()));
    let of = |name: &str| reasons(None, &effects(&load(&files, name)), &Watched::by_default());
    assert_eq!(
        of("privileged-role"),
        [
            "can hold_role for the first time",
            "can remove_role for the first time",
            "can set for the first time"
        ]
    );
    let strangers = "can approve registration without a pass or a person's decision: proof no_response";
    assert_eq!(of("registration-proofing"), ["can delete for the first time", strangers]);
    // A granting effect is checked once, even if another policy asks for the proof.
    assert_eq!(of("partner-role"), ["can assign_role for the first time"]);
}

#[test]
fn adverse_effects_are_parked_by_default() {
    let words = serde_json::to_value(proofd::config::Reload::default().park).unwrap();
    let expected = serde_json::json!([
        "delete",
        "reject",
        "suspend",
        "remove_role",
        "hold_role",
        "end_sessions",
        "remove_factors",
        "protect_less"
    ]);
    assert_eq!(words, expected);
}

/// A new effect must appear in the README's list of verbs and in the default of `park`.
#[test]
fn the_documentation_names_every_effect() {
    let readme = include_str!("../../README.md");
    for kind in EffectKind::ALL {
        assert!(readme.contains(&format!("`{}`", kind.word())), "README.md does not name `{}`", kind.word());
    }
    let edits = include_str!("../../docs/edits.md");
    let default: Vec<_> = Watched::by_default().into_iter().map(Watched::word).collect();
    let default = format!("| `park` | `[{}]` |", default.join(", "));
    assert!(edits.contains(&default), "docs/edits.md does not say {default}");
}
