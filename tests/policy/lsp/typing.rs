//! Diagnoses during typing.

use std::fs;

use serde_json::{Value, json};

use super::editor::{Editor, address, cursor, position};
use super::{POLICY, copy};

fn codes(diagnoses: &[Value]) -> Vec<&str> {
    diagnoses.iter().map(|one| one["code"].as_str().unwrap()).collect()
}

#[test]
fn an_unknown_key_is_published_and_cleared() {
    let (dir, tree) = copy();
    let mut editor = Editor::open_folder(dir.path(), &tree, None);
    let good = editor.on_disk(POLICY);
    editor.open(POLICY, 1, &good);
    assert_eq!(editor.verdict(POLICY, 1), [] as [Value; 0]);

    let typed = good.replacen("      compare:", "      compair:", 1);
    editor.change(POLICY, 2, &typed);
    let found = editor.verdict(POLICY, 2);
    assert_eq!(codes(&found), ["P0101"]);
    let one = &found[0];
    let at = cursor(&typed, "^compair");
    let range = json!({"start": position(&typed, at, "utf-16"), "end": position(&typed, at + 7, "utf-16")});
    assert_eq!((&one["range"], &one["severity"], &one["source"]), (&range, &1.into(), &"proofd".into()));
    assert_eq!(one["message"], "unknown key `compair` in a verification\ndid you mean `compare`?");
    assert_eq!(editor.on_disk(POLICY), good, "nothing was saved");

    editor.change(POLICY, 3, &good);
    assert_eq!(editor.verdict(POLICY, 3), [] as [Value; 0]);
}

#[test]
fn an_edit_updates_diagnostics_of_dependent_files() {
    let (dir, tree) = copy();
    let mut editor = Editor::open_folder(dir.path(), &tree, None);
    let people = editor.on_disk("people.yaml");
    editor.open("people.yaml", 1, &people.replace("  fraud: ", "  frauds: "));
    let found = editor.diagnoses(POLICY, |found| !found.is_empty());
    assert!(found[0]["message"].as_str().unwrap().contains("unknown team `fraud`"), "{found:?}");
    // Closed without saving: the file on disk counts again, and the diagnoses of the policy are cleared.
    editor.close("people.yaml");
    editor.diagnoses(POLICY, <[Value]>::is_empty);
}

#[test]
fn a_failing_policy_test_is_published_in_its_file() {
    const TESTS: &str = "registration-proofing/tests.yaml";
    let (dir, tree) = copy();
    let mut editor = Editor::open_folder(dir.path(), &tree, None);
    let (policy, tests) = (editor.on_disk(POLICY), editor.on_disk(TESTS));
    editor.open(TESTS, 1, &tests);
    assert_eq!(editor.verdict(TESTS, 1), [] as [Value; 0]);
    let other = policy.replacen("warning:\n        - do: desk_review", "warning:\n        - do: expire", 1);
    assert_ne!(other, policy);
    editor.open(POLICY, 1, &other);
    let found = editor.diagnoses(TESTS, |found| !found.is_empty());
    assert_eq!(codes(&found), ["P0701"]);
    let at = position(&tests, cursor(&tests, "waiting_at: ^desk"), "utf-16");
    assert_eq!(found[0]["range"]["start"]["line"], at["line"], "{found:?}");
    // The policy is unchanged, and its tests run again because they changed.
    editor.change(
        TESTS,
        2,
        &tests
            .replace("{waiting_at: desk, ", "{closed: expired, ")
            .replace("[proof-invite to subject]", "[proof-invite, registration-expired]"),
    );
    assert_eq!(editor.verdict(TESTS, 2), [] as [Value; 0]);
    editor.change(TESTS, 3, &tests);
    assert_eq!(codes(&editor.verdict(TESTS, 3)), ["P0701"]);
    editor.change(POLICY, 2, &policy);
    editor.diagnoses(TESTS, <[Value]>::is_empty);
}

#[test]
fn columns_use_the_negotiated_encoding() {
    for encoding in [None, Some("utf-8"), Some("utf-16"), Some("utf-32")] {
        let (dir, tree) = copy();
        let mut editor = Editor::open_folder(dir.path(), &tree, encoding);
        let encoding = encoding.unwrap_or("utf-16");
        let text = editor.on_disk(POLICY);
        let typed =
            text.replace("{approve: ", "{").replace("[registration, steps", "[\"😀ü\", nothing, steps");
        editor.open(POLICY, 1, &typed);
        let found = editor.verdict(POLICY, 1);
        let mistake = found.iter().find(|one| one["message"].as_str().unwrap().contains("`nothing`"));
        let at = cursor(&typed, "^nothing, steps");
        assert_eq!(mistake.unwrap()["range"]["start"], position(&typed, at, encoding), "{encoding}");
        assert_eq!(mistake.unwrap()["range"]["end"], position(&typed, at + 7, encoding), "{encoding}");
    }
}

#[test]
fn rapid_edits_publish_the_last_state() {
    let (dir, tree) = copy();
    let mut editor = Editor::open_folder(dir.path(), &tree, None);
    let good = editor.on_disk(POLICY);
    let bad = good.replace("mode: enforce", "mode: perhaps");
    editor.open(POLICY, 1, &good);
    for version in 2..=300 {
        editor.change(POLICY, version, if version % 2 == 0 { &bad } else { &good });
    }
    editor.change(POLICY, 301, &bad);
    // Requests do not wait for checks.
    let place = position(&bad, cursor(&bad, "retry_from: pr^oof"), "utf-16");
    assert_eq!(editor.at("definition", POLICY, &place).as_array().unwrap().len(), 1);
    assert_eq!(codes(&editor.verdict(POLICY, 301)), ["P0105"]);
}

