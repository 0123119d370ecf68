//! Dependencies within a top-level module are acyclic: no child uses another that uses it, directly or through
//! others.
//!
//! The nodes are the direct children of a top-level module, and its `mod.rs`. A path that begins with `super::` or
//! `crate::room::` uses the child that it leads to. A name that `mod.rs` only re-exports is a use of the child that
//! defines it; a name that `mod.rs` defines is a use of `mod.rs`. `mod.rs` itself uses the children whose names its
//! code contains. Tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::closed::bare;
use super::{MAY_USE, rust_files};

/// Top-level modules that still have cycles. A module without cycles must leave the list.
const NOT_YET: &[&str] = &["case", "cli", "connectors", "http", "model", "trial"];

/// Maps a child to the children that it uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

const ROOT: &str = "mod.rs";

/// Expands a use tree: `a::{b, c::{d, e as f}}` becomes `a::b`, `a::c::d` and `a::c::e`, each with its local name.
fn expand(prefix: &str, tree: &str, found: &mut Vec<(String, String)>) {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
        let path = format!("{prefix}{}", path.trim());
        let last = path.rsplit("::").next().unwrap_or_default().to_owned();
        let name = if name.is_empty() { last } else { name.trim().to_owned() };
        found.push((path, name));
        return;
    };
    let prefix = format!("{prefix}{}", head.trim());
    let group = group.rsplit_once('}').map_or(group, |(group, _)| group);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&prefix, &group[start..at], found);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !group[start..].trim().is_empty() {
        expand(&prefix, &group[start..], found);
    }
}

/// The start of the use declaration in a statement, if it is one.
fn declaration(statement: &str) -> Option<usize> {
    let at = statement.rfind("use ")?;
    let before = statement[..at].chars().next_back();
    before.is_none_or(|c| c.is_whitespace() || c == ')').then_some(at)
}

/// The use declarations of a text: whether each is public, and its paths.
fn declarations(code: &str) -> Vec<(bool, Vec<(String, String)>)> {
    let mut found = Vec::new();
    for statement in code.split_inclusive(';').filter_map(|statement| statement.strip_suffix(';')) {
        let Some(at) = declaration(statement) else { continue };
        let before = statement[..at].trim_end();
        let line = before.rsplit('\n').next().unwrap_or_default().trim();
        let mut paths = Vec::new();
        expand("", &statement[at + "use ".len()..], &mut paths);
        found.push((line.starts_with("pub"), paths));
    }
    found
}

/// The text without its use declarations.
fn without_declarations(code: &str) -> String {
    let rest = |statement: &'_ str| statement[..declaration(statement).unwrap_or(statement.len())].to_owned();
    code.split_inclusive(';').map(rest).collect()
}

/// All paths in a text that begin with a word.
fn inline<'a>(code: &'a str, start: &str) -> Vec<&'a str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let starts = code.match_indices(start).filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        before.is_none_or(|c| !is_name(c) && c != ':')
    });
    let path = |(at, _): (usize, &str)| {
        let end = code[at..].find(|c: char| !is_name(c) && c != ':').unwrap_or(code.len() - at);
        code[at..at + end].trim_end_matches(':')
    };
    starts.map(path).collect()
}

/// The code of a file without its tests.
fn code_of(file: &Path) -> String {
    let code = bare(&std::fs::read_to_string(file).unwrap());
    match code.find("#[cfg(test)]\nmod tests {") {
        Some(tests) => code[..tests].to_owned(),
        None => code,
    }
}

/// The module path of a file below the top-level module; `mod.rs` stands for its directory.
fn modules(room: &Path, file: &Path) -> Vec<String> {
    let path = file.strip_prefix(room).unwrap().with_extension("");
    let mut parts: Vec<String> = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// Whether the module is compiled only for tests.
fn is_for_tests(room: &Path, modules: &[String]) -> bool {
    let Some((name, above)) = modules.split_last() else { return false };
    let parent = above.iter().fold(room.to_owned(), |path, part| path.join(part));
    let files = [parent.join("mod.rs"), parent.with_extension("rs")];
    let declares = |file: &Path| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.contains(&format!("#[cfg(test)]\nmod {name};"))
    };
    files.iter().any(|file| declares(file)) || is_for_tests(room, above)
}

