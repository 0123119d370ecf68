//! The only module that prints.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use unicode_width::UnicodeWidthStr as _;

use super::{Ending, Failed};
use crate::model::typed;

/// Prints a line to standard output. A closed pipe is not an error: the reader has stopped.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints JSON to standard output.
pub fn json(value: &impl serde::Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => line(&text),
        Err(error) => self::error(&format!("writing the answer as JSON failed: {error}")),
    }
}

/// Prints the error of a command to standard error: a sentence, or one JSON object with `--json`.
pub fn failed(failed: &Failed, json: bool) -> ExitCode {
    let detail = format!("{:#}", failed.error);
    if json {
        let title = match failed.ending {
            Ending::Ok => "success",
            Ending::No => "failed or refused",
            Ending::Usage => "wrong use or bad configuration",
            Ending::Unreachable => "cannot be reached",
            Ending::NotWhole => "the store has accepted losses",
        };
        let exit_code = failed.ending.code();
        let problem = serde_json::json!({ "title": title, "detail": detail, "exit_code": exit_code });
        let _ = writeln!(std::io::stderr().lock(), "{problem}");
    } else {
        error(&detail);
    }
    failed.ending.into()
}

/// Prints an error to standard error.
pub fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "proofd: {text}");
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Prints a table with a header row.
pub fn table(head: &[&str], rows: &[Vec<String>]) {
    let head = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rows = rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect());
    columns("", &std::iter::once(head).chain(rows).collect::<Vec<_>>());
}

/// Prints indented rows; on a terminal, columns are as wide as their widest cell.
pub fn columns(indent: &str, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
    let widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or(0)).collect();
    for row in rows {
        let padded: Vec<_> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width()))))
            .collect();
        line(format!("{indent}{}", padded.join("  ")).trim_end());
    }
}

/// External text without characters that move the cursor, reverse text or hide it.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if typed::is_plain(c) { c } else { '\u{fffd}' }).collect()
}

/// Width of a name in a table, in columns.
const LONGEST_NAME: usize = 40;

/// A person's name in a table: truncated, and without text that a terminal turns into a link.
pub fn short_name(text: &str) -> String {
    typed::unlinked(&typed::one_line(text, LONGEST_NAME))
}

/// A person's name in a line of its own, without text that a terminal turns into a link.
pub fn name(text: &str) -> String {
    typed::unlinked(&typed::one_line(text, typed::LONGEST_NAME))
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_escaped_and_truncated_for_terminals() {
        for (typed, expected) in [
            ("Ada Example", "Ada Example"),
            ("\u{1b}[2JAda", "\u{fffd}[2JAda"),
            ("\u{1b}]8;;https://evil.example\u{7}x", "\u{fffd}]8;;https: //evil. example\u{fffd}x"),
            ("\u{202e}ada\u{2066}", "ada"),
            ("go to evil.example/login", "go to evil. example/login"),
            ("a\r\nb", "a b"),
        ] {
            assert_eq!(super::short_name(typed), expected);
        }
        assert_eq!(super::short_name(&"x".repeat(5_000)).chars().count(), super::LONGEST_NAME);
        assert_eq!(super::visible("a\u{202e}b\u{9b}c\u{200b}"), "a\u{fffd}b\u{fffd}c\u{fffd}");
    }
}
