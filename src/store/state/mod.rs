//! The state for reads: values by key. Records are applied in memory, where reads see them at once; a thread writes them
//! to the disk behind. The journal is the truth: the disk may lag, and may be rebuilt at will.
//!
//! | file | what |
//! |---|---|
//! | `draft` | pending writes of records that are being applied |
//! | `held` | a value in memory, typed or encoded |
//! | `overlay` | the layers in memory |
//! | `flusher` | the thread that writes layers to the disk, and the limits of the lag |
//! | `merge` | merges a layer into blocks |
//! | `redo` | the file that makes a layer atomic |
//! | `block` | pairs in one packed value |
//! | `order` | the order of keys on disk |
//! | `disk` | the sled database |
//! | `cache` | unpacked blocks |
//! | `walk` | reads keys in order, over layers and blocks |
//! | `rewrite` | writes the database anew |

mod block;
mod cache;
mod disk;
mod draft;
mod flusher;
mod held;
mod merge;
mod order;
mod overlay;
mod redo;
mod rewrite;
#[cfg(test)]
mod tests;
mod walk;

pub(super) use draft::Draft;
pub(super) use flusher::Failure;
pub(super) use order::key;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use self::disk::Disk;
use self::flusher::Inner;
use self::overlay::Writes;
use self::redo::Redo;
use super::directory::make_dir;
use super::journal::{self, Head};
use super::shape::{self, Stored};
use super::thread::thread;
use super::values::Meta;
use super::{AcceptedLoss, Error, keys};
use crate::case::Case;

/// An open state.
pub(super) struct State {
    inner: Arc<Inner>,
    flusher: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("dir", &self.inner.home)
            .field("meta", &self.meta())
            .finish_non_exhaustive()
    }
}

/// Returns the path of the marker that makes the next start rebuild the state. Its content is the reason.
pub(super) fn doubt(dir: &Path) -> PathBuf {
    dir.with_extension("suspect")
}

/// Waits until sled's threads of an earlier opening in this process release its files.
pub(super) fn released(dir: &Path) {
    if let Some(number) = rewrite::current(dir) {
        disk::released(&rewrite::generation(dir, number));
    }
}

