//! Resolves the identity provider of a named person: the source may be left out while there is only one.

use std::sync::Arc;

use crate::connectors::{Connectors, IdentityProvider};
use crate::model::{Event, SubjectKind, SubjectRef};
use crate::store::{self, Store};

/// A person that a query names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whom {
    pub source: String,
    pub kind: Option<SubjectKind>,
    pub id: String,
}

impl Whom {
    pub fn reference(&self, kind: SubjectKind) -> SubjectRef {
        let source = if kind == SubjectKind::Applicant { String::new() } else { self.source.clone() };
        SubjectRef { source, kind, id: self.id.clone() }
    }

    /// Returns the key of the person, whatever the kind of record.
    pub fn person(&self) -> String {
        self.reference(self.kind.unwrap_or(SubjectKind::User)).person()
    }
}

/// A handle on the identity providers by name.
#[derive(Debug, Clone)]
pub struct Sources {
    pub(super) connectors: Connectors,
    pub(super) store: Store,
}

impl Sources {
    /// Parses `4711`, `user/4711`, `SOURCE/user/4711` or `SOURCE/4711`. The inner error is for the caller.
    pub fn whom(&self, text: &str) -> Result<Result<Whom, String>, store::Error> {
        let named = text.split_once('/').filter(|(name, _)| self.connectors.identity.contains_key(*name));
        let (source, rest) = named.map_or((None, text), |(name, rest)| (Some(name), rest));
        let (kind, id) = match rest.split_once('/').map(|(first, id)| (SubjectKind::of_word(first), id)) {
            Some((Some(kind), id)) => (Some(kind), id),
            Some((None, _)) | None => (None, rest),
        };
        if id.trim().is_empty() {
            return Ok(Err("subject: expected a reference such as user/17".to_owned()));
        }
        let source = match source {
            Some(source) => source.to_owned(),
            None if kind == Some(SubjectKind::Applicant) => String::new(),
            None => match self.only_source() {
                Ok(source) => source,
                Err(why) => return Ok(Err(format!("subject: {why}, such as SOURCE/user/17"))),
            },
        };
        let whom = Whom { source, kind, id: id.to_owned() };
        // A bare id may be that of a person whom no provider has yet.
        if kind.is_none() && !self.store.is_asked(&whom.person())? && self.store.is_asked(id)? {
            return Ok(Ok(Whom { source: String::new(), ..whom }));
        }
        Ok(Ok(whom))
    }

    /// Adds the source to a reference that leaves it out. Fails if it is ambiguous.
    pub fn sourced(&self, reference: SubjectRef) -> Result<SubjectRef, String> {
        if reference.kind == SubjectKind::Applicant {
            return Ok(reference);
        }
        if !reference.source.is_empty() {
            self.provider_of(&reference.source)?;
            return Ok(reference);
        }
        Ok(SubjectRef { source: self.only_source()?, ..reference })
    }

    /// Adds the sources that events of programs leave out. An error is the index of the event.
    pub(super) fn sourced_events(&self, events: &mut [Event]) -> Result<(), usize> {
        for (index, event) in events.iter_mut().enumerate() {
            event.subject = self.sourced(event.subject.clone()).map_err(|_| index)?;
        }
        Ok(())
    }

    /// Returns the name of the only identity provider, or an empty string if there is none.
    fn only_source(&self) -> Result<String, String> {
        let mut names = self.connectors.identity.keys();
        match (names.next(), names.next()) {
            (only, None) => Ok(only.cloned().unwrap_or_default()),
            (Some(_), Some(_)) | (None, Some(_)) => {
                let names: Vec<_> = self.connectors.identity.keys().map(String::as_str).collect();
                Err(format!(
                    "several identity providers are configured ({}); add the source",
                    names.join(", ")
                ))
            }
        }
    }

    /// Returns the provider of a person, or the reason why there is none.
    pub fn provider_of(&self, source: &str) -> Result<&Arc<dyn IdentityProvider>, String> {
        self.connectors.identity(source).ok_or_else(|| match source {
            "" if self.connectors.identity.is_empty() => "no identity provider is configured".to_owned(),
            "" => "the identity provider of this person is unknown".to_owned(),
            name => format!("no identity provider with the name {name} is configured"),
        })
    }
}
