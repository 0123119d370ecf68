//! What a record of the journal says, and the check of a value of the state. How both are written is in `shape`.
//! Pure; it knows neither files nor sled.

use super::salvage::Salvage;
use super::{AcceptedLoss, Commit, MARKS_KEPT, shape};
use crate::model::Timestamp;

/// Another one than the state has makes it anew from the journal at the next start.
const VALUE_VERSION: u8 = shape::VERSION as u8;
/// Version and checksum before a value's payload.
const VALUE_HEAD: usize = 5;

/// What a record of the journal says.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are commits; a box would only cost each of them")]
pub(super) enum Body {
    Commit(Commit),
    /// Marks of events that were consumed before this are forgotten.
    Prune(Timestamp),
    /// Records before this one are lost, and somebody chose to go on.
    Loss(Box<AcceptedLoss>),
    /// Records before this one are damaged, and the cases that they touch are quarantined.
    Salvage(Box<Salvage>),
}

impl Body {
    /// The newest time that it carries.
    pub(super) fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Commit(Commit { cases, consumed, revisions, policy_orders, .. }) => {
                let cases = cases.iter().map(|changed| changed.at);
                let consumed = consumed.iter().map(|consumed| consumed.at);
                let revisions = revisions.iter().map(|stored| stored.at);
                let orders = policy_orders.iter().map(|order| order.at);
                cases.chain(consumed).chain(revisions).chain(orders).max()
            }
            Self::Prune(before) => Some(*before + MARKS_KEPT),
            Self::Loss(loss) => Some(loss.at),
            Self::Salvage(salvage) => Some(salvage.loss.at),
        }
    }

    /// Whether it says more than that events came or were looked at.
    pub(super) fn reaches_beyond_inbox(&self) -> bool {
        match self {
            Self::Commit(Commit { cases, revisions, active, enrolled, policy_orders, .. }) => {
                !cases.is_empty()
                    || !revisions.is_empty()
                    || active.is_some()
                    || !enrolled.is_empty()
                    || !policy_orders.is_empty()
            }
            Self::Prune(_) | Self::Loss(_) => false,
            Self::Salvage(_) => true,
        }
    }
}

/// The checksum covers the key, so that a value under a wrong key is noticed too.
fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(key);
    hash.update(payload);
    hash.finalize()
}

/// A value as it lies in the state.
pub(super) fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(VALUE_HEAD + payload.len());
    value.push(VALUE_VERSION);
    value.extend(checksum(key, payload).to_be_bytes());
    value.extend_from_slice(payload);
    value
}

/// The payload of a value; none if it fails its check.
pub(super) fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Option<&'a [u8]> {
    let (head, payload) = value.split_at_checked(VALUE_HEAD)?;
    let (version, sum) = head.split_first()?;
    (*version == VALUE_VERSION && sum == checksum(key, payload).to_be_bytes()).then_some(payload)
}

/// Whether a program with other shapes wrote a value.
pub(super) fn is_of_another_version(value: &[u8]) -> bool {
    value.first().is_some_and(|version| *version != VALUE_VERSION)
}

/// The checksum that a sealed value carries, spread over 64 bits, for the sum over all values.
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
