//! Builds and reads addresses into a case: the person's link and the vendor's callback path. Each holds a case, a
//! number and a keyed code, which needs no storage and cannot be forged.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::model::{CaseId, Fingerprints, Secret};

/// The purpose of a link; a code is valid for one kind only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    Verify,
    Contest,
}

impl LinkKind {
    fn letter(self) -> char {
        match self {
            Self::Verify => 'v',
            Self::Contest => 'c',
        }
    }
}

/// Makes and reads links.
#[derive(Debug, Clone)]
pub struct Links {
    public_url: String,
    key: Secret,
    callback_keys: BTreeMap<String, Secret>,
    fingerprints: Fingerprints,
}

impl Links {
    /// Builds from the store's secret `key`. `callback_keys` holds the secrets for callbacks of verification providers,
    /// by name.
    pub fn new(public_url: &str, key: Secret, callback_keys: BTreeMap<String, Secret>) -> Self {
        let fingerprints = Fingerprints::new(key.clone());
        Self { public_url: public_url.trim_end_matches('/').to_owned(), key, callback_keys, fingerprints }
    }

    /// Returns fingerprints made with the same key, for values that are compared later. They are not part of any link.
    pub fn fingerprints(&self) -> &Fingerprints {
        &self.fingerprints
    }

    /// Returns the address for a mail.
    pub fn person(&self, case: &CaseId, kind: LinkKind, number: u32) -> String {
        format!("{}/v/{}", self.public_url, self.token(case, kind, number))
    }

    pub fn token(&self, case: &CaseId, kind: LinkKind, number: u32) -> String {
        let stem = format!("{}.{}{number}", case, kind.letter());
        let code = code(&self.key, &stem);
        format!("{stem}.{code}")
    }

    /// Returns the content of a token if its code is valid.
    pub fn read(&self, token: &str) -> Option<(CaseId, LinkKind, u32)> {
        let (stem, given) = token.rsplit_once('.')?;
        if !same(&code(&self.key, stem), given) {
            return None;
        }
        let (case, tail) = stem.rsplit_once('.')?;
        let kind = match tail.as_bytes().first()? {
            b'v' => LinkKind::Verify,
            b'c' => LinkKind::Contest,
            _ => return None,
        };
        Some((CaseId(case.to_owned()), kind, tail.get(1..)?.parse().ok()?))
    }

    /// Returns the address for the vendor's hints. `None`: no hints are configured.
    pub fn callback(&self, provider: &str, case: &CaseId, attempt: u32) -> Option<String> {
        let secret = self.callback_secret(provider, case, attempt)?;
        Some(format!("{}/hooks/{provider}/{secret}", self.public_url))
    }

    /// Returns whether a callback's path was issued for this case and attempt.
    pub fn is_callback(&self, provider: &str, case: &CaseId, attempt: u32, given: &str) -> bool {
        self.callback_secret(provider, case, attempt).is_some_and(|secret| same(&secret, given))
    }

    /// Returns a value that marks the browser which was sent to a session. Another browser does not have it.
    pub fn browser(&self, execution: &str) -> String {
        code(&self.key, &format!("browser\n{execution}"))
    }

    /// Returns whether a browser has the value of a session.
    pub fn is_browser(&self, execution: &str, given: &str) -> bool {
        same(&self.browser(execution), given)
    }

    /// Returns whether people reach the daemon by https.
    pub fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    fn callback_secret(&self, provider: &str, case: &CaseId, attempt: u32) -> Option<String> {
        Some(code(self.callback_keys.get(provider)?, &format!("{case}.{attempt}")))
    }
}

/// Returns the first 128 bits of HMAC-SHA256, in hexadecimal.
fn code(key: &Secret, text: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else { return String::new() };
    mac.update(text.as_bytes());
    HEXLOWER.encode(&mac.finalize().into_bytes()[..16])
}

fn same(ours: &str, given: &str) -> bool {
    use subtle::ConstantTimeEq as _;
    !ours.is_empty() && bool::from(ours.as_bytes().ct_eq(given.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Links {
        Links::new(
            "https://proof.example.com/",
            Secret::new("k"),
            [("vendor".to_owned(), Secret::new("c"))].into(),
        )
    }

    #[test]
    fn only_an_issued_link_token_is_valid() {
        let case = CaseId("case-1".to_owned());
        let token = links().token(&case, LinkKind::Verify, 2);
        assert_eq!(links().read(&token), Some((case.clone(), LinkKind::Verify, 2)));
        let mut tampered = token.clone().into_bytes();
        for place in 0..tampered.len() {
            tampered[place] ^= 1;
            assert_eq!(links().read(&String::from_utf8_lossy(&tampered)), None, "at {place}");
            tampered[place] ^= 1;
        }
        for text in ["", ".", "..", "case-1.v2.", "case-1.v2", "\u{1F600}.v1.x"] {
            assert_eq!(links().read(text), None, "{text}");
        }
        assert!(!links().is_callback("vendor", &case, 1, ""));
        let url = links().callback("vendor", &case, 1).unwrap();
        let secret = url.strip_prefix("https://proof.example.com/hooks/vendor/").unwrap();
        assert!(links().is_callback("vendor", &case, 1, secret));
        assert!(!links().is_callback("vendor", &case, 2, secret));
        assert!(!links().is_callback("other", &case, 1, secret));
        assert_eq!(links().callback("other", &case, 1), None);
    }
}
