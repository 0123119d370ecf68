//! Explains errors in a text that is not valid YAML, for readers who do not know YAML. Each explanation has a fix and
//! the place to look at, which is often not where the parser fails.

/// An error in the text. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub line: usize,
    pub column: usize,
    pub length: usize,
    pub message: String,
    pub help: String,
}

/// How many lines before and after the parser's position are searched.
const NEAR: usize = 3;

/// Explains a parser error at a position.
pub(super) fn explain(lines: &[&str], line: usize, column: usize, info: &str) -> Broken {
    tab(lines, line)
        .or_else(|| quote(line, column, info))
        .or_else(|| flow(lines, line, column, info))
        .or_else(|| no_space(lines, line))
        .or_else(|| colon(lines, line, column, info))
        .or_else(|| start(lines, line, column, info))
        .or_else(|| indentation(lines, line, info))
        .unwrap_or_else(|| Broken {
            line,
            column,
            length: 1,
            message: format!("invalid YAML: {info}"),
            help:
                "write keys as `name: value` and list items as `- item`; quote text with special characters"
                    .to_owned(),
        })
}

/// Finds a tab in the indentation, or a character that looks like a space. The parser fails on a line nearby.
fn tab(lines: &[&str], line: usize) -> Option<Broken> {
    let from = line.saturating_sub(NEAR);
    let (at, column, tab) = (from..line + NEAR).find_map(|at| {
        let mut blank = lines.get(at)?.chars().take_while(|c| c.is_whitespace());
        let column = blank.position(|c| c != ' ').or_else(|| after_a_sign(lines.get(at)?))?;
        Some((at + 1, column + 1, lines.get(at)?.chars().nth(column) == Some('\t')))
    })?;
    let (message, help) = if tab {
        ("tab used for indentation", "indent with spaces")
    } else {
        ("this character looks like a space but is not one", "replace it by a space")
    };
    Some(Broken { line: at, column, length: 1, message: message.to_owned(), help: help.to_owned() })
}

/// Returns where a non-ASCII space follows the `:` of a key or the `-` of an item, which makes neither of them valid.
fn after_a_sign(line: &str) -> Option<usize> {
    let text = line.trim_start();
    let before = line.chars().count() - text.chars().count();
    let odd = |rest: &str| rest.starts_with(|c: char| c.is_whitespace() && !c.is_ascii());
    if text.strip_prefix('-').is_some_and(odd) {
        return Some(before + 1);
    }
    let (key, value) = text.split_once(':')?;
    let word = key.strip_prefix("- ").unwrap_or(key);
    let word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (word && odd(value)).then(|| before + key.chars().count() + 1)
}

/// Finds a missing space after the `:` of a key or the `-` of an item. The parser fails on the line after.
fn no_space(lines: &[&str], line: usize) -> Option<Broken> {
    let (at, column, sign) =
        [line, line.saturating_sub(1), line.saturating_sub(2)].into_iter().find_map(|at| {
            let text = lines.get(at.checked_sub(1)?)?;
            let blank = text.chars().take_while(|c| *c == ' ').count();
            let rest = text.trim_start();
            if let Some(item) = rest.strip_prefix('-').filter(|item| item.starts_with(char::is_alphabetic)) {
                return item.contains(':').then_some((at, blank + 1, '-'));
            }
            let rest = rest.strip_prefix("- ").map_or((rest, blank), |item| (item, blank + 2));
            let (key, value) = rest.0.split_once(':')?;
            let word = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let tight = value.starts_with(|c: char| !c.is_whitespace() && c != ':');
            (word && tight).then_some((at, rest.1 + key.len() + 1, ':'))
        })?;
    Some(Broken {
        line: at,
        column,
        length: 1,
        message: format!("missing space after `{sign}`"),
        help: "write keys as `name: value` and list items as `- item`".to_owned(),
    })
}

fn quote(line: usize, column: usize, info: &str) -> Option<Broken> {
    let quoted = info.contains("quoted scalar");
    quoted.then(|| Broken {
        line,
        column,
        length: 1,
        message: "this quote is not closed".to_owned(),
        help: "close it on the same line".to_owned(),
    })
}

/// Explains errors about `{}` or `[]`.
fn flow(lines: &[&str], line: usize, column: usize, info: &str) -> Option<Broken> {
    if !["flow", "',' or", "illegal placement", "node content"].iter().any(|word| info.contains(word)) {
        return None;
    }
    let open = unclosed(lines, line, column)?;
    let (at, place, bracket) = open;
    let close = if bracket == '{' { '}' } else { ']' };
    let rest: String = lines.get(at - 1)?.chars().skip(place).collect();
    let (message, help) = if rest.contains(close) {
        (
            format!("invalid entry between `{bracket}` and `{close}`"),
            format!("separate entries with commas, and quote text that contains `,`, `{close}` or `: `"),
        )
    } else {
        (format!("this `{bracket}` is not closed"), format!("write `{close}` after the last entry"))
    };
    Some(Broken { line: at, column: place, length: 1, message, help })
}

