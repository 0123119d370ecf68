//! The files of a revision, line by line, with comments, keys and texts marked.

use std::collections::BTreeMap;

use serde::Serialize;

/// A file, as its template reads it.
#[derive(Debug, Serialize)]
pub(super) struct File {
    pub path: String,
    pub lines: Vec<Vec<Part>>,
}

/// A part of a line. `kind` is a class of the style: `key`, `text`, `comment` or empty.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Part {
    pub kind: &'static str,
    pub text: String,
}

/// Returns the files: the policy's own first, the longest-known order of a reader.
pub(super) fn files(of: BTreeMap<String, String>, policy: &str) -> Vec<File> {
    let own = format!("{policy}/");
    let rank = |path: &str| match (path.contains(&own), path.ends_with("policy.yaml")) {
        (true, true) => 0,
        (true, false) => 1,
        (false, _) => 2,
    };
    let mut files: Vec<_> = of.into_iter().collect();
    files.sort_by_key(|(path, _)| (rank(path), path.clone()));
    let marked = |path: &str, text: &str| {
        let comment = if path.ends_with(".yaml") { "#" } else { "//" };
        text.lines().map(|line| parts(line, comment, path.ends_with(".yaml"))).collect()
    };
    files.into_iter().map(|(path, text)| File { lines: marked(&path, &text), path }).collect()
}

fn part(kind: &'static str, text: &str) -> Part {
    Part { kind, text: text.to_owned() }
}

fn parts(line: &str, comment: &str, keys: bool) -> Vec<Part> {
    let (code, rest) = line.split_at(comment_at(line, comment));
    let mut parts = Vec::new();
    let mut code = code;
    if keys && let Some(at) = key_end(code) {
        let (key, after) = code.split_at(at);
        parts.push(part("key", key));
        code = after;
    }
    while let Some(at) = code.find(['"', '\'']) {
        let (before, quoted) = code.split_at(at);
        let quote = quoted.chars().next().unwrap_or('"');
        let end =
            quoted.char_indices().skip(1).find(|(_, c)| *c == quote).map_or(quoted.len(), |(at, _)| at + 1);
        let (text, after) = quoted.split_at(end);
        parts.extend([part("", before), part("text", text)]);
        code = after;
    }
    parts.extend([part("", code), part("comment", rest)]);
    parts.retain(|part| !part.text.is_empty());
    parts
}

/// Where the comment of a line begins: not inside quotes, and in YAML only after a space.
fn comment_at(line: &str, comment: &str) -> usize {
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if line.get(at..).is_some_and(|rest| rest.starts_with(comment))
                && (comment == "//" || before == ' ') =>
            {
                return at;
            }
            None => {}
        }
        before = c;
    }
    line.len()
}

/// Where the key of a YAML line ends, with its colon.
fn key_end(line: &str) -> Option<usize> {
    let at = line.find(": ").or_else(|| line.strip_suffix(':').map(str::len))?;
    let key = line.get(..at)?.trim_start_matches([' ', '-', '{']);
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    plain.then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_texts_and_comments_are_marked_and_nothing_is_lost() {
        for (line, comment, expected) in [
            ("format: 1", "#", &[("key", "format:"), ("", " 1")][..]),
            ("  - id: proof # why", "#", &[("key", "  - id:"), ("", " proof "), ("comment", "# why")]),
            ("when:", "#", &[("key", "when:")]),
            ("a: \"x # y: z\"", "#", &[("key", "a:"), ("", " "), ("text", "\"x # y: z\"")]),
            ("a: b#c", "#", &[("key", "a:"), ("", " b#c")]),
            ("# all", "#", &[("comment", "# all")]),
            (
                "if x { 'a' } // b",
                "//",
                &[("", "if x { "), ("text", "'a'"), ("", " } "), ("comment", "// b")],
            ),
            ("", "#", &[]),
            ("x: 'open", "#", &[("key", "x:"), ("", " "), ("text", "'open")]),
        ] {
            let parts = parts(line, comment, comment == "#");
            let marked: Vec<_> = parts.iter().map(|part| (part.kind, part.text.as_str())).collect();
            assert_eq!(marked, expected, "{line}");
            assert_eq!(parts.iter().map(|part| part.text.as_str()).collect::<String>(), line);
        }
    }
}
