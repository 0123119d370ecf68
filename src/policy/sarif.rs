//! Renders diagnostics as SARIF 2.1.0, which code hosts and editors show beside the changed lines. The JSON is written
//! by hand: `serde-sarif` generates its types from a schema in a build script. It would add 16 packages to the build,
//! including a second `syn` and regular expressions, for the dozen members needed here.

use std::collections::BTreeSet;

use percent_encoding::{AsciiSet, utf8_percent_encode};
use serde_json::{Value, json};

use super::codes;
use super::diagnostic::{Diagnostic, Severity, once};
use crate::model::UNRESERVED;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Builds a SARIF log with one run over a tree whose paths begin at `dir`.
pub fn log(diagnostics: &[Diagnostic], dir: &str) -> Value {
    let found = once(diagnostics);
    let used: BTreeSet<&str> = found.iter().map(|diagnostic| diagnostic.code).collect();
    let codes: Vec<_> = codes::all().iter().filter(|code| used.contains(code.word)).collect();
    let rules = codes.iter().map(|code| {
        json!({
            "id": code.number,
            "name": code.word,
            "shortDescription": {"text": code.title},
            "fullDescription": {"text": code.title},
            "help": {"text": code.page, "markdown": code.page},
        })
    });
    let results = found.iter().map(|diagnostic| {
        let number = codes::number(diagnostic.code);
        let mut result = json!({
            "ruleId": number,
            "level": match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            "message": {"text": text(diagnostic)},
            "locations": [location(diagnostic, dir)],
        });
        let at = codes.iter().position(|code| code.number == number);
        if let (Some(at), Some(result)) = (at, result.as_object_mut()) {
            result.insert("ruleIndex".to_owned(), at.into());
        }
        result
    });
    let (rules, results): (Vec<_>, Vec<_>) = (rules.collect(), results.collect());
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "proofd", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules,
            }},
            // Columns count characters, as in the diagnostics.
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn text(diagnostic: &Diagnostic) -> String {
    match &diagnostic.help {
        Some(help) => format!("{}\n{help}", diagnostic.message),
        None => diagnostic.message.clone(),
    }
}

fn location(diagnostic: &Diagnostic, dir: &str) -> Value {
    let place = &diagnostic.place;
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(dir, &place.file)},
        "region": {
            "startLine": place.line,
            "startColumn": place.column,
            "endColumn": place.column + place.length.max(1),
        },
    }})
}

const PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// Returns a URI reference by RFC 3986, with blanks and other special characters of the path encoded.
fn uri(dir: &str, file: &str) -> String {
    let dir = dir.trim_start_matches("./").trim_end_matches('/');
    let path = if matches!(dir, "" | ".") { file.to_owned() } else { format!("{dir}/{file}") };
    let prefix = if path.starts_with('/') { "file://" } else { "" };
    format!("{prefix}{}", utf8_percent_encode(&path, PATH))
}
