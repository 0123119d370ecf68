//! The blocks in a sled database, and the progress that they hold. The only file that calls sled. Independent of the
//! keys' meaning.
//!
//! One tree: sled's batch over one tree is atomic and needs no transaction whose closure may run twice. Each batch holds
//! the progress, so that the sum over all blocks is right after every batch.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::block::{Block, Zip};
use super::cache::{Cache, Loaded};
use super::{doubt, order};
use crate::store::values::Meta;
use crate::store::{Error, codec, journal, keys, shape};

/// Maximum of blocks for a full check at a start; above it only the first and the last ones are checked.
const CHECK_ALL: u64 = 10_000;
const CHECK_ENDS: usize = 500;
/// Sled's cache, in bytes on disk.
const CACHE: u64 = 16 << 20;
/// Sled notes accesses to pages in 256 queues, and evicts pages of a queue only when it has this many entries. Pages that
/// are read once each would fill hundreds of megabytes until then.
const NOTED: usize = 64;
/// A page of so many that were read is read until its queue is full.
const NOTES: u64 = 2;

/// A change of one block: its place, and its new sealed value.
pub(super) type Change = (Vec<u8>, Option<Vec<u8>>);

/// A block: its place, and its sealed value.
pub(super) type Sealed = (Vec<u8>, Vec<u8>);

/// The progress of the disk, and sums over its blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// `keys`: the number of pairs.
    pub(super) meta: Meta,
    /// The number of layers that were written.
    pub(super) layers: u64,
    /// Within a layer: the first place that is not written yet. Empty between layers.
    pub(super) reached: Vec<u8>,
    pub(super) blocks: u64,
    pub(super) bytes: u64,
}

impl Tally {
    fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        for number in [self.layers, self.blocks, self.bytes, self.reached.len() as u64] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.reached);
        bytes.append(&mut shape::json(&self.meta)?);
        Ok(bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut next = || {
            let (number, more) = rest.split_first_chunk::<8>()?;
            rest = more;
            Some(u64::from_be_bytes(*number))
        };
        let (layers, blocks, bytes, length) = (next()?, next()?, next()?, next()?);
        let (reached, meta) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        Some(Self { meta: shape::from_json(meta)?, layers, reached: reached.to_vec(), blocks, bytes })
    }

    pub(super) fn add(&mut self, value: &[u8], pairs: usize) {
        self.blocks += 1;
        self.bytes += value.len() as u64;
        self.meta.keys = self.meta.keys.wrapping_add(pairs as u64);
        self.meta.sum = self.meta.sum.wrapping_add(codec::weight(value));
    }

    pub(super) fn take(&mut self, loaded: &Loaded) {
        self.blocks = self.blocks.wrapping_sub(1);
        self.bytes = self.bytes.wrapping_sub(loaded.stored);
        self.meta.keys = self.meta.keys.wrapping_sub(loaded.block.len() as u64);
        self.meta.sum = self.meta.sum.wrapping_sub(loaded.weight);
    }
}

/// Runs a call of sled, and turns a panic into an error: sled panics on some damaged files.
fn guarded<T>(doing: &str, work: impl FnOnce() -> sled::Result<T>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Error::io(doing)(error.into())),
        Err(_) => Err(Error::Damaged(format!("sled panicked while {doing}"))),
    }
}

