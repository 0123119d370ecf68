//! Blocks: neighbouring pairs in one packed value of sled. Sled splits its pages above 16 values, so that single pairs
//! would cost far more memory and disk than their bytes. Pure.
//!
//! A block is the number of its pairs, the bytes before packing, and packed pairs: length of the place, length of the
//! value, both. Numbers have seven bits a byte, least first; the highest bit says that another byte follows.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use zstd::bulk::{Compressor, Decompressor};

/// Bytes above which a block is split.
pub(super) const LARGEST: usize = 16 << 10;
/// Bytes of the parts of a split block, about.
const PART: usize = 10 << 10;
/// Bytes below which a block is joined with the next one.
pub(super) const SMALLEST: usize = 3 << 10;
/// A larger number of bytes is damage, not a block.
const ABSURD: usize = 1 << 30;
/// The fastest of the usual levels.
const LEVEL: i32 = 1;
/// Contexts of zstd that are kept for the next use; one takes some hundred kilobytes.
const KEPT: usize = 4;

/// A place and its payload.
pub(super) type PairOf<'a> = (&'a [u8], &'a [u8]);

#[derive(Debug, Clone, Copy)]
struct Pair {
    place: usize,
    value: usize,
    end: usize,
}

/// An unpacked block.
#[derive(Debug, Default)]
pub(super) struct Block {
    raw: Vec<u8>,
    pairs: Vec<Pair>,
}

impl Block {
    pub(super) fn read(payload: &[u8], zip: &Zip) -> Option<Self> {
        let mut at = 0;
        let count = number(payload, &mut at)?;
        let bytes = Some(number(payload, &mut at)?).filter(|bytes| *bytes < ABSURD && count <= *bytes)?;
        let raw = zip.unpack(payload.get(at..)?, bytes)?;
        (raw.len() == bytes).then_some(())?;
        let mut pairs = Vec::with_capacity(count);
        let mut at = 0;
        for _ in 0..count {
            let (place, value) = (number(&raw, &mut at)?, number(&raw, &mut at)?);
            let pair = Pair { place: at, value: at.checked_add(place)?, end: 0 };
            let end = pair.value.checked_add(value).filter(|end| *end <= raw.len())?;
            pairs.push(Pair { end, ..pair });
            at = end;
        }
        (at == raw.len()).then_some(Self { raw, pairs })
    }

    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Returns the bytes that it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.raw.len() + self.pairs.len() * size_of::<Pair>()
    }

    pub(super) fn pair(&self, number: usize) -> Option<PairOf<'_>> {
        let pair = self.pairs.get(number)?;
        Some((self.raw.get(pair.place..pair.value)?, self.raw.get(pair.value..pair.end)?))
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = PairOf<'_>> {
        (0..self.pairs.len()).filter_map(|number| self.pair(number))
    }

    /// Returns the number of the first pair at or after a place.
    pub(super) fn at_or_after(&self, place: &[u8]) -> usize {
        self.pairs.partition_point(|pair| self.raw.get(pair.place..pair.value).is_some_and(|own| own < place))
    }

    pub(super) fn get(&self, place: &[u8]) -> Option<&[u8]> {
        let (found, value) = self.pair(self.at_or_after(place))?;
        (found == place).then_some(value)
    }
}

