//! The state for reads: one sled tree of checked values, written in batches that include the progress. The only file
//! that calls sled. Independent of the keys' meaning, except which of them are cases.
//!
//! One tree instead of many: sled's batch over one tree is atomic and needs no transaction whose closure may run twice.
//! Two states compare by a parallel walk.

use std::collections::BTreeMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::journal::Head;
use super::recent::Recent;
use super::shape::{self, Stored};
use super::values::Meta;
use super::{AcceptedLoss, Error, codec, keys};
use crate::case::Case;

/// Maximum of keys for a full check at a start; above it only the ends of the tree are checked.
const CHECK_ALL: u64 = 200_000;
const CHECK_ENDS: usize = 5_000;

/// An open sled database.
pub(super) struct State {
    dir: PathBuf,
    db: sled::Db,
    meta: Mutex<Meta>,
    recent: Recent,
    damaged: AtomicU64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("dir", &self.dir).field("meta", &self.meta()).finish_non_exhaustive()
    }
}

/// Returns the path of the marker that makes the next start rebuild the state. Its content is the reason.
pub(super) fn doubt(dir: &Path) -> PathBuf {
    dir.with_extension("suspect")
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

/// Runs a call of sled, and turns a panic into an error: sled panics on some damaged files.
fn guarded<T>(doing: &str, work: impl FnOnce() -> sled::Result<T>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Error::io(doing)(error.into())),
        Err(_) => Err(Error::Damaged(format!("sled panicked while {doing}"))),
    }
}

impl State {
    /// Opens the existing state or creates an empty one; reads `meta` without any check.
    pub(super) fn open(dir: &Path) -> Result<Self, Error> {
        released(dir);
        let db = guarded("opening sled", || {
            sled::Config::new()
                .path(dir)
                .cache_capacity(64 << 20)
                .mode(sled::Mode::LowSpace)
                // Four times the default: values up to half a megabyte stay out of the unsynced blob files, with less
                // growth than larger segments.
                .segment_size(2 << 20)
                .flush_every_ms(Some(1000))
                .open()
        })
        .map_err(|error| match error {
            // Not damage: an earlier opening in this process still holds the lock.
            Error::Io { cause, .. } if cause.to_string().contains("could not acquire lock") => {
                Error::Locked(dir.display().to_string())
            }
            other => other,
        })?;
        let state = Self {
            dir: dir.to_owned(),
            db,
            meta: Mutex::default(),
            recent: Recent::default(),
            damaged: AtomicU64::new(0),
        };
        let written = guarded("reading sled", || state.db.get(keys::meta()))?;
        if written.is_some_and(|value| codec::is_of_another_version(&value)) {
            return Err(Error::Damaged("it was written by another version of proofd".to_owned()));
        }
        let meta = state.value(&keys::meta())?.unwrap_or_default();
        *state.meta.lock().unwrap_or_else(PoisonError::into_inner) = meta;
        Ok(state)
    }

    pub(super) fn meta(&self) -> Meta {
        *self.meta.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Returns the payload of a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match guarded("reading sled", || self.db.get(key))? {
            Some(value) => match codec::unseal(key, &value) {
                Some(payload) => Ok(Some(payload.to_vec())),
                None => Err(self.broken(key)),
            },
            None => Ok(None),
        }
    }