#[test]
fn broken_yaml_gives_one_diagnosis() {
    let (dir, tree) = copy();
    let mut editor = Editor::open_folder(dir.path(), &tree, None);
    let good = editor.on_disk(POLICY);
    for (version, broken) in [(1, "steps: [\n  - {"), (3, "a: \"b"), (5, "\t- x:\n y"), (7, "\u{0}"), (9, "")]
    {
        if version == 1 {
            editor.open(POLICY, version, broken);
        } else {
            editor.change(POLICY, version, broken);
        }
        assert!(!editor.verdict(POLICY, version).is_empty(), "{broken:?}");
        // Requests about it are answered, even with an empty answer.
        let place = json!({"line": 0, "character": 1});
        for question in ["definition", "hover", "completion"] {
            editor.at(question, POLICY, &place);
            editor.at(question, POLICY, &json!({"line": 4000, "character": 4000}));
        }
        editor.change(POLICY, version + 1, &good);
        assert_eq!(editor.verdict(POLICY, version + 1), [] as [Value; 0]);
    }
}

#[test]
fn external_file_changes_are_read() {
    let (dir, tree) = copy();
    let mut editor = Editor::open_folder(dir.path(), &tree, None);
    let good = editor.on_disk(POLICY);
    editor.open(POLICY, 1, &good.replace("- do: expire", "- do: overtime"));
    let found = editor.verdict(POLICY, 1);
    assert!(found.iter().all(|one| one["message"].as_str().unwrap().contains("`overtime`")), "{found:?}");

    let blocks = tree.join("shared/blocks.yaml");
    let before = fs::read_to_string(&blocks).unwrap();
    fs::write(&blocks, before.replace("expire:", "overtime:")).unwrap();
    let changed = |path: &std::path::Path| json!({"changes": [{"uri": address(path), "type": 2}]});
    editor.tell("workspace/didChangeWatchedFiles", changed(&blocks));
    editor.diagnoses(POLICY, <[Value]>::is_empty);

    // A new file with an error of its own.
    let new = tree.join("second/policy.yaml");
    fs::create_dir_all(new.parent().unwrap()).unwrap();
    fs::write(&new, "format: 1\npolicy: second\n").unwrap();
    editor.tell("workspace/didChangeWatchedFiles", changed(&new));
    editor.diagnoses("second/policy.yaml", |found| !found.is_empty());
    fs::remove_file(&new).unwrap();
    editor.tell("workspace/didChangeWatchedFiles", changed(&new));
    editor.diagnoses("second/policy.yaml", <[Value]>::is_empty);

    // This editor does not report changes on disk; the server's own watch finds them.
    fs::write(&new, "format: 2\n").unwrap();
    editor.diagnoses("second/policy.yaml", |found| !found.is_empty());
    fs::remove_file(&new).unwrap();
    editor.diagnoses("second/policy.yaml", <[Value]>::is_empty);

    // A document that is open and not on disk.
    let text = good.replace("policy: registration-proofing", "policy: second");
    editor.open("second/policy.yaml", 1, &text.replace("mode: enforce", "mode: perhaps"));
    let found = editor.verdict("second/policy.yaml", 1);
    assert!(found.iter().any(|one| one["message"].as_str().unwrap().contains("`perhaps`")), "{found:?}");
}

#[test]
fn names_are_checked_against_the_adjacent_configuration() {
    let (dir, tree) = copy();
    let call = "- id: ticket\n            call: ticketing\n            outcomes:\n              ok:\n                - do: expire\n              failed:\n                - do: expire\n";
    let (before, after) = ("- emit: com.example.late\n", "          - do: expire\n");
    let policy = fs::read_to_string(tree.join(POLICY)).unwrap();
    let from = policy.find(before).unwrap();
    let typed = format!("{}{call}", &policy[..from]);
    assert!(policy[from..].contains(after));
    let mut editor = Editor::open_folder(dir.path(), &tree, None);
    editor.open(POLICY, 1, &typed);
    assert_eq!(editor.verdict(POLICY, 1), [] as [Value; 0], "without a configuration it is not judged");
    let config = "public_url: https://proof.example.com\nconnectors:\n  http:\n    tickets: {url: https://t.example.com}\n";
    fs::write(dir.path().join("proofd.yaml"), config).unwrap();
    editor.tell(
        "textDocument/didSave",
        json!({"textDocument": {"uri": address(&dir.path().join("proofd.yaml"))}}),
    );
    let found = editor.diagnoses(POLICY, |found| !found.is_empty());
    assert!(found.iter().any(|one| one["message"].as_str().unwrap().contains("`ticketing`")), "{found:?}");
    let typing = typed.replace("call: ticketing", "call: ");
    editor.change(POLICY, 2, &typing);
    let place = position(&typing, cursor(&typing, "call: ^"), "utf-16");
    assert_eq!(editor.at("completion", POLICY, &place)[0]["label"], "tickets");
    // A file name may contain spaces, and a file the line ends of another system.
    editor.open("shared/templates/a name/en.md", 1, "---\r\nsubject: Hi\r\n---\r\n{{ nobody }}\r\n");
    let found = editor.verdict("shared/templates/a name/en.md", 1);
    assert_eq!(found[0]["range"]["start"], json!({"line": 3, "character": 3}), "{found:?}");
    // An unreadable configuration is reported, and names are not checked by it.
    fs::write(dir.path().join("proofd.yaml"), "nothing: here\n").unwrap();
    editor.change(POLICY, 3, &typed);
    let said = editor.wait(|said| said["method"] == "window/logMessage");
    assert!(said["params"]["message"].as_str().unwrap().contains("not checked"), "{said}");
    assert_eq!(editor.verdict(POLICY, 3), [] as [Value; 0]);
}
