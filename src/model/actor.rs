//! The author of an action: a token or a login, and the person behind it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The author of a decision or an order. `person` identifies people; names of one person may differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// The name of a token or a login.
    #[serde(rename = "by")]
    pub name: String,
    /// The stable id of the person. None: the name counts in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Other ids of the person at the identity provider.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub known_as: BTreeSet<String>,
    /// The teams of `people.yaml` that the person belongs to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub teams: BTreeSet<String>,
}

impl Actor {
    /// Builds an actor from a name alone, without a person or teams.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Builds a person who is a member of teams.
    pub fn person(id: &str, teams: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let teams = teams.into_iter().map(Into::into).collect();
        Self { name: id.to_owned(), person: Some(id.to_owned()), known_as: BTreeSet::new(), teams }
    }

    /// Returns the ids of the person, or the name if no person is known.
    fn ids(&self) -> impl Iterator<Item = &str> {
        let name = self.person.is_none().then_some(self.name.as_str());
        self.person.as_deref().into_iter().chain(self.known_as.iter().map(String::as_str)).chain(name)
    }

    /// Returns whether both are the same person.
    pub fn same(&self, other: &Self) -> bool {
        self.ids().any(|one| other.ids().any(|two| alike(one, two)))
    }

    /// Returns whether an id matches: an id of the person or the name of the token.
    pub fn is_called(&self, id: &str) -> bool {
        alike(&self.name, id) || self.ids().any(|own| alike(own, id))
    }
}

/// Compares ids and mail addresses without case; an empty text matches nothing.
fn alike(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim().to_lowercase(), other.trim().to_lowercase());
    !one.is_empty() && one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tokens_of_one_person_count_as_one_person() {
        let actor = |name: &str, person: &str, known_as: &[&str]| Actor {
            name: name.to_owned(),
            person: Some(person).filter(|id| !id.is_empty()).map(str::to_owned),
            known_as: known_as.iter().map(|id| (*id).to_owned()).collect(),
            teams: BTreeSet::new(),
        };
        for (one, other, same) in [
            (actor("a", "dana", &[]), actor("b", "dana", &[]), true),
            (actor("a", "Dana@Example.com", &[]), actor("b", " dana@example.COM ", &[]), true),
            (actor("a", "dana", &["4711"]), actor("b", "4711", &[]), true),
            (actor("a", "dana", &["4711"]), actor("b", "devi", &["4711"]), true),
            (actor("a", "dana", &[]), actor("b", "devi", &[]), false),
            // A shared token name does not make two persons equal.
            (actor("shared", "dana", &[]), actor("shared", "devi", &[]), false),
            // Without a person the name is compared.
            (actor("a", "", &[]), actor("A", "", &[]), true),
            (actor("a", "", &[]), actor("b", "", &[]), false),
            (actor("dana", "", &[]), actor("b", "dana", &[]), true),
            (actor("", "", &[]), actor("", "", &[]), false),
        ] {
            assert_eq!(one.same(&other), same, "{one:?} {other:?}");
            assert_eq!(other.same(&one), same, "{other:?} {one:?}");
        }
    }
}