    pub(super) fn value<T: Stored>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        match self.get(key)? {
            Some(payload) => shape::from_json(&payload).map(Some).ok_or_else(|| self.broken(key)),
            None => Ok(None),
        }
    }

    /// Returns a case as last written.
    pub(super) fn case(&self, key: &[u8]) -> Result<Option<Arc<Case>>, Error> {
        match self.recent.case(key) {
            Some(case) => Ok(Some(case)),
            None => Ok(self.value(key)?.map(Arc::new)),
        }
    }

    /// Walks keys from `from` while they start with `prefix` and `visit` returns true. A value that fails its check is
    /// logged and counted, and the walk continues: one damaged case must not hide others.
    pub(super) fn walk<T: Stored>(
        &self,
        prefix: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], T) -> bool,
    ) -> Result<(), Error> {
        let mut pairs = self.db.range(from.to_vec()..keys::after(prefix));
        while let Some((key, value)) = guarded("reading sled", || pairs.next().transpose())? {
            match codec::unseal(&key, &value).and_then(shape::from_json) {
                Some(value) => {
                    if !visit(&key, value) {
                        break;
                    }
                }
                None => drop(self.broken(&key)),
            }
        }
        Ok(())
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

    fn broken(&self, key: &[u8]) -> Error {
        let first = self.damaged.fetch_add(1, Ordering::Relaxed) == 0;
        let name = keys::hex(key);
        tracing::error!(key = name, "a value of the state has a wrong checksum");
        if first
            && let Err(error) = std::fs::write(doubt(&self.dir), format!("key {name} has a wrong checksum"))
        {
            tracing::error!(%error, "marking the state as doubtful failed");
        }
        Error::Damaged(format!(
            "the value of key {name} of the state has a wrong checksum; the next start rebuilds the state \
                from the journal"
        ))
    }

    /// Checks that the content is what was written: every value, and the sum over all of them.
    pub(super) fn check(&self) -> Result<(), Error> {
        let meta = self.meta();
        let whole = meta.keys <= CHECK_ALL;
        let limit = if whole { usize::MAX } else { CHECK_ENDS };
        let first = keys::meta();
        let mut found = Meta { applied: meta.applied, head: meta.head, ..Meta::default() };
        let mut look = |pair: Option<(sled::IVec, sled::IVec)>| -> Result<bool, Error> {
            let Some((key, value)) = pair else { return Ok(false) };
            codec::unseal(&key, &value).ok_or_else(|| self.broken(&key))?;
            if key != first {
                found.keys += 1;
                found.sum = found.sum.wrapping_add(codec::weight(&value));
            }
            Ok(true)
        };
        let mut pairs = self.db.iter().take(limit);
        while look(guarded("reading sled", || pairs.next().transpose())?)? {}
        if whole {
            return (found == meta)
                .then_some(())
                .ok_or_else(|| Error::Damaged("values of the state are missing".to_owned()));
        }
        let mut pairs = self.db.iter().rev().take(limit);
        while look(guarded("reading sled", || pairs.next().transpose())?)? {}
        Ok(())
    }

    /// Returns all keys with their sealed values, except `meta`.
    pub(super) fn pairs(&self) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), Error>> + '_ {
        let mut pairs = self.db.range(vec![1]..);
        std::iter::from_fn(move || {
            guarded("reading sled", || pairs.next().transpose())
                .map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())))
                .transpose()
        })
    }

    /// Writes the state anew, without removed and replaced values. So far it only makes all writes durable.
    pub(super) fn rewrite(&self) -> Result<(), Error> {
        self.sync()
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
        super::journal::sync_dir(&self.dir)
    }
}

/// Pending writes, visible to reads of the same draft.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) state: &'a State,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The end of the last fully applied frame.
    pub(super) head: Head,
}

