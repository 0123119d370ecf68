//! What providers call things, as data: the loading of policies knows no provider by name and is handed this.

use std::collections::BTreeMap;

use super::{EffectKind, Method, SubjectKind};

/// The words of every provider of this build, by its name.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    pub identity: BTreeMap<&'static str, IdentityWords>,
    pub verification: BTreeMap<&'static str, VerificationWords>,
}

/// What an identity provider calls things.
#[derive(Debug, Clone, Copy)]
pub struct IdentityWords {
    /// Its own ids of events. Policies name them as `<provider>.<id>`, besides the normalized types.
    pub events: Pattern,
    /// When it sends sign-ins with a risk score, for somebody who waits for one.
    pub risk_scores: &'static str,
    /// Fields of a user that can be set without a mapping in the configuration.
    pub settable: &'static [&'static str],
    /// Why it cannot do an effect to a kind of subject; none: it can. Asked for effects at the identity provider only.
    pub refuses: fn(EffectKind, SubjectKind) -> Option<&'static str>,
}

/// What a verification provider calls things.
#[derive(Debug, Clone, Copy)]
pub struct VerificationWords {
    /// Names of the checks in its results. It may add to them, so another name is no error.
    pub checks: &'static [&'static str],
    /// Its names of workflows.
    pub workflow: Pattern,
    /// What it can verify a person by.
    pub methods: &'static [Method],
}

/// What a text of a provider looks like.
#[derive(Debug, Clone, Copy)]
pub struct Pattern {
    /// As a regular expression without anchors, for schemas.
    pub regex: &'static str,
    pub matches: fn(&str) -> bool,
    /// For messages: `a number, such as 10011`.
    pub expected: &'static str,
}

impl Vocabulary {
    /// Whether a name is an event of a provider's own, such as `<provider>.<id>`.
    pub fn is_native_event(&self, name: &str) -> bool {
        let Some((provider, id)) = name.split_once('.') else { return false };
        self.identity.get(provider).is_some_and(|words| (words.events.matches)(id))
    }
}
