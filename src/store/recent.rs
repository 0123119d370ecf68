//! The cases that were written last, so that whoever works on one need not read it from sled again and again.
//! A case is kept as it was written and read from that once, so it is what a reading of sled would give.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::shape;
use crate::case::Case;

/// So many cases, at some kilobytes each.
const MOST: usize = 256;

/// A case as it was written, read when it is first asked for.
#[derive(Debug)]
struct Kept {
    payload: Vec<u8>,
    read: OnceLock<Option<Arc<Case>>>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// By the key of the state, with the number of its placing.
    cases: BTreeMap<Vec<u8>, (u64, Arc<Kept>)>,
    order: VecDeque<(u64, Vec<u8>)>,
    placed: u64,
}

/// The shelf. Only who writes the state puts something on it.
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

    /// Before the state is written: what is there is about to be old.
    pub(super) fn forget<'a>(&self, keys: impl Iterator<Item = &'a Vec<u8>>) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            shelf.cases.remove(key);
        }
    }

    /// After the state was written.
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
            // Placed anew since, it stays.
            if shelf.cases.get(&key).is_some_and(|(newest, _)| *newest == number) {
                shelf.cases.remove(&key);
            }
        }
        // Places of cases that were placed again or forgotten.
        if shelf.order.len() > MOST * 4 {
            let Shelf { cases, order, .. } = &mut *shelf;
            order.retain(|(number, key)| cases.get(key).is_some_and(|(newest, _)| newest == number));
        }
    }
}