/// Packs pairs as a block.
pub(super) fn write(pairs: &[PairOf<'_>], zip: &Zip) -> std::io::Result<Vec<u8>> {
    let mut raw = Vec::with_capacity(pairs.iter().map(size).sum());
    for (place, value) in pairs {
        put(&mut raw, place.len());
        put(&mut raw, value.len());
        raw.extend_from_slice(place);
        raw.extend_from_slice(value);
    }
    let mut payload = Vec::new();
    put(&mut payload, pairs.len());
    put(&mut payload, raw.len());
    payload.append(&mut zip.pack(&raw)?);
    Ok(payload)
}

/// Returns the bytes of a pair in a block, about.
pub(super) fn size(pair: &PairOf<'_>) -> usize {
    pair.0.len() + pair.1.len() + 4
}

/// Divides pairs into blocks. `appended`: the new pairs are at the end, and more will probably follow there: full blocks
/// stay full. Otherwise pairs may be added anywhere, and the parts are equal.
pub(super) fn divide(pairs: &[PairOf<'_>], appended: bool) -> Vec<Range<usize>> {
    let total: usize = pairs.iter().map(size).sum();
    let part = if appended || total <= LARGEST { LARGEST } else { total.div_ceil(total.div_ceil(PART)) };
    let (mut parts, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (number, pair) in pairs.iter().enumerate() {
        let more = size(pair);
        if number > start && bytes + more > part {
            parts.push(start..number);
            (start, bytes) = (number, 0);
        }
        bytes += more;
    }
    parts.push(start..pairs.len());
    parts
}

pub(super) fn put(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

pub(super) fn number(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut number = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= usize::from(byte & 0x7F).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Packs and unpacks; keeps a few contexts of zstd.
#[derive(Default)]
pub(super) struct Zip {
    packers: Mutex<Vec<Compressor<'static>>>,
    unpackers: Mutex<Vec<Decompressor<'static>>>,
}

impl std::fmt::Debug for Zip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Zip")
    }
}

fn give_back<T>(pool: &Mutex<Vec<T>>, one: T) {
    let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
    if pool.len() < KEPT {
        pool.push(one);
    }
}

fn take<T>(pool: &Mutex<Vec<T>>) -> Option<T> {
    pool.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

impl Zip {
    fn pack(&self, raw: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut packer = take(&self.packers).map_or_else(|| Compressor::new(LEVEL), Ok)?;
        let packed = packer.compress(raw)?;
        give_back(&self.packers, packer);
        Ok(packed)
    }

    fn unpack(&self, packed: &[u8], bytes: usize) -> Option<Vec<u8>> {
        let mut unpacker = take(&self.unpackers).map_or_else(Decompressor::new, Ok).ok()?;
        let raw = unpacker.decompress(packed, bytes).ok()?;
        give_back(&self.unpackers, unpacker);
        Some(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, LARGEST, PairOf, Zip, divide, number, put, size, write};

    #[test]
    fn pairs_read_back_and_are_found() {
        let zip = Zip::default();
        for count in [1_usize, 2, 300] {
            let owned: Vec<_> = (0..count).map(|n| (format!("k{n:04}"), "v".repeat(n * 7))).collect();
            let pairs: Vec<PairOf<'_>> = owned.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes())).collect();
            let payload = write(&pairs, &zip).unwrap();
            let block = Block::read(&payload, &zip).unwrap();
            assert_eq!(block.pairs().collect::<Vec<_>>(), pairs);
            assert!(pairs.iter().all(|(place, value)| block.get(place) == Some(value)));
            assert_eq!((block.get(b"k0001x"), block.at_or_after(b"k0001x")), (None, count.min(2)));
            for length in 0..payload.len() {
                assert!(Block::read(&payload[..length], &zip).is_none(), "{count}: cut to {length}");
            }
        }
    }

    #[test]
    fn numbers_are_read_back_and_overlong_ones_are_refused() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, usize::MAX] {
            let (mut bytes, mut at) = (Vec::new(), 0);
            put(&mut bytes, value);
            assert_eq!((number(&bytes, &mut at), at), (Some(value), bytes.len()));
        }
        assert_eq!(number(&[0xFF; 20], &mut 0), None);
        assert_eq!(number(&[], &mut 0), None);
    }

    #[test]
    fn a_large_block_is_split_without_losing_a_pair() {
        let value = vec![b'x'; 1_000];
        let huge = vec![b'x'; 3 * LARGEST];
        let pairs = |values: &[&'static str]| -> Vec<usize> {
            let lengths = values.iter().map(|word| if *word == "huge" { huge.len() } else { value.len() });
            lengths.collect()
        };
        for (values, appended, parts) in [
            (pairs(&["small"; 16]), false, 1),
            (pairs(&["small"; 20]), false, 2),
            (pairs(&["small"; 20]), true, 2),
            (pairs(&["small"; 100]), true, 7),
            (pairs(&["huge"]), false, 1),
            (pairs(&["small", "huge", "small"]), true, 3),
        ] {
            let places: Vec<Vec<u8>> = (0..values.len()).map(|n| vec![b'k', n as u8]).collect();
            let pairs: Vec<PairOf<'_>> =
                places.iter().zip(&values).map(|(place, length)| (&place[..], &huge[..*length])).collect();
            let divided = divide(&pairs, appended);
            assert_eq!(divided.len(), parts, "{values:?}");
            assert_eq!(divided.iter().cloned().flatten().collect::<Vec<_>>(), Vec::from_iter(0..pairs.len()));
            for part in divided {
                let bytes: usize = pairs[part.clone()].iter().map(size).sum();
                assert!(part.len() == 1 || bytes <= LARGEST, "{bytes}");
            }
        }
    }
}
