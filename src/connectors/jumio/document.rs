//! Selects the entries of a result about an identity document, and combines their data. Pure.
//!
//! A run may capture more than an ID: a bill, a bank statement, data that the customer sent. All of them are extracted,
//! and a bill has a name on it too. Each entry names its credentials.

use chrono::NaiveDate;
use serde::Deserialize;

use super::result::{Loose, lenient};
use crate::model::{Document, DocumentNumber, Secret};

/// A captured item: an `ID`, a `DOCUMENT` (bills), a `SELFIE`, a `FACEMAP`, `DATA`.
#[derive(Deserialize)]
pub(super) struct Credential {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    category: Option<String>,
}

/// The data that was extracted from one credential.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Extracted {
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    kind: Option<Loose>,
    #[serde(default, deserialize_with = "lenient")]
    issuing_country: Option<Loose>,
    #[serde(default, deserialize_with = "lenient")]
    first_name: Option<Loose>,
    #[serde(default, deserialize_with = "lenient")]
    last_name: Option<Loose>,
    #[serde(default, deserialize_with = "lenient")]
    date_of_birth: Option<Loose>,
    #[serde(default, deserialize_with = "lenient")]
    date_of_birth_parts: Option<Parts>,
    #[serde(default, deserialize_with = "lenient")]
    expiry_date: Option<Loose>,
    #[serde(default, deserialize_with = "lenient")]
    document_number: Option<Loose>,
}

#[derive(Deserialize)]
struct Parts {
    year: Option<Loose>,
    month: Option<Loose>,
    day: Option<Loose>,
}

const ID: &str = "ID";
const FACES: [&str; 2] = ["SELFIE", "FACEMAP"];

/// Types of identity documents. Types that Jumio adds later need the category as well.
const KINDS: [&str; 4] = ["PASSPORT", "ID_CARD", "DRIVING_LICENSE", "VISA"];

/// Returns whether an entry is about an identity document, or `None` if it is unknown. A selfie next to the document
/// was compared with it; any other credential makes it unclear whose data the entry has.
pub(super) fn is_of_id(about: Option<&[Credential]>, captured: &[Credential]) -> Option<bool> {
    let categories: Vec<Option<&str>> = about?.iter().map(|one| category(one, captured)).collect();
    if categories.iter().all(Option::is_none) {
        return None;
    }
    let known = categories.iter().all(|one| matches!(one, Some(ID | "SELFIE" | "FACEMAP")));
    Some(known && categories.contains(&Some(ID)))
}

/// Returns whether an entry is about something that is neither an identity document nor a face, such as a bill.
pub(super) fn is_of_another(about: Option<&[Credential]>, captured: &[Credential]) -> bool {
    let another = |one: &Credential| {
        category(one, captured).is_some_and(|category| !matches!(category, ID | "SELFIE" | "FACEMAP"))
    };
    about.is_some_and(|about| about.iter().any(another))
}

/// Returns the category of a credential from the entry or from the list of captured items, or `"?"` if they differ.
fn category<'a>(one: &'a Credential, captured: &'a [Credential]) -> Option<&'a str> {
    let same = |other: &&Credential| one.id.is_some() && one.id == other.id;
    let listed = captured.iter().find(same).and_then(|other| other.category.as_deref());
    match (one.category.as_deref(), listed) {
        // A face is stored as a map and was captured as a selfie.
        (Some(own), Some(listed)) if own != listed && !(FACES.contains(&own) && FACES.contains(&listed)) => {
            Some("?")
        }
        (own, listed) => own.or(listed),
    }
}

/// Returns the combined data of a run's identity documents. `read` has its extractions, with whether each is of an ID.
/// If this is unknown for all of them, a single one counts, unless the run captured no ID.
pub(super) fn of_ids(read: &[(Option<bool>, &Extracted)], captured: &[Credential]) -> Option<Document> {
    let documents = ids(read, captured).into_iter().map(document);
    let mut filled = documents.filter(|document| *document != Document::default());
    let first = filled.next()?;
    Some(filled.fold(first, |all, one| common(&all, &one)))
}

/// Returns the numbers of the identity documents, each with its own type and country.
pub(super) fn numbers(read: &[(Option<bool>, &Extracted)], captured: &[Credential]) -> Vec<DocumentNumber> {
    let number = |read: &Extracted| {
        let number = Secret::new(read.document_number.clone().and_then(Loose::text)?);
        let Document { kind, country, .. } = document(read);
        Some(DocumentNumber { kind, country, number })
    };
    ids(read, captured).into_iter().filter_map(number).collect()
}

fn ids<'a>(read: &[(Option<bool>, &'a Extracted)], captured: &[Credential]) -> Vec<&'a Extracted> {
    let unlinked = read.iter().all(|(link, _)| link.is_none());
    match read {
        [(None, only)] if may_be_id(only, captured) => vec![*only],
        _ if unlinked => Vec::new(),
        _ => read.iter().filter(|(link, _)| *link == Some(true)).map(|(_, read)| *read).collect(),
    }
}

fn may_be_id(read: &Extracted, captured: &[Credential]) -> bool {
    let kind = read.kind.clone().and_then(Loose::text);
    let listed = captured.iter().any(|one| one.category.as_deref() == Some(ID));
    kind.is_none_or(|kind| KINDS.contains(&kind.as_str()))
        && (listed || captured.iter().all(|one| one.category.is_none()))
}

/// Returns the data that two identity documents of one run have in common. Differing fields stay empty: an empty field
/// cannot be compared, and people review it.
fn common(a: &Document, b: &Document) -> Document {
    let text = |a: &Option<String>, b: &Option<String>| {
        let same = a.as_deref().zip(b.as_deref()).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
        a.clone().filter(|_| same)
    };
    Document {
        kind: text(&a.kind, &b.kind),
        country: text(&a.country, &b.country),
        first_name: text(&a.first_name, &b.first_name),
        last_name: text(&a.last_name, &b.last_name),
        date_of_birth: a.date_of_birth.filter(|day| Some(*day) == b.date_of_birth),
        expires_on: a.expires_on.filter(|day| Some(*day) == b.expires_on),
    }
}

fn document(read: &Extracted) -> Document {
    let text = |field: &Option<Loose>| field.clone().and_then(Loose::text);
    // Some fields have a time after the day.
    let day = |field: &Option<Loose>| text(field)?.get(..10)?.parse::<NaiveDate>().ok();
    let parts = read.date_of_birth_parts.as_ref().and_then(|parts| {
        let number = |part: &Option<Loose>| text(part)?.parse::<u32>().ok();
        let year = i32::try_from(number(&parts.year)?).ok()?;
        NaiveDate::from_ymd_opt(year, number(&parts.month)?, number(&parts.day)?)
    });
    Document {
        kind: text(&read.kind),
        country: text(&read.issuing_country),
        first_name: text(&read.first_name),
        last_name: text(&read.last_name),
        date_of_birth: match (day(&read.date_of_birth), parts) {
            (Some(day), Some(parts)) if day != parts => None,
            (day, parts) => day.or(parts),
        },
        expires_on: day(&read.expiry_date),
    }
}
