//! Lists every diagnosis by word and stable number, with a page that explains it. All pages are in one readable file,
//! `codes.md`: a heading with number and word, a title line, and the page.

use std::fmt;
use std::sync::LazyLock;

use serde::Serialize;

/// One kind of diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Code {
    /// Such as `P0101`. A number is never reused for another diagnosis.
    #[serde(rename = "code")]
    pub number: &'static str,
    /// Such as `unknown-key`.
    pub word: &'static str,
    pub title: &'static str,
    /// The meaning, why it matters, a wrong example and a right example.
    pub page: &'static str,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.word)
    }
}

static TABLE: LazyLock<Vec<Code>> = LazyLock::new(|| {
    let pages = include_str!("codes.md").trim_start_matches("# ").split("\n# ");
    pages.filter_map(read).collect()
});

fn read(page: &'static str) -> Option<Code> {
    let (head, rest) = page.split_once('\n')?;
    let (number, word) = head.split_once(' ')?;
    let (title, page) = rest.split_once('\n')?;
    Some(Code { number, word, title, page: page.trim() })
}

/// Returns all diagnoses, ordered by number.
pub fn all() -> &'static [Code] {
    &TABLE
}

/// Finds a diagnosis by number or word, ignoring case.
pub fn find(name: &str) -> Option<&'static Code> {
    let same = |code: &&Code| code.number.eq_ignore_ascii_case(name) || code.word.eq_ignore_ascii_case(name);
    TABLE.iter().find(same)
}

/// Returns the number of a word; empty for a word that is not in the table, which a test forbids.
pub fn number(word: &str) -> &'static str {
    TABLE.iter().find(|code| code.word == word).map_or("", |code| code.number)
}
