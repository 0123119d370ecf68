//! Splits a field's text into comparable words, without invisible characters, titles and fillers.

use unicode_normalization::UnicodeNormalization as _;

use super::letters::{self, SYSTEMS, System};
use super::spelling::{Unit, same};

/// Exceeds every passport name. Longer texts are not compared, which bounds the cost.
const MOST_CHARACTERS: usize = 256;
const MOST_WORDS: usize = 14;

/// The field of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Given,
    Family,
}

/// One word of a name.
#[derive(Debug)]
pub(super) struct Word {
    /// Lower case and folded, in its own script.
    pub(super) text: String,
    foreign: bool,
    own: Vec<Unit>,
    /// In Latin letters, by system; `None` for a system that lacks a letter.
    latin: Vec<Option<Vec<Unit>>>,
}

/// The comparable content of a field.
#[derive(Debug)]
pub(super) enum Name {
    /// No visible text, or only a filler such as FNU.
    Missing,
    /// Present, but not text or too long.
    Unreadable,
    Words(Vec<Word>),
}

impl Name {
    /// Parses a field. `romanized`: the alternative romanizations of a name from another script, if known.
    pub(super) fn read(text: Option<&str>, part: Part, romanized: Option<System>) -> Self {
        let text = text.unwrap_or_default();
        // Normalization may expand a character into several; the second check covers the result.
        if text.chars().nth(4 * MOST_CHARACTERS).is_some() {
            return Self::Unreadable;
        }
        let text: String = text.chars().filter(|c| !is_dropped(*c)).nfkc().collect();
        if text.chars().nth(MOST_CHARACTERS).is_some() {
            return Self::Unreadable;
        }
        let parts = text.split(parts_words).map(visible).map(|word| letters::folded(&word));
        let mut words: Vec<String> = parts.filter(|word| !word.is_empty()).collect();
        if words.iter().all(|word| is_filler(word)) || is_not_available(&text) {
            return Self::Missing;
        }
        strip_titles(&mut words);
        if words.len() > MOST_WORDS {
            return Self::Unreadable;
        }
        let last = words.len() - 1;
        let word = |(n, text): (usize, String)| Word::new(text, part, n == last, romanized);
        Self::Words(words.into_iter().enumerate().map(word).collect())
    }

    pub(super) fn words(&self) -> &[Word] {
        match self {
            Self::Missing | Self::Unreadable => &[],
            Self::Words(words) => words,
        }
    }
}

impl Word {
    fn new(text: String, part: Part, is_last: bool, romanized: Option<System>) -> Self {
        let foreign = text.chars().any(letters::is_foreign);
        // The dots of ё are often omitted.
        let own = text.chars().map(|c| Unit::Text(if c == 'ё' { 'е' } else { c }.to_string())).collect();
        let mut systems = SYSTEMS.to_vec();
        if !letters::has_several_systems(&text) {
            systems.truncate(1);
        }
        systems.extend(romanized.filter(|_| !foreign));
        // Articles and "son of" before a family name have variable spellings.
        let particle = (part == Part::Family && !is_last).then(|| particle(&text)).flatten();
        let latin = match particle {
            Some(ways) => vec![Some(vec![Unit::Ways(ways)])],
            None => systems.iter().map(|system| letters::latin(&text, *system)).collect(),
        };
        Self { text, foreign, own, latin }
    }

    pub(super) fn latin(&self, system: usize) -> Option<&[Unit]> {
        self.latin.get(system).or(self.latin.first())?.as_deref()
    }

    /// Returns the usual spelling in Latin letters, or the original letters without one.
    pub(super) fn usual(&self) -> String {
        match self.latin.iter().flatten().next() {
            Some(units) => units.iter().map(Unit::usual).collect(),
            None => self.text.clone(),
        }
    }

    pub(super) fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// Returns whether the word is comparable only within its own script.
    pub(super) fn has_no_latin(&self) -> bool {
        self.latin.iter().all(Option::is_none)
    }
}

/// Returns whether two runs of words are equal, written apart or joined. Two words in other scripts are compared in
/// their own letters: their romanizations match more often than the originals.
pub(super) fn alike(a: &[Word], b: &[Word]) -> bool {
    if a.iter().any(|word| word.foreign) && b.iter().any(|word| word.foreign) {
        let own = |words: &'_ [Word]| words.iter().flat_map(|word| word.own.clone()).collect::<Vec<_>>();
        let (a, b) = (own(a), own(b));
        return same(&a.iter().collect::<Vec<_>>(), &b.iter().collect::<Vec<_>>());
    }
    spelled(a).iter().any(|left| spelled(b).iter().any(|right| same(left, right)))
}

/// Returns the words in every system that has all of their letters.
fn spelled(words: &[Word]) -> Vec<Vec<&Unit>> {
    let systems = words.iter().map(|word| word.latin.len()).max().unwrap_or(0);
    let by = |system| {
        let units = words.iter().map(|word| word.latin(system)).collect::<Option<Vec<_>>>()?;
        Some(units.into_iter().flatten().collect())
    };
    (0..systems).filter_map(by).collect()
}

