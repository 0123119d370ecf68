//! The layers in memory above the disk: applied records whose values the disk lacks. Reads see a value at once; the disk
//! gets the last value of each key later. Pure.
//!
//! The *active* layer takes new values. Once it is large or old it is *frozen*: nothing changes it while it is written
//! to the disk. The *settled* cases are those of the layer that was written last; they only save reads.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::held::Held;
use super::order;
use crate::store::journal::Head;

/// Maximum of settled cases, at some kilobytes each.
const SETTLED: usize = 1024;

/// A change of one key.
#[derive(Debug, Clone)]
pub(super) enum Write {
    /// `new`: nothing below the layer has the key. If it is removed in the same layer, no trace of it remains.
    Put {
        value: Held,
        new: bool,
    },
    Remove,
}

impl Write {
    fn value(&self) -> Option<&Held> {
        match self {
            Self::Put { value, .. } => Some(value),
            Self::Remove => None,
        }
    }

    fn is_new(&self) -> bool {
        matches!(self, Self::Put { new: true, .. })
    }
}

/// Changes by place, in order.
pub(super) type Writes = BTreeMap<Vec<u8>, Write>;

/// Adds a change to earlier ones.
pub(super) fn absorb(writes: &mut Writes, place: Vec<u8>, write: Write) {
    match (writes.entry(place), write) {
        (Entry::Vacant(place), write) => drop(place.insert(write)),
        (Entry::Occupied(before), Write::Remove) if before.get().is_new() => drop(before.remove()),
        (Entry::Occupied(mut before), Write::Remove) => drop(before.insert(Write::Remove)),
        (Entry::Occupied(mut before), Write::Put { value, .. }) => {
            let new = before.get().is_new();
            drop(before.insert(Write::Put { value, new }));
        }
    }
}

/// Changes of consecutive records, and the progress after them.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) writes: Writes,
    pub(super) applied: u64,
    pub(super) head: Head,
    pub(super) records: u64,
    /// Bytes of the records in the journal, unpacked.
    pub(super) bytes: u64,
}

impl Layer {
    fn is_empty(&self) -> bool {
        self.records == 0 && self.writes.is_empty()
    }

    /// Returns some of its cases.
    pub(super) fn cases(&self) -> Cases {
        let cases = self.writes.range(order::cases()).filter(|(place, _)| order::is_case(place));
        let values = cases.filter_map(|(place, write)| Some((place.clone(), write.value()?.clone())));
        values.take(SETTLED).collect()
    }
}

/// Cases by place.
pub(super) type Cases = BTreeMap<Vec<u8>, Held>;

#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) active: Layer,
    pub(super) frozen: Option<Arc<Layer>>,
    settled: Cases,
    /// The progress with all layers.
    pub(super) applied: u64,
    pub(super) head: Head,
}

impl Layers {
    /// Returns no layers above a disk with this progress.
    pub(super) fn at(applied: u64, head: Head) -> Self {
        Self { applied, head, ..Self::default() }
    }

    /// Adds the changes of records to the active layer; the progress is then `applied`.
    pub(super) fn add(&mut self, writes: Writes, applied: u64, head: Head, records: u64, bytes: u64) {
        for (place, write) in writes {
            absorb(&mut self.active.writes, place, write);
        }
        // A layer without changes moves the progress, too.
        self.active.records += records.max(u64::from(applied > self.applied));
        self.active.bytes += bytes;
        (self.applied, self.head) = (applied, head);
        (self.active.applied, self.active.head) = (applied, head);
    }

    /// Returns the value of a place. `None`: the disk knows it; `Some(None)`: it is removed.
    pub(super) fn get(&self, place: &[u8]) -> Option<Option<Held>> {
        let frozen = || self.frozen.as_ref()?.writes.get(place);
        let write = self.active.writes.get(place).or_else(frozen);
        match write {
            Some(write) => Some(write.value().cloned()),
            None => self.settled.get(place).map(|held| Some(held.clone())),
        }
    }

