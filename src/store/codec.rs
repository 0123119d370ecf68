//! The versioned shape on disk: records of the journal, and checked values of the state. Pure; it knows
//! neither files nor sled.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::salvage::Salvage;
use super::{AcceptedLoss, Commit, Error, MARKS_KEPT};
use crate::model::Timestamp;

const RECORD_VERSION: u32 = 2;
/// Another one than the state has makes it anew from the journal at the next start.
const VALUE_VERSION: u8 = 2;
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

// Fields instead of an enum: a tagged enum would be buffered by serde, which loses the numbers that are
// keys of maps.
#[derive(Serialize)]
struct Written<'a> {
    v: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<&'a Commit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prune: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<&'a AcceptedLoss>,
    #[serde(skip_serializing_if = "Option::is_none")]
    salvage: Option<&'a Salvage>,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

#[derive(Deserialize)]
struct Read {
    commit: Option<Commit>,
    prune: Option<Timestamp>,
    loss: Option<Box<AcceptedLoss>>,
    salvage: Option<Box<Salvage>>,
}

/// One line of JSON, with its end of line.
pub(super) fn encode(body: &Body) -> Result<Vec<u8>, Error> {
    let mut written = Written { v: RECORD_VERSION, commit: None, prune: None, loss: None, salvage: None };
    match body {
        Body::Commit(commit) => written.commit = Some(commit),
        Body::Prune(before) => written.prune = Some(*before),
        Body::Loss(loss) => written.loss = Some(loss),
        Body::Salvage(salvage) => written.salvage = Some(salvage),
    }
    let mut line = json(&written)?;
    line.push(b'\n');
    Ok(line)
}

pub(super) fn decode(sequence: u64, line: &[u8]) -> Result<Body, Error> {
    // The error of serde is not passed on: it may quote what it read.
    let unreadable =
        |_: serde_json::Error| Error::Damaged(format!("record {sequence} of the journal cannot be read"));
    let version: Version = serde_json::from_slice(line).map_err(unreadable)?;
    if version.v != RECORD_VERSION {
        return Err(Error::Damaged(format!(
            "record {sequence} of the journal has version {}, this program reads version {RECORD_VERSION}; \
             start the version of the program that wrote it",
            version.v
        )));
    }
    match serde_json::from_slice(line).map_err(unreadable)? {
        Read { commit: Some(commit), prune: None, loss: None, salvage: None } => Ok(Body::Commit(commit)),
        Read { commit: None, prune: Some(before), loss: None, salvage: None } => Ok(Body::Prune(before)),
        Read { commit: None, prune: None, loss: Some(loss), salvage: None } => Ok(Body::Loss(loss)),
        Read { commit: None, prune: None, loss: None, salvage: Some(salvage) } => Ok(Body::Salvage(salvage)),
        Read { .. } => Err(Error::Damaged(format!("record {sequence} of the journal says nothing"))),
    }
}

/// The same in one pass, of which only a part is read. `None`: it is no commit.
pub(super) fn part<'a, T: Deserialize<'a>>(sequence: u64, line: &'a [u8]) -> Result<Option<T>, Error> {
    #[derive(Deserialize)]
    struct Part<T> {
        v: u32,
        commit: Option<T>,
    }
    match serde_json::from_slice(line) {
        Ok(Part { v: RECORD_VERSION, commit }) => Ok(commit),
        // Which of the two it is says the one that reads all of it.
        Ok(_) | Err(_) => Err(decode(sequence, line).err().unwrap_or_else(|| {
            Error::Damaged(format!("record {sequence} of the journal cannot be read for the past"))
        })),
    }
}

pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::io("writing JSON")(error.into()))
}

pub(super) fn from_json<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
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

/// The checksum that a sealed value carries, spread over 64 bits, for the sum over all values.
pub(super) fn weight(value: &[u8]) -> u64 {
    let sum = value.get(1..VALUE_HEAD).and_then(|sum| sum.try_into().ok()).map_or(0, u32::from_be_bytes);
    (u64::from(sum) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::{Body, decode, encode, seal, unseal};
    use crate::model::Timestamp;
    use crate::store::{Commit, Error};

    #[test]
    fn a_record_is_one_line_and_reads_back() {
        for body in [Body::Commit(Commit::default()), Body::Prune(Timestamp::UNIX_EPOCH)] {
            let line = encode(&body).unwrap();
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(decode(1, &line).unwrap(), body);
        }
    }

    #[test]
    fn a_record_that_says_something_else_is_an_error_with_its_number() {
        for (line, word) in [
            (r#"{"v":3,"new":1}"#, "version 3"),
            (r#"{"v":2}"#, "says nothing"),
            ("x", "cannot be read"),
            (r#"{"v":2,"commit":7}"#, "cannot be read"),
        ] {
            let Err(Error::Damaged(text)) = decode(12, line.as_bytes()) else { panic!("{line} was read") };
            assert!(text.contains(word) && text.contains("record 12"), "{text}");
        }
    }

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
