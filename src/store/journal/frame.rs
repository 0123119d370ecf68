//! One frame: a group of records that became durable together, with a checksum and the hash of the previous frame. Pure
//! bytes; independent of files.
//!
//! A frame holds the whole group of one write. A write torn by a power cut, in any order, thus leaves one broken frame
//! at the end of the journal. It never leaves a gap before a valid frame.

use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest as _, Sha256};

/// The hash of a frame, stored in the next one.
pub type Chain = [u8; 16];

const MAGIC: [u8; 4] = *b"PfF1";
const GAP_MAGIC: [u8; 4] = *b"PfG1";
/// A frame whose records were redacted. It holds the hash of the frame that was written first.
const REDACTED_MAGIC: [u8; 4] = *b"PfR1";
/// Magic, length, checksum, sequence, chain.
const HEAD: usize = 4 + 4 + 4 + 8 + 16;

/// Bytes of the head of a redacted frame: as above, and the original hash.
const REDACTED_HEAD: usize = HEAD + 16;

/// A frame with a valid checksum.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// The sequence of its first record.
    pub(super) sequence: u64,
    pub(super) before: Chain,
    /// Lines, one per record, in the format of the segment's version.
    pub(super) payload: &'a [u8],
    /// The whole frame.
    pub(super) bytes: &'a [u8],
    /// The hash of the frame that this one replaced when its records were redacted.
    original: Option<Chain>,
}

impl Frame<'_> {
    /// Returns the hash that the next frame follows. A redacted frame keeps the one that it had.
    pub(super) fn chain(&self) -> Chain {
        self.original.unwrap_or_else(|| chain(self.bytes))
    }

    pub(super) fn is_redacted(&self) -> bool {
        self.original.is_some()
    }
}

/// Returns the bytes of a frame; `None` if the group exceeds the length field.
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

/// Returns the bytes of a redacted frame in the place of one with the hash `original`.
pub(super) fn build_redacted(
    sequence: u64,
    before: Chain,
    original: Chain,
    payload: &[u8],
) -> Option<Vec<u8>> {
    let mut tail = u32::try_from(payload.len()).ok()?.to_be_bytes().to_vec();
    tail.extend(sequence.to_be_bytes());
    tail.extend(before);
    tail.extend(original);
    tail.extend_from_slice(payload);
    let mut bytes = REDACTED_MAGIC.to_vec();
    bytes.extend(crc32fast::hash(&tail).to_be_bytes());
    bytes.append(&mut tail);
    Some(bytes)
}

/// Returns the frame at the start of some bytes; `None` if it is incomplete or damaged.
pub(super) fn parse(bytes: &[u8]) -> Option<Frame<'_>> {
    let (rest, head) = match bytes.strip_prefix(&MAGIC) {
        Some(rest) => (rest, HEAD),
        None => (bytes.strip_prefix(&REDACTED_MAGIC)?, REDACTED_HEAD),
    };
    let (sum, tail) = rest.split_first_chunk::<4>()?;
    let (length, fields) = tail.split_first_chunk::<4>()?;
    let (sequence, fields) = fields.split_first_chunk::<8>()?;
    let (before, fields) = fields.split_first_chunk::<16>()?;
    let (original, fields) = match head {
        HEAD => (None, fields),
        _ => fields.split_first_chunk::<16>().map(|(original, fields)| (Some(*original), fields))?,
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let payload = fields.get(..length)?;
    let covered = tail.get(..head - 8 + length)?;
    (crc32fast::hash(covered) == u32::from_be_bytes(*sum)).then_some(())?;
    let bytes = bytes.get(..head + length)?;
    Some(Frame { sequence: u64::from_be_bytes(*sequence), before: *before, payload, bytes, original })
}

const MAGICS: [[u8; 4]; 3] = [MAGIC, GAP_MAGIC, REDACTED_MAGIC];

/// Returns whether these bytes contain a valid frame.
pub(super) fn follows(bytes: &[u8]) -> bool {
    let good = |rest: &[u8]| parse(rest).is_some() || parse_gap(rest).is_some();
    bytes
        .windows(MAGIC.len())
        .enumerate()
        .filter(|(_, window)| MAGICS.iter().any(|magic| window == magic))
        .any(|(at, _)| bytes.get(at..).is_some_and(good))
}

/// Returns where the next frame may begin.
pub(super) fn first_magic(bytes: &[u8]) -> Option<usize> {
    bytes.windows(MAGIC.len()).position(|window| MAGICS.iter().any(|magic| window == magic))
}

/// Stands for records that cannot be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Gap {
    pub(in crate::store) first: u64,
    pub(in crate::store) last: u64,
    /// The chain before the first of them, and the chain before the record after the last.
    pub(super) before: Chain,
    pub(super) after: Chain,
}

/// Magic, checksum, first and last record, chain before and after.
const GAP: usize = 4 + 4 + 8 + 8 + 16 + 16;

pub(super) fn build_gap(gap: &Gap) -> Vec<u8> {
    let mut fields = gap.first.to_be_bytes().to_vec();
    fields.extend(gap.last.to_be_bytes());
    fields.extend(gap.before);
    fields.extend(gap.after);
    let mut bytes = GAP_MAGIC.to_vec();
    bytes.extend(crc32fast::hash(&fields).to_be_bytes());
    bytes.append(&mut fields);
    bytes
}

/// Returns the gap at the start of some bytes, and its length.
pub(super) fn parse_gap(bytes: &[u8]) -> Option<(Gap, usize)> {
    let rest = bytes.get(..GAP)?.strip_prefix(&GAP_MAGIC)?;
    let (sum, fields) = rest.split_first_chunk::<4>()?;
    (crc32fast::hash(fields) == u32::from_be_bytes(*sum)).then_some(())?;
    let (first, fields) = fields.split_first_chunk::<8>()?;
    let (last, fields) = fields.split_first_chunk::<8>()?;
    let (before, after) = fields.split_first_chunk::<16>()?;
    let (first, last) = (u64::from_be_bytes(*first), u64::from_be_bytes(*last));
    Some((Gap { first, last, before: *before, after: after.try_into().ok()? }, GAP))
}