impl<'a> Draft<'a> {
    pub(super) fn new(state: &'a State) -> Self {
        Self { state, writes: BTreeMap::new(), head: state.meta().head }
    }

    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    pub(super) fn get<T: Stored>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        match self.writes.get(key) {
            Some(Some(payload)) => Ok(shape::from_json(payload)),
            Some(None) => Ok(None),
            None => self.state.value(key),
        }
    }

    pub(super) fn case(&self, key: &[u8]) -> Result<Option<Arc<Case>>, Error> {
        if self.writes.contains_key(key) { Ok(self.get(key)?.map(Arc::new)) } else { self.state.case(key) }
    }

    pub(super) fn put(&mut self, key: Vec<u8>, value: &impl Stored) -> Result<(), Error> {
        self.writes.insert(key, Some(shape::json(value)?));
        Ok(())
    }

    pub(super) fn put_json(&mut self, key: Vec<u8>, payload: Vec<u8>) {
        self.writes.insert(key, Some(payload));
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    /// Writes one atomic batch; afterwards the state's progress is `applied`.
    pub(super) fn write(&mut self, applied: u64) -> Result<(), Error> {
        let mut meta = self.state.meta();
        let mut batch = sled::Batch::default();
        let mut cases = Vec::new();
        self.state.recent.forget(self.writes.keys().filter(|key| keys::is_case(key)));
        for (key, payload) in std::mem::take(&mut self.writes) {
            if let Some(old) = guarded("reading sled", || self.state.db.get(&key))? {
                meta.keys = meta.keys.wrapping_sub(1);
                meta.sum = meta.sum.wrapping_sub(codec::weight(&old));
            }
            match payload {
                Some(payload) => {
                    let value = codec::seal(&key, &payload);
                    meta.keys = meta.keys.wrapping_add(1);
                    meta.sum = meta.sum.wrapping_add(codec::weight(&value));
                    if keys::is_case(&key) {
                        cases.push((key.clone(), payload));
                    }
                    batch.insert(key, value);
                }
                None => batch.remove(key),
            }
        }
        meta.applied = applied;
        meta.head = self.head;
        let key = keys::meta();
        let value = codec::seal(&key, &shape::json(&meta)?);
        batch.insert(key, value);
        guarded("writing sled", || self.state.db.apply_batch(batch))?;
        self.state.recent.place(cases);
        *self.state.meta.lock().unwrap_or_else(PoisonError::into_inner) = meta;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Draft, State, doubt};
    use crate::store::Error;
    use crate::store::keys::{self, Key, Kind};

    /// Returns a state of three cursors, one of them damaged directly in sled.
    fn harmed(harm: impl Fn(&State, &[u8])) -> (tempfile::TempDir, State) {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state")).unwrap();
        let mut draft = Draft::new(&state);
        for source in ["a", "b", "c"] {
            draft.put(keys::cursor(source), &source.to_owned()).unwrap();
        }
        draft.write(7).unwrap();
        state.check().unwrap();
        harm(&state, &keys::cursor("b"));
        (dir, state)
    }

    #[test]
    fn a_value_that_fails_its_check_stops_only_itself_and_is_noted_for_the_next_start() {
        let (_dir, state) = harmed(|state, key| drop(state.db.insert(key, b"\x01nonsense").unwrap()));
        assert!(matches!(state.value::<String>(&keys::cursor("b")), Err(Error::Damaged(_))));
        assert_eq!(state.value::<String>(&keys::cursor("c")).unwrap().as_deref(), Some("c"));
        let mut found = String::new();
        let prefix = Key::new(Kind::Cursor).end();
        let walk = state.walk(&prefix, &prefix, &mut |_, source: String| {
            found.push_str(&source);
            true
        });
        walk.unwrap();
        assert_eq!((found.as_str(), state.damaged()), ("ac", 2));
        assert!(doubt(&state.dir).exists());
        assert!(state.check().is_err());
    }

    #[test]
    fn a_state_of_another_version_is_said_to_be_one() {
        let (dir, state) = harmed(|state, _| {
            let mut value = state.db.get(keys::meta()).unwrap().unwrap().to_vec();
            value[0] += 1;
            state.db.insert(keys::meta(), value).unwrap();
        });
        drop(state);
        let error = State::open(&dir.path().join("state")).map(drop).unwrap_err();
        assert!(error.to_string().contains("another version of proofd"), "{error}");
    }

    #[test]
    fn a_value_that_is_lost_doubled_or_older_fails_the_check_of_the_whole() {
        let harms: [fn(&State, &[u8]); 3] = [
            |state, key| drop(state.db.remove(key).unwrap()),
            |state, _| {
                let key = keys::cursor("d");
                let value = crate::store::codec::seal(&key, b"\"d\"");
                state.db.insert(key, value).unwrap();
            },
            |state, key| {
                let value = crate::store::codec::seal(key, b"\"older\"");
                state.db.insert(key, value).unwrap();
            },
        ];
        for harm in harms {
            let (_dir, state) = harmed(harm);
            assert!(matches!(state.check(), Err(Error::Damaged(_))));
        }
    }
}
