//! Whether a registration and a document name the same person. Pure; knows no provider and no policy.
//!
//! Names are compared as sets of words. A word is decomposed (NFKD), lower-cased, freed of marks and
//! punctuation and written in Latin letters, both plainly (`ä` as `a`) and as machine-readable zones
//! do (`ä` as `ae`); two words agree if any of their forms agree. Hyphens and spaces part words,
//! apostrophes do not. The order of words does not matter.
//!
//! * Given names: every registered word must be on the document; the document may have more.
//! * Other names: the words must be the same on both sides. `García` is not `GARCIA LOPEZ`: a second
//!   surname can be another person, and a mismatch only asks a human to look.
//! * Written as one word on one side and as several on the other (`Van der Berg`, `VANDERBERG`), names agree.
//!
//! What was not registered cannot be compared and is no mismatch. What the document lacks is one.

use std::collections::BTreeSet;

use any_ascii::any_ascii;
use chrono::NaiveDate;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::model::{Document, Subject};

/// The fields that differ, in the order of `fields`. A field that documents do not have is a mismatch.
pub fn compare(fields: &[String], subject: &Subject, document: Option<&Document>) -> Vec<String> {
    fields.iter().filter(|field| !agrees(field, subject, document)).cloned().collect()
}

fn agrees(field: &str, subject: &Subject, document: Option<&Document>) -> bool {
    let Some(registered) = registered(field, subject) else { return true };
    let Some(document) = document else { return false };
    match field {
        "first_name" => document.first_name.as_deref().is_some_and(|read| given(registered, read)),
        "last_name" => document.last_name.as_deref().is_some_and(|read| family(registered, read)),
        "date_of_birth" => {
            let registered = registered.get(..10).unwrap_or(registered).parse::<NaiveDate>().ok();
            registered.is_some() && registered == document.date_of_birth
        }
        "country" => document.country.as_deref().is_some_and(|read| family(registered, read)),
        _ => false,
    }
}

/// What was registered under a name: a field, or a custom field.
fn registered<'a>(field: &str, subject: &'a Subject) -> Option<&'a str> {
    let custom = || subject.fields.get("attributes")?.get(field).and_then(Value::as_str);
    subject.text(field).or_else(custom).filter(|text| !text.trim().is_empty())
}

fn given(registered: &str, read: &str) -> bool {
    let (registered, read) = (words(registered), words(read));
    let all = registered.iter().all(|word| read.iter().any(|other| alike(word, other)));
    !registered.is_empty() && (all || alike(&joined(&registered), &joined(&read)))
}

fn family(registered: &str, read: &str) -> bool {
    let (registered, read) = (words(registered), words(read));
    if registered.is_empty() || read.is_empty() {
        return false;
    }
    let covered = |a: &[Forms], b: &[Forms]| a.iter().all(|word| b.iter().any(|other| alike(word, other)));
    let same = registered.len() == read.len() && covered(&registered, &read) && covered(&read, &registered);
    same || alike(&joined(&registered), &joined(&read))
}

/// The ways a word can be written in Latin letters, the plain one first.
type Forms = Vec<String>;

fn alike(a: &Forms, b: &Forms) -> bool {
    let a: BTreeSet<_> = a.iter().collect();
    b.iter().any(|form| a.contains(form))
}

fn joined(words: &[Forms]) -> Forms {
    let longest = words.iter().map(Vec::len).max().unwrap_or(0);
    let nth = |n: usize| words.iter().filter_map(|forms| forms.get(n)).map(String::as_str).collect();
    (0..longest).map(nth).collect()
}

fn words(name: &str) -> Vec<Forms> {
    name.nfc()
        .collect::<String>()
        .split(|c: char| c.is_whitespace() || is_dash(c) || matches!(c, '<' | ',' | '.' | '/'))
        .map(|word| Zone::ALL.iter().map(|zone| latin(word, *zone)).collect::<Forms>())
        .filter(|forms| forms.iter().any(|form| !form.is_empty()))
        .collect()
}

fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30fb}' | '\u{00b7}' | '_')
}

/// Which of the two permitted ways of a machine-readable zone is used where there are two.
#[derive(Clone, Copy)]
enum Zone {
    Plain,
    Doubled,
    /// As `Doubled`, with the rarer choices for `ñ`, `ü` and the Icelandic and Nordic letters.
    Other,
}

impl Zone {
    const ALL: [Self; 3] = [Self::Plain, Self::Doubled, Self::Other];
}

