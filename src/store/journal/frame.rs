//! One frame: a group of records that became durable together, with a checksum and the hash of the frame
//! before. Pure bytes; it knows no files.
//!
//! A frame holds the whole group of one write, so a write that a power cut tore in any order is one broken
//! frame at the end of the journal and never a hole before a good one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The hash of a frame, which the next one carries.
pub type Chain = [u8; 16];

const MAGIC: [u8; 4] = *b"PfF1";
/// Magic, length, checksum, sequence, chain.
const HEAD: usize = 4 + 4 + 4 + 8 + 16;

/// A frame whose checksum is right.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// Of its first record.
    pub(super) sequence: u64,
    pub(super) before: Chain,
    /// Lines, one per record, as the segment's version has them.
    pub(super) payload: &'a [u8],
    /// All of it.
    pub(super) bytes: &'a [u8],
}

/// The bytes of a frame; none if the group is longer than a frame can say.
pub(super) fn build(sequence: u64, before: Chain, payload: &[u8]) -> Option<Vec<u8>> {
    let mut tail = Vec::with_capacity(HEAD + payload.len());
    tail.extend(u32::try_from(payload.len()).ok()?.to_be_bytes());
    tail.extend(sequence.to_be_bytes());
    tail.extend(before);
    tail.extend_from_slice(payload);
    let sum = crc32fast::hash(&tail);
    let mut bytes = Vec::with_capacity(HEAD + payload.len());
    bytes.extend(MAGIC);
    bytes.extend(sum.to_be_bytes());
    bytes.append(&mut tail);
    Some(bytes)
}

/// The frame at the beginning of some bytes; none if there is no whole and undamaged one.
pub(super) fn parse(bytes: &[u8]) -> Option<Frame<'_>> {
    let rest = bytes.strip_prefix(&MAGIC)?;
    let (sum, tail) = rest.split_first_chunk::<4>()?;
    let (length, fields) = tail.split_first_chunk::<4>()?;
    let (sequence, fields) = fields.split_first_chunk::<8>()?;
    let (before, fields) = fields.split_first_chunk::<16>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let payload = fields.get(..length)?;
    let covered = tail.get(..HEAD - 8 + length)?;
    (crc32fast::hash(covered) == u32::from_be_bytes(*sum)).then_some(())?;
    let bytes = bytes.get(..HEAD + length)?;
    Some(Frame { sequence: u64::from_be_bytes(*sequence), before: *before, payload, bytes })
}

/// Whether a good frame lies anywhere in these bytes.
pub(super) fn follows(bytes: &[u8]) -> bool {
    bytes
        .windows(MAGIC.len())
        .enumerate()
        .filter(|(_, window)| *window == MAGIC)
        .any(|(at, _)| bytes.get(at..).and_then(parse).is_some())
}

/// The hash of a frame's bytes.
pub(super) fn chain(bytes: &[u8]) -> Chain {
    let digest = Sha256::digest(bytes);
    let mut chain = Chain::default();
    chain.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    chain
}

/// The end of the journal after a frame: with the hash, everything before is proved unchanged. Written
/// `SEQUENCE:HASH`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Of the frame's last record; 0 before the first frame.
    pub sequence: u64,
    pub chain: Chain,
}

impl Head {
    /// The hash in hexadecimal digits.
    pub fn hash(&self) -> String {
        self.chain.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash())
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not SEQUENCE:HASH as `proofd store head` prints it");
        let (sequence, hash) = text.split_once(':').ok_or_else(wrong)?;
        let sequence = sequence.parse().map_err(|_| wrong())?;
        let mut chain = Chain::default();
        if hash.len() != chain.len() * 2 || !hash.is_ascii() {
            return Err(wrong());
        }
        for (place, byte) in chain.iter_mut().enumerate() {
            let digits = hash.get(place * 2..place * 2 + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self { sequence, chain })
    }
}
