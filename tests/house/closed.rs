//! A `match` over a closed list names every member, so that a new member cannot be forgotten in silence.

use std::collections::BTreeSet;
use std::path::Path;

use super::{MAY_USE, rust_files};

/// Enums that grow: every match names all variants, and a new variant fails to compile where it is missing.
/// Simulators share no code with the program and are exempt.
const CLOSED: &[&str] = &[
    "AccountChange",
    "Action",
    "ContestOutcome",
    "Done",
    "Effect",
    "EffectKind",
    "EffectShape",
    "Ending",
    "FailureKind",
    "IdentityAction",
    "IdentityChange",
    "Lane",
    "Names",
    "Nature",
    "NeedsProof",
    "Operator",
    "Outcome",
    "Outcomes",
    "OwnResult",
    "ProofOutcome",
    "ProvisioningAction",
    "RequestOutcome",
    "ReviewOutcome",
    "RoleChange",
    "Rule",
    "Says",
    "SessionAction",
    "Target",
    "Verb",
    "Via",
    "Wait",
    "WaitOutcome",
];

/// The text without comments and without the contents of strings and characters, at the same byte offsets.
pub fn bare(text: &str) -> String {
    let mut bare = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (end, keep) = match c {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '"' => {
                let mut escaped = false;
                let end = rest[1..].find(|c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                });
                (end.map_or(rest.len(), |end| end + 2), false)
            }
            '\'' if rest[1..].starts_with('\\') => (rest[2..].find('\'').map_or(1, |end| end + 3), false),
            '\'' if rest[1..].chars().nth(1) == Some('\'') => {
                (2 + rest[1..].chars().next().map_or(0, char::len_utf8), false)
            }
            c => (c.len_utf8(), true),
        };
        let (part, after) = rest.split_at(end);
        if keep {
            bare.push_str(part);
        } else {
            bare.extend(part.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        }
        rest = after;
    }
    bare
}

/// The patterns of a match whose body begins at an offset, with the offset of each.
fn patterns(code: &str, body: usize) -> Vec<(usize, &str)> {
    let bytes = code.as_bytes();
    let (mut at, mut start, mut depth) = (body, body, 0);
    let mut found = Vec::new();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'=' if depth == 0 && bytes.get(at + 1) == Some(&b'>') => {
                found.push((start, code[start..at].trim()));
                at = arm_end(code, at + 2);
                start = at;
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth == 0 => break,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    found
}

/// The end of an arm that begins at an offset: after its comma or block, or before the end of the match.
fn arm_end(code: &str, begin: usize) -> usize {
    let begin = begin + (code[begin..].len() - code[begin..].trim_start().len());
    let is_block = code[begin..].starts_with('{');
    let mut depth = 0;
    for (at, c) in code[begin..].char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return begin + at,
            ')' | ']' | '}' => {
                depth -= 1;
                let after = code[begin + at + 1..].trim_start();
                if depth == 0 && is_block && !after.starts_with(['.', '?', ',']) {
                    return begin + at + 1;
                }
            }
            ',' if depth == 0 => return begin + at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Whether a pattern matches everything: `_`, a name, or a tuple of only these.
fn fits_all(pattern: &str) -> bool {
    let pattern = pattern.split(" if ").next().unwrap_or(pattern).trim();
    let name = |part: &str| {
        part.starts_with(|c: char| c == '_' || c.is_ascii_lowercase())
            && part.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
    };
    match pattern.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(parts) => parts.split(',').map(str::trim).filter(|part| !part.is_empty()).all(name),
        None => name(pattern),
    }
}

/// The closed enums that patterns name; `Self` is resolved to the surrounding impl.
fn lists_named(code: &str, at: usize, patterns: &[(usize, &str)]) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (_, pattern) in patterns {
        let heads = pattern.split("::").take(pattern.matches("::").count());
        named.extend(heads.filter_map(|head| {
            let head = head.rsplit(|c: char| !c.is_alphanumeric()).next()?;
            Some(head.to_owned())
        }));
    }
    if named.contains("Self") {
        let header = code[..at].rfind("\nimpl").and_then(|impl_at| code[impl_at..].split(" {").next());
        let header = header.unwrap_or_default();
        let of = header.rsplit(" for ").next().unwrap_or_default();
        let of = if header.contains(" for ") { of } else { of.rsplit(' ').next().unwrap_or_default() };
        named.insert(of.split('<').next().unwrap_or_default().trim().to_owned());
    }
    named.retain(|name| CLOSED.contains(&name.as_str()));
    named
}

/// Catch-all arms in matches over closed enums: the line, the pattern and the enums.
fn arms_for_the_rest(text: &str) -> Vec<(usize, String, String)> {
    let code = bare(text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("match ") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let mut depth = 0;
        let body = code[at..].char_indices().find(|(_, c)| {
            depth += i32::from(matches!(c, '(' | '[')) - i32::from(matches!(c, ')' | ']'));
            *c == '{' && depth == 0
        });
        let Some((open, _)) = body else { continue };
        let patterns = patterns(&code, at + open + 1);
        let lists: Vec<String> = lists_named(&code, at, &patterns).into_iter().collect();
        for (start, pattern) in patterns.iter().filter(|(_, pattern)| !lists.is_empty() && fits_all(pattern))
        {
            let line = code[..*start].matches('\n').count() + 2;
            found.push((line, (*pattern).to_owned(), lists.join(", ")));
        }
    }
    found
}

#[test]
fn a_match_over_a_closed_enum_has_no_wildcard() {
    let missed = "\nimpl Action {\n fn f(&self) -> u8 {\n  match self {\n   Self::Mail { .. } => 1,\n   _ => 0,\n  }\n }\n}\n";
    let nested = "fn f() {\n match (a, &b) {\n  (Verb::Do { x }, 1) => { match 1 { _ => {} } }\n  (_, other) if x => 2,\n }\n}";
    let named = "fn f() { match a { Effect::Invite => '\"', Effect::Set(_) => \"_ =>\", } match word { \"a\" => 1, _ => 2 } }";
    assert_eq!(arms_for_the_rest(missed), [(6, "_".to_owned(), "Action".to_owned())]);
    assert_eq!(arms_for_the_rest(nested), [(4, "(_, other) if x".to_owned(), "Verb".to_owned())]);
    assert!(arms_for_the_rest(named).is_empty());
    let mut wrong = Vec::new();
    for (room, _) in MAY_USE.iter().filter(|(room, _)| *room != "simulate") {
        for file in rust_files(&Path::new("src").join(room)) {
            for (line, pattern, lists) in arms_for_the_rest(&std::fs::read_to_string(&file).unwrap()) {
                wrong.push(format!("{}:{line}: `{pattern} =>` over {lists}", file.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "name every member, or ask a method of the table in src/model/effect.rs, src/model/action.rs or \
         src/policy/tree.rs; a new member must not be passed over in silence: {wrong:#?}"
    );
}
