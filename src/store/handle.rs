//! An open store, as other rooms hold it: commits are handed to the committer, and clones share what is behind.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot, watch};

use super::commit::{Body, Commit, MARKS_KEPT};
use super::committer::{Request, Until};
use super::error::Error;
use super::room::Room;
use super::shape;
use super::state::State;
use crate::model::{Secret, Timestamp};

/// An open store; clones share it. The last one to go waits until what was handed in is on disk.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) shared: Arc<Shared>,
}

/// What the clones of a store share.
pub(super) struct Shared {
    pub state: Arc<State>,
    pub secret: Secret,
    pub applied: watch::Receiver<u64>,
    pub cases: watch::Receiver<u64>,
    pub room: Arc<Room>,
    pub dir: PathBuf,
    pub queue: Mutex<Option<mpsc::Sender<Request>>>,
    pub threads: Mutex<Vec<JoinHandle<()>>>,
    /// The last to go: sled has let go of its files when another may open the store.
    pub _lock: File,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("applied", &*self.applied.borrow()).finish_non_exhaustive()
    }
}

impl Store {
    /// Durable when it returns (the journal's fdatasync), visible to reads of this store's clones too.
    /// An error of write or sync ends the process (exit 70). Once handed over it happens, also if the one who
    /// waits goes away; commits of one task that waits for each are in its order.
    pub async fn commit(&self, commit: Commit) -> Result<(), Error> {
        self.submit(Body::Commit(commit), Until::Visible).await
    }

    /// Durable when it returns; reads see it a moment later. Enough to acknowledge an event.
    pub async fn commit_durable(&self, commit: Commit) -> Result<(), Error> {
        self.submit(Body::Commit(commit), Until::Durable).await
    }

    /// Forgets marks of events that were consumed more than 45 days ago, and what policies said that is past
    /// its time. Part of the journal like any commit, so that a rebuild forgets the same ones.
    pub async fn prune(&self, now: Timestamp) -> Result<(), Error> {
        let before = now - MARKS_KEPT;
        self.submit(Body::Prune(before), Until::Visible).await
    }

    async fn submit(&self, body: Body, until: Until) -> Result<(), Error> {
        let queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let queue = queue.ok_or(Error::Closed)?;
        let record = shape::encode(&body)?;
        let (done, answer) = oneshot::channel();
        queue.send(Request { record, body, until, done }).await.map_err(|_| Error::Closed)?;
        // The sender goes without a word when the committer has failed: nothing may count as committed.
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// The store's own random secret, made once.
    pub fn secret(&self) -> Secret {
        self.shared.secret.clone()
    }

    /// Changes after each applied group, so that who waits for events looks again.
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.shared.applied.clone()
    }

    /// Changes only after groups that brought more than events on their way through the inbox, so that who
    /// waits for cases is not woken by every login of everybody.
    pub fn cases_applied(&self) -> watch::Receiver<u64> {
        self.shared.cases.clone()
    }

    /// Whether the disk is nearly full, so that new events and new cases are refused.
    pub fn is_full(&self) -> bool {
        self.shared.room.is_full()
    }

    /// Looks at the disk now, which opens the intake again when there is space. May write the reserve, so it
    /// blocks for a moment.
    pub fn look_for_room(&self) -> bool {
        self.shared.room.look();
        !self.is_full()
    }

    /// Values of sled that failed their check since the start. Each was named in the log; the next start
    /// makes sled anew from the journal.
    pub fn damaged(&self) -> u64 {
        self.shared.state.damaged()
    }

    /// Ends the committer after what it has; reads go on. The directory is free for another process when the
    /// last clone is dropped.
    pub async fn close(&self) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.end()).await.map_err(|_| Error::Closed)
    }
}

impl Shared {
    fn end(&self) {
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
