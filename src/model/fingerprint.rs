//! Keyed hashes of values that must be recognizable but not readable: compared registered values, and document numbers.
//! The key is the store's own secret. A fingerprint thus reveals nothing without the key, and matches nothing in
//! another store.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Secret;

/// Builds fingerprints under one key.
#[derive(Debug, Clone)]
pub struct Fingerprints {
    key: Secret,
}

impl Fingerprints {
    /// Builds from `key`, the store's own secret.
    pub fn new(key: Secret) -> Self {
        Self { key }
    }

    /// Returns the fingerprint of a registered value in canonical form. `None`: not registered, which is a value of its
    /// own.
    pub fn registered(&self, field: &str, canonical: Option<&str>) -> String {
        match canonical {
            Some(value) => self.of(&["registered", field, value]),
            None => self.of(&["not registered", field]),
        }
    }

    /// Returns the fingerprint of a document: its type, issuing country (ISO 3166-1 alpha-3) and number, without case
    /// and separators. Lookalike characters stay different, because the intended one is unknown. `None`: the number has
    /// no letter and no digit.
    pub fn document(&self, kind: Option<&str>, country: Option<&str>, number: &str) -> Option<String> {
        let plain = |text: &str| -> String {
            text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
        };
        let number = Some(plain(number)).filter(|number| !number.is_empty())?;
        let [kind, country] = [kind, country].map(|text| plain(text.unwrap_or_default()));
        Some(self.of(&["document", &kind, &country, &number]))
    }

    /// Returns the fingerprint of a mailbox, without case.
    pub fn mailbox(&self, email: &str) -> String {
        format!("mailbox:{}", self.of(&["mailbox", &email.trim().to_lowercase()]))
    }

    /// Returns the first 128 bits of HMAC-SHA256 over parts with their lengths, in hexadecimal.
    fn of(&self, parts: &[&str]) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.expose().as_bytes()) else {
            return String::new();
        };
        mac.update(b"fingerprint\0");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        HEXLOWER.encode(&mac.finalize().into_bytes()[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(key: &str) -> Fingerprints {
        Fingerprints::new(Secret::new(key))
    }

    #[test]
    fn a_document_fingerprint_ignores_number_formatting() {
        let one = under("k").document(Some("PASSPORT"), Some("AUT"), "P1234567");
        let table = [
            (Some("PASSPORT"), Some("AUT"), "p 123-4567", true),
            (Some("passport"), Some("aut"), "P1234567<<", true),
            (Some("PASSPORT"), Some("AUT"), "P/1234.567", true),
            (Some("PASSPORT"), Some("DEU"), "P1234567", false),
            (Some("ID_CARD"), Some("AUT"), "P1234567", false),
            (Some("PASSPORT"), None, "P1234567", false),
            (Some("PASSPORT"), Some("AUT"), "P1234S67", false),
            (Some("PASSPORT"), Some("AUT"), "P123456", false),
            (Some("PASSPORT"), Some("AUT"), "\u{420}1234567", false),
        ];
        for (kind, country, number, same) in table {
            assert_eq!(under("k").document(kind, country, number) == one, same, "{number} {country:?}");
        }
        assert!(one.as_ref().is_some_and(|one| one.len() == 32 && !one.contains("1234567")));
        assert_ne!(under("other").document(Some("PASSPORT"), Some("AUT"), "P1234567"), one);
        for number in ["", " ", "<<<<", "--"] {
            assert_eq!(under("k").document(Some("PASSPORT"), Some("AUT"), number), None, "{number:?}");
        }
    }

    #[test]
    fn a_missing_field_differs_from_an_empty_field() {
        let of = |field: &str, value: Option<&str>| under("k").registered(field, value);
        assert_ne!(of("first_name", None), of("first_name", Some("")));
        assert_ne!(of("first_name", Some("anna")), of("last_name", Some("anna")));
        assert_eq!(of("first_name", Some("anna")), of("first_name", Some("anna")));
    }
}