fn latin(word: &str, zone: Zone) -> String {
    let mut out = String::new();
    for c in word.chars().flat_map(char::to_lowercase) {
        match special(c, zone) {
            Some(text) => out.push_str(text),
            None => {
                let base: String = std::iter::once(c).nfkd().filter(|c| !is_combining_mark(*c)).collect();
                out.push_str(&any_ascii(&base));
            }
        }
    }
    out.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn special(c: char, zone: Zone) -> Option<&'static str> {
    Some(match (zone, c) {
        (_, 'ß' | 'ẞ') => "ss",
        (_, 'þ') => "th",
        (_, 'æ') => "ae",
        (_, 'œ') => "oe",
        (Zone::Plain, 'ø') => "o",
        (Zone::Plain, 'ð' | 'đ') | (Zone::Other | Zone::Doubled, 'ð' | 'đ') => "d",
        (Zone::Plain, 'ł') | (Zone::Other | Zone::Doubled, 'ł') => "l",
        (Zone::Doubled | Zone::Other, 'ä') => "ae",
        (Zone::Doubled | Zone::Other, 'ö' | 'ø') => "oe",
        (Zone::Doubled, 'ü') => "ue",
        (Zone::Other, 'ü') => "uxx",
        (Zone::Doubled | Zone::Other, 'å') => "aa",
        (Zone::Other, 'ñ') => "nxx",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{compare, family, given};
    use crate::model::{Document, Subject, SubjectKind};

    #[test]
    fn names_agree_across_ways_of_writing() {
        let table = [
            ("Müller", "MUELLER", true),
            ("Müller", "MULLER", true),
            ("Åse", "AASE", true),
            ("Strauß", "STRAUSS", true),
            ("Sørensen", "SOERENSEN", true),
            ("Peña", "PENA", true),
            ("Þórsson", "THORSSON", true),
            ("O'Neil", "ONEIL", true),
            ("Van der Berg", "VANDERBERG", true),
            ("Smith-Jones", "JONES SMITH", true),
            ("García", "GARCIA LOPEZ", false),
            ("Smith", "SMYTH", false),
            ("", "SMITH", false),
            ("Łukasz", "LUKASZ", true),
            ("Müller-Lüdenscheidt", "MUELLER LUDENSCHEIDT", true),
            ("Mueller", "MÜLLER", true),
            ("Schröder", "Schroder", true),
            ("D’Angelo", "DANGELO", true),
            ("O'Brien-Smith", "OBRIEN SMITH", true),
            ("Иванов", "IVANOV", true),
            ("Παπαδάκης", "PAPADAKIS", true),
            ("Smith Smith", "SMITH JONES", false),
        ];
        for (registered, read, same) in table {
            assert_eq!(family(registered, read), same, "{registered} {read}");
        }
        for (registered, read, same) in [
            ("Anna", "ANNA MARIA", true),
            ("Jean-Luc", "LUC JEAN", true),
            ("Jean-Luc", "JEANLUC", true),
            ("Maria Anna", "ANNA MARIA", true),
            ("Anna Maria", "ANNA", false),
        ] {
            assert_eq!(given(registered, read), same, "{registered} {read}");
        }
    }

    fn document(first: Option<&str>, last: Option<&str>, born: Option<&str>) -> Document {
        Document {
            kind: None,
            country: None,
            first_name: first.map(str::to_owned),
            last_name: last.map(str::to_owned),
            date_of_birth: born.map(|born| born.parse().unwrap()),
            expires_on: None,
        }
    }

    #[test]
    fn what_differs_is_named() {
        let all = ["first_name", "last_name", "date_of_birth"].map(str::to_owned);
        let full = || Some(document(Some("ANNA MARIA"), Some("MUELLER"), Some("1990-12-31")));
        let anna = json!({"first_name": "Anna", "last_name": "Müller", "attributes": {"date_of_birth": "1990-12-31"}});
        let table: [(Value, Option<Document>, &[&str]); 8] = [
            (anna.clone(), full(), &[]),
            (anna.clone(), None, &["first_name", "last_name", "date_of_birth"]),
            (anna.clone(), Some(document(None, Some("Müller"), None)), &["first_name", "date_of_birth"]),
            (json!({"last_name": "Müller"}), full(), &[]),
            (json!({"first_name": " ", "last_name": null, "attributes": {}}), full(), &[]),
            (json!({"first_name": "Anna", "last_name": "Meier"}), full(), &["last_name"]),
            (json!({"attributes": {"date_of_birth": "1990-12-30"}}), full(), &["date_of_birth"]),
            (json!({"attributes": {"date_of_birth": "31.12.1990"}}), full(), &["date_of_birth"]),
        ];
        for (fields, document, expected) in table {
            let Value::Object(fields) = fields else { panic!("not a map") };
            let subject = Subject { kind: SubjectKind::Registration, id: "r".to_owned(), fields };
            assert_eq!(compare(&all, &subject, document.as_ref()), expected, "{:?}", subject.fields);
        }
    }
}
