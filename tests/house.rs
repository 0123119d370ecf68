//! Dependencies between top-level modules, as a test that keeps the map in `src/lib.rs` true.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what went wrong by failing"
)]

#[path = "house/circles.rs"]
mod circles;
#[path = "house/closed.rs"]
mod closed;
#[path = "house/pure.rs"]
mod pure;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Maps a top-level module to those that it may use. `cli` composes everything; no module uses `cli`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("yaml", &[]),
    ("api", &["model"]),
    ("policy", &["model", "yaml"]),
    ("case", &["model", "policy"]),
    ("trial", &["model", "policy", "case"]),
    ("store", &["model", "case", "policy"]),
    ("connectors", &["model", "config"]),
    ("simulate", &["model"]),
    ("config", &["model", "yaml"]),
    ("rollout", &["model", "api", "policy", "case", "trial", "store"]),
    ("engine", &["model", "api", "policy", "case", "trial", "store", "connectors", "config", "rollout"]),
    ("http", &["model", "api", "engine", "rollout", "config"]),
    ("console", &["model", "api", "engine", "rollout", "config", "http"]),
    (
        "cli",
        &[
            "model",
            "yaml",
            "api",
            "policy",
            "case",
            "trial",
            "store",
            "connectors",
            "simulate",
            "config",
            "engine",
            "rollout",
            "http",
            "console",
        ],
    ),
];

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The top-level modules that a text names: `crate::room`, and the members of `use crate::{...}`.
fn rooms_named(text: &str) -> BTreeSet<String> {
    let code =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut named = BTreeSet::new();
    for part in code.split("crate::").skip(1) {
        if let Some(group) = part.strip_prefix('{') {
            let mut depth = 0;
            let mut member = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        named.insert(std::mem::take(&mut member));
                    }
                    _ if depth == 0 => member.push(c),
                    _ => {}
                }
            }
            named.insert(member);
        } else {
            named.insert(part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    let first = |path: String| path.trim().split("::").next().unwrap_or_default().trim().to_owned();
    named.into_iter().map(first).collect()
}

#[test]
fn rooms_import_only_allowed_rooms() {
    let rules: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut broken = Vec::new();
    for (room, allowed) in &rules {
        for file in rust_files(&Path::new("src").join(room)) {
            for named in rooms_named(&std::fs::read_to_string(&file).unwrap()) {
                let is_room = rules.contains_key(named.as_str());
                if is_room && named != *room && !allowed.contains(&named.as_str()) {
                    broken.push(format!("{} uses {named}", file.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_room_is_in_the_rules_and_in_the_map() {
    let map = std::fs::read_to_string("src/lib.rs").unwrap();
    let in_rules: BTreeSet<_> = MAY_USE.iter().map(|(room, _)| (*room).to_owned()).collect();
    let on_disk: BTreeSet<_> = std::fs::read_dir("src")
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(in_rules, on_disk);
    for room in &on_disk {
        assert!(map.contains(&format!("| `{room}` |")), "the map in src/lib.rs lacks {room}");
    }
}

/// A table of files in a `mod.rs` names every file, and only files that exist.
#[test]
fn room_maps_list_exactly_the_existing_files() {
    let mut wrong = Vec::new();
    for (room, _) in MAY_USE {
        let dir = Path::new("src").join(room);
        let text = std::fs::read_to_string(dir.join("mod.rs")).unwrap();
        let rows = text.lines().filter_map(|line| line.strip_prefix("//! | `"));
        for row in rows {
            let names = row.split('|').next().unwrap_or_default();
            for name in names.split(',').map(|name| name.trim().trim_matches('`')) {
                if !dir.join(format!("{name}.rs")).exists() && !dir.join(name).join("mod.rs").exists() {
                    wrong.push(format!("{}: {name}", dir.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "named in a map but not there: {wrong:#?}");
}

#[test]
fn source_files_stay_under_500_lines() {
    let long: Vec<_> = rust_files(Path::new("src"))
        .into_iter()
        .filter(|file| std::fs::read_to_string(file).unwrap().lines().count() > 500)
        .collect();
    assert!(long.is_empty(), "over 500 lines; split by what they are about: {long:?}");
}

#[test]
fn only_one_file_reads_the_system_clock() {
    let asking: Vec<_> = rust_files(Path::new("src"))
        .into_iter()
        .filter(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            ["Utc::now(", "SystemTime::now(", "Local::now("].iter().any(|call| text.contains(call))
        })
        .collect();
    assert_eq!(asking, [PathBuf::from("src/engine/clock.rs")]);
}

/// Stored formats have types of their own: no model type is written with its derived serialization.
#[test]
fn the_store_writes_only_its_own_shapes() {
    let shapes = Path::new("src/store/shape");
    let naming: Vec<_> = rust_files(Path::new("src/store"))
        .into_iter()
        .filter(|file| !file.starts_with(shapes))
        .filter(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            ["serde_json", "Deserialize"].iter().any(|name| text.contains(name))
        })
        .collect();
    assert!(naming.is_empty(), "write it by a table of src/store/shape: {naming:?}");
}

#[test]
fn only_the_store_names_sled() {
    let naming: Vec<_> = rust_files(Path::new("src"))
        .into_iter()
        .filter(|file| !file.starts_with("src/store"))
        .filter(|file| std::fs::read_to_string(file).unwrap().contains("sled::"))
        .collect();
    assert!(naming.is_empty(), "{naming:?}");
}

/// Every exception has a review date; otherwise it would stay forever.
#[test]
fn every_exception_for_a_dependency_has_a_reason_and_a_review_date() {
    let text = std::fs::read_to_string("deny.toml").unwrap();
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    // Lists of exceptions, by the keys that cargo-deny reads; each entry is on a line of its own.
    let mut within = None;
    let mut entries = Vec::new();
    for line in lines {
        let key = ["ignore", "exceptions", "skip", "skip-tree", "clarify", "allow-git"]
            .into_iter()
            .find(|key| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('=')));
        if key.is_some() {
            assert!(line.ends_with('['), "write each entry in a line of its own: {line}");
            within = key;
        } else if line == "]" {
            within = None;
        } else if let Some(key) = within
            && !line.is_empty()
        {
            entries.push((key, line));
        }
    }
    assert!(entries.len() >= 3, "{entries:?}");
    for (key, entry) in entries {
        let reason = entry
            .split_once("reason = \"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(reason, _)| reason);
        let reason = reason.unwrap_or_else(|| panic!("{key}: no reason: {entry}"));
        let date = reason.split_once("; review by ").map(|(_, date)| date).unwrap_or_default();
        let is_date = date.len() == 10
            && date
                .char_indices()
                .all(|(at, c)| if matches!(at, 4 | 7) { c == '-' } else { c.is_ascii_digit() });
        assert!(is_date, "{key}: end the reason with `; review by YYYY-MM-DD`: {entry}");
    }
}

/// Splits a test path such as `store::full_disk::a_name` or `lib::engine::outages::tests::a_name` into file and name.
fn place_of(id: &str) -> Option<(PathBuf, &str)> {
    let (path, name) = id.rsplit_once("::").unwrap_or((id, ""));
    let mut parts: Vec<&str> = path.split("::").filter(|part| *part != "tests").collect();
    let base = match parts.first() {
        Some(&"lib") => {
            parts.remove(0);
            Path::new("src")
        }
        Some(&"house") => return Some((PathBuf::from("tests/house.rs"), name)),
        _ => Path::new("tests"),
    };
    let stem: PathBuf = base.join(parts.iter().collect::<PathBuf>());
    let files = [stem.with_extension("rs"), stem.join("mod.rs"), stem.join("main.rs")];
    files.into_iter().find(|file| file.exists()).map(|file| (file, name))
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let page = std::fs::read_to_string("docs/promises.md").unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise"));
    let (mut wrong, mut tests) = (Vec::new(), 0);
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "promise, test, figure: {row}");
        let ids = cells[1].split("<br>").map(|id| id.trim().trim_matches('`'));
        for id in ids {
            tests += 1;
            let is_test = place_of(id).is_some_and(|(file, name)| {
                let text = std::fs::read_to_string(file).unwrap();
                text.match_indices(&format!("fn {name}(")).any(|(at, _)| {
                    let before: Vec<&str> = text[..at].lines().rev().take(6).collect();
                    before.iter().any(|line| line.contains("#[test]") || line.contains("#[tokio::test"))
                })
            });
            if !is_test {
                wrong.push(id.to_owned());
            }
        }
    }
    assert!(tests > 100, "the page has {tests} tests");
    assert!(wrong.is_empty(), "no such test: {wrong:#?}");
}

/// A provider is a directory under `connectors` and a line in the registry. Its simulator, the demo and the shipped
/// files may name it too.
#[test]
fn only_its_own_room_and_the_registry_name_a_provider() {
    let registry = std::fs::read_to_string("src/connectors/registry.rs").unwrap();
    let providers: Vec<_> = registry
        .split(".with(")
        .filter_map(|part| part.split_once("::PROVIDER)"))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert!(providers.len() >= 2, "{providers:?}");
    let own = |file: &Path| {
        let mut parts = file.components().skip(1).map(|part| part.as_os_str().to_string_lossy().into_owned());
        match (parts.next().as_deref(), parts.next().as_deref()) {
            (Some("connectors"), Some(part)) => {
                ["mod.rs", "registry.rs"].contains(&part) || providers.iter().any(|name| name == part)
            }
            (Some("simulate"), _) | (Some("cli"), Some("demo")) => true,
            _ => false,
        }
    };
    let mut named = Vec::new();
    for file in rust_files(Path::new("src")).into_iter().filter(|file| !own(file)) {
        let text = std::fs::read_to_string(&file).unwrap();
        let names = |line: &str| {
            let line = line.to_lowercase();
            providers.iter().any(|name| line.contains(name.as_str()))
        };
        let lines = text.lines().enumerate().filter(|(_, line)| names(line));
        named.extend(lines.map(|(number, line)| format!("{}:{}: {line}", file.display(), number + 1)));
    }
    assert!(named.is_empty(), "say what a provider declares instead of its name:\n{}", named.join("\n"));
}
