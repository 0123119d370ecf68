//! Unpacked blocks that were read lately. Reads ask the same places again and again: the due calls of each lane, the
//! inbox, a case before each of its commits. Independent of sled.
//!
//! Two generations instead of an order of use: a block that is found in the old one moves to the young one; a full young
//! one replaces the old one.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::block::Block;

/// Maximum of unpacked bytes in a generation.
const BYTES: usize = 2 << 20;

/// A block with the places that it covers: from `first` to before `end`, without pairs or not.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) first: Vec<u8>,
    /// The first place of the next block; `None`: there is none.
    pub(super) end: Option<Vec<u8>>,
    pub(super) block: Block,
    /// The bytes of the packed value, and its part of the sum over all values. Zero bytes: sled has no such value.
    pub(super) stored: u64,
    pub(super) weight: u64,
}

impl Loaded {
    fn covers(&self, place: &[u8]) -> bool {
        self.first.as_slice() <= place && self.end.as_deref().is_none_or(|end| place < end)
    }
}

type Generation = BTreeMap<Vec<u8>, Arc<Loaded>>;

#[derive(Debug, Default)]
pub(super) struct Cache {
    young: Generation,
    old: Generation,
    /// Of the young generation.
    bytes: usize,
}

fn find(generation: &Generation, place: &[u8]) -> Option<Arc<Loaded>> {
    let (_, loaded) = generation.range::<[u8], _>((Bound::Unbounded, Bound::Included(place))).next_back()?;
    loaded.covers(place).then(|| Arc::clone(loaded))
}

impl Cache {
    /// Returns the block that covers a place.
    pub(super) fn find(&mut self, place: &[u8]) -> Option<Arc<Loaded>> {
        if let Some(loaded) = find(&self.young, place) {
            return Some(loaded);
        }
        let loaded = find(&self.old, place)?;
        self.old.remove(&loaded.first);
        self.add(Arc::clone(&loaded));
        Some(loaded)
    }

    pub(super) fn add(&mut self, loaded: Arc<Loaded>) {
        let bytes = loaded.block.bytes();
        if bytes > BYTES / 8 {
            return;
        }
        if self.bytes + bytes > BYTES {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.young.insert(loaded.first.clone(), loaded);
    }

    /// Forgets a block that was replaced or removed.
    pub(super) fn forget(&mut self, first: &[u8]) {
        if let Some(loaded) = self.young.remove(first) {
            self.bytes = self.bytes.saturating_sub(loaded.block.bytes());
        }
        self.old.remove(first);
    }

    /// Forgets the block that ends where a block was removed: it covers the places of that one now.
    pub(super) fn forget_before(&mut self, removed: &[u8]) {
        let before = [&self.young, &self.old].map(|generation| {
            let places = (Bound::Unbounded, Bound::Excluded(removed));
            let (first, loaded) = generation.range::<[u8], _>(places).next_back()?;
            (loaded.end.as_deref() == Some(removed)).then(|| first.clone())
        });
        before.into_iter().flatten().for_each(|first| self.forget(&first));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{BYTES, Cache, Loaded};
    use crate::store::state::block::{Block, Zip, write};

    fn loaded(first: &str, end: &str, bytes: usize) -> Arc<Loaded> {
        let zip = Zip::default();
        let block = Block::read(&write(&[(first.as_bytes(), &vec![0; bytes])], &zip).unwrap(), &zip).unwrap();
        let (first, end) = (first.as_bytes().to_vec(), Some(end.as_bytes().to_vec()));
        Arc::new(Loaded { first, end, block, stored: 1, weight: 1 })
    }

    #[test]
    fn a_cached_block_serves_its_places_until_eviction() {
        let mut cache = Cache::default();
        cache.add(loaded("b", "d", 10));
        cache.add(loaded("f", "h", 10));
        let found = |cache: &mut Cache, place: &str| {
            cache.find(place.as_bytes()).map(|loaded| String::from_utf8(loaded.first.clone()).unwrap())
        };
        for (place, first) in
            [("a", None), ("b", Some("b")), ("c9", Some("b")), ("d", None), ("g", Some("f")), ("h", None)]
        {
            assert_eq!(found(&mut cache, place).as_deref(), first, "{place}");
        }
        cache.forget(b"b");
        assert_eq!(found(&mut cache, "c"), None);
        cache.forget_before(b"g");
        assert_eq!(found(&mut cache, "g").as_deref(), Some("f"));
        cache.forget_before(b"h");
        assert_eq!(found(&mut cache, "g"), None);
    }

    #[test]
    fn the_cache_evicts_unused_blocks() {
        let mut cache = Cache::default();
        for number in 0..200 {
            cache.add(loaded(&format!("k{number:03}"), &format!("k{number:03}~"), BYTES / 20));
            assert!(cache.find(b"k000").is_some(), "{number}");
            let all = cache.young.len() + cache.old.len();
            assert!(all <= 40, "{all} blocks are kept");
        }
        assert!(cache.find(b"k050").is_none());
        cache.add(loaded("large", "m", BYTES / 4));
        assert!(cache.find(b"large").is_none(), "one value would replace all others");
    }
}
