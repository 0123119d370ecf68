//! The whole journal, read again while the store is open. Records are decoded on all cores and handed over in
//! their order; nothing waits for it.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::directory::journal_dir;
use super::handle::Store;
use super::journal::{self, Piece};
use super::shape::page::Page;
use super::{Error, shape};

/// Bytes of records that one thread decodes in one go.
const AT_ONCE: usize = 1 << 20;
/// Such parts that wait for a thread, or for their turn.
const WAITING: usize = 8;

/// Records with their sequences, and where the part stands in the order.
struct Part {
    place: u64,
    records: Vec<(u64, Vec<u8>)>,
}

/// A part that was decoded, or why it was not.
type Decoded<T> = (u64, Result<Vec<T>, Error>);

impl Store {
    /// Everything that was committed, as far as it is on disk when this begins to read: `pick` takes from
    /// each commit what is wanted, on several threads, and `take` gets that in order; if it says false, the
    /// reading ends as if the store were closed.
    pub fn history<T: Send>(
        &self,
        pick: &(dyn Fn(Page) -> T + Sync),
        take: &mut dyn FnMut(T) -> bool,
    ) -> Result<(), Error> {
        let dir = journal_dir(&self.shared.dir);
        let (parts, taken) = sync_channel::<Part>(WAITING);
        let (decoded, answers) = sync_channel::<Decoded<T>>(WAITING);
        // Each that decodes has a share of it: when the last one ends, the reader has nobody to read for.
        let taken = Arc::new(Mutex::new(taken));
        thread::scope(|scope| {
            let reader = scope.spawn(move || read(&dir, &parts));
            for _ in 0..thread::available_parallelism().map_or(2, usize::from).min(8) {
                let (taken, decoded) = (Arc::clone(&taken), decoded.clone());
                scope.spawn(move || decode(&taken, &decoded, pick));
            }
            // The answers end when the last of those that decode has ended.
            drop((decoded, taken));
            let taken = in_order(&answers, take);
            // Whoever still waits to hand something over need not.
            drop(answers);
            let read = reader.join().unwrap_or(Err(Error::Closed));
            taken.and(read)
        })
    }
}

fn read(dir: &std::path::Path, parts: &SyncSender<Part>) -> Result<(), Error> {
    let (mut part, mut bytes) = (Part { place: 0, records: Vec::new() }, 0);
    let mut gone = false;
    journal::read(dir, 1, &mut |piece| {
        let Piece::Record(sequence, line) = piece else { return Ok(()) };
        if gone {
            return Ok(());
        }
        bytes += line.len();
        part.records.push((sequence, line.to_vec()));
        if bytes >= AT_ONCE {
            let next = Part { place: part.place + 1, records: Vec::new() };
            gone = parts.send(std::mem::replace(&mut part, next)).is_err();
            bytes = 0;
        }
        Ok(())
    })?;
    // If nobody takes it, somebody has failed, and says so.
    let _ = parts.send(part);
    Ok(())
}

fn decode<T>(parts: &Mutex<Receiver<Part>>, to: &SyncSender<Decoded<T>>, pick: &(dyn Fn(Page) -> T + Sync)) {
    loop {
        let part = parts.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Part { place, records }) = part else { return };
        let picked = |(sequence, line): (u64, Vec<u8>)| {
            shape::part(sequence, &line).map(|page| page.map(pick)).transpose()
        };
        let picked = records.into_iter().filter_map(picked).collect();
        if to.send((place, picked)).is_err() {
            return;
        }
    }
}

fn in_order<T>(answers: &Receiver<Decoded<T>>, take: &mut dyn FnMut(T) -> bool) -> Result<(), Error> {
    let (mut next, mut early) = (0, BTreeMap::new());
    for (place, decoded) in answers {
        early.insert(place, decoded?);
        while let Some(decoded) = early.remove(&next) {
            if !decoded.into_iter().all(&mut *take) {
                return Err(Error::Closed);
            }
            next += 1;
        }
    }
    Ok(())
}
