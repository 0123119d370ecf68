//! The providers of this build, one line each. Other code uses only what they declare here.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::{IdentityOptions, VerificationOptions, jumio, keycloak, onelogin, openid_verification};
use crate::model::{IdentityWords, VerificationWords, Vocabulary};

/// One kind of provider: the declarations of its directory.
#[derive(Debug, Clone, Copy)]
pub struct Provider {
    /// Its key under `connectors` and its path under `/hooks`.
    pub name: &'static str,
    /// True: `connectors.NAME` holds several by name. False: it holds the options of one, which has the provider's
    /// name.
    pub several: bool,
    /// Its schema with descriptions.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    pub role: Role,
}

/// The role of a provider.
#[derive(Clone, Copy)]
pub enum Role {
    Identity { words: IdentityWords, read: Read<dyn IdentityOptions> },
    Verification { words: VerificationWords, read: Read<dyn VerificationOptions> },
}

/// Reads options of a configuration.
pub type Read<O> = fn(&mut dyn erased_serde::Deserializer<'_>) -> Result<Box<O>, erased_serde::Error>;

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity { .. } => "Identity",
            Self::Verification { .. } => "Verification",
        })
    }
}

impl Provider {
    /// Declares a provider of people and events.
    pub const fn identity<O>(name: &'static str, words: IdentityWords) -> Self
    where
        O: IdentityOptions + DeserializeOwned + JsonSchema + 'static,
    {
        let read: Read<dyn IdentityOptions> = |from| Ok(Box::new(erased_serde::deserialize::<O>(from)?));
        Self { name, several: false, schema: O::json_schema, role: Role::Identity { words, read } }
    }

    /// Declares a provider that verifies people.
    pub const fn verification<O>(name: &'static str, words: VerificationWords) -> Self
    where
        O: VerificationOptions + DeserializeOwned + JsonSchema + 'static,
    {
        let read: Read<dyn VerificationOptions> = |from| Ok(Box::new(erased_serde::deserialize::<O>(from)?));
        Self { name, several: false, schema: O::json_schema, role: Role::Verification { words, read } }
    }

    /// Declares the same provider with several instances by name.
    pub const fn several(self) -> Self {
        Self { several: true, ..self }
    }
}

/// Kinds of providers by name.
#[derive(Debug, Clone, Default)]
pub struct Registry(Vec<Provider>);

impl Registry {
    /// Returns the providers of this build.
    pub fn shipped() -> Self {
        Self::default()
            .with(onelogin::PROVIDER)
            .with(keycloak::PROVIDER)
            .with(jumio::PROVIDER)
            .with(openid_verification::PROVIDER)
    }

    #[must_use]
    pub fn with(mut self, provider: Provider) -> Self {
        self.0.push(provider);
        self
    }

    pub fn find(&self, name: &str) -> Option<&Provider> {
        self.0.iter().find(|provider| provider.name == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.0.iter()
    }

    /// Returns the vocabulary of the providers, for loading policies.
    pub fn vocabulary(&self) -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        for provider in &self.0 {
            match provider.role {
                Role::Identity { words, .. } => {
                    vocabulary.identity.insert(provider.name, words);
                }
                Role::Verification { words, .. } => {
                    vocabulary.verification.insert(provider.name, words);
                }
            }
        }
        vocabulary
    }
}
