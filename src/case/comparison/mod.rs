//! Compares a registration with a document: whether both name the same person. Pure; independent of providers and
//! policies.
//!
//! | file | what |
//! |---|---|
//! | `names` | the rule for names |
//! | `words` | splits a field's text into words, without invisible characters, titles and fillers |
//! | `letters` | romanizations in passports, by script |
//! | `spelling` | all spellings of a word at once |
//! | `dates` | a registered date of birth |
//!
//! An error never counts as a match: a missing or unreadable value, or one of another type, is not comparable, and such
//! a field does not match. `docs/names.md` describes the rule for administrators.

mod dates;
mod letters;
mod names;
mod spelling;
mod words;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Document, Subject};
use letters::System;
use names::Person;
use words::{Name, Word};

const FIRST: &str = "first_name";
const LAST: &str = "last_name";
const BORN: &str = "date_of_birth";

/// A compared field that does not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub field: String,
    /// False: both values were read and differ. True: one of them could not be compared.
    pub not_comparable: bool,
}

/// Returns the fields that do not match, in the order of `fields`. Fields of `optional` are skipped if they are not
/// registered; a value missing in the document is never skipped.
pub fn compare(
    fields: &[String],
    optional: &[String],
    subject: &Subject,
    document: Option<&Document>,
) -> Vec<Difference> {
    let sides = Sides::new(subject, document);
    let whole = [FIRST, LAST].iter().all(|name| fields.iter().any(|field| field == name)) && sides.whole();
    let differs = |field: &String| {
        let agreement = match field.as_str() {
            FIRST | LAST if whole => Agreement::Yes,
            _ if optional.contains(field) && registered(field, subject).is_missing() => Agreement::Yes,
            FIRST => sides.name(&sides.registered.first, &sides.read.first, names::given),
            LAST => sides.name(&sides.registered.last, &sides.read.last, names::family),
            BORN => sides.born(),
            // Documents have no such field.
            _ => Agreement::NotComparable,
        };
        match agreement {
            Agreement::Yes => None,
            Agreement::No => Some(Difference { field: field.clone(), not_comparable: false }),
            Agreement::NotComparable => Some(Difference { field: field.clone(), not_comparable: true }),
        }
    };
    fields.iter().filter_map(differs).collect()
}

/// Returns a registered value in canonical form: names in lower-case Latin letters, alphabetical and without titles;
/// dates as `1990-01-31`. `None` if it cannot be compared. Values with one canonical form are equal.
pub fn canonical(field: &str, subject: &Subject) -> Option<String> {
    match field {
        FIRST | LAST => {
            let mut words: Vec<String> = name(field, subject, None).words().iter().map(Word::usual).collect();
            words.sort();
            (!words.is_empty()).then(|| words.join(" "))
        }
        BORN => match registered(BORN, subject) {
            Registered::Text(text) => Some(dates::day(text)?.to_string()),
            Registered::Missing | Registered::Unreadable => None,
        },
        _ => None,
    }
}

/// Both sides of a compared field in normalized form. `None`: not comparable.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forms {
    pub field: String,
    pub registered: Option<String>,
    pub document: Option<String>,
}

/// Keeps names out of logs.
impl std::fmt::Debug for Forms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Forms({})", self.field)
    }
}

/// Returns the normalized forms of compared fields, for authorized viewers.
pub fn forms(fields: &[String], subject: &Subject, document: Option<&Document>) -> Vec<Forms> {
    let sides = Sides::new(subject, document);
    let text = |name: &Name| {
        let words: Vec<String> = name.words().iter().map(Word::usual).collect();
        (!words.is_empty()).then(|| words.join(" "))
    };
    let forms = |field: &String| {
        let (registered, document) = match field.as_str() {
            FIRST => (text(&sides.registered.first), text(&sides.read.first)),
            LAST => (text(&sides.registered.last), text(&sides.read.last)),
            BORN => {
                let read = document.and_then(|document| document.date_of_birth);
                (canonical(BORN, subject), read.map(|day| day.to_string()))
            }
            _ => (None, None),
        };
        Forms { field: field.clone(), registered, document }
    };
    fields.iter().map(forms).collect()
}

/// A registered value: a standard or a custom field.
#[derive(Clone, Copy)]
enum Registered<'a> {
    Missing,
    /// Present, but not text.
    Unreadable,
    Text(&'a str),
}

impl Registered<'_> {
    fn is_missing(self) -> bool {
        matches!(self, Self::Missing)
    }
}

fn registered<'a>(field: &str, subject: &'a Subject) -> Registered<'a> {
    let read = |value: Option<&'a Value>| match value {
        None | Some(Value::Null) => Registered::Missing,
        Some(Value::String(text)) if words::is_blank(text) => Registered::Missing,
        Some(Value::String(text)) => Registered::Text(text),
        Some(_) => Registered::Unreadable,
    };
    match read(subject.fields.get(field)) {
        Registered::Missing => {
            read(subject.fields.get("attributes").and_then(|attributes| attributes.get(field)))
        }
        found => found,
    }
}

fn name(field: &str, subject: &Subject, romanized: Option<System>) -> Name {
    let part = if field == FIRST { words::Part::Given } else { words::Part::Family };
    match registered(field, subject) {
        Registered::Missing => Name::Missing,
        Registered::Unreadable => Name::Unreadable,
        Registered::Text(text) => Name::read(Some(text), part, romanized),
    }
}

enum Agreement {
    Yes,
    No,
    NotComparable,
}

/// The registered and the document's values.
struct Sides<'a> {
    registered: Person,
    read: Person,
    subject: &'a Subject,
    document: Option<&'a Document>,
}

impl<'a> Sides<'a> {
    fn new(subject: &'a Subject, document: Option<&'a Document>) -> Self {
        let country = document.and_then(|document| document.country.as_deref());
        let romanized = country.and_then(letters::romanized);
        let registered =
            Person { first: name(FIRST, subject, romanized), last: name(LAST, subject, romanized) };
        let first = document.and_then(|document| document.first_name.as_deref());
        let last = document.and_then(|document| document.last_name.as_deref());
        let read = Person {
            first: Name::read(first, words::Part::Given, None),
            last: Name::read(last, words::Part::Family, None),
        };
        Self { registered, read, subject, document }
    }

    fn whole(&self) -> bool {
        names::whole(&self.registered, &self.read)
    }

    fn name(&self, registered: &Name, read: &Name, rule: fn(&[Word], &[Word]) -> bool) -> Agreement {
        let (registered, read) = (registered.words(), read.words());
        if registered.is_empty() || read.is_empty() {
            return Agreement::NotComparable;
        }
        if rule(registered, read) {
            return Agreement::Yes;
        }
        if names::no_common_script(registered, read) { Agreement::NotComparable } else { Agreement::No }
    }

    fn born(&self) -> Agreement {
        let registered = match registered(BORN, self.subject) {
            Registered::Text(text) => dates::day(text),
            Registered::Missing | Registered::Unreadable => None,
        };
        match (registered, self.document.and_then(|document| document.date_of_birth)) {
            (Some(registered), Some(read)) if registered == read => Agreement::Yes,
            (Some(_), Some(_)) => Agreement::No,
            (_, _) => Agreement::NotComparable,
        }
    }
}
