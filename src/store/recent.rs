//! Cache of recently written cases, which avoids repeated reads from sled. A cached case is parsed from its written
//! bytes and thus equals a read from sled.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::shape;
use crate::case::Case;

/// Maximum of cached cases, at some kilobytes each.
const MOST: usize = 256;

/// A written case, parsed on first use.
#[derive(Debug)]
struct Kept {
    payload: Vec<u8>,
    read: OnceLock<Option<Arc<Case>>>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// By the key of the state, with the number of the write.
    cases: BTreeMap<Vec<u8>, (u64, Arc<Kept>)>,
    order: VecDeque<(u64, Vec<u8>)>,
    placed: u64,
}

/// The cache. Only the writer of the state adds to it.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Shelf>);

impl Recent {
    pub(super) fn case(&self, key: &[u8]) -> Option<Arc<Case>> {
        let kept = {
            let shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&shelf.cases.get(key)?.1)
        };
        kept.read.get_or_init(|| shape::from_json(&kept.payload).map(Arc::new)).clone()
    }

    /// Removes entries before the state is written, because they become outdated.
    pub(super) fn forget<'a>(&self, keys: impl Iterator<Item = &'a Vec<u8>>) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            shelf.cases.remove(key);
        }
    }

    /// Adds entries after the state was written.
    pub(super) fn place(&self, written: Vec<(Vec<u8>, Vec<u8>)>) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, payload) in written {
            shelf.placed += 1;
            let number = shelf.placed;
            let kept = Arc::new(Kept { payload, read: OnceLock::new() });
            shelf.cases.insert(key.clone(), (number, kept));
            shelf.order.push_back((number, key));
        }
        while shelf.cases.len() > MOST {
            let Some((number, key)) = shelf.order.pop_front() else { return };
            // A newer write of the same case stays.
            if shelf.cases.get(&key).is_some_and(|(newest, _)| *newest == number) {
                shelf.cases.remove(&key);
            }
        }
        // Removes positions of rewritten or removed cases.
        if shelf.order.len() > MOST * 4 {
            let Shelf { cases, order, .. } = &mut *shelf;
            order.retain(|(number, key)| cases.get(key).is_some_and(|(newest, _)| newest == number));
        }
    }
}