/// Returns a frame with one bit flipped back, if that makes it the expected frame. The checksum identifies the bit;
/// only the hash in the next frame proves the result.
pub(super) fn mend(bytes: &[u8], sequence: u64, before: Chain) -> Option<Vec<u8>> {
    let length = u32::from_be_bytes(*bytes.get(8..)?.first_chunk::<4>()?);
    let lengths = std::iter::once(length).chain((0..32).map(|bit| length ^ (1 << bit)));
    lengths.filter_map(|length| mend_with(bytes, length)).find(|mended| {
        parse(mended).is_some_and(|frame| frame.sequence == sequence && frame.before == before)
    })
}

fn mend_with(bytes: &[u8], length: u32) -> Option<Vec<u8>> {
    let whole = usize::try_from(length).ok()?.checked_add(HEAD)?;
    let mut frame = bytes.get(..whole)?.to_vec();
    frame.splice(..4, MAGIC);
    frame.splice(8..12, length.to_be_bytes());
    let sum = crc32fast::hash(frame.get(8..)?);
    let stored = u32::from_be_bytes(*frame.get(4..)?.first_chunk::<4>()?);
    let syndrome = sum ^ stored;
    if syndrome.count_ones() == 1 {
        frame.splice(4..8, sum.to_be_bytes());
    } else if syndrome != 0 {
        let (from_end, bit) = turned(syndrome, frame.len() - 8)?;
        let place = frame.len() - 1 - from_end;
        *frame.get_mut(place)? ^= 1 << bit;
    }
    Some(frame)
}

/// Returns the flipped bit that causes this CRC-32 difference: the number of bytes after its byte, and its position in
/// the byte.
fn turned(syndrome: u32, bytes: usize) -> Option<(usize, u32)> {
    let shift = |sum: u32| (0..8).fold(sum, |sum, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg()));
    let mut sums: [u32; 8] = std::array::from_fn(|bit| shift(1 << bit));
    for from_end in 0..bytes {
        if let Some(bit) = sums.iter().position(|sum| *sum == syndrome) {
            return Some((from_end, u32::try_from(bit).ok()?));
        }
        sums.iter_mut().for_each(|sum| *sum = shift(*sum));
    }
    None
}

/// Returns the hash of a frame's bytes.
pub(super) fn chain(bytes: &[u8]) -> Chain {
    let digest = Sha256::digest(bytes);
    let mut chain = Chain::default();
    chain.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    chain
}

/// The end of the journal after a frame; the hash proves that everything before is unchanged. Written as
/// `SEQUENCE:HASH`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    /// The sequence of the frame's last record; 0 before the first frame.
    pub sequence: u64,
    pub chain: Chain,
}

impl Head {
    /// Returns the hash in hexadecimal digits.
    pub fn hash(&self) -> String {
        HEXLOWER.encode(&self.chain)
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
        let chain = HEXLOWER_PERMISSIVE.decode(hash.as_bytes()).map_err(|_| wrong())?;
        let chain = chain.try_into().map_err(|_| wrong())?;
        Ok(Self { sequence, chain })
    }
}

#[cfg(test)]
mod tests {
    use super::{Gap, build, build_gap, build_redacted, chain, mend, parse, parse_gap};

    #[test]
    fn a_redacted_frame_keeps_the_hash_of_the_original_and_no_flipped_bit_passes() {
        let original = build(7, [3; 16], b"a name").unwrap();
        let redacted = build_redacted(7, [3; 16], chain(&original), b"nothing").unwrap();
        let frame = parse(&redacted).unwrap();
        assert_eq!((frame.sequence, frame.before, frame.payload), (7, [3; 16], &b"nothing"[..]));
        assert!(frame.is_redacted() && !parse(&original).unwrap().is_redacted());
        assert_eq!(frame.chain(), parse(&original).unwrap().chain());
        for bit in 0..redacted.len() * 8 {
            let mut harmed = redacted.clone();
            harmed[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&harmed).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn one_flipped_bit_of_a_frame_is_repaired_and_two_are_not() {
        let frame = build(7, [3; 16], b"what was written, in some bytes").unwrap();
        let mut more = frame.clone();
        more.extend(build(8, super::chain(&frame), b"another").unwrap());
        for bit in 0..frame.len() * 8 {
            let mut harmed = more.clone();
            harmed[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&harmed).is_none(), "bit {bit}");
            assert_eq!(mend(&harmed, 7, [3; 16]).as_ref(), Some(&frame), "bit {bit}");
            assert_eq!(mend(&harmed, 9, [3; 16]), None);
            // The magic is constant, and each bit of the length is tried: these are exempt.
            let free = |byte: usize| byte < 4 || (8..12).contains(&byte);
            let (one, other) = (bit / 8, (bit / 8 + 9) % frame.len());
            harmed[other] ^= 1;
            let mended = mend(&harmed, 7, [3; 16]);
            assert!(free(one) || free(other) || mended.as_ref() != Some(&frame), "bit {bit}");
        }
    }

    #[test]
    fn a_gap_reads_back() {
        let gap = Gap { first: 4, last: 9, before: [1; 16], after: [2; 16] };
        let mut bytes = build_gap(&gap);
        bytes.extend(b"more");
        assert_eq!(parse_gap(&bytes), Some((gap, bytes.len() - 4)));
        bytes[20] ^= 1;
        assert_eq!(parse_gap(&bytes), None);
    }
}
