//! Walks over keys in order, over the layers in memory and the blocks on disk.
//!
//! A walk reads in growing parts, each under the lock of the layers. A part is thus a snapshot: no key is missed or
//! doubled while layers move to the disk. A visitor may use the state itself.

use std::sync::Arc;

use super::State;
use super::cache::Loaded;
use super::disk::Disk;
use super::flusher::Inner;
use super::held::Held;
use super::order;
use crate::store::shape::{self, Stored};
use crate::store::{Error, keys};

/// Keys of the first part and of the largest one.
const FIRST: usize = 16;
const LARGEST: usize = 256;

/// A value in memory, or a pair of a block.
enum Found {
    Held(Held),
    Pair(Arc<Loaded>, usize),
}

impl Found {
    fn read<T: Stored>(&self) -> Option<T> {
        match self {
            Self::Held(held) => held.read().map(Arc::unwrap_or_clone),
            Self::Pair(loaded, number) => shape::from_json(loaded.block.pair(*number)?.1),
        }
    }
}

/// A part of a walk: places with their values, and where the next part begins.
type Part = (Vec<(Vec<u8>, Found)>, Option<Vec<u8>>);

impl State {
    /// Walks keys from `from` while they start with `prefix` and `visit` returns true. A value that fails its check is
    /// logged and counted, and the walk continues: one damaged value must not hide others.
    pub(in crate::store) fn walk<T: Stored>(
        &self,
        prefix: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], T) -> bool,
    ) -> Result<(), Error> {
        let end = keys::after(&order::place(prefix));
        let (mut next, mut most) = (Some(order::place(from)), FIRST);
        while let Some(from) = next.take() {
            let (found, rest) = self.inner.part(&from, &end, most)?;
            for (place, found) in found {
                let key = order::key(&place);
                // Cases and entries are neighbours.
                if !key.starts_with(prefix) {
                    continue;
                }
                match found.read() {
                    Some(value) => {
                        if !visit(&key, value) {
                            return Ok(());
                        }
                    }
                    None => drop(self.broken(&place)),
                }
            }
            (next, most) = (rest, (most * 4).min(LARGEST));
        }
        Ok(())
    }
}

impl Inner {
    fn part(&self, from: &[u8], end: &[u8], most: usize) -> Result<Part, Error> {
        let layers = self.read();
        let disk = self.disk.load_full();
        let mut above = layers.range(from, end).peekable();
        let mut below = Cursor::new(&disk, from, end, most < LARGEST);
        let mut found = Vec::new();
        while found.len() < most {
            let under = below.place()?;
            match (above.peek(), under) {
                (None, None) => return Ok((found, None)),
                (Some((place, _)), Some(under)) if under < place.as_slice() => found.extend(below.take()),
                (None, Some(_)) => found.extend(below.take()),
                (Some((place, _)), under) => {
                    if under == Some(place.as_slice()) {
                        below.take();
                    }
                    let held = above.next();
                    found.extend(
                        held.and_then(|(place, held)| Some((place.clone(), Found::Held(held?.clone())))),
                    );
                }
            }
        }
        let rest = found.last().map(|(place, _)| [place.as_slice(), &[0]].concat());
        Ok((found, rest))
    }
}

/// Reads pairs of the disk in order.
struct Cursor<'a> {
    disk: &'a Disk,
    end: &'a [u8],
    /// Where the next block is looked up.
    next: Option<Vec<u8>>,
    loaded: Option<Arc<Loaded>>,
    number: usize,
    keep: bool,
}

impl<'a> Cursor<'a> {
    fn new(disk: &'a Disk, from: &[u8], end: &'a [u8], keep: bool) -> Self {
        Self { disk, end, next: Some(from.to_vec()), loaded: None, number: 0, keep }
    }

    /// Returns the place of the next pair.
    fn place(&mut self) -> Result<Option<&[u8]>, Error> {
        while self.loaded.as_ref().is_none_or(|loaded| self.number >= loaded.block.len()) {
            let Some(at) = self.next.take().filter(|at| at.as_slice() < self.end) else { return Ok(None) };
            match self.disk.find(&at, self.keep) {
                Ok(loaded) => {
                    self.number = loaded.block.at_or_after(&at);
                    self.next.clone_from(&loaded.end);
                    self.loaded = Some(loaded);
                }
                // The damage was logged and counted.
                Err(Error::Damaged(_)) => self.next = self.disk.after(&at)?,
                Err(error) => return Err(error),
            }
        }
        let pair = self.loaded.as_ref().and_then(|loaded| loaded.block.pair(self.number));
        Ok(pair.map(|pair| pair.0).filter(|place| *place < self.end))
    }

    fn take(&mut self) -> Option<(Vec<u8>, Found)> {
        let loaded = self.loaded.as_ref()?;
        let (place, _) = loaded.block.pair(self.number)?;
        let taken = (place.to_vec(), Found::Pair(Arc::clone(loaded), self.number));
        self.number += 1;
        Some(taken)
    }
}
