//! The person a case is about, as an identity provider or an event described them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::words::words;
use super::{Fields, Timestamp, typed};

/// Kind of the person's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// Somebody who filled in a self-registration form and waits for approval.
    Registration,
    /// Somebody with an account.
    User,
    /// Somebody who is in no identity provider yet.
    Applicant,
}

words! { SubjectKind {
    Registration => "registration",
    User => "user",
    Applicant => "applicant",
} }

impl SubjectKind {
    /// All words, for messages.
    pub fn words() -> String {
        Self::WORDS.join(", ")
    }

    /// With its article, for sentences.
    pub fn one(self) -> &'static str {
        match self {
            Self::Registration => "a registration",
            Self::User => "a user",
            Self::Applicant => "an applicant",
        }
    }
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Reference of a person without personal data, safe for logs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct SubjectRef {
    /// The identity provider whose id this is, by its name in the configuration. Empty: an applicant, whom no
    /// provider has, or a reference that does not name one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    #[serde(rename = "type")]
    pub kind: SubjectKind,
    pub id: String,
}

impl SubjectRef {
    /// Returns the person's key, independent of the record's kind and unique over all providers.
    pub fn person(&self) -> String {
        person(&self.source, &self.id)
    }
}

fn person(source: &str, id: &str) -> String {
    if source.is_empty() { id.to_owned() } else { format!("{source}/{id}") }
}

/// Writes `source/user/7`, or `user/7` without a source.
impl fmt::Display for SubjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.source.is_empty() {
            write!(f, "{}/", self.source)?;
        }
        write!(f, "{}/{}", self.kind, self.id)
    }
}

/// Parses the format of `Display`. The error contains the expected form.
impl FromStr for SubjectRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "expected KIND/ID or SOURCE/KIND/ID, such as user/4711; KIND is one of {}",
                SubjectKind::words()
            )
        };
        let kind_of = SubjectKind::of_word;
        let (first, rest) = text.split_once('/').ok_or_else(expected)?;
        let (source, kind, id) = match kind_of(first) {
            Some(kind) => ("", kind, rest),
            None => {
                let (word, id) = rest.split_once('/').ok_or_else(expected)?;
                (first, kind_of(word).ok_or_else(expected)?, id)
            }
        };
        if id.is_empty() {
            return Err(expected());
        }
        Ok(Self { source: source.to_owned(), kind, id: id.to_owned() })
    }
}

/// A person with known data. `fields` has every field of the kind's published schema, with null for empty ones, which
/// keeps policies from failing on a missing one.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The identity provider that has the person; empty for an applicant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    #[serde(rename = "type")]
    pub kind: SubjectKind,
    pub id: String,
    pub fields: Fields,
}

impl Subject {
    pub fn reference(&self) -> SubjectRef {
        SubjectRef { source: self.source.clone(), kind: self.kind, id: self.id.clone() }
    }

    /// Returns the person's key, independent of the record's kind and unique over all providers.
    pub fn person(&self) -> String {
        person(&self.source, &self.id)
    }

    /// Returns the key of a registration's account, if it has one.
    pub fn account(&self) -> Option<String> {
        self.text("user_id").map(|id| person(&self.source, id))
    }

    /// Sets the provider.
    #[must_use]
    pub fn from_source(mut self, source: &str) -> Self {
        source.clone_into(&mut self.source);
        self
    }

    /// Returns a text field that is not empty.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Returns a registered value, trimmed: a standard or a custom field. `None`: blank, or not text.
    pub fn registered(&self, field: &str) -> Option<&str> {
        let custom = || self.fields.get("attributes")?.get(field).and_then(Value::as_str);
        self.text(field).or_else(custom).map(str::trim).filter(|text| !text.is_empty())
    }

    /// Returns first and last name, or the mail address if both are empty, or the id.
    pub fn display_name(&self) -> String {
        let names: Vec<_> = ["first_name", "last_name"].iter().filter_map(|field| self.text(field)).collect();
        match (names.is_empty(), self.text("email")) {
            (false, _) => names.join(" "),
            (true, Some(email)) => email.to_owned(),
            (true, None) => self.id.clone(),
        }
    }
}

/// Keeps names and addresses out of logs: shows only the reference.
impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({})", self.reference())
    }
}

/// The fields of `subject: registration`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    pub id: String,
    pub user_id: Option<String>,
    /// The self-registration profile's name.
    pub profile: Option<String>,
    pub profile_id: Option<String>,
    pub email: Option<String>,
    pub email_domain: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    /// `not_verified`, `not_reviewed`, `approved` or `rejected`.
    pub state: String,
    pub created_at: Option<Timestamp>,
    /// The person's language at the provider (BCP 47).
    pub locale: Option<String>,
    /// Custom fields by short name.
    pub attributes: Fields,
}

/// The fields of `subject: user`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    pub id: String,
    pub username: Option<String>,
    pub email: Option<String>,
    pub email_domain: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    /// `active`, `suspended`, `locked`, ...
    pub status: Option<String>,
    /// `unapproved`, `approved`, `rejected` or `unlicensed`.
    pub state: Option<String>,
    pub roles: Vec<String>,
    pub groups: Vec<String>,
    pub manager: Option<Fields>,
    pub department: Option<String>,
    pub title: Option<String>,
    pub created_at: Option<Timestamp>,
    pub last_login_at: Option<Timestamp>,
    pub verified_at: Option<Timestamp>,
    pub exempt_until: Option<Timestamp>,
    pub service_account: Option<bool>,
    pub locale: Option<String>,
    pub attributes: Fields,
}

/// The fields of `subject: applicant`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Applicant {
    pub id: String,
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub locale: Option<String>,
    pub attributes: Fields,
}

/// Bounds fields typed by the person or an event. Fields chosen by the provider or its administrators are unchanged.
fn bounded(mut fields: Fields) -> Fields {
    const CHOSEN: [&str; 9] =
        ["id", "user_id", "profile", "profile_id", "state", "status", "roles", "groups", "service_account"];
    let chosen: Vec<_> = CHOSEN.iter().filter_map(|name| fields.remove_entry(*name)).collect();
    let mut fields = typed::fields(fields);
    fields.extend(chosen);
    fields
}

macro_rules! into_subject {
    ($type:ident, $kind:expr) => {
        impl From<$type> for Subject {
            fn from(record: $type) -> Self {
                let id = record.id.clone();
                let fields = match serde_json::to_value(record) {
                    Ok(Value::Object(fields)) => bounded(fields),
                    // A record of plain fields always becomes an object.
                    Ok(_) | Err(_) => Fields::new(),
                };
                Self { source: String::new(), kind: $kind, id, fields }
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($type), self.id)
            }
        }
    };
}

into_subject!(Registration, SubjectKind::Registration);
into_subject!(User, SubjectKind::User);
into_subject!(Applicant, SubjectKind::Applicant);