/// The dependency graph of a top-level module.
fn uses(room: &str) -> Uses {
    let dir = Path::new("src").join(room);
    let files = rust_files(&dir);
    let children: BTreeSet<String> =
        files.iter().filter_map(|file| modules(&dir, file).into_iter().next()).collect();
    let mut uses = Uses::new();
    let mut note = |from: &str, to: &str| {
        if from != to {
            uses.entry(from.to_owned()).or_default().insert(to.to_owned());
        }
    };
    let root = code_of(&dir.join("mod.rs"));
    // Maps a name to the child that defines it; none: another top-level module defines it.
    let mut shown: BTreeMap<String, Option<String>> = BTreeMap::new();
    for (public, paths) in declarations(&root) {
        for (path, name) in paths {
            let first = path.trim_start_matches("self::").split("::").next().unwrap_or_default().to_owned();
            match (public, children.contains(&first)) {
                (true, true) => drop(shown.insert(name, Some(first))),
                (true, false) => drop(shown.insert(name, None)),
                (false, true) => note(ROOT, &first),
                (false, false) => {}
            }
        }
    }
    let rest = without_declarations(&root);
    for child in &children {
        if !inline(&rest, &format!("{child}::")).is_empty() {
            note(ROOT, child);
        }
    }
    for file in &files {
        let own = modules(&dir, file);
        let Some(from) = own.first() else { continue };
        if is_for_tests(&dir, &own) {
            continue;
        }
        let code = code_of(file);
        let declared = declarations(&code).into_iter().flat_map(|(_, paths)| paths).map(|(path, _)| path);
        let inline =
            ["super::", "crate::"].into_iter().flat_map(|start| inline(&code, start)).map(str::to_owned);
        for path in declared.chain(inline) {
            let mut parts: Vec<&str> = path.split("::").map(str::trim).collect();
            let mut at: Vec<&str> = own.iter().map(String::as_str).collect();
            if parts[..parts.len().min(2)] == ["crate", room] {
                at.clear();
                parts.drain(..2);
            } else if parts[0] == "super" {
                while parts.first() == Some(&"super") {
                    at.pop();
                    parts.remove(0);
                }
            } else {
                continue;
            }
            let Some(to) = at.iter().chain(&parts).next() else { continue };
            if children.contains(*to) {
                note(from, to);
            } else {
                match shown.get(*to) {
                    Some(Some(child)) => note(from, child),
                    Some(None) => {}
                    None => note(from, ROOT),
                }
            }
        }
    }
    uses
}

/// A cycle through a child, if there is one, in the order of use.
fn circle(uses: &Uses, start: &str) -> Option<Vec<String>> {
    // The shortest cycle, breadth first.
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut todo = std::collections::VecDeque::from([start]);
    while let Some(at) = todo.pop_front() {
        for next in uses.get(at).into_iter().flatten() {
            if next == start {
                let mut way = vec![start.to_owned()];
                let mut step = at;
                while step != start {
                    way.push(step.to_owned());
                    step = came_from[step];
                }
                way.push(start.to_owned());
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(next.as_str()) {
                came_from.insert(next, at);
                todo.push_back(next);
            }
        }
    }
    None
}

#[test]
fn modules_of_a_room_have_no_import_circles() {
    let mut wrong = Vec::new();
    for (room, _) in MAY_USE {
        let uses = uses(room);
        let circles: BTreeSet<String> =
            uses.keys().filter_map(|start| circle(&uses, start)).map(|way| way.join(" -> ")).collect();
        if NOT_YET.contains(room) {
            assert!(!circles.is_empty(), "{room} has no circle any more: take it out of NOT_YET");
        } else {
            wrong.extend(circles.into_iter().map(|circle| format!("{room}: {circle}")));
        }
    }
    assert!(wrong.is_empty(), "modules use each other in circles: {wrong:#?}");
}

#[test]
fn imports_are_read_from_declarations_and_paths() {
    let code = bare(
        "//! use super::comment::A;\nuse super::one::{A, two::B as C};\npub(super) use three::{self, D};\n\
         fn f(x: super::four::E) -> crate::room::five::F { \"super::text::G\"; }\n",
    );
    let paths = |public: bool| -> Vec<String> {
        let all = declarations(&code).into_iter().filter(|(is, _)| *is == public);
        all.flat_map(|(_, paths)| paths).map(|(path, name)| format!("{path} {name}")).collect()
    };
    assert_eq!(paths(false), ["super::one::A A", "super::one::two::B C"]);
    assert_eq!(paths(true), ["three::self self", "three::D D"]);
    assert_eq!(inline(&code, "crate::"), ["crate::room::five::F"]);
    assert!(inline(&code, "super::").contains(&"super::four::E"));
    assert!(!inline(&code, "super::").iter().any(|path| path.contains("text") || path.contains("comment")));
}

#[test]
fn an_import_circle_is_found_and_named() {
    let of = |pairs: &[(&str, &str)]| {
        let mut uses = Uses::new();
        for (from, to) in pairs {
            uses.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        uses
    };
    let round = of(&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]);
    assert_eq!(circle(&round, "a").unwrap().join(" "), "a b c a");
    assert_eq!(circle(&round, "d"), None);
    assert_eq!(circle(&of(&[("a", "b"), ("b", "c"), ("a", "c")]), "a"), None);
}
