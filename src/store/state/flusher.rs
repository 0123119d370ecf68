//! Writes frozen layers to the disk, in a thread of each state. The state may lag: the journal has every record, and a
//! start applies those that the disk lacks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::disk::{Change, Disk};
use super::merge::{Batch, merge};
use super::overlay::{Layer, Layers, Write};
use super::redo::{Redo, note_written};
use super::rewrite::Mirror;
use crate::store::{Error, room};

/// A layer is written when its records have this many bytes in the journal, this many records, or this many keys.
const BYTES: u64 = 8 << 20;
const RECORDS: u64 = 8_000;
const KEYS: u64 = 100_000;
/// How many times larger layers are while the state is rebuilt: fewer of them rewrite fewer blocks.
const HURRY: u64 = 4;
/// A smaller layer is written after this time.
const AFTER: Duration = Duration::from_secs(3);
/// Nothing is written to the disk below this free space: sled fails for good at its first write without space.
const LEAST_ROOM: u64 = 4 << 20;
/// How often the free space is checked while there is too little.
const LOOK_FOR_ROOM_EVERY: Duration = Duration::from_millis(250);

/// Called with the reason when the state cannot be written.
pub(in crate::store) type Failure = Box<dyn Fn(&str) + Send + Sync>;

#[cfg(test)]
pub(super) type Step = Box<dyn FnMut(&'static str) + Send>;

/// What the flusher is asked to do, and how it went.
#[derive(Default)]
pub(super) struct Wants {
    /// The flusher ends as soon as possible.
    leave: bool,
    /// Too little space: nothing is written.
    stuck: bool,
    /// Writers wait for space instead of failing.
    patient: bool,
    failed: bool,
    failure: Option<Failure>,
    /// Rewrites that were asked for, those that ended, and the last one that lacked space.
    pub(super) rewrites: u64,
    pub(super) rewritten: u64,
    pub(super) refused: u64,
}

/// What a state and its thread share.
pub(super) struct Inner {
    pub(super) home: PathBuf,
    pub(super) layers: RwLock<Layers>,
    pub(super) disk: ArcSwap<Disk>,
    wants: Mutex<Wants>,
    changed: Condvar,
    pub(super) damaged: Arc<AtomicU64>,
    /// The state is being rebuilt.
    pub(super) hurries: AtomicBool,
    /// Called after each step of a flush and of a rewrite.
    #[cfg(test)]
    pub(super) step: Mutex<Option<Step>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Leave,
    Flush,
    Rewrite,
}

impl Inner {
    pub(super) fn new(home: PathBuf, disk: Disk, damaged: Arc<AtomicU64>) -> Self {
        let tally = disk.tally();
        Self {
            home,
            layers: RwLock::new(Layers::at(tally.meta.applied, tally.meta.head)),
            disk: ArcSwap::from_pointee(disk),
            wants: Mutex::default(),
            changed: Condvar::new(),
            damaged,
            hurries: AtomicBool::default(),
            #[cfg(test)]
            step: Mutex::default(),
        }
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn layers(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wants(&self) -> MutexGuard<'_, Wants> {
        self.wants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait<'a>(&self, wants: MutexGuard<'a, Wants>) -> MutexGuard<'a, Wants> {
        self.changed.wait(wants).unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, change: impl FnOnce(&mut Wants)) {
        change(&mut self.wants());
        self.changed.notify_all();
    }

    /// From now on writers wait for space, and a failure is reported.
    pub(super) fn serve(&self, failure: Failure) {
        self.tell(|wants| (wants.patient, wants.failure) = (true, Some(failure)));
    }

    /// Writers stop waiting for space.
    pub(super) fn close(&self) {
        self.tell(|wants| wants.patient = false);
    }

    pub(super) fn leave(&self) {
        self.tell(|wants| wants.leave = true);
    }

    pub(super) fn leaves(&self) -> bool {
        self.wants().leave
    }

    pub(super) fn stopped(wants: &Wants) -> Result<(), Error> {
        match wants {
            Wants { failed: true, .. } => Err(Error::Closed),
            Wants { stuck: true, patient: false, .. } => Err(Error::NoRoom { needed: LEAST_ROOM }),
            Wants { .. } => Ok(()),
        }
    }

    fn is_due(&self, layer: &Layer) -> bool {
        let times = if self.hurries.load(Ordering::Relaxed) { HURRY } else { 1 };
        layer.bytes >= BYTES * times
            || layer.records >= RECORDS * times
            || layer.writes.len() as u64 >= KEYS * times
    }

    /// Freezes the active layer if it is large; waits while the frozen one is still being written.
    pub(super) fn make_way(&self) -> Result<(), Error> {
        if !self.is_due(&self.read().active) {
            return Ok(());
        }
        let mut wants = self.wants();
        loop {
            Self::stopped(&wants)?;
            let mut layers = self.layers();
            if !self.is_due(&layers.active) || layers.freeze() {
                drop(layers);
                self.changed.notify_all();
                return Ok(());
            }
            drop(layers);
            wants = self.wait(wants);
        }
    }

    /// Waits until the disk has everything.
    pub(super) fn settle(&self) -> Result<(), Error> {
        let mut wants = self.wants();
        loop {
            Self::stopped(&wants)?;
            let mut layers = self.layers();
            if layers.is_empty() {
                return Ok(());
            }
            layers.freeze();
            drop(layers);
            self.changed.notify_all();
            wants = self.wait(wants);
        }
    }

    /// The flusher's thread.
    pub(super) fn run(&self) {
        let reason = match catch_unwind(AssertUnwindSafe(|| self.work())) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "a panic while writing the state".to_owned(),
        };
        let mut failure = None;
        self.tell(|wants| {
            wants.failed = true;
            failure = wants.failure.take();
        });
        tracing::error!(reason, "writing the state failed");
        if let Some(failure) = failure {
            failure(&reason);
        }
    }

    fn work(&self) -> Result<(), Error> {
        // The size after the last automatic rewrite.
        let mut grown = 0;
        loop {
            match self.next() {
                Next::Leave => return Ok(()),
                Next::Flush => {
                    self.flush(None)?;
                    self.shrink(&mut grown)?;
                }
                Next::Rewrite => self.rewrite_as_asked()?,
            }
        }
    }

    fn next(&self) -> Next {
        let mut wants = self.wants();
        loop {
            if wants.leave {
                return Next::Leave;
            }
            if self.read().frozen.is_some() {
                return Next::Flush;
            }
            if wants.rewrites > wants.rewritten {
                return Next::Rewrite;
            }
            let (again, waited) =
                self.changed.wait_timeout(wants, AFTER).unwrap_or_else(PoisonError::into_inner);
            wants = again;
            if waited.timed_out() && !self.hurries.load(Ordering::Relaxed) {
                let mut layers = self.layers();
                // Without writes for a while, the settled cases are freed, after the lock.
                let forgotten = if layers.freeze() { None } else { Some(layers.forget()) };
                drop(layers);
                drop(forgotten);
            }
        }
    }

    /// Writes the frozen layer. If the state is left meanwhile, the layer stays incomplete; the redo completes it.
    pub(super) fn flush(&self, mirror: Option<&Mirror>) -> Result<(), Error> {
        let Some(layer) = self.read().frozen.clone() else { return Ok(()) };
        let disk = self.disk.load_full();
        let mut changes = Vec::with_capacity(layer.writes.len());
        for (place, write) in &layer.writes {
            let payload = match write {
                Write::Put { value, .. } => Some(value.payload()?),
                Write::Remove => None,
            };
            changes.push((place.clone(), payload));
        }
        let redo = Redo { layer: disk.tally().layers + 1, applied: layer.applied, head: layer.head, changes };
        match self.bring(&disk, &redo, mirror, true) {
            Err(Error::NoRoom { .. }) if self.leaves() => return Ok(()),
            outcome => outcome?,
        }
        let cases = layer.cases();
        // The values are freed after the lock.
        let before = self.layers().settle(cases);
        drop((before, layer));
        self.tell(|_| {});
        Ok(())
    }

    /// Brings the disk, and its mirror, to the end of a layer.
    pub(super) fn bring(
        &self,
        disk: &Disk,
        redo: &Redo,
        mirror: Option<&Mirror>,
        waits: bool,
    ) -> Result<(), Error> {
        let mut kept = false;
        merge(disk, redo, &mut |Batch { changes, tally, last }| {
            self.wait_for_room(waits)?;
            if !last && !kept {
                redo.write(&self.home)?;
                kept = true;
                self.step("redo");
            }
            if let Some(mirror) = mirror {
                mirror.apply(&changes)?;
            }
            disk.apply(changes, tally)?;
            self.step("batch");
            Ok(())
        })?;
        disk.sync()?;
        self.step("synced");
        note_written(&self.home, redo.layer)?;
        // A redo that a start found is complete now, too.
        Redo::remove(&self.home)?;
        self.step("done");
        Ok(())
    }

    /// Waits until the disk has space for a batch.
    pub(super) fn wait_for_room(&self, waits: bool) -> Result<(), Error> {
        let enough = || room::free(&self.home).is_none_or(|free| free >= LEAST_ROOM);
        if enough() {
            return Ok(());
        }
        tracing::warn!("writing the state waits: the disk is full");
        self.tell(|wants| wants.stuck = true);
        while !enough() {
            if !waits || self.leaves() {
                return Err(Error::NoRoom { needed: LEAST_ROOM });
            }
            let wants = self.wants();
            drop(self.changed.wait_timeout(wants, LOOK_FOR_ROOM_EVERY));
        }
        self.tell(|wants| wants.stuck = false);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn step(&self, name: &'static str) {
        if let Some(step) = &mut *self.step.lock().unwrap_or_else(PoisonError::into_inner) {
            step(name);
        }
    }

    #[cfg(not(test))]
    pub(super) fn step(&self, _: &'static str) {}
}

/// Returns the changes of places before one.
pub(super) fn before(changes: &[Change], place: &[u8]) -> Vec<Change> {
    changes.iter().filter(|(own, _)| own.as_slice() < place).cloned().collect()
}
