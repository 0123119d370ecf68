//! Definitions, descriptions and completions of names: `tests/data/lsp/names.yaml`.

use std::collections::BTreeMap;
use std::path::Path;

use proofd::policy::diagnostic::Place;
use proofd::policy::grammar::NameKind;
use proofd::policy::outline::Outline;
use serde::Deserialize;
use serde_json::{Value, json};

use super::copy;
use super::editor::{Editor, cursor, position};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    definitions: Vec<Definition>,
    uses: Vec<Uses>,
    hovers: Vec<Hover>,
    offers: Vec<Offers>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    r#in: String,
    at: String,
    to: Vec<String>,
    /// Whether the words around the cursor are sufficient without the rest of the file.
    #[serde(default = "yes")]
    as_text: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Uses {
    r#in: String,
    at: String,
    /// Number of uses per file.
    by: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hover {
    r#in: String,
    at: String,
    shows: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offers {
    r#in: String,
    instead_of: String,
    write: String,
    has: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    /// The part of the line after the first completion in `has` was accepted.
    becomes: Option<String>,
}

fn cases() -> Cases {
    serde_yaml::from_str(&std::fs::read_to_string("tests/data/lsp/names.yaml").unwrap()).unwrap()
}

/// Checks definitions in every encoding of columns.
#[test]
fn go_to_definition_finds_names() {
    let (dir, tree) = copy();
    let mut wrong = Vec::new();
    for encoding in [None, Some("utf-8"), Some("utf-16"), Some("utf-32")] {
        let mut editor = Editor::open_folder(dir.path(), &tree, encoding);
        let encoding = encoding.unwrap_or("utf-16");
        for case in cases().definitions {
            let text = editor.on_disk(&case.r#in);
            let place = position(&text, cursor(&text, &case.at), encoding);
            let found = editor.at("definition", &case.r#in, &place);
            let found = found.as_array().unwrap().iter();
            let found: Vec<_> = found.map(|to| (to["uri"].clone(), to["range"]["start"].clone())).collect();
            let wanted = case.to.iter().map(|to| {
                let (file, snippet) = to.split_once(": ").unwrap();
                let text = editor.on_disk(file);
                (Value::from(editor.uri(file)), position(&text, cursor(&text, snippet), encoding))
            });
            let wanted: Vec<_> = wanted.collect();
            if found != wanted {
                wrong.push(format!(
                    "{encoding}: {} {:?}\n  found  {found:?}\n  wanted {wanted:?}",
                    case.r#in, case.at
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An earlier line is broken, so every place of the older text is off by one line.
#[test]
fn go_to_definition_works_in_a_broken_file() {
    let (dir, tree) = copy();
    let mut editor = Editor::open_folder(dir.path(), &tree, None);
    let mut wrong = Vec::new();
    for case in cases().definitions.into_iter().filter(|case| case.as_text && case.r#in.ends_with(".yaml")) {
        let good = editor.on_disk(&case.r#in);
        editor.open(&case.r#in, 1, &good);
        let broken = format!("broken: [\n{good}");
        editor.change(&case.r#in, 2, &broken);
        let place = position(&broken, cursor(&broken, &case.at), "utf-16");
        let found = editor.at("definition", &case.r#in, &place);
        let found = found.as_array().unwrap().iter();
        let found: Vec<_> = found.map(|to| (to["uri"].clone(), to["range"]["start"].clone())).collect();
        let wanted = case.to.iter().map(|to| {
            let (file, snippet) = to.split_once(": ").unwrap();
            let text = if file == case.r#in { broken.clone() } else { editor.on_disk(file) };
            (Value::from(editor.uri(file)), position(&text, cursor(&text, snippet), "utf-16"))
        });
        let wanted: Vec<_> = wanted.collect();
        if found != wanted {
            wrong.push(format!("{} {:?}\n  found  {found:?}\n  wanted {wanted:?}", case.r#in, case.at));
        }
        editor.close(&case.r#in);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn find_references_finds_every_use() {
    let (dir, tree) = copy();
    let mut editor = Editor::open_folder(dir.path(), &tree, None);
    for case in cases().uses {
        let text = editor.on_disk(&case.r#in);
        let place = position(&text, cursor(&text, &case.at), "utf-16");
        for with_definition in [false, true] {
            let parameters = json!({
                "textDocument": {"uri": editor.uri(&case.r#in)}, "position": place,
                "context": {"includeDeclaration": with_definition},
            });
            let found = editor.ask("textDocument/references", parameters);
            let mut wanted: BTreeMap<_, _> = case.by.iter().map(|(file, n)| (editor.uri(file), *n)).collect();
            if with_definition && !case.by.is_empty() {
                *wanted.entry(editor.uri(&case.r#in)).or_default() += 1;
            }
            let mut by = BTreeMap::new();
            for place in found.as_array().unwrap() {
                *by.entry(place["uri"].as_str().unwrap().to_owned()).or_default() += 1;
            }
            assert_eq!(by, wanted, "{}", case.at);
        }
    }
}

#[test]
fn hover_shows_the_definition() {
    let (dir, tree) = copy();
    let mut editor = Editor::open_folder(dir.path(), &tree, None);
    for case in cases().hovers {
        let text = editor.on_disk(&case.r#in);
        let place = position(&text, cursor(&text, &case.at), "utf-16");
        let shown = editor.at("hover", &case.r#in, &place);
        assert_eq!(shown.is_null(), case.shows.is_empty(), "{}: {shown}", case.at);
        let markdown = shown["contents"]["value"].as_str().unwrap_or_default();
        for part in case.shows {
            assert!(markdown.contains(&part), "{}: no `{part}` in\n{markdown}", case.at);
        }
    }
}

#[test]
fn completion_offers_names() {
    let (dir, tree) = copy();
    let mut editor = Editor::open_folder(dir.path(), &tree, None);
    let mut wrong = Vec::new();
    for case in cases().offers {
        let text = editor.on_disk(&case.r#in);
        assert!(text.contains(&case.instead_of), "no `{}`", case.instead_of);
        // The file was valid when it was opened, and is then edited.
        editor.open(&case.r#in, 1, &text);
        let at = text.find(&case.instead_of).unwrap() + case.write.find('^').unwrap();
        let typed = text.replacen(&case.instead_of, &case.write.replacen('^', "", 1), 1);
        editor.change(&case.r#in, 2, &typed);
        let offered = editor.at("completion", &case.r#in, &position(&typed, at, "utf-16"));
        let offered = offered.as_array().unwrap();
        let labels: Vec<_> = offered.iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect();
        let missing = case.has.iter().any(|name| !labels.contains(name));
        let more = case.lacks.iter().any(|name| labels.contains(name));
        if missing || more || (case.has.is_empty() && !labels.is_empty()) {
            wrong.push(format!("{} {:?}: {labels:?}", case.r#in, case.write));
        } else if let Some(becomes) = case.becomes {
            let item = offered.iter().find(|item| item["label"] == case.has[0]).unwrap();
            let edited = taken(&typed, &item["textEdit"]);
            assert!(edited.contains(&becomes), "{:?}: {}", case.write, item["textEdit"]);
            assert_eq!(edited.lines().count(), typed.lines().count());
        }
        editor.close(&case.r#in);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Applies an edit within one line, as an editor that counts in UTF-16 does.
fn taken(text: &str, edit: &Value) -> String {
    let number = |at: &str| usize::try_from(edit["range"].pointer(at).unwrap().as_u64().unwrap()).unwrap();
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let line: Vec<u16> = lines[number("/start/line")].encode_utf16().collect();
    let (start, end) = (number("/start/character"), number("/end/character"));
    let new = edit["newText"].as_str().unwrap().encode_utf16();
    let line: Vec<u16> =
        line[..start].iter().copied().chain(new).chain(line[end..].iter().copied()).collect();
    lines[number("/start/line")] = String::from_utf16(&line).unwrap();
    lines.join("\n")
}

/// Every name in a valid tree has a definition, and every name is at its reported place.
#[test]
fn every_name_in_shipped_policies_has_a_definition() {
    for tree in ["policies", "tests/data/lsp/policies"] {
        let (files, _) = proofd::rollout::tree::read(Path::new(tree)).unwrap().unwrap();
        let outline = Outline::read(&files);
        let stands = |place: &Place| -> String {
            let text = std::str::from_utf8(files.get(&place.file).unwrap()).unwrap();
            let line = text.lines().nth(place.line - 1).unwrap();
            line.chars().skip(place.column - 1).take(place.length).collect()
        };
        for named in &outline.named {
            let word = stands(&named.place);
            assert!(named.name == word || named.name.ends_with(&format!("::{word}")), "{named:?}: {word}");
            // Functions of the language, and keys beside the id in a test's answer, have no definition.
            let script = named.thing == NameKind::Function && named.place.file.ends_with(".rhai");
            let answer = named.thing == NameKind::Step && named.place.file.ends_with("tests.yaml");
            assert!(script || answer || !outline.definitions(named).is_empty(), "{named:?}");
        }
        for defined in outline.defined.iter().filter(|defined| defined.thing != NameKind::Template) {
            let word = stands(&defined.place);
            assert!(defined.name == word || defined.name.ends_with(&format!("::{word}")), "{defined:?}");
            assert!(proofd::policy::outline::about(defined, &files).contains(&word));
        }
        assert!(outline.named.len() > 30 && outline.defined.len() > 20);
        println!("{tree}: {} names, {} definitions", outline.named.len(), outline.defined.len());
    }
}
