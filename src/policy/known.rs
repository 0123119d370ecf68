//! Names that policies may use besides those of their tree: what `proofd.yaml` configures, and words of providers.

use std::collections::BTreeMap;

use super::grammar::Thing;
use crate::model::{Actor, Vocabulary};

/// Names that policies may use: those that `proofd.yaml` defines, and words of the providers that this build has.
/// Names that are none are not judged.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub vocabulary: Vocabulary,
    pub endpoints: Option<Vec<String>>,
    pub systems: Option<Vec<String>>,
    /// Verification providers, each with its kind.
    pub providers: Option<BTreeMap<String, &'static str>>,
    /// Tokens with which reviews can be decided.
    pub deciders: Option<Vec<Actor>>,
    /// Those of the systems that speak SCIM, where an account needs a user name.
    pub scim: Option<Vec<String>>,
    /// Identity providers.
    pub sources: Option<BTreeMap<String, Source>>,
}

/// An identity provider of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its kind.
    pub provider: &'static str,
    /// Where it stands in the configuration.
    pub path: String,
    /// Our names of fields that the configuration maps to its own, for `set`.
    pub mapped: Vec<String>,
}

impl Known {
    /// The same without the names of a configuration: only what the build itself knows is judged.
    #[must_use]
    pub fn of_any_configuration(&self) -> Self {
        Self { vocabulary: self.vocabulary.clone(), ..Self::default() }
    }

    /// The names of what the configuration has. None: it is of the tree, or the configuration is not known.
    pub fn names(&self, thing: Thing) -> Option<Vec<&str>> {
        fn listed<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
            names.into_iter().map(String::as_str).collect()
        }
        match thing {
            Thing::Source => self.sources.as_ref().map(|sources| listed(sources.keys())),
            Thing::Provider => self.providers.as_ref().map(|providers| listed(providers.keys())),
            Thing::Endpoint => self.endpoints.as_ref().map(listed),
            Thing::System => self.systems.as_ref().map(listed),
            Thing::Policy
            | Thing::Block
            | Thing::Step
            | Thing::Setting
            | Thing::Function
            | Thing::Template
            | Thing::Verification
            | Thing::Team
            | Thing::Queue
            | Thing::Calendar => None,
        }
    }
}
