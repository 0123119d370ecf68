//! Consistency of the shipped files: the policies, the example configuration, and the
//! commands in the documentation.
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use proofd::cli::compose;
use proofd::policy;
use proofd::rollout::tree;

#[test]
fn shipped_policies_have_no_errors_and_no_warnings() {
    let (files, _) = tree::read(Path::new("policies")).unwrap().unwrap();
    // The example configures everything that the policies need.
    let example = compose::read(Path::new("examples/proofd.yaml")).unwrap();
    for known in [compose::known_to_all(), example.known()] {
        let loaded = policy::load(&files, &known);
        let text = policy::diagnostic::render(&loaded.diagnostics, &files, false);
        assert!(loaded.diagnostics.is_empty(), "{text}");
        assert_eq!(loaded.set.policies.len(), loaded.declared.len());
        assert_eq!(
            loaded.declared,
            [
                "applicant-to-hr",
                "login-risk",
                "partner-role",
                "partner-with-sponsor",
                "privileged-role",
                "quarterly-reverification",
                "registration-proofing",
                "support-reverification",
            ]
        );
    }
}

#[test]
fn the_example_configuration_loads_without_warnings() {
    let compose::Configured { config, setup, warnings, .. } =
        compose::read(Path::new("examples/proofd.yaml")).unwrap();
    assert_eq!(warnings, []);
    assert!(!setup.identity.is_empty() && !setup.verification.is_empty() && setup.mail.is_some());
    // The example shows the defaults: removing such a line changes nothing.
    let dir = tempfile::tempdir().unwrap();
    let least = dir.path().join("proofd.yaml");
    std::fs::write(&least, "public_url: https://proof.example.com\n").unwrap();
    let (least, _) = proofd::config::read(&least).unwrap();
    assert_eq!((config.listen, &config.policies), (least.listen, &least.policies));
    assert_eq!(config.store, least.store);
    assert_eq!(config.reload.all_or_nothing, least.reload.all_or_nothing);
    assert_eq!(config.reload.park, least.reload.park);
}

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_proofd")).args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The first words of the lines in the list of commands.
fn commands(help: &str) -> BTreeSet<String> {
    // The main help has groups.
    let groups =
        || help.split_once("\nTry:").map(|(_, groups)| groups.split("\nOptions:").next().unwrap_or_default());
    let list = match help.split_once("Commands:") {
        Some((_, list)) => list.split("\n\n").next().unwrap_or_default(),
        None => groups().unwrap_or_default(),
    };
    let lines = list.lines().filter(|line| line.starts_with("  "));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Documentation texts that name commands.
fn texts() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let mut dirs = vec![Path::new(".").to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let ours = dir != Path::new(".") || ["docs", "examples", "policies"].contains(&name.as_str());
            if path.is_dir() && ours && !name.starts_with('.') {
                dirs.push(path);
            } else if path.is_file() && [".md", ".service", ".yaml"].iter().any(|kind| name.ends_with(kind)) {
                texts.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    texts
}

#[test]
fn every_command_shows_an_example() {
    let mut left = vec![Vec::<String>::new()];
    let (mut seen, mut without) = (0, Vec::new());
    while let Some(path) = left.pop() {
        let arguments: Vec<_> = path.iter().map(String::as_str).collect();
        let help = help(&arguments);
        seen += 1;
        // The whole command with its words, ready to copy.
        let example = format!("proofd {}", path.join(" "));
        let shown = help.split_once("\nExample").is_some_and(|(_, shown)| shown.contains(example.trim_end()));
        if !path.is_empty() && !shown {
            without.push(path.join(" "));
        }
        for below in commands(&help).into_iter().filter(|name| name != "help") {
            left.push([&path[..], &[below]].concat());
        }
    }
    assert!(without.is_empty(), "no example: {without:#?}");
    assert!(seen > 40, "{seen} commands were looked at");
}

#[test]
fn completions_and_man_pages_contain_the_commands() {
    let said = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_proofd")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish"] {
        assert!(said(&["completions", shell]).contains("release"), "{shell}");
    }
    assert!(said(&["man"]).contains(".TH proofd 1"));
    let dir = tempfile::tempdir().unwrap();
    said(&["man", dir.path().to_str().unwrap()]);
    let page = std::fs::read_to_string(dir.path().join("proofd-case-decide.1")).unwrap();
    assert!(page.contains("seen in person"), "{page}");
}

#[test]
fn texts_name_only_existing_commands() {
    let top = commands(&help(&[]));
    assert!(top.contains("run") && top.contains("check"), "{top:?}");
    let mut named = 0;
    for (file, text) in texts() {
        // In code: a line of its own that begins with the command, or a piece between backticks.
        let lines = text.lines().map(str::trim);
        let pieces = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
        for piece in lines.chain(pieces) {
            let piece = piece.trim_start_matches("$ ");
            let piece = piece.rsplit_once("/bin/").map_or(piece, |(_, command)| command);
            let Some(rest) = piece.strip_prefix("proofd ") else { continue };
            let mut words = rest.split_whitespace().filter(|word| !word.starts_with('-'));
            let Some(first) = words.next().filter(|word| word.bytes().all(|b| b.is_ascii_lowercase())) else {
                continue;
            };
            // A sentence that begins with the name is not a command.
            if piece.ends_with('.') || !top.contains(first) && !text.contains(&format!("`proofd {first}")) {
                continue;
            }
            named += 1;
            assert!(top.contains(first), "{file}: proofd {first} is no command");
            let below = commands(&help(&[first]));
            let second = words.next().filter(|word| word.bytes().all(|b| b.is_ascii_lowercase()));
            if let (false, Some(second)) = (below.is_empty(), second) {
                assert!(below.contains(second), "{file}: proofd {first} {second} is no command");
            }
        }
    }
    assert!(named > 2, "some text names commands");
}
