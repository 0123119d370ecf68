//! The secrets of a session. They are derived from the client's secret and the session's reference: nothing of them is
//! stored, and a restart loses none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::model::Secret;

/// The key of one configured provider.
#[derive(Debug)]
pub(super) struct Deriver {
    provider: String,
    key: Secret,
}

/// What a derived secret is for. No two are equal.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    State,
    Nonce,
    Verifier,
}

impl Use {
    fn label(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Nonce => "nonce",
            Self::Verifier => "verifier",
        }
    }
}

impl Deriver {
    pub(super) fn new(provider: &str, client_secret: &Secret) -> Self {
        Self { provider: provider.to_owned(), key: client_secret.clone() }
    }

    /// Returns 256 bits in 43 characters, as PKCE requires of a verifier.
    pub(super) fn secret(&self, of: Use, reference: &str) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.expose().as_bytes()) else {
            return String::new();
        };
        for part in ["openid verification", &self.provider, of.label(), reference] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Returns the id of the session with this state. The state cannot be computed from it, and a state of another
    /// provider gives another id.
    pub(super) fn execution(&self, state: &str) -> String {
        let hash = Sha256::new().chain_update(&self.provider).chain_update([0]).chain_update(state);
        HEXLOWER.encode(&hash.finalize()[..16])
    }
}

/// Returns the PKCE challenge (S256) of a verifier.
pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7636, appendix B.
    #[test]
    fn the_pkce_challenge_matches_rfc_7636() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn secrets_differ_by_provider_use_and_reference() {
        let [one, two] = ["one", "two"].map(|name| Deriver::new(name, &Secret::new("k")));
        let mut all = std::collections::BTreeSet::new();
        for deriver in [&one, &two] {
            for reference in ["case.1.1", "case.1.2"] {
                for of in [Use::State, Use::Nonce, Use::Verifier] {
                    let secret = deriver.secret(of, reference);
                    assert_eq!((secret.len(), &secret), (43, &deriver.secret(of, reference)));
                    assert!(all.insert(secret));
                }
            }
        }
        assert_ne!(one.execution("state"), two.execution("state"));
    }
}