/// Waits until sled's threads of an earlier opening in this process release its files, shortly after the drop. No other
/// process uses them, because the store's lock is held. Gives up after two seconds.
pub(super) fn released(dir: &Path) {
    let Ok(file) = File::open(dir.join("db")) else { return };
    for _ in 0..200 {
        if file.try_lock().is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// An open sled database.
pub(super) struct Disk {
    pub(super) dir: PathBuf,
    /// The directory of the state.
    home: PathBuf,
    db: sled::Db,
    pub(super) zip: Zip,
    /// Held for reading while a block and its end are read together, which a batch would change.
    turn: RwLock<()>,
    cache: Mutex<Cache>,
    tally: Mutex<Tally>,
    damaged: Arc<AtomicU64>,
    /// Blocks that were read from sled.
    reads: AtomicU64,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Disk {
    /// Creates a database with nothing in it.
    pub(super) fn create(dir: &Path, home: &Path, damaged: &Arc<AtomicU64>) -> Result<Self, Error> {
        let disk = Self::open(dir, home, damaged)?;
        disk.apply(Vec::new(), Tally::default())?;
        disk.sync()?;
        Ok(disk)
    }

    /// Returns whether the database has its progress: sled opens some damaged files as empty ones.
    pub(super) fn is_whole(&self) -> Result<bool, Error> {
        guarded("reading sled", || self.db.contains_key(keys::meta()))
    }

    /// Opens or creates a database; reads its progress without any other check.
    pub(super) fn open(dir: &Path, home: &Path, damaged: &Arc<AtomicU64>) -> Result<Self, Error> {
        released(dir);
        let db = guarded("opening sled", || {
            sled::Config::new()
                .path(dir)
                .cache_capacity(CACHE)
                .mode(sled::Mode::LowSpace)
                // Four times the default: values up to half a megabyte stay out of the unsynced blob files, with less
                // growth than larger segments.
                .segment_size(2 << 20)
                // `sync` flushes, at the end of each layer.
                .flush_every_ms(None)
                .open()
        })
        .map_err(|error| match error {
            // Not damage: an earlier opening in this process still holds the lock.
            Error::Io { cause, .. } if cause.to_string().contains("could not acquire lock") => {
                Error::Locked(dir.display().to_string())
            }
            other => other,
        })?;
        let written = guarded("reading sled", || db.get(keys::meta()))?;
        let tally = match &written {
            None => Tally::default(),
            Some(value) if codec::is_of_another_version(value) => return Err(another_version()),
            Some(value) => codec::unseal(&keys::meta(), value)
                .and_then(Tally::decode)
                .ok_or_else(|| Error::Damaged("the progress of the state has a wrong checksum".to_owned()))?,
        };
        Ok(Self {
            dir: dir.to_owned(),
            home: home.to_owned(),
            db,
            zip: Zip::default(),
            turn: RwLock::default(),
            cache: Mutex::default(),
            tally: Mutex::new(tally),
            damaged: Arc::clone(damaged),
            reads: AtomicU64::default(),
        })
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the block that covers a place. `keep`: for the next reads.
    pub(super) fn find(&self, place: &[u8], keep: bool) -> Result<Arc<Loaded>, Error> {
        if let Some(loaded) = self.cache.lock().unwrap_or_else(PoisonError::into_inner).find(place) {
            return Ok(loaded);
        }
        // A batch waits meanwhile, and forgets what it changes afterwards: the cache gets no outdated block.
        let _turn = self.turn.read().unwrap_or_else(PoisonError::into_inner);
        let range = order::LEAST.to_vec()..=place.to_vec();
        let found = guarded("reading sled", || self.db.range(range).next_back().transpose())?;
        let first = found.as_ref().map_or_else(|| order::LEAST.to_vec(), |(first, _)| first.to_vec());
        let end = self.after(&first)?;
        let (block, stored, weight) = match &found {
            Some((_, value)) => {
                let block = codec::unseal(&first, value).and_then(|payload| Block::read(payload, &self.zip));
                (block.ok_or_else(|| self.broken(&first))?, value.len() as u64, codec::weight(value))
            }
            None => (Block::default(), 0, 0),
        };
        if found.is_some() {
            self.have_evicted(&first)?;
        }
        let loaded = Arc::new(Loaded { first, end, block, stored, weight });
        if keep {
            self.cache.lock().unwrap_or_else(PoisonError::into_inner).add(Arc::clone(&loaded));
        }
        Ok(loaded)
    }

    /// Has sled evict pages, now that it read the page of a block: its own count is far behind.
    fn have_evicted(&self, first: &[u8]) -> Result<(), Error> {
        if !self.reads.fetch_add(1, Ordering::Relaxed).is_multiple_of(NOTES) {
            return Ok(());
        }
        guarded("reading sled", || (0..NOTED).try_for_each(|_| self.db.contains_key(first).map(|_| ())))
    }

    /// Returns the first place of the first block after a place.
    pub(super) fn after(&self, place: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let next = guarded("reading sled", || self.db.get_gt(place))?;
        Ok(next.map(|(first, _)| first.to_vec()))
    }

    /// Writes one atomic batch, with the progress after it.
    pub(super) fn apply(&self, changes: Vec<Change>, tally: Tally) -> Result<(), Error> {
        let mut batch = sled::Batch::default();
        let key = keys::meta();
        let value = codec::seal(&key, &tally.encode()?);
        batch.insert(key, value);
        let places: Vec<_> = changes.iter().map(|(place, value)| (place.clone(), value.is_none())).collect();
        for (place, value) in changes {
            match value {
                Some(value) => batch.insert(place, value),
                None => batch.remove(place),
            }
        }
        let _turn = self.turn.write().unwrap_or_else(PoisonError::into_inner);
        guarded("writing sled", || self.db.apply_batch(batch))?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, removed) in &places {
            cache.forget(place);
            if *removed {
                cache.forget_before(place);
            }
        }
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner) = tally;
        Ok(())
    }

    /// Returns sealed blocks from a place on.
    pub(super) fn sealed(&self, from: &[u8], most: usize) -> Result<Vec<Sealed>, Error> {
        let mut sealed = Vec::with_capacity(most);
        let mut values = self.db.range(from.to_vec()..).take(most);
        while let Some((first, value)) = guarded("reading sled", || values.next().transpose())? {
            codec::unseal(&first, &value).ok_or_else(|| self.broken(&first))?;
            sealed.push((first.to_vec(), value.to_vec()));
        }
        Ok(sealed)
    }

    /// Logs and counts a damaged block, and has the next start rebuild the state.
    pub(super) fn broken(&self, first: &[u8]) -> Error {
        let name = keys::hex(&order::key(first));
        tracing::error!(key = name, "a block of the state has a wrong checksum");
        if self.damaged.fetch_add(1, Ordering::Relaxed) == 0
            && let Err(error) =
                std::fs::write(doubt(&self.home), format!("the block of key {name} has a wrong checksum"))
        {
            tracing::error!(%error, "marking the state as doubtful failed");
        }
        Error::Damaged(format!(
            "the block of key {name} of the state has a wrong checksum; the next start rebuilds the state from the \
                journal"
        ))
    }

    /// Checks that the content is what was written: every block, and the sums over all of them.
    pub(super) fn check(&self) -> Result<(), Error> {
        let tally = self.tally();
        let whole = tally.blocks <= CHECK_ALL;
        let limit = if whole { usize::MAX } else { CHECK_ENDS };
        let mut found = Tally { blocks: 0, bytes: 0, ..tally.clone() };
        (found.meta.keys, found.meta.sum) = (0, 0);
        let mut look = |pair: Option<(sled::IVec, sled::IVec)>| -> Result<bool, Error> {
            let Some((first, value)) = pair else { return Ok(false) };
            let payload = codec::unseal(&first, &value).ok_or_else(|| self.broken(&first))?;
            if *first != *keys::meta() {
                let pairs = super::block::number(payload, &mut 0).ok_or_else(|| self.broken(&first))?;
                found.add(&value, pairs);
            }
            Ok(true)
        };
        let mut pairs = self.db.iter().take(limit);
        while look(guarded("reading sled", || pairs.next().transpose())?)? {}
        if whole {
            return (found == tally)
                .then_some(())
                .ok_or_else(|| Error::Damaged("blocks of the state are missing".to_owned()));
        }
        let mut pairs = self.db.iter().rev().take(limit);
        while look(guarded("reading sled", || pairs.next().transpose())?)? {}
        Ok(())
    }

    /// Returns all places with their payloads, in order.
    pub(super) fn pairs(self: Arc<Self>) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), Error>> {
        let mut next = Some(order::LEAST.to_vec());
        let mut block: Option<(Arc<Loaded>, usize)> = None;
        std::iter::from_fn(move || {
            loop {
                if let Some((loaded, number)) = &mut block
                    && let Some((place, payload)) = loaded.block.pair(*number)
                {
                    *number += 1;
                    return Some(Ok((place.to_vec(), payload.to_vec())));
                }
                match self.find(&next.take()?, false) {
                    Ok(loaded) => {
                        next.clone_from(&loaded.end);
                        block = Some((loaded, 0));
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }

    /// Returns the bytes of the database's file.
    pub(super) fn size(&self) -> u64 {
        std::fs::metadata(self.dir.join("db")).map_or(0, |metadata| metadata.len())
    }

    /// Makes all writes durable. Sled's own flush syncs neither file nor directory. A second descriptor does, and
    /// reports errors that sled would hide.
    pub(super) fn sync(&self) -> Result<(), Error> {
        guarded("flushing sled", || self.db.flush())?;
        for name in ["conf", "db"] {
            let path = self.dir.join(name);
            File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(Error::io(format!("syncing {}", path.display())))?;
        }
        journal::sync_dir(&self.dir)
    }

    #[cfg(test)]
    pub(super) fn raw(&self) -> &sled::Db {
        &self.db
    }
}

pub(super) fn another_version() -> Error {
    Error::Damaged("it was written by another version of proofd".to_owned())
}

#[cfg(test)]
mod tests {
    use super::Tally;
    use crate::store::values::Meta;

    #[test]
    fn the_progress_is_read_back() {
        let meta = Meta { applied: 7, keys: 2, sum: 9, ..Meta::default() };
        let tally = Tally { meta, layers: 3, reached: b"place".to_vec(), blocks: 4, bytes: 500 };
        let bytes = tally.encode().unwrap();
        assert_eq!(Tally::decode(&bytes), Some(tally));
        assert!((0..bytes.len()).all(|length| Tally::decode(&bytes[..length]).is_none()));
    }
}
