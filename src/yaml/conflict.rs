//! Finds the conflict markers that a merge leaves in a file. All other errors of such a file follow from them.

use super::{Fault, Place};

/// Reports the first conflict marker of a text. In Markdown a row of `=` underlines a heading and is not a marker.
pub fn conflict(file: &str, text: &str) -> Option<Fault> {
    let markdown = file.ends_with(".md");
    let mark = |line: &str| {
        let line = line.trim_end();
        let sign =
            |sign: &str| line.strip_prefix(sign).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        sign("<<<<<<<") || sign(">>>>>>>") || (!markdown && (line == "=======" || sign("|||||||")))
    };
    let number = text.split('\n').position(mark)?;
    let place = Place { file: file.to_owned(), line: number + 1, column: 1, length: 7 };
    let message = "unresolved merge conflict: the file contains two versions";
    let help = "keep one version, and remove the lines that start with <<<<<<<, ======= and >>>>>>>";
    Some(Fault::new(place, "merge-conflict", message).help(help))
}
