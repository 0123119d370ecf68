//! `check` and `explain-code` for people and builds.
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Exit code, output, errors.
fn proofd(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_proofd")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A tree with one policy that has one warning.
fn tree(dir: &Path) -> String {
    let tree = dir.join("policies");
    std::fs::create_dir_all(tree.join("seen")).unwrap();
    let policy = "format: 1\npolicy: seen\ntitle: Seen\nowner: iam@example.com\nmode: enforce\nsubject: user\n\
                  when:\n  - event: user.activated\nif: user.status == \"actve\"\nsteps:\n  - close: seen\n";
    std::fs::write(tree.join("seen/policy.yaml"), policy).unwrap();
    tree.to_str().unwrap().to_owned()
}

#[test]
fn explain_code_accepts_number_and_name() {
    for name in ["P0303", "p0303", "missing-outcome"] {
        let (code, said, _) = proofd(&["explain-code", name]);
        assert_eq!(code, 0);
        assert!(said.starts_with("P0303 missing-outcome: ") && said.contains("right: "), "{said}");
    }
    for (name, near) in [("missing-outcom", "`missing-outcome`"), ("P0333", "`P0"), ("zzz", "lists all")] {
        let (code, said, error) = proofd(&["explain-code", name]);
        assert_eq!((code, said.as_str()), (1, ""));
        assert!(error.contains(near), "{error}");
    }
    let (code, list, _) = proofd(&["explain-code"]);
    assert_eq!(code, 0);
    assert!(list.lines().count() > 100 && list.contains("P0101"), "{list}");
    let (_, list, _) = proofd(&["explain-code", "--json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&list["items"][0]["code"], &list["items"][0]["word"]), (&"P0001".into(), &"encoding".into()));
}

/// A broken link is an error: no policy contains its file, and the tree would look complete without it.
#[cfg(unix)]
#[test]
fn a_broken_symlink_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    std::fs::create_dir(Path::new(&tree).join("gone")).unwrap();
    std::os::unix::fs::symlink("nowhere.yaml", Path::new(&tree).join("gone/policy.yaml")).unwrap();
    let (code, said, _) = proofd(&["check", &tree]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("error[P0123 dangling-link]") && said.contains("gone/policy.yaml:1:1"), "{said}");
}

/// Other registrations may exist, which `check` cannot know: it reports a note instead of a warning.
#[test]
fn a_narrow_registration_filter_gives_a_note() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    let policy = |clause: &str| {
        format!(
            "format: 1\npolicy: seen\ntitle: Seen\nowner: iam@example.com\nmode: enforce\nsubject: registration\n\
             when:\n  - event: registration.created\nif: {clause}\nsteps:\n  - close: seen\n"
        )
    };
    for (sign, said_so) in [("==", true), ("!=", false)] {
        let text = policy(&format!("registration.profile {sign} \"Partners\""));
        std::fs::write(Path::new(&tree).join("seen/policy.yaml"), text).unwrap();
        let (code, said, _) = proofd(&["check", &tree]);
        assert_eq!((code, said.contains("meets none of them opens no case")), (0, said_so), "{said}");
        assert!(said.contains("0 errors, 0 warnings"), "{said}");
    }
}

#[test]
fn check_prints_text_json_and_sarif() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    let (code, said, _) = proofd(&["check", &tree]);
    assert_eq!(code, 0, "a warning is no error: {said}");
    assert!(said.contains("warning[P0603 never-equal]") && said.contains("seen/policy.yaml:9:20"), "{said}");
    for flags in [["--json", "--format=json"], ["--format", "json"]] {
        let (code, said, _) = proofd(&[&["check", &tree][..], &flags].concat());
        let report: Value = serde_json::from_str(&said).unwrap();
        let found = &report["diagnostics"][0];
        assert_eq!((code, &found["code"], &found["word"]), (0, &"P0603".into(), &"never-equal".into()));
        assert_eq!(found["place"]["line"], 9);
    }
    let (code, said, _) = proofd(&["check", &tree, "--format", "sarif"]);
    let log: Value = serde_json::from_str(&said).unwrap();
    let run = &log["runs"][0];
    assert_eq!((code, &run["results"][0]["ruleId"]), (0, &"P0603".into()));
    assert_eq!(run["results"][0]["level"], "warning");
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "P0603");
    // An error fails the build in every format.
    std::fs::write(Path::new(&tree).join("seen/policy.yaml"), "format: 1\npolicy: seen\n").unwrap();
    for form in ["human", "json", "sarif"] {
        assert_eq!(proofd(&["check", &tree, "--format", form]).0, 1);
    }
    assert_eq!(proofd(&["check", &tree, "--format", "xml"]).0, 2);
}

#[test]
fn strict_turns_warnings_into_failures() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    assert_eq!(proofd(&["check", &tree]).0, 0);
    let (code, said, _) = proofd(&["check", &tree, "--strict"]);
    assert!(code == 1 && said.contains("--strict: warnings count as errors"), "{code}: {said}");
    // The report is equal; only the exit code differs.
    let report = |flags: &[&str]| {
        let (code, said, _) = proofd(&[&["check", &tree, "--format", "json"][..], flags].concat());
        let mut report: Value = serde_json::from_str(&said).unwrap();
        let ok = report.as_object_mut().unwrap().remove("ok").unwrap();
        (code, ok, report)
    };
    let (lenient, strict) = (report(&[]), report(&["--strict"]));
    assert_eq!((lenient.0, &lenient.1, strict.0, &strict.1), (0, &true.into(), 1, &false.into()));
    assert_eq!(lenient.2, strict.2);
    let sarif = |flags: &[&str]| proofd(&[&["check", &tree, "--format", "sarif"][..], flags].concat());
    assert_eq!((sarif(&["--strict"]).0, sarif(&["--strict"]).1), (1, sarif(&[]).1));
    let good =
        std::fs::read_to_string(format!("{tree}/seen/policy.yaml")).unwrap().replace("actve", "active");
    std::fs::write(format!("{tree}/seen/policy.yaml"), good).unwrap();
    assert_eq!(proofd(&["check", &tree, "--strict"]).0, 0);
}

#[test]
fn an_unreadable_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    // A file that opens and cannot be read by any user.
    std::os::unix::fs::symlink("/proc/self/mem", Path::new(&tree).join("seen/notes.md")).unwrap();
    let (code, said, error) = proofd(&["check", &tree]);
    assert_eq!(code, 1, "{said} {error}");
    assert!(said.contains("error[P0015 link-outside]") && said.contains("seen/notes.md:1:1"), "{said}");
}
