//! The codes of diagnoses: each has a page, a use in the sources and a row of data. Also their form in SARIF.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proofd::policy::diagnostic::once;
use proofd::policy::{codes, load, sarif};

use super::{data, files, known, spoil, tree};

/// Diagnoses that no edit of a small tree causes.
const WITHOUT_ROW: &[(&str, &str)] = &[
    ("too-large", "a file of 256 KiB; tried below"),
    ("link-outside", "a link on the disk; tests of the tree have some"),
    ("not-a-file", "a pipe on the disk; tests of the tree have some"),
    ("foreign-hard-link", "a link on the disk; tests of the tree have some"),
    ("not-understood", "a gap in the grammar, of which none is known"),
    ("dangling-link", "a link on the disk; a test of `check` has one"),
    ("duplicate-script", "two-scripts is found before"),
    ("too-many-steps", "two thousand steps; tried below"),
    ("interpolated-clause", "template-in-clause is found before"),
    ("nobody-decides", "tokens of a configuration; a test of `check` has some"),
    ("too-few-persons", "tokens of a configuration; a test of `check` has some"),
    ("test-failed", "policy tests have data of their own"),
    ("duplicate-test", "policy tests have data of their own"),
    ("wrong-subject", "policy tests have data of their own"),
    ("one-move", "policy tests have data of their own"),
    ("no-such-start", "policy tests have data of their own"),
];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn every_diagnosis_has_a_number_a_page_and_a_row() {
    let all = codes::all();
    assert!(all.len() >= 60);
    assert!(all.windows(2).all(|pair| pair[0].number < pair[1].number), "sorted, each number once");
    let words: BTreeSet<_> = all.iter().map(|code| code.word).collect();
    assert_eq!(words.len(), all.len(), "each word once");
    for code in all {
        let digits = code.number.strip_prefix('P').unwrap();
        assert!(digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_digit()), "{code}");
        let lines = code.page.lines().count();
        assert!((4..=12).contains(&lines), "{code}: {lines} lines");
        assert!(code.page.contains("wrong: ") && code.page.contains("right: "), "{code}");
        assert!(!code.title.is_empty() && !code.title.ends_with('.'), "{code}");
        assert_eq!(codes::find(code.number), codes::find(&code.word.to_uppercase()));
    }
    let mut told = String::new();
    for mistake in fs::read_dir(data().join("mistakes")).unwrap() {
        told.push_str(&fs::read_to_string(mistake.unwrap().path().join("expected.txt")).unwrap());
    }
    let rows = |code: &codes::Code| told.contains(&format!("[{} {}]", code.number, code.word));
    let without: Vec<_> = all.iter().filter(|code| !rows(code)).map(|code| code.word).collect();
    assert_eq!(without, WITHOUT_ROW.iter().map(|(word, _)| *word).collect::<Vec<_>>());
}

/// A code in the sources that is missing in the table would be shown without a number.
#[test]
fn the_table_has_exactly_the_codes_in_the_sources() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let text: String = ["policy", "trial", "yaml"]
        .into_iter()
        .flat_map(|room| sources(&src.join(room)))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for code in codes::all() {
        assert!(text.contains(&format!("\"{}\"", code.word)), "{code} is said nowhere");
    }
    // The code is the second argument of these calls.
    for call in [
        "Diagnostic::error(",
        "Diagnostic::warning(",
        "Fault::new(",
        ".warning(",
        "self.error(",
        "self.stop(",
    ] {
        for rest in text.split(call).skip(1) {
            let arguments: String = rest.chars().take(160).collect();
            let word = arguments.split('"').nth(1).filter(|word| !word.is_empty());
            let before = arguments.split('"').next().unwrap_or_default();
            if let Some(word) = word.filter(|_| before.matches(',').count() == 1 && !before.contains(';')) {
                assert!(codes::find(word).is_some(), "`{word}` is not in the table: {call}{arguments}");
            }
        }
    }
}

#[test]
fn oversized_files_have_their_codes() {
    let mut tree = tree("good");
    let policy = String::from_utf8(tree["registration-proofing/policy.yaml"].clone()).unwrap();
    let many = "  - notify: {to: subject, template: proof-rejected}\n".repeat(2_001);
    let text = policy.replacen("steps:\n", &format!("steps:\n{many}"), 1);
    tree.insert("registration-proofing/policy.yaml".to_owned(), text.into_bytes());
    tree.insert("verifications.yaml".to_owned(), vec![b'#'; 257 * 1024]);
    let loaded = load(&files(&tree), &known());
    for word in ["too-many-steps", "too-large"] {
        assert!(loaded.diagnostics.iter().any(|found| found.code == word), "{word}");
    }
}

#[test]
fn sarif_output_matches_the_check() {
    let mut tree = tree("good");
    spoil(&mut tree, &fs::read_to_string(data().join("mistakes/several_at_once/edit.txt")).unwrap());
    let loaded = load(&files(&tree), &known());
    let log = sarif::log(&loaded.diagnostics, "./my policies/");
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), once(&loaded.diagnostics).len());
    for (result, found) in results.iter().zip(once(&loaded.diagnostics)) {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        assert_eq!(rule["name"], found.code);
        assert!(!rule["help"]["text"].as_str().unwrap().is_empty());
        assert!(result["message"]["text"].as_str().unwrap().starts_with(&found.message));
        let location = &result["locations"][0]["physicalLocation"];
        let uri = format!("my%20policies/{}", found.place.file);
        assert_eq!(location["artifactLocation"]["uri"], uri);
        assert_eq!(location["region"]["startLine"], found.place.line);
        assert_eq!(location["region"]["startColumn"], found.place.column);
    }
}
