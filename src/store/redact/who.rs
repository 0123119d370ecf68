//! Whom and what an order concerns. An order holds salted hashes of the names under which records know a person; an
//! item is the person's if the hash of its name is among them.

use std::collections::{BTreeSet, HashSet};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::case;
use crate::model::{CaseId, Forgotten, Subject, SubjectKind, SubjectRef};
use crate::store::commit::Redact;

/// The start of an id that replaces a person's.
const ALIAS: &str = "erased-";

/// Splits a person's key into the provider and the id there.
fn parts(person: &str) -> (&str, &str) {
    person.split_once('/').unwrap_or(("", person))
}

/// Returns every name under which records know a person: the key, the references, the ids at verification providers.
pub(in crate::store) fn names(person: &str) -> Vec<String> {
    let (source, id) = parts(person);
    let of = |kind| SubjectRef { source: source.to_owned(), kind, id: id.to_owned() };
    let mut names = vec![person.to_owned()];
    for reference in SubjectKind::ALL.map(of) {
        names.push(reference.to_string());
        names.push(case::person(&reference));
    }
    names
}

/// An order, prepared for many questions.
#[derive(Debug)]
pub(in crate::store) struct Who<'a> {
    pub(super) class: Forgotten,
    salt: &'a str,
    cases: HashSet<&'a CaseId>,
    pub(super) events: BTreeSet<&'a str>,
    people: BTreeSet<&'a str>,
    aliases: BTreeSet<&'a str>,
}

impl<'a> Who<'a> {
    pub(in crate::store) fn new(order: &'a Redact) -> Self {
        Self {
            class: order.class,
            salt: &order.salt,
            cases: order.cases.iter().collect(),
            events: order.events.iter().map(String::as_str).collect(),
            people: order.people.iter().map(String::as_str).collect(),
            aliases: order.aliases.iter().map(String::as_str).collect(),
        }
    }

    pub(super) fn has_case(&self, id: &CaseId) -> bool {
        self.cases.contains(id)
    }

    pub(super) fn has_people(&self) -> bool {
        !self.people.is_empty()
    }

    /// Returns whether a name is the person's, or the one that replaces it.
    pub(super) fn is_name(&self, name: &str) -> bool {
        self.has_people()
            && (self.aliases.contains(name) || self.people.contains(hash(self.salt, name).as_str()))
    }

    pub(super) fn is(&self, reference: &SubjectRef) -> bool {
        self.is_name(&reference.person())
    }

    /// Returns whether a record is the person's: as itself, or by its account.
    pub(super) fn is_subject(&self, subject: &Subject) -> bool {
        self.is(&subject.reference()) || subject.account().is_some_and(|account| self.is_name(&account))
    }

    /// Returns the reference that replaces one. An alias stays.
    pub(super) fn alias(&self, reference: &SubjectRef) -> SubjectRef {
        let id = alias_id(self.salt, &reference.person(), &reference.id);
        SubjectRef { id, ..reference.clone() }
    }

    /// Returns the key that replaces a person's.
    pub(super) fn alias_of(&self, person: &str) -> String {
        alias(self.salt, person)
    }
}

/// Returns a salted hash in hexadecimal digits.
pub(in crate::store) fn hash(salt: &str, text: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(salt.as_bytes());
    hash.update([0]);
    hash.update(text.as_bytes());
    let mut digits = HEXLOWER.encode(&hash.finalize());
    digits.truncate(32);
    digits
}

fn alias_id(salt: &str, person: &str, id: &str) -> String {
    if id.starts_with(ALIAS) {
        return id.to_owned();
    }
    let hash = hash(salt, person);
    format!("{ALIAS}{}", hash.get(..16).unwrap_or(&hash))
}

/// Returns the key that replaces a person's.
pub(in crate::store) fn alias(salt: &str, person: &str) -> String {
    let (source, id) = parts(person);
    let id = alias_id(salt, person, id);
    if source.is_empty() { id } else { format!("{source}/{id}") }
}

#[cfg(test)]
mod tests {
    use super::{alias, hash, names};

    #[test]
    fn an_alias_names_the_provider_and_not_the_person_and_is_its_own_alias() {
        let one = alias("salt", "source/4711");
        assert!(one.starts_with("source/erased-") && !one.contains("4711"), "{one}");
        assert_eq!(alias("other", &one), one);
        assert_ne!(alias("other", "source/4711"), one);
        assert!(alias("salt", "erika@example.com").starts_with("erased-"));
        assert_ne!(hash("salt", "a"), hash("sal", "ta"));
        let names = names("source/4711");
        assert!(names.contains(&"source/user/4711".to_owned()), "{names:?}");
        assert_eq!(names.len(), 7);
    }
}