/// Finds the last bracket before a position that is not closed before it. Brackets in quotes and comments do not count.
fn unclosed(lines: &[&str], line: usize, column: usize) -> Option<(usize, usize, char)> {
    let mut open = Vec::new();
    for (number, text) in lines.iter().enumerate().take(line) {
        let (mut quote, mut before) = (None, ' ');
        for (at, c) in text.chars().enumerate() {
            if number + 1 == line && at + 1 >= column {
                break;
            }
            match (quote, c) {
                (Some(end), _) => quote = (end != c).then_some(end),
                (None, '#') if before.is_whitespace() => break,
                (None, '"' | '\'') if matches!(before, ' ' | '[' | '{' | ',') => quote = Some(c),
                (None, '{' | '[') if matches!(before, ' ' | '[' | '{' | ',') => {
                    open.push((number + 1, at + 1, c));
                }
                (None, '}' | ']') => {
                    open.pop();
                }
                (None, _) => {}
            }
            before = c;
        }
    }
    open.pop()
}

/// Finds a second `: ` in a line, which would make a key of the text before it.
fn colon(lines: &[&str], line: usize, column: usize, info: &str) -> Option<Broken> {
    if !info.contains("mapping values") {
        return None;
    }
    let text = lines.get(line.checked_sub(1)?)?;
    let head: String = text.chars().take(column.saturating_sub(1)).collect();
    let (key, value) = head.split_once(": ")?;
    let start = key.chars().count() + 2 + (value.len() - value.trim_start().len());
    let whole: String = text.chars().skip(start).collect();
    let whole = whole.split(" #").next().unwrap_or_default().trim_end();
    let quoted = if whole.contains('"') { format!("'{whole}'") } else { format!("\"{whole}\"") };
    Some(Broken {
        line,
        column: start + 1,
        length: whole.chars().count().max(1),
        message: "a colon and a space inside a text turn the text before them into a key".to_owned(),
        help: format!("quote the text: {}: {quoted}", key.trim_start().trim_start_matches("- ")),
    })
}

/// Finds a value that begins with a character that is special in YAML.
fn start(lines: &[&str], line: usize, column: usize, info: &str) -> Option<Broken> {
    let text = lines.get(line.checked_sub(1)?)?;
    let sign = text.chars().nth(column.checked_sub(1)?)?;
    let means = matches!(sign, '@' | '`' | '%') || (matches!(sign, '*' | '&') && info.contains("anchor"));
    means.then(|| Broken {
        line,
        column,
        length: 1,
        message: format!("a value cannot start with `{sign}`"),
        help: "quote the whole value".to_owned(),
    })
}

/// Finds lines whose indentation matches no enclosing block.
fn indentation(lines: &[&str], line: usize, info: &str) -> Option<Broken> {
    let about = ["mapping values", "expected key", "'-' indicator", "block", "indentation", "simple key"];
    if !about.iter().any(|word| info.contains(word)) {
        return None;
    }
    let indent = |text: &str| text.chars().take_while(|c| *c == ' ').count();
    let text = lines.get(line.checked_sub(1)?)?;
    let has_content = |text: &&str| !text.trim().is_empty() && !text.trim_start().starts_with('#');
    let (number, before) =
        lines.iter().enumerate().take(line.saturating_sub(1)).rev().find(|(_, text)| has_content(text))?;
    let (own, other) = (indent(text) + 1, indent(before) + 1);
    if own == other && !info.contains("simple key") {
        return None;
    }
    let shown = before.trim().chars().take(30).collect::<String>();
    let (message, help) =
        if info.contains("simple key") && !text.contains(": ") && !text.trim_end().ends_with(':') {
            (
                "this is neither a key nor a list item".to_owned(),
                "write keys as `name: value`, with a space after the colon, and list items as `- item`"
                    .to_owned(),
            )
        } else {
            (
                format!("bad indentation: column {own} matches no enclosing block"),
                format!("line {} (`{shown}`) starts in column {other}; align the two", number + 1),
            )
        };
    let length = text.trim().split([':', ' ']).next().map_or(1, |word| word.chars().count().max(1));
    Some(Broken { line, column: own, length, message, help })
}
