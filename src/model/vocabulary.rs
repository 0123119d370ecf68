//! Provider-specific words as data. The policy loader knows no provider by name and receives this.

use std::collections::BTreeMap;

use super::{EffectKind, Method, SubjectKind};

/// The words of every provider of this build, by its name.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    pub identity: BTreeMap<&'static str, IdentityWords>,
    pub verification: BTreeMap<&'static str, VerificationWords>,
}

/// The words of an identity provider.
#[derive(Debug, Clone, Copy)]
pub struct IdentityWords {
    /// Its own event ids. Policies name them as `<provider>.<id>`, besides the normalized types.
    pub events: Pattern,
    /// When it sends sign-ins with a risk score, for policies that wait for one.
    pub risk_scores: &'static str,
    /// Fields of a user that can be set without a mapping in the configuration.
    pub settable: &'static [&'static str],
    /// Returns why it cannot apply an effect to a kind of subject; `None`: it can. Called only for effects at the
    /// identity provider.
    pub refuses: fn(EffectKind, SubjectKind) -> Option<&'static str>,
    /// Returns why it cannot change a role of this name for anybody; `None`: it may.
    pub refuses_role: fn(&str) -> Option<&'static str>,
    /// Returns why it never sends an event of this type; `None`: it may.
    pub never_sends: fn(&str) -> Option<&'static str>,
}

/// The words of a verification provider.
#[derive(Debug, Clone, Copy)]
pub struct VerificationWords {
    /// Names of the checks in its results. It may add names, so an unknown name is not an error.
    pub checks: &'static [&'static str],
    /// Its workflow names.
    pub workflow: Pattern,
    /// The methods that it supports.
    pub methods: &'static [Method],
    /// Only the required checks tie its result to the person: a verification without any is an error.
    pub must_require: bool,
}

/// The form of a provider's text.
#[derive(Debug, Clone, Copy)]
pub struct Pattern {
    /// A regular expression without anchors, for schemas.
    pub regex: &'static str,
    pub matches: fn(&str) -> bool,
    /// For messages, such as `a number, such as 10011`.
    pub expected: &'static str,
}

impl Vocabulary {
    /// Returns whether a name is a provider's own event, such as `<provider>.<id>`.
    pub fn is_native_event(&self, name: &str) -> bool {
        let Some((provider, id)) = name.split_once('.') else { return false };
        self.identity.get(provider).is_some_and(|words| (words.events.matches)(id))
    }
}
