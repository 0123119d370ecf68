//! Checks stored bytes of the state. Pure; independent of files and sled.

/// The version of the state: its keys, its values and what a record does to them. Independent of the journal's version.
/// Increase it with every change of one of them: a state of another version is rebuilt from the journal at the next
/// start.
const VALUE_VERSION: u8 = 11;
/// Bytes of version and checksum before a value's payload.
const VALUE_HEAD: usize = 5;

/// Returns the checksum of a value. It covers the key, which detects a value under a wrong key.
fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(key);
    hash.update(payload);
    hash.finalize()
}

/// Returns a value as stored in the state.
pub(super) fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(VALUE_HEAD + payload.len());
    value.push(VALUE_VERSION);
    value.extend(checksum(key, payload).to_be_bytes());
    value.extend_from_slice(payload);
    value
}

/// Returns the payload of a value; `None` if the check fails.
pub(super) fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Option<&'a [u8]> {
    let (head, payload) = value.split_at_checked(VALUE_HEAD)?;
    let (version, sum) = head.split_first()?;
    (*version == VALUE_VERSION && sum == checksum(key, payload).to_be_bytes()).then_some(payload)
}

/// Returns whether another version of the state wrote a value.
pub(super) fn is_of_another_version(value: &[u8]) -> bool {
    value.first().is_some_and(|version| *version != VALUE_VERSION)
}

/// Returns the checksum of a sealed value, spread over 64 bits, for the sum over all values.
pub(super) fn weight(value: &[u8]) -> u64 {
    let sum = value.get(1..VALUE_HEAD).and_then(|sum| sum.try_into().ok()).map_or(0, u32::from_be_bytes);
    (u64::from(sum) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::{seal, unseal};

    #[test]
    fn a_value_is_read_only_whole_and_under_its_own_key() {
        let value = seal(b"key", b"payload");
        assert_eq!(unseal(b"key", &value), Some(&b"payload"[..]));
        assert_eq!(unseal(b"kex", &value), None);
        for bit in 0..value.len() * 8 {
            let mut harmed = value.clone();
            harmed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(b"key", &harmed), None, "bit {bit}");
        }
        assert_eq!(unseal(b"key", b""), None);
    }
}
