//! Formats of times, and the text rules of lists. This module must not know users or events.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::model::Timestamp;

/// A time in the format of the API.
pub(super) fn iso(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A time in the format of a broadcast: whole seconds, not ISO 8601.
pub(super) fn utc(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Parses the time of a query parameter; a date alone is its midnight.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let midnight = format!("{text}T00:00:00Z");
    [text, &midnight].iter().find_map(|text| Some(chrono::DateTime::parse_from_rfc3339(text).ok()?.to_utc()))
}

/// Whether a value matches a filter in which `*` matches any text; ignores case.
pub(super) fn matches(filter: &str, value: &str) -> bool {
    let (filter, value) = (filter.to_lowercase(), value.to_lowercase());
    let mut parts = filter.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = value.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

pub(super) fn encode(text: &str) -> String {
    STANDARD.encode(text)
}

pub(super) fn decode(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

/// A pseudorandom text, the same in every run with this seed.
pub(super) fn hex(seed: u64, purpose: &str, number: u64) -> String {
    HEXLOWER.encode(&Sha256::digest(format!("{seed}/{purpose}/{number}")))
}

/// A pseudorandom UUID.
pub(super) fn uuid(seed: u64, number: u64) -> String {
    let hex = hex(seed, "uuid", number);
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn filters_support_wildcards() {
        for (filter, value, expected) in [
            ("ada", "Ada", true),
            ("ada", "adam", false),
            ("ada*", "adam", true),
            ("*@example.com", "ada@example.com", true),
            ("a*a*a", "ada", false),
            ("a*d*a", "abcda", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(filter, value), expected, "{filter} against {value}");
        }
    }
}