    /// Returns the changes of places from `from` to before `end`, in order; the newest of each.
    pub(super) fn range<'a>(
        &'a self,
        from: &[u8],
        end: &[u8],
    ) -> impl Iterator<Item = (&'a Vec<u8>, Option<&'a Held>)> {
        let bounds = || (std::ops::Bound::Included(from), std::ops::Bound::Excluded(end));
        let is_range = from < end;
        let part = |writes: &'a Writes| is_range.then(|| writes.range::<[u8], _>(bounds()));
        let mut active = part(&self.active.writes).into_iter().flatten().peekable();
        let frozen = self.frozen.as_ref().and_then(|layer| part(&layer.writes));
        let mut frozen = frozen.into_iter().flatten().peekable();
        std::iter::from_fn(move || {
            let (one, other) = (active.peek().map(|pair| pair.0), frozen.peek().map(|pair| pair.0));
            if one.is_some() && one == other {
                frozen.next();
            }
            let newer = one.is_some_and(|one| other.is_none_or(|other| one <= other));
            let next = if newer { active.next() } else { frozen.next() };
            next.map(|(place, write)| (place, write.value()))
        })
    }

    /// Freezes the active layer if there is something in it and nothing is frozen.
    pub(super) fn freeze(&mut self) -> bool {
        if self.frozen.is_some() || self.active.is_empty() {
            return false;
        }
        self.frozen = Some(Arc::new(std::mem::take(&mut self.active)));
        true
    }

    /// Takes the frozen layer away, because the disk has its values, and replaces the settled cases by its cases.
    /// Returns the ones before.
    pub(super) fn settle(&mut self, cases: Cases) -> (Option<Arc<Layer>>, Cases) {
        (self.frozen.take(), std::mem::replace(&mut self.settled, cases))
    }

    /// Forgets the settled cases; returns them.
    pub(super) fn forget(&mut self) -> Cases {
        std::mem::take(&mut self.settled)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frozen.is_none() && self.active.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Layers, Write, absorb};
    use crate::store::state::held::Held;

    fn put(text: &str, new: bool) -> Write {
        Write::Put { value: Held::encoded(text.as_bytes().to_vec()), new }
    }

    fn shown(layers: &Layers) -> String {
        let mut text = String::new();
        for (place, held) in layers.range(b"a", b"z") {
            let value = held.map(|held| String::from_utf8(held.payload().unwrap()).unwrap());
            text += &format!("{}{} ", String::from_utf8_lossy(place), value.as_deref().unwrap_or("-"));
        }
        text
    }

    #[test]
    fn a_key_removed_in_its_own_layer_leaves_no_tombstone() {
        let mut layers = Layers::default();
        for (place, write, expected) in [
            ("k", put("1", true), "k1 "),
            ("k", put("2", false), "k2 "),
            ("k", Write::Remove, ""),
            ("k", put("3", false), "k3 "),
            ("k", Write::Remove, "k- "),
            ("k", put("4", true), "k4 "),
            ("k", Write::Remove, "k- "),
            ("l", Write::Remove, "k- l- "),
        ] {
            absorb(&mut layers.active.writes, place.as_bytes().to_vec(), write);
            assert_eq!(shown(&layers), expected);
        }
    }

    #[test]
    fn the_active_layer_hides_the_frozen_one() {
        let mut layers = Layers::default();
        for place in ["b", "c", "d"] {
            absorb(&mut layers.active.writes, place.as_bytes().to_vec(), put("1", true));
        }
        assert!(layers.freeze() && !layers.freeze());
        for (place, write) in
            [("a", put("2", true)), ("c", Write::Remove), ("d", put("2", true)), ("e", put("2", true))]
        {
            absorb(&mut layers.active.writes, place.as_bytes().to_vec(), write);
        }
        assert_eq!(shown(&layers), "a2 b1 c- d2 e2 ");
        assert!(!layers.freeze(), "the frozen layer is not written yet");
        assert!(layers.settle(super::Cases::new()).0.is_some());
        assert_eq!(shown(&layers), "a2 c- d2 e2 ");
        assert_eq!(layers.range(b"z", b"a").count(), 0);
    }
}
