//! The only module that prints.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::style::{self, Tone};
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

/// Prints a table within the width of the terminal: too long cells of the flexible columns are cut, in that order.
pub fn fitted(head: &[&str], rows: &[Vec<String>], flexible: &[usize]) {
    let head = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rows = rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect());
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    columns("", &fit(rows, flexible, style::width()));
}

/// Columns narrower than this are not cut.
const NARROWEST: usize = 12;

/// Cuts cells of the flexible columns until each row fits.
fn fit(mut rows: Vec<Vec<String>>, flexible: &[usize], width: usize) -> Vec<Vec<String>> {
    let widest = |rows: &[Vec<String>], column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
    };
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    for column in flexible {
        let total: usize =
            (0..columns).map(|column| widest(&rows, column) + 2).sum::<usize>().saturating_sub(2);
        let over = total.saturating_sub(width);
        let room = widest(&rows, *column).saturating_sub(over).max(NARROWEST);
        for cell in rows.iter_mut().filter_map(|row| row.get_mut(*column)) {
            if cell.width() > room {
                *cell = cut(cell, room);
            }
        }
    }
    rows
}

/// The beginning of a text in this many columns, with an ellipsis.
fn cut(text: &str, room: usize) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        if kept.width() + c.width().unwrap_or(0) + 1 > room {
            break;
        }
        kept.push(c);
    }
    format!("{}\u{2026}", kept.trim_end())
}

/// Prints the next command, on a terminal only: a program reads the answer alone.
pub fn next(command: &str) {
    if is_terminal() {
        line(&style::paint(Tone::Faint, &format!("next: {command}")));
    }
}

/// Prints a note to standard error.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
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
    fn a_table_is_cut_to_the_terminal() {
        let rows = || {
            let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
            vec![row(["c0123456", "Ada Lindqvist", "a decision in the queue identity-desk of the company"])]
        };
        let width = |rows: &[Vec<String>]| -> usize {
            use unicode_width::UnicodeWidthStr as _;
            rows.iter()
                .map(|row| row.iter().map(|cell| cell.width() + 2).sum::<usize>() - 2)
                .max()
                .unwrap_or(0)
        };
        let fitting = super::fit(rows(), &[2, 1], 50);
        assert!(width(&fitting) <= 50 && fitting[0][2].ends_with('\u{2026}'), "{fitting:?}");
        assert_eq!(fitting[0][1], "Ada Lindqvist", "the first column that can be cut is enough");
        assert_eq!(super::fit(rows(), &[2, 1], 200), rows());
    }

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
