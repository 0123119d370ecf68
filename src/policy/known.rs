//! Names that policies may use besides those of their tree: names from `proofd.yaml`, and words of providers.

use std::collections::BTreeMap;

use super::grammar::NameKind;
use crate::model::{Actor, Vocabulary};

/// Names that policies may use: those that `proofd.yaml` defines, and words of the providers in this build.
/// Lists that are none are not checked.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub vocabulary: Vocabulary,
    pub endpoints: Option<Vec<String>>,
    pub systems: Option<Vec<String>>,
    /// Verification providers by name, each with its kind.
    pub providers: Option<BTreeMap<String, &'static str>>,
    /// Tokens that may decide reviews.
    pub deciders: Option<Vec<Actor>>,
    /// The systems that use SCIM, where an account needs a user name.
    pub scim: Option<Vec<String>>,
    /// Identity providers.
    pub sources: Option<BTreeMap<String, Source>>,
}

/// A configured identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The kind of the provider.
    pub provider: &'static str,
    /// The path of the entry in the configuration.
    pub path: String,
    /// Names of proofd fields that the configuration maps to fields of the provider, for `set`.
    pub mapped: Vec<String>,
}

impl Known {
    /// Returns the same without the names of a configuration: only the vocabulary of the build is checked.
    #[must_use]
    pub fn of_any_configuration(&self) -> Self {
        Self { vocabulary: self.vocabulary.clone(), ..Self::default() }
    }

    /// Returns the configured names. None if the names belong to the tree, or the configuration is not available.
    pub fn names(&self, thing: NameKind) -> Option<Vec<&str>> {
        fn listed<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
            names.into_iter().map(String::as_str).collect()
        }
        match thing {
            NameKind::Source => self.sources.as_ref().map(|sources| listed(sources.keys())),
            NameKind::Provider => self.providers.as_ref().map(|providers| listed(providers.keys())),
            NameKind::Endpoint => self.endpoints.as_ref().map(listed),
            NameKind::System => self.systems.as_ref().map(listed),
            NameKind::Policy
            | NameKind::Block
            | NameKind::Step
            | NameKind::Setting
            | NameKind::Function
            | NameKind::Template
            | NameKind::Verification
            | NameKind::Team
            | NameKind::Queue
            | NameKind::Calendar => None,
        }
    }
}