impl State {
    /// Opens the existing state or creates an empty one. Completes a layer that was being written; checks nothing else.
    pub(super) fn open(dir: &Path) -> Result<Self, Error> {
        let damaged = Arc::default();
        let number = match rewrite::current(dir) {
            Some(number) => number,
            None if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) => {
                return Err(disk::another_version());
            }
            None => {
                make_dir(dir)?;
                drop(Disk::create(&rewrite::generation(dir, 1), dir, &damaged)?);
                rewrite::make_current(dir, 1)?;
                1
            }
        };
        let disk = Disk::open(&rewrite::generation(dir, number), dir, &damaged)?;
        if !disk.is_whole()? || disk.tally().layers < redo::written(dir) {
            return Err(Error::Damaged("sled lost data that was on disk".to_owned()));
        }
        rewrite::tidy(dir, number)?;
        let mut inner = Inner::new(dir.to_owned(), disk, damaged);
        complete(&mut inner)?;
        let inner = Arc::new(inner);
        let own = Arc::clone(&inner);
        let flusher = Some(thread("store-flush", move || own.run())?);
        Ok(Self { inner, flusher })
    }

    /// From now on a full disk makes writers wait instead of fail. `failure` is called once if the state cannot be
    /// written; writers then get `Error::Closed`.
    pub(super) fn serve(&self, failure: Failure) {
        self.inner.serve(failure);
    }

    /// Layers are larger while the state is rebuilt.
    pub(super) fn hurry(&self, hurries: bool) {
        self.inner.hurries.store(hurries, Ordering::Relaxed);
    }

    /// Writers no longer wait for space.
    pub(super) fn close(&self) {
        self.inner.close();
    }

    /// Returns the progress. `keys` and `sum` are the disk's, which may lag.
    pub(super) fn meta(&self) -> Meta {
        let layers = self.inner.read();
        Meta { applied: layers.applied, head: layers.head, ..self.inner.disk.load().tally().meta }
    }

    pub(super) fn damaged(&self) -> u64 {
        self.inner.damaged.load(Ordering::Relaxed)
    }

    pub(super) fn value<T: Stored>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        Ok(self.shared(key)?.map(Arc::unwrap_or_clone))
    }

    /// Returns a value without a copy, if it was written lately.
    fn shared<T: Stored>(&self, key: &[u8]) -> Result<Option<Arc<T>>, Error> {
        let place = order::place(key);
        let held = self.inner.read().get(&place);
        let found = match held {
            Some(None) => return Ok(None),
            Some(Some(held)) => held.read(),
            None => {
                let disk = self.inner.disk.load_full();
                let loaded = disk.find(&place, true)?;
                let Some(payload) = loaded.block.get(&place) else { return Ok(None) };
                shape::from_json(payload).map(Arc::new)
            }
        };
        found.map(Some).ok_or_else(|| self.broken(&place))
    }

    fn broken(&self, place: &[u8]) -> Error {
        self.inner.disk.load().broken(place)
    }

    /// Returns a case as last written.
    pub(super) fn case(&self, key: &[u8]) -> Result<Option<Arc<Case>>, Error> {
        self.shared(key)
    }

    /// Returns the accepted losses, oldest first.
    pub(super) fn losses(&self) -> Result<Vec<AcceptedLoss>, Error> {
        let prefix = keys::Key::new(keys::Kind::Loss).end();
        let mut losses = Vec::new();
        self.walk(&prefix, &prefix, &mut |_, loss| {
            losses.push(loss);
            true
        })?;
        Ok(losses)
    }

    /// Checks that the content of the disk is what was written.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.inner.disk.load_full().check()
    }

    /// Returns all pairs of the disk, by their places: `key` returns the key of a place. The disk must have everything.
    pub(super) fn pairs(&self) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), Error>> {
        self.inner.disk.load_full().pairs()
    }

    /// Makes changes visible at once, and has them written to the disk later.
    fn write(&self, writes: Writes, applied: u64, head: Head, records: u64, bytes: u64) -> Result<(), Error> {
        self.inner.layers().add(writes, applied, head, records, bytes);
        self.inner.make_way()
    }

    /// Makes everything durable.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.inner.settle()?;
        self.inner.disk.load_full().sync()?;
        journal::sync_dir(&self.inner.home)
    }

    /// Writes the state anew. Afterwards no file of it holds a value that was removed or replaced before the call.
    pub(super) fn rewrite(&self) -> Result<(), Error> {
        let mut asked = 0;
        self.inner.tell(|wants| {
            wants.rewrites += 1;
            asked = wants.rewrites;
        });
        let mut wants = self.inner.wants();
        while wants.rewritten < asked {
            Inner::stopped(&wants)?;
            wants = self.inner.wait(wants);
        }
        if wants.refused >= asked { Err(Error::Full) } else { Ok(()) }
    }
}

impl Drop for State {
    /// Layers that the disk lacks are dropped: the journal has their records.
    fn drop(&mut self) {
        self.inner.leave();
        if self.flusher.take().is_some_and(|flusher| flusher.join().is_err()) {
            tracing::error!("the thread that writes the state ended with a panic");
        }
    }
}

/// Completes the layer that was being written when the process ended.
fn complete(inner: &mut Inner) -> Result<(), Error> {
    let disk = inner.disk.load_full();
    let tally = disk.tally();
    match Redo::read(&inner.home)? {
        Some(redo) if redo.layer == tally.layers + 1 => {
            inner.bring(&disk, &redo, None, false)?;
            let meta = disk.tally().meta;
            *inner.layers() = overlay::Layers::at(meta.applied, meta.head);
            Ok(())
        }
        Some(_) | None if tally.reached.is_empty() => Redo::remove(&inner.home),
        Some(_) | None => Err(Error::Damaged("a layer of the state is incomplete".to_owned())),
    }
}