fn particle(word: &str) -> Option<&'static [&'static str]> {
    match word {
        "al" | "el" => Some(&["al", "el"]),
        "bin" | "ibn" | "ben" => Some(&["bin", "ibn", "ben"]),
        _ => None,
    }
}

fn parts_words(c: char) -> bool {
    let dash = matches!(
        c,
        '-' | '\u{2010}'
            ..='\u{2015}'
                | '\u{2043}'
                | '\u{2212}'
                | '\u{2e3a}'
                | '\u{2e3b}'
                | '\u{58a}'
                | '\u{5be}'
                | '\u{1806}'
                | '\u{2d7}'
                | '\u{30a0}'
                | '_'
                | '~'
    );
    let stop =
        matches!(c, '<' | ',' | '.' | '/' | ';' | '(' | ')' | '\u{b7}' | '\u{30fb}' | '\u{3001}' | '\u{60c}');
    dash || stop || c.is_whitespace()
}

/// Returns whether a character is an apostrophe or has no visible form. Checked before normalization, which turns some
/// apostrophes into spaces.
fn is_dropped(c: char) -> bool {
    let apostrophe = matches!(c, '\'' | '`' | '\u{b4}' | '\u{2b0}'..='\u{2d6}' | '\u{2d8}'..='\u{2ff}' | '\u{2018}'..='\u{201b}'
        | '\u{2032}' | '\u{2035}' | '\u{a78b}' | '\u{a78c}' | '\u{ff07}' | '\u{ff40}' | '\u{1fbd}' | '\u{1fbf}');
    // Letters by class, but invisible.
    let blank = matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{34f}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}');
    apostrophe || blank
}

/// Returns whether a text is empty, invisible or a filler.
pub(super) fn is_blank(text: &str) -> bool {
    matches!(Name::read(Some(text), Part::Given, None), Name::Missing)
}

/// Returns whether a character is a control or formatting character, which is never visible.
pub(super) fn is_unseen(c: char) -> bool {
    c.is_control()
        || is_dropped(c)
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns the letters, digits and marks of a word.
fn visible(word: &str) -> String {
    word.chars()
        .filter(|c| c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(*c))
        .collect()
}

/// Returns whether a word is a filler for a missing name: FNU, LNU (first, last name unknown), XXX.
fn is_filler(word: &str) -> bool {
    matches!(word, "fnu" | "lnu") || (word.len() >= 3 && word.bytes().all(|byte| byte == b'x'))
}

fn is_not_available(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("n/a")
}

/// Titles before a name. The list excludes titles that could be names.
const TITLES: [&str; 33] = [
    "dr",
    "prof",
    "professor",
    "doctor",
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "mister",
    "herr",
    "frau",
    "mme",
    "mlle",
    "monsieur",
    "madame",
    "sig",
    "sra",
    "srta",
    "dipl",
    "diplom",
    "dipling",
    "ing",
    "mag",
    "rev",
    "sir",
    "dame",
    "lord",
    "lady",
    "mudr",
    "judr",
    "mgr",
    "drhc",
];

/// Titles that punctuation splits into parts.
const TITLES_IN_PARTS: [&[&str]; 4] = [&["h", "c"], &["med"], &["rer", "nat"], &["phil"]];

/// Suffixes after a name.
const SUFFIXES: [&str; 20] = [
    "jr", "jnr", "junior", "sr", "snr", "senior", "ii", "iii", "iv", "md", "phd", "esq", "dds", "mba", "msc",
    "bsc", "llm", "llb", "cpa", "dphil",
];
const SUFFIXES_IN_PARTS: [&[&str]; 4] = [&["ph", "d"], &["m", "d"], &["m", "sc"], &["b", "sc"]];

/// Removes titles and suffixes. The last word always stays, because it may be a name.
fn strip_titles(words: &mut Vec<String>) {
    let mut titled = false;
    loop {
        let one = usize::from(words.first().is_some_and(|word| TITLES.contains(&word.as_str())));
        let in_parts = || TITLES_IN_PARTS.iter().find(|parts| titled && starts(words, parts));
        let count = if one > 0 { one } else { in_parts().map_or(0, |parts| parts.len()) };
        if count == 0 || count >= words.len() {
            break;
        }
        words.drain(..count);
        titled = true;
    }
    loop {
        let one = usize::from(words.last().is_some_and(|word| SUFFIXES.contains(&word.as_str())));
        let in_parts = || SUFFIXES_IN_PARTS.iter().find(|parts| ends(words, parts));
        let count = if one > 0 { one } else { in_parts().map_or(0, |parts| parts.len()) };
        if count == 0 || count >= words.len() {
            break;
        }
        words.truncate(words.len() - count);
    }
}

fn starts(words: &[String], parts: &[&str]) -> bool {
    words.len() >= parts.len() && words.iter().zip(parts).all(|(word, part)| word == part)
}

fn ends(words: &[String], parts: &[&str]) -> bool {
    words.len() >= parts.len() && starts(&words[words.len() - parts.len()..], parts)
}
