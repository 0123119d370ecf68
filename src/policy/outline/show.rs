//! Renders the hover text of a name: the definition as written, with the comment above it.

use super::Defined;
use crate::policy::files::Files;
use crate::policy::grammar::NameKind;

/// The maximum number of lines, for a small window.
const MOST_LINES: usize = 16;

/// Returns the hover text as Markdown.
pub fn about(defined: &Defined, files: &Files) -> String {
    let (thing, file) = (defined.thing.word(), &defined.place.file);
    let text = files.get(file).map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let (language, comment) = match defined.thing {
        NameKind::Function => ("rust", Some("//")),
        NameKind::Template => ("markdown", None),
        _ => ("yaml", Some("#")),
    };
    let start = defined.from.saturating_sub(1);
    let above = match comment {
        Some(mark) => above(&lines, start, mark),
        None => Vec::new(),
    };
    // The signature is what a caller needs; the comment adds the rest.
    let signature = format!("{}{}", defined.name, defined.more);
    let shown = match defined.thing {
        NameKind::Template => lines.clone(),
        NameKind::Function => vec![signature.as_str()],
        _ => within(&lines, start),
    };
    let mut excerpt = dedented(&shown.iter().take(MOST_LINES).copied().collect::<Vec<_>>());
    if shown.len() > MOST_LINES {
        excerpt.push_str("\n...");
    }
    let name = match defined.thing {
        NameKind::Template => format!("{} ({})", defined.name, defined.more),
        _ => defined.name.clone(),
    };
    let mut about = format!("{thing} **{name}** in {file}:{}\n", defined.place.line);
    if !above.is_empty() {
        about.push_str(&format!("\n{}\n", above.join(" ")));
    }
    about.push_str(&format!("\n```{language}\n{excerpt}\n```\n"));
    about
}

/// Returns the lines of a comment directly above.
fn above<'a>(lines: &[&'a str], start: usize, mark: &str) -> Vec<&'a str> {
    let before = lines.get(..start).unwrap_or_default().iter().rev();
    let comment = before.map_while(|line| line.trim_start().strip_prefix(mark));
    let mut comment: Vec<_> = comment.map(|line| line.trim_matches(['/', '!', ' '])).collect();
    comment.reverse();
    comment
}

/// Returns the line and all lines indented below it.
fn within<'a>(lines: &[&'a str], start: usize) -> Vec<&'a str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let rest = lines.get(start..).unwrap_or_default();
    let Some((first, below)) = rest.split_first() else { return Vec::new() };
    let inside = below.iter().take_while(|line| line.trim().is_empty() || indent(line) > indent(first));
    let mut found: Vec<_> = std::iter::once(*first).chain(inside.copied()).collect();
    while found.last().is_some_and(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        found.pop();
    }
    found
}

fn dedented(lines: &[&str]) -> String {
    let first = lines.first().copied().unwrap_or_default();
    let indent = first.len() - first.trim_start().len();
    let cut = |line: &&str| line.get(indent..).filter(|_| line.len() > indent).unwrap_or("").to_owned();
    lines.iter().map(cut).collect::<Vec<_>>().join("\n")
}
