//! Letters and their romanizations in passports: one table per script. One system applies to a whole word, because no
//! name mixes for example Serbian and Russian rules.
//!
//! Sources: ICAO Doc 9303 part 3 section 6 (machine-readable zones), and national standards that passports used before:
//! GOST 16876, GOST R 52535.1, BGN/PCGN, ELOT 743, the laws of Ukraine (55/2010), Belarus and Bulgaria, the Georgian
//! national system.
//!
//! Other scripts (Arabic, Hebrew, Chinese, Japanese, Korean, Thai, the scripts of India) have no table that restores
//! the Latin spelling of a passport: they omit vowels, or several names share one reading. They are compared only
//! within their own script.

mod caucasian;
mod cyrillic;
mod greek;
mod latin;
mod romanized;

use any_ascii::any_ascii;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::spelling::Unit;

/// Letters and their romanizations. The longest matching key applies.
type Table = &'static [(&'static str, &'static [&'static str])];

/// The tables that romanize a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct System(&'static [Table]);

pub(super) const SYSTEMS: [System; 3] = [
    System(&[
        latin::LETTERS,
        greek::LETTERS,
        caucasian::ARMENIAN,
        caucasian::GEORGIAN,
        cyrillic::SHARED,
        cyrillic::EAST,
    ]),
    System(&[latin::LETTERS, cyrillic::SHARED, cyrillic::BULGARIAN]),
    System(&[latin::LETTERS, cyrillic::SHARED, cyrillic::SOUTH]),
];

/// Returns the alternative romanizations of a Latin spelling for a document of a country with another script. The
/// passport has one romanization, and the person may have registered another. `country` is ISO 3166-1 alpha-3.
pub(super) fn romanized(country: &str) -> Option<System> {
    match country {
        "RUS" | "KAZ" | "KGZ" | "TJK" | "UZB" | "MNG" | "BGR" => {
            Some(System(&[latin::LETTERS, romanized::FROM_CYRILLIC]))
        }
        "UKR" | "BLR" => Some(System(&[latin::LETTERS, romanized::FROM_CYRILLIC, romanized::WITH_H])),
        "SRB" | "MKD" | "MNE" | "BIH" => {
            Some(System(&[latin::LETTERS, romanized::FROM_CYRILLIC, romanized::WITHOUT_MARKS]))
        }
        "GRC" | "CYP" => Some(System(&[romanized::FROM_GREEK, latin::LETTERS])),
        _ => None,
    }
}

/// Returns whether systems after the first one apply.
pub(super) fn has_several_systems(word: &str) -> bool {
    word.chars().any(|c| matches!(c, '\u{400}'..='\u{52f}'))
}

/// Romanizes a folded word. `None` if a letter has no entry.
pub(super) fn latin(word: &str, system: System) -> Option<Vec<Unit>> {
    let mut units = Vec::new();
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        if let Some((key, ways)) = system.find(rest) {
            units.push(Unit::Ways(ways));
            rest = rest.strip_prefix(key)?;
        } else {
            letter(c, system, &mut units)?;
            rest = rest.strip_prefix(c)?;
        }
    }
    Some(units)
}

impl System {
    fn find(self, rest: &str) -> Option<(&'static str, &'static [&'static str])> {
        let entries = self.0.iter().flat_map(|table| table.iter());
        entries.filter(|(key, _)| rest.starts_with(key)).max_by_key(|(key, _)| key.len()).copied()
    }
}

/// Romanizes a letter without an entry: removes its diacritics, or looks up a rare Latin letter.
fn letter(c: char, system: System, units: &mut Vec<Unit>) -> Option<()> {
    if c.is_ascii_alphanumeric() {
        units.push(Unit::Text(c.to_string()));
        return Some(());
    }
    if is_accent(c) {
        return Some(());
    }
    let plain: String = std::iter::once(c).nfkd().filter(|c| !is_combining_mark(*c)).collect();
    if !plain.is_empty() && !plain.contains(c) {
        units.extend(latin(&plain, system)?);
        return Some(());
    }
    let written: String = any_ascii_of_latin(c)?;
    units.push(Unit::Text(written));
    Some(())
}

/// Romanizes Latin letters with the general table, which is too imprecise for other scripts.
fn any_ascii_of_latin(c: char) -> Option<String> {
    let is_latin = matches!(c, '\u{c0}'..='\u{2af}' | '\u{1e00}'..='\u{1eff}' | '\u{2c60}'..='\u{2c7f}'
        | '\u{a720}'..='\u{a7ff}' | '\u{ab30}'..='\u{ab6f}');
    let written: String = any_ascii(c.encode_utf8(&mut [0; 4]))
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    (is_latin && !written.is_empty()).then_some(written)
}

/// Returns whether a letter belongs to a script other than Latin.
pub(super) fn is_foreign(c: char) -> bool {
    c.is_alphabetic()
        && !c.is_ascii()
        && !is_combining_mark(c)
        && std::iter::once(c)
            .nfkd()
            .filter(|c| !is_combining_mark(*c))
            .any(|c| !c.is_ascii() && any_ascii_of_latin(c).is_none())
}

/// Folds a word: lower case, one form of each letter, without accents and vowel points. Marks that distinguish letters
/// within a script remain.
pub(super) fn folded(word: &str) -> String {
    let lower: String = word.chars().flat_map(char::to_lowercase).nfc().collect();
    lower.chars().flat_map(fold).filter(|c| !is_accent(*c)).collect()
}

/// Returns whether a mark does not distinguish letters: accents, the points of Hebrew and Arabic. The vowel signs of
/// India and Thailand are marks too, but act as letters.
fn is_accent(c: char) -> bool {
    let accent = matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}');
    let point = matches!(c, '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        | '\u{6d6}'..='\u{6ed}');
    (accent || point) && is_combining_mark(c)
}

fn fold(c: char) -> Vec<char> {
    match c {
        'ς' => vec!['σ'],
        // Greek accents do not distinguish names; the diaeresis separates two vowels.
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => {
            std::iter::once(c).nfd().filter(|c| !is_combining_mark(*c) || *c == '\u{308}').nfc().collect()
        }
        // Arabic and Persian keyboards produce several forms of these.
        'أ' | 'إ' | 'آ' | 'ٱ' => vec!['ا'],
        'ى' | 'ی' | 'ئ' => vec!['ي'],
        'ک' => vec!['ك'],
        'ة' | 'ۀ' => vec!['ه'],
        'ؤ' => vec!['و'],
        'ـ' | 'ء' => Vec::new(),
        c => vec![c],
    }
}
