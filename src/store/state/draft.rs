//! Pending writes, visible to reads of the same draft.

use std::sync::Arc;

use super::State;
use super::held::Held;
use super::order;
use super::overlay::{Write, Writes, absorb};
use crate::case::Case;
use crate::store::Error;
use crate::store::journal::Head;
use crate::store::shape::Stored;

/// The changes of records that are being applied.
#[derive(Debug)]
pub(in crate::store) struct Draft<'a> {
    pub(in crate::store) state: &'a State,
    writes: Writes,
    /// The end of the last fully applied frame.
    pub(in crate::store) head: Head,
    /// Records since the last write, and their bytes in the journal: they bound how far the disk lags.
    records: u64,
    bytes: u64,
}

impl<'a> Draft<'a> {
    pub(in crate::store) fn new(state: &'a State) -> Self {
        Self { state, writes: Writes::new(), head: state.meta().head, records: 0, bytes: 0 }
    }

    pub(in crate::store) fn len(&self) -> usize {
        self.writes.len()
    }

    /// Counts a record that was applied, with its bytes.
    pub(in crate::store) fn count(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes as u64;
    }

    pub(in crate::store) fn get<T: Stored>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        Ok(self.shared(key)?.map(Arc::unwrap_or_clone))
    }

    /// Returns a value without a copy.
    pub(in crate::store) fn shared<T: Stored>(&self, key: &[u8]) -> Result<Option<Arc<T>>, Error> {
        match self.writes.get(&order::place(key)) {
            Some(Write::Put { value, .. }) => Ok(value.read()),
            Some(Write::Remove) => Ok(None),
            None => self.state.shared(key),
        }
    }

    pub(in crate::store) fn case(&self, key: &[u8]) -> Result<Option<Arc<Case>>, Error> {
        self.shared(key)
    }

    pub(in crate::store) fn put<T: Stored>(&mut self, key: Vec<u8>, value: &T) -> Result<(), Error> {
        self.put_shared(key, Arc::new(value.clone()));
        Ok(())
    }

    /// As `put`, without a copy.
    pub(in crate::store) fn put_shared<T: Stored>(&mut self, key: Vec<u8>, value: Arc<T>) {
        self.add(key, Held::typed(value), false);
    }

    /// As `put`, for a key that the state does not have. If the key is removed soon, the disk never hears of it.
    pub(in crate::store) fn put_new<T: Stored>(&mut self, key: Vec<u8>, value: &T) -> Result<(), Error> {
        self.add(key, Held::typed(Arc::new(value.clone())), true);
        Ok(())
    }

    /// As `put_new`, without a copy.
    pub(in crate::store) fn put_new_shared<T: Stored>(&mut self, key: Vec<u8>, value: Arc<T>) {
        self.put_either(key, value, true);
    }

    /// As `put_new_shared` or `put_shared`.
    pub(in crate::store) fn put_either<T: Stored>(&mut self, key: Vec<u8>, value: Arc<T>, new: bool) {
        self.add(key, Held::typed(value), new);
    }

    pub(in crate::store) fn put_json(&mut self, key: Vec<u8>, payload: Vec<u8>) {
        self.add(key, Held::encoded(payload), false);
    }

    fn add(&mut self, key: Vec<u8>, value: Held, new: bool) {
        absorb(&mut self.writes, order::place_owned(key), Write::Put { value, new });
    }

    pub(in crate::store) fn remove(&mut self, key: Vec<u8>) {
        absorb(&mut self.writes, order::place_owned(key), Write::Remove);
    }

    /// Makes all changes visible at once; afterwards the state's progress is `applied`. Waits while the disk lags too
    /// far.
    pub(in crate::store) fn write(&mut self, applied: u64) -> Result<(), Error> {
        let writes = std::mem::take(&mut self.writes);
        let (records, bytes) = (std::mem::take(&mut self.records), std::mem::take(&mut self.bytes));
        self.state.write(writes, applied, self.head, records, bytes)
    }
}
