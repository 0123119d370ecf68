//! Whether a registration and a document name the same person. Pure; knows no provider and no policy.
//!
//! | file | what |
//! |---|---|
//! | `names` | the rule for names |
//! | `words` | from a field's text to words: what is not seen, titles, fillers |
//! | `letters` | what passports write for letters, by script |
//! | `spelling` | all spellings of a word at once |
//! | `dates` | a registered date of birth |
//!
//! An error is never agreement: what is missing, unreadable or of another type on either side cannot be
//! compared, and what cannot be compared does not agree. The rule for administrators is in `docs/names.md`.

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

/// A compared field that does not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub field: String,
    /// False: both sides were read, and they differ. True: one of them could not be compared.
    pub not_comparable: bool,
}

/// The fields of `compare` that do not agree, in its order. Fields of `optional` are skipped where nothing was
/// registered; what the document lacks is never skipped.
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

/// What was registered in a field, in the form in which it is compared: names in lower-case Latin letters, in
/// alphabetical order, without titles; a date as `1990-01-31`. None if it cannot be compared. Two values with
/// one form are the same name or date.
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

/// Both sides of a compared field as they were compared. None: nothing that could be.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forms {
    pub field: String,
    pub registered: Option<String>,
    pub document: Option<String>,
}

/// Names stay out of logs.
impl std::fmt::Debug for Forms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Forms({})", self.field)
    }
}

/// The normalized forms of compared fields, for people who may see them.
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

/// What was registered under a name: a field, or a custom field.
#[derive(Clone, Copy)]
enum Registered<'a> {
    Missing,
    /// There, and no text.
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

/// What was registered and what the document says.
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
