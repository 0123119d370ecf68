//! The only place that prints.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use super::{Ending, Failed};

/// A line for who asked. A closed pipe is not an error: they have read enough.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// JSON for programs.
pub fn json(value: &impl serde::Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => line(&text),
        Err(error) => self::error(&format!("the answer is not JSON: {error}")),
    }
}

/// A command failed: a sentence, or with `--json` one object, on the channel of errors.
pub fn failed(failed: &Failed, json: bool) -> ExitCode {
    let detail = format!("{:#}", failed.error);
    if json {
        let title = match failed.ending {
            Ending::Ok => "ok",
            Ending::No => "the answer is no",
            Ending::Usage => "wrong use or bad configuration",
            Ending::Unreachable => "not reachable",
        };
        let exit_code = failed.ending.code();
        let problem = serde_json::json!({ "title": title, "detail": detail, "exit_code": exit_code });
        let _ = writeln!(std::io::stderr().lock(), "{problem}");
    } else {
        error(&detail);
    }
    failed.ending.into()
}

/// An error, on its own channel.
pub fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "proofd: {text}");
}

/// Whether a person reads along.
pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// A table with a head, columns as wide as their widest cell.
pub fn table(head: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let print = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<_> =
            cells.zip(&widths).map(|(cell, width)| format!("{}{cell:<width$}", "")).collect();
        line(padded.join("  ").trim_end());
    };
    print(&mut head.iter().copied());
    for row in rows {
        print(&mut row.iter().map(|cell| visible(cell)).collect::<Vec<_>>().iter().map(String::as_str));
    }
}

/// Text from outside without control characters, so that a name cannot move the cursor.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
