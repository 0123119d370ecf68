//! A unified diff, line by line.

use serde::Serialize;

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    /// A class of the style: `file`, `hunk`, `added`, `removed` or empty.
    pub kind: &'static str,
    pub text: String,
}

pub(super) fn lines(diff: &str) -> Vec<Line> {
    let line = |text: &str| {
        let kind = match text.chars().next() {
            _ if text.starts_with("+++") || text.starts_with("---") => "file",
            Some('+') => "added",
            Some('-') => "removed",
            Some('@') => "hunk",
            Some(_) | None => "",
        };
        Line { kind, text: text.to_owned() }
    };
    diff.lines().filter(|text| !text.starts_with("\\ No newline")).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let shown = lines("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n same\n\\ No newline at end of file\n");
        let kinds: Vec<_> = shown.iter().map(|line| line.kind).collect();
        assert_eq!(kinds, ["file", "file", "hunk", "removed", "added", ""]);
    }
}
