//! Reads the whole journal while the store is open. Records are decoded on all cores and delivered in order, without
//! blocking commits.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::directory::journal_dir;
use super::handle::Store;
use super::journal::{self, Piece};
use super::shape::page::Page;
use super::{Error, shape};

/// Bytes of records that one thread decodes at once.
const AT_ONCE: usize = 1 << 20;
/// Maximum of parts that wait for a thread or for delivery.
const WAITING: usize = 8;

/// Records with their sequences, and the part's position.
struct Part {
    place: u64,
    records: Vec<(u64, Vec<u8>)>,
}

/// A decoded part, or its error.
type Decoded<T> = (u64, Result<Vec<T>, Error>);

impl Store {
    /// Reads all commits that are on disk at the start of the call. `pick` extracts data from each commit, on several
    /// threads; `take` receives it in order. If `take` returns false, reading ends with `Error::Closed`.
    pub fn history<T: Send>(
        &self,
        pick: &(dyn Fn(Page) -> T + Sync),
        take: &mut dyn FnMut(T) -> bool,
    ) -> Result<(), Error> {
        let dir = journal_dir(&self.shared.dir);
        let (parts, taken) = sync_channel::<Part>(WAITING);
        let (decoded, answers) = sync_channel::<Decoded<T>>(WAITING);
        // Each decoder holds a share: when the last one ends, the reader stops.
        let taken = Arc::new(Mutex::new(taken));
        thread::scope(|scope| {
            let reader = scope.spawn(move || read(&dir, &parts));
            for _ in 0..thread::available_parallelism().map_or(2, usize::from).min(8) {
                let (taken, decoded) = (Arc::clone(&taken), decoded.clone());
                scope.spawn(move || decode(&taken, &decoded, pick));
            }
            // The channel closes when the last decoder ends.
            drop((decoded, taken));
            let taken = in_order(&answers, take);
            // Unblocks decoders that wait to send.
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
    // A closed channel means that a decoder failed and reports the error.
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
