//! Pure top-level modules: plain data and functions over it. They use no clock, file, network or task.

use std::path::{Path, PathBuf};

use super::closed::bare;
use super::rust_files;

const PURE: &[&str] = &["model", "yaml", "api", "policy", "case", "trial"];

/// Words that a pure module must not contain.
const OUTSIDE: &[&str] = &[
    "::now(",
    "SystemTime",
    "Instant",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::io",
    "File::",
    "tokio",
    "reqwest",
    "hyper",
    "axum",
    "rustix",
    "getrandom",
    "futures",
    "Future",
    "async ",
];

/// Files that need one of these words, with the reason.
const EXEMPT: &[(&str, &str, &str)] = &[
    ("src/model/clock.rs", "futures", "the trait by which the shell is handed a clock"),
    ("src/policy/script/engine.rs", "Instant", "stops a script that runs too long, which ends as an error"),
    ("src/policy/script/engine.rs", "::now(", "the same"),
];

/// The forbidden words in a text.
fn outside(code: &str) -> Vec<&'static str> {
    let is_word = |at: usize, word: &str| {
        let before = code[..at].chars().next_back();
        let joins = word.starts_with(|c: char| c.is_alphanumeric());
        !joins || before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    };
    let names = |word: &&&str| code.match_indices(**word).any(|(at, _)| is_word(at, word));
    OUTSIDE.iter().filter(names).copied().collect()
}

#[test]
fn pure_rooms_use_no_clock_file_network_or_task() {
    let (mut wrong, mut used) = (Vec::new(), Vec::new());
    for file in PURE.iter().flat_map(|room| rust_files(&Path::new("src").join(room))) {
        let code = bare(&std::fs::read_to_string(&file).unwrap());
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for word in outside(code) {
            let exempt =
                |(other, what, _): &&(&str, &str, &str)| file == PathBuf::from(other) && *what == word;
            match EXEMPT.iter().find(exempt) {
                Some(exempt) => used.push(*exempt),
                None => wrong.push(format!("{} names {word}", file.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "move it to a room that may: {wrong:#?}");
    let unused: Vec<_> = EXEMPT.iter().filter(|exempt| !used.contains(exempt)).collect();
    assert!(unused.is_empty(), "nothing needs these any more: {unused:#?}");
}

#[test]
fn impure_names_are_found_in_code_only() {
    let code = bare(
        "fn f() { let at = Utc::now(); } // std::fs\nfn g(x: &str) { x == \"tokio\"; self.now(); MyInstant }",
    );
    assert_eq!(outside(&code), ["::now("]);
    assert_eq!(outside("use std::fs;\nasync fn f() {}"), ["std::fs", "async "]);
}
