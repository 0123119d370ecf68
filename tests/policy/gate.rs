//! The edits of the shipped policies that wait for a release, as tables in `tests/data/effects/gate/`: a file for each
//! kind of harm and one of harmless edits. Only files are compared, without a back-test. `PROOFD_EDITS=FILE` tries the
//! edits of another file.
use proofd::model::Watched;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use proofd::cli::compose::known_to_all;
use proofd::policy::effects::{effects, reasons, reasons_to_stay};
use proofd::policy::{self, Files, Loaded};
use proofd::rollout::tree;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    name: String,
    /// Edits that the active revision already has.
    #[serde(default)]
    given: Vec<(String, String, String)>,
    /// File, old text and new text. An empty old text: the file is new; `*`: the file or folder is removed.
    edits: Vec<(String, String, String)>,
    /// The policy that waits. None: every policy becomes active at once.
    waits: Option<String>,
    /// The beginning of one of its reasons.
    because: Option<String>,
    /// The edit waits with `park` lists that contain this, and becomes active with others.
    #[serde(default)]
    only_with_protect_less: bool,
}

fn edited(files: &Files, name: &str, edits: &[(String, String, String)]) -> Files {
    let mut edited = files.clone();
    for (path, from, to) in edits {
        if from == "*" {
            edited.0.retain(|other, _| !other.starts_with(path.as_str()));
            continue;
        }
        if from.is_empty() {
            edited.0.insert(path.clone(), Arc::from(to.as_bytes()));
            continue;
        }
        let text = edited.get(path).unwrap_or_else(|| panic!("{name}: no file {path}"));
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(text.contains(from), "{name}: {from:?} is not in {path}");
        edited.0.insert(path.clone(), Arc::from(text.replacen(from, to, 1).as_bytes()));
    }
    edited
}

/// Every policy that would wait, with its reasons.
fn waiting(before: &Loaded, after: &Loaded, watched: &[Watched]) -> Vec<(String, Vec<String>)> {
    let mut waiting = Vec::new();
    for (name, new) in &after.set.policies {
        let old = before.set.policies.get(name).map(|old| effects(old));
        waiting.push((name.clone(), reasons(old.as_ref(), &effects(new), watched)));
    }
    for (name, old) in before.set.policies.iter().filter(|(name, _)| !after.set.policies.contains_key(*name))
    {
        waiting.push((name.clone(), reasons_to_stay(&effects(old), watched)));
    }
    waiting.retain(|(_, why)| !why.is_empty());
    waiting
}

fn check(kind: &str) {
    let mut files = tree::read(Path::new("policies")).unwrap().unwrap().0;
    // The failing tests are removed with the edit.
    files.0.retain(|path, _| !path.ends_with("tests.yaml"));
    let loader = policy::Loader::new(known_to_all());
    let shipped = loader.load(&files);
    let path =
        std::env::var("PROOFD_EDITS").unwrap_or_else(|_| format!("tests/data/effects/gate/{kind}.yaml"));
    let text = std::fs::read_to_string(path).unwrap();
    let edits: Vec<Edit> = serde_yaml::from_str(&text).unwrap();
    assert!(edits.len() >= 3, "{kind}");
    let mut wrong = String::new();
    for edit in edits {
        let ran = edited(&files, &edit.name, &edit.given);
        let before = if edit.given.is_empty() { &shipped } else { &loader.load(&ran) };
        let edited = edited(&ran, &edit.name, &edit.edits);
        let loaded = loader.load(&edited);
        let text = policy::diagnostic::render(&loaded.diagnostics, &edited, false);
        let errors = loaded.diagnostics.iter().any(|found| found.severity == policy::Severity::Error);
        if errors {
            writeln!(wrong, "{} does not load: {text}", edit.name).unwrap();
            continue;
        }
        let found = waiting(before, &loaded, &Watched::by_default());
        let because = edit.because.as_deref().unwrap_or_default();
        let fits = match &edit.waits {
            None => found.is_empty(),
            Some(policy) => found
                .iter()
                .any(|(name, why)| name == policy && why.iter().any(|why| why.starts_with(because))),
        };
        if !fits {
            writeln!(wrong, "{}: {found:#?}", edit.name).unwrap();
        }
        let takes: Vec<_> =
            Watched::by_default().into_iter().filter(|one| *one != Watched::ProtectLess).collect();
        if edit.only_with_protect_less && !waiting(before, &loaded, &takes).is_empty() {
            writeln!(wrong, "{}: waits without protect_less too", edit.name).unwrap();
        }
        if std::env::var_os("PROOFD_SHOW").is_some() {
            eprintln!("{}: {found:#?}", edit.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn fewer_deciders_are_parked() {
    check("decisions");
}

#[test]
fn weaker_verifications_are_parked() {
    check("proofs");
}

#[test]
fn wider_grants_are_parked() {
    check("gives");
}

#[test]
fn self_closing_edits_are_parked() {
    check("ends");
}

#[test]
fn shorter_or_removed_objections_are_parked() {
    check("back");
}

#[test]
fn narrower_protections_are_parked() {
    check("protects");
}

#[test]
fn moved_deciders_are_parked() {
    check("teams");
}

#[test]
fn more_adverse_effects_are_parked() {
    check("takes");
}

#[test]
fn indirect_edits_are_parked() {
    check("cunning");
}

#[test]
fn harmless_edits_activate_at_once() {
    check("harmless");
}
