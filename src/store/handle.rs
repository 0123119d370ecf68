//! The handle on an open store: passes commits to the committer; clones share one store.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot, watch};

use super::commit::{Body, Commit, MARKS_KEPT};
use super::committer::{Request, Until};
use super::error::Error;
use super::options::Options;
use super::room::Room;
use super::shape;
use super::state::State;
use crate::model::{Secret, Timestamp};

/// An open store; clones share it. Dropping the last one waits until submitted commits are on disk.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) shared: Arc<Shared>,
}

/// State shared by the clones of a store.
pub(super) struct Shared {
    pub state: Arc<State>,
    pub secret: Secret,
    pub applied: watch::Receiver<u64>,
    pub cases: watch::Receiver<u64>,
    pub inbox: watch::Receiver<u64>,
    pub room: Arc<Room>,
    pub dir: PathBuf,
    pub options: Options,
    /// Held while the journal's segments are rewritten.
    pub rewriting: tokio::sync::Mutex<()>,
    pub queue: Mutex<Option<mpsc::Sender<Request>>>,
    pub threads: Mutex<Vec<JoinHandle<()>>>,
    /// Dropped last: sled must release its files before another process may open the store.
    pub _lock: File,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("applied", &*self.applied.borrow()).finish_non_exhaustive()
    }
}

impl Store {
    /// Commits durably (the journal's fdatasync) and visibly to reads of all clones. A write or sync error ends the
    /// process (exit 70). A submitted commit happens even if the caller stops waiting. Commits of one task that awaits
    /// each stay in order.
    pub async fn commit(&self, commit: Commit) -> Result<(), Error> {
        self.submit(Body::Commit(commit), Until::Visible).await
    }

    /// Commits durably; reads see it a moment later. Enough to acknowledge an event.
    pub async fn commit_durable(&self, commit: Commit) -> Result<(), Error> {
        self.submit(Body::Commit(commit), Until::Durable).await
    }

    /// Removes dedupe marks of events consumed more than 45 days ago, and expired verdicts. Recorded in the journal,
    /// which makes a rebuild remove the same ones.
    pub async fn prune(&self, now: Timestamp) -> Result<(), Error> {
        let before = now - MARKS_KEPT;
        self.submit(Body::Prune(before), Until::Visible).await
    }

    pub(super) async fn submit(&self, body: Body, until: Until) -> Result<(), Error> {
        let queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let queue = queue.ok_or(Error::Closed)?;
        let record = shape::encode(&body)?;
        let (done, answer) = oneshot::channel();
        queue.send(Request { record, body, until, done }).await.map_err(|_| Error::Closed)?;
        // The channel closes without an answer if the committer failed: nothing counts as committed.
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Writes the state anew. Afterwards no file of the state holds a value that was removed or replaced before the
    /// call; `state.damaged-*` are not touched. Commits and reads continue meanwhile.
    pub async fn rewrite_state(&self) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.state.rewrite()).await.map_err(|_| Error::Closed)?
    }

    /// Returns the store's own random secret, created once.
    pub fn secret(&self) -> Secret {
        self.shared.secret.clone()
    }

    /// Changes after each applied group, for tasks that wait for events.
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.shared.applied.clone()
    }

    /// Changes only after groups with more than inbox events, which keeps case tasks asleep during unrelated events.
    pub fn cases_applied(&self) -> watch::Receiver<u64> {
        self.shared.cases.clone()
    }

    /// Changes only after groups with new events: the intake sleeps while cases go on.
    pub fn inbox_applied(&self) -> watch::Receiver<u64> {
        self.shared.inbox.clone()
    }

    /// Returns whether the disk is nearly full; new events and new cases are then refused.
    pub fn is_full(&self) -> bool {
        self.shared.room.is_full()
    }

    /// Checks the disk now, which reopens the intake if there is space. May write the reserve and therefore block for a
    /// moment.
    pub fn look_for_room(&self) -> bool {
        self.shared.room.look();
        !self.is_full()
    }

    /// Returns the number of values of sled that failed their check since the start. The log names each; the next start
    /// rebuilds sled from the journal.
    pub fn damaged(&self) -> u64 {
        self.shared.state.damaged()
    }

    /// Stops the committer after pending commits; reads continue. The directory is free for another process after the
    /// last clone is dropped.
    pub async fn close(&self) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.end()).await.map_err(|_| Error::Closed)
    }
}

impl Shared {
    fn end(&self) {
        self.state.close();
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the store ended with a panic");
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.end();
    }
}
