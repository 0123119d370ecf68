//! Merges a layer into the blocks of the disk, in order of places and in small atomic batches: a batch of many cold
//! pages takes sled gigabytes of memory.

use std::ops::Range;
use std::sync::Arc;

use super::block::{self, LARGEST, PairOf, SMALLEST};
use super::cache::Loaded;
use super::disk::{Change, Disk, Tally};
use super::redo::Redo;
use crate::store::{Error, codec};

/// Blocks of a batch, about.
const BATCH: usize = 32;
/// Maximum of small neighbours that are joined at once.
const JOINED: usize = 4;

/// Changes of blocks, and the progress after them. `last`: the layer is complete.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) changes: Vec<Change>,
    pub(super) tally: Tally,
    pub(super) last: bool,
}

/// Merges the changes of a layer that the disk lacks. `apply` writes each batch before the next one is made.
pub(super) fn merge(
    disk: &Disk,
    redo: &Redo,
    apply: &mut dyn FnMut(Batch) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut work = Work { disk, tally: disk.tally(), changes: Vec::new() };
    let reached = redo.changes.partition_point(|(place, _)| *place < work.tally.reached);
    let mut rest = redo.changes.get(reached..).unwrap_or_default();
    while let Some((place, _)) = rest.first() {
        let done = work.next(place, rest)?;
        rest = rest.get(done..).unwrap_or_default();
        if work.changes.len() >= BATCH
            && let Some((place, _)) = rest.first()
        {
            work.tally.reached.clone_from(place);
            apply(Batch {
                changes: std::mem::take(&mut work.changes),
                tally: work.tally.clone(),
                last: false,
            })?;
        }
    }
    let mut tally = work.tally;
    tally.reached.clear();
    tally.layers = redo.layer;
    (tally.meta.applied, tally.meta.head) = (redo.applied, redo.head);
    apply(Batch { changes: work.changes, tally, last: true })
}

struct Work<'a> {
    disk: &'a Disk,
    tally: Tally,
    changes: Vec<Change>,
}

type Changed = (Vec<u8>, Option<Vec<u8>>);

impl Work<'_> {
    /// Merges the first changes into the block that covers `place`, and into its small neighbours. Returns how many were
    /// merged.
    fn next(&mut self, place: &[u8], rest: &[Changed]) -> Result<usize, Error> {
        let mut parts = vec![self.disk.find(place, false)?];
        loop {
            let end = parts.last().and_then(|part| part.end.as_deref());
            let count =
                end.map_or(rest.len(), |end| rest.partition_point(|(place, _)| place.as_slice() < end));
            let merged = merged(&parts, rest.get(..count).unwrap_or_default());
            let bytes: usize = merged.pairs.iter().map(block::size).sum();
            if merged.changed
                && (1..SMALLEST).contains(&bytes)
                && parts.len() < JOINED
                && let Some(end) = end
            {
                let next = self.disk.find(end, false)?;
                if next.block.bytes() <= LARGEST {
                    parts.push(next);
                    continue;
                }
            }
            if merged.changed {
                self.replace(&parts, &merged)?;
            }
            return Ok(count);
        }
    }

    fn replace(&mut self, parts: &[Arc<Loaded>], merged: &Merged<'_>) -> Result<(), Error> {
        let stored = || parts.iter().filter(|part| part.stored > 0);
        stored().for_each(|part| self.tally.take(part));
        let mut places = Vec::new();
        for Range { start, end } in block::divide(&merged.pairs, merged.appended) {
            let pairs = merged.pairs.get(start..end).unwrap_or_default();
            // The first block keeps its place, so that the place before it is covered.
            let first = if start == 0 { parts.first().map(|part| part.first.as_slice()) } else { None };
            let Some(place) = first.or_else(|| pairs.first().map(|pair| pair.0)) else { continue };
            if pairs.is_empty() {
                continue;
            }
            let packed = block::write(pairs, &self.disk.zip).map_err(Error::io("packing a block"))?;
            let value = codec::seal(place, &packed);
            self.tally.add(&value, pairs.len());
            places.push(place.to_vec());
            self.changes.push((place.to_vec(), Some(value)));
        }
        let gone = stored().filter(|part| !places.contains(&part.first));
        self.changes.extend(gone.map(|part| (part.first.clone(), None)));
        Ok(())
    }
}

/// The pairs of some blocks after changes.
struct Merged<'a> {
    pairs: Vec<PairOf<'a>>,
    changed: bool,
    /// All new places follow the old ones.
    appended: bool,
}

fn merged<'a>(parts: &'a [Arc<Loaded>], changes: &'a [Changed]) -> Merged<'a> {
    let mut pairs: Vec<PairOf<'a>> = Vec::new();
    let (mut changed, mut appended) = (false, true);
    let mut olds = parts.iter().flat_map(|part| part.block.pairs()).peekable();
    for (place, payload) in changes {
        while let Some(old) = olds.next_if(|old| old.0 < place.as_slice()) {
            pairs.push(old);
        }
        let old = olds.next_if(|old| old.0 == place.as_slice());
        changed |= old.map(|old| old.1) != payload.as_deref();
        appended &= old.is_some() || olds.peek().is_none();
        pairs.extend(payload.as_deref().map(|payload| (place.as_slice(), payload)));
    }
    pairs.extend(olds);
    Merged { pairs, changed, appended }
}
