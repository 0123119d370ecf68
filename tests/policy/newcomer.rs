//! Typical errors of new users in the shipped policies, as data. The real `check` must report each at its line, with
//! the line shown and a fix.
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    mistake: String,
    /// Below `policies`.
    file: String,
    replace: String,
    by: String,
    /// `file:line:column`.
    at: String,
    code: String,
    says: String,
    help: String,
    /// Number of further diagnoses that the same error causes.
    #[serde(default)]
    besides: usize,
    /// Whether it is a warning.
    #[serde(default)]
    warning: bool,
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The faults of the report; empty: none.
fn judge(row: &Row) -> String {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("policies");
    copy_tree(Path::new("policies"), &tree);
    let file = tree.join(&row.file);
    let text = std::fs::read_to_string(&file).unwrap();
    if !text.contains(&row.replace) {
        return format!("{} has no {:?}", row.file, row.replace);
    }
    let text = text.replacen(&row.replace, &row.by, 1);
    std::fs::write(&file, &text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_proofd"))
        .args(["check", "policies"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let mut faults = Vec::new();
    let mut wants = |holds: bool, what: String| {
        if !holds {
            faults.push(what);
        }
    };
    wants(
        output.status.code() == Some(i32::from(!row.warning)),
        format!("exit code {:?}", output.status.code()),
    );
    let word = if row.warning { "warning" } else { "error" };
    let mut said = out.split("\n\n").filter(|part| part.contains("--> "));
    let number = said.clone().count();
    wants(number == row.besides + 1, format!("{number} diagnoses"));
    let place = format!("--> policies/{}\n", row.at);
    let Some(said) = said.find(|part| part.contains(&place) && part.contains(&row.code)) else {
        return format!("nothing at {} with {}\n{out}", row.at, row.code);
    };
    let first = said.trim_start().lines().next().unwrap_or_default();
    wants(first.starts_with(&format!("{word}[{} ", row.code)), first.to_owned());
    wants(first.ends_with(&format!("]: {}", row.says)), format!("it says {first}"));
    wants(said.contains(&format!("= help: {}", row.help)), format!("it helps with {said}"));
    // The line itself, with a caret below the column.
    let mut place = row.at.rsplit(':');
    let column: usize = place.next().unwrap().parse().unwrap();
    let number: usize = place.next().unwrap().parse().unwrap();
    let told_of = std::fs::read_to_string(tree.join(place.next().unwrap())).unwrap();
    let line = told_of.split('\n').nth(number - 1).unwrap_or_default();
    let shown = said.lines().skip_while(|shown| !shown.trim_start().starts_with(&number.to_string()));
    let pair: Vec<_> = shown.take(2).filter_map(|shown| shown.split_once("| ")).collect();
    wants(pair.first().is_some_and(|(_, shown)| shown.trim() == line.trim()), format!("it shows {said}"));
    let caret = pair.get(1).and_then(|(_, carets)| carets.find('^'));
    // A tab is shown as several spaces.
    let under = line.contains('\t') || caret == Some(column - 1);
    wants(under, format!("the caret is at {caret:?}"));
    faults.join("\n")
}

#[test]
fn each_beginner_mistake_is_explained_at_its_line() {
    let rows: Vec<Row> =
        serde_yaml::from_str(&std::fs::read_to_string("tests/data/newcomer.yaml").unwrap()).unwrap();
    assert!(rows.len() >= 40, "{}", rows.len());
    let fault = |row: &Row| {
        let fault = judge(row);
        (!fault.is_empty()).then(|| format!("## {}\n{fault}\n", row.mistake))
    };
    // Two at a time: each is a separate process.
    let (left, right) = rows.split_at(rows.len() / 2);
    let faults = std::thread::scope(|scope| {
        let half = scope.spawn(|| left.iter().filter_map(fault).collect::<Vec<_>>());
        let mut faults: Vec<_> = right.iter().filter_map(fault).collect();
        faults.extend(half.join().unwrap());
        faults
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
