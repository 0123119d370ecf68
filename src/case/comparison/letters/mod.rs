//! Letters, and what passports write for them. A table per script; a word is written by one system as a
//! whole, because a name is not Serbian in its first half and Russian in its second.
//!
//! Sources: ICAO Doc 9303 part 3 section 6 (machine-readable zones), and what passports of the countries
//! printed before it: GOST 16876, GOST R 52535.1, BGN/PCGN, ELOT 743, the laws of Ukraine (55/2010), Belarus
//! and Bulgaria, the Georgian national system.
//!
//! Scripts that are not here (Arabic, Hebrew, Chinese, Japanese, Korean, Thai, the scripts of India) have no
//! table that gives back the Latin spelling of a passport: they leave out vowels, or several names share one
//! reading. They are compared with themselves only.

mod caucasian;
mod cyrillic;
mod greek;
mod latin;
mod romanized;

use any_ascii::any_ascii;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::spelling::Unit;

/// Letters and the ways to write them. Of keys that begin alike the longest counts.
type Table = &'static [(&'static str, &'static [&'static str])];

/// The tables by which a word is written in Latin letters.
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

/// How else a Latin spelling may be written if the document is of a country that writes names in another script:
/// the passport has one romanization, and the person may have registered another. `country` is ISO 3166-1 alpha-3.
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

/// Whether more than the first system is of use.
pub(super) fn has_several_systems(word: &str) -> bool {
    word.chars().any(|c| matches!(c, '\u{400}'..='\u{52f}'))
}

/// A word in Latin letters; none if a letter of it has no entry. `word` is folded.
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

/// A letter without an entry of its own: without its marks, or a rare Latin one.
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

/// The general table is right for Latin letters; for other scripts it is a rough reading.
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

/// Whether a letter belongs to another script than Latin.
pub(super) fn is_foreign(c: char) -> bool {
    c.is_alphabetic()
        && !c.is_ascii()
        && !is_combining_mark(c)
        && std::iter::once(c)
            .nfkd()
            .filter(|c| !is_combining_mark(*c))
            .any(|c| !c.is_ascii() && any_ascii_of_latin(c).is_none())
}

/// Lower case, one form of each letter, no marks that are only an accent or a vowel point. What is left
/// tells letters apart within a script.
pub(super) fn folded(word: &str) -> String {
    let lower: String = word.chars().flat_map(char::to_lowercase).nfc().collect();
    lower.chars().flat_map(fold).filter(|c| !is_accent(*c)).collect()
}

/// A mark that tells no letter from another: accents, the points of Hebrew and Arabic. The vowel signs of
/// India and Thailand are marks too, but they are letters in all but name.
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
        // Greek accents tell nothing; the diaeresis parts two vowels.
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => {
            std::iter::once(c).nfd().filter(|c| !is_combining_mark(*c) || *c == '\u{308}').nfc().collect()
        }
        // Arabic and Persian keyboards write these in several ways.
        'أ' | 'إ' | 'آ' | 'ٱ' => vec!['ا'],
        'ى' | 'ی' | 'ئ' => vec!['ي'],
        'ک' => vec!['ك'],
        'ة' | 'ۀ' => vec!['ه'],
        'ؤ' => vec!['و'],
        'ـ' | 'ء' => Vec::new(),
        c => vec![c],
    }
}
