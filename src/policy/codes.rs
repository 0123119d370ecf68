//! Every diagnosis by its word and its stable number, with a page that explains it. The pages are one file
//! for people, `codes.md`: a heading with number and word, a line that is the title, and the page.

use std::fmt;
use std::sync::LazyLock;

use serde::Serialize;

/// One diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Code {
    /// `P0101`. A number is never given to another diagnosis.
    #[serde(rename = "code")]
    pub number: &'static str,
    /// `unknown-key`.
    pub word: &'static str,
    pub title: &'static str,
    /// What it means, why it matters, a wrong and a right example.
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

/// All of them, by number.
pub fn all() -> &'static [Code] {
    &TABLE
}

/// By number or word, in any case.
pub fn find(name: &str) -> Option<&'static Code> {
    let same = |code: &&Code| code.number.eq_ignore_ascii_case(name) || code.word.eq_ignore_ascii_case(name);
    TABLE.iter().find(same)
}

/// The number of a word; empty for one that is not in the table, which a test forbids.
pub fn number(word: &str) -> &'static str {
    TABLE.iter().find(|code| code.word == word).map_or("", |code| code.number)
}
