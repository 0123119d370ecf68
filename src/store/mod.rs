//! What is kept. An append-only journal is the truth, sled is the state that is read, and one committer
//! thread writes the journal while a second brings sled along. The only room that names sled; it knows no
//! network and keeps policy text as bytes.
//!
//! | file | what |
//! |---|---|
//! | `commit` | what one commit may hold |
//! | `shape` | how everything is written, in versions |
//! | `codec` | what a record says, and the check of a value |
//! | `journal` | segments of framed, chained, packed records |
//! | `mark` | the end of the journal, kept outside of it |
//! | `loss` | what the mark or the state knows and the journal does not hold; a loss that was accepted |
//! | `committer` | the thread that groups commits, and the one that applies them |
//! | `keys` | how a key is spelled, so that its order is the order of a listing |
//! | `state` | the one sled tree: checked values, batches, scans |
//! | `recent` | the cases that were written last, read already |
//! | `projection` | what a record does to the state |
//! | `asked` | what policies said, by person and by policy |
//! | `sweeps` | how far sweeps are |
//! | `requests` | changes that were asked for under a key |
//! | `idempotency` | marks the commits of such a change |
//! | `reads` | the questions that other rooms ask |
//! | `history` | the whole journal, read again while the store is open |
//! | `opening` | a directory becomes a store |
//! | `pruning` | what was set aside goes after a time |
//! | `rebuild` | sled from the journal, and the comparison of the two |
//! | `salvage` | a store goes on without damaged records |
//! | `reserve` | room that is kept for the time when the disk is full |
//! | `room` | free space, and what is refused when it runs low |
//! | `options` | sizes, and the hooks that tests replace |

mod asked;
mod codec;
mod commit;
mod committer;
mod history;
mod idempotency;
mod journal;
mod keys;
mod loss;
mod mark;
mod opening;
mod options;
mod projection;
mod pruning;
mod reads;
mod rebuild;
mod recent;
mod requests;
mod reserve;
mod room;
mod salvage;
mod shape;
mod state;
mod sweeps;

pub use asked::{Asked, Class, OWN_CHANGE, kept_for};
pub use commit::{
    Changed, Commit, Consumed, Deferred, Enrolled, Examined, Holding, PolicyDeed, PolicyOrder, PolicyVerdict,
    StoredRevision, Waiting,
};
pub use idempotency::{Requests, to_its_end};
pub use journal::Head;
pub use loss::{AcceptedLoss, Loss, Marked, accept_loss, head, holds};
pub use opening::{Opened, secret};
pub use options::{Act, Options};
pub use reads::is_cursor;
pub use rebuild::{Before, Report, Witness, verify, verify_with};
pub use requests::{About, Answer, Keyed};
pub use salvage::{Salvaged, salvage, salvage_with};
pub use shape::page;
pub use sweeps::{FirstSeen, SweepChange, SweepPart, SweepRun, SweepState};

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot, watch};

use crate::model::{Secret, Timestamp};
use codec::Body;
use committer::{Request, Until};
use journal::Chain;
use room::Room;
use state::State;

/// How long the mark of an event is kept; a record of pruning says what lies before it.
const MARKS_KEPT: chrono::TimeDelta = chrono::TimeDelta::days(45);

/// A failed read or a store that cannot serve any more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("while {doing}: {cause}")]
    Io { doing: String, cause: std::io::Error },
    #[error("{0}")]
    Damaged(String),
    #[error(
        "the store has lost something: {0}; restore the store from a backup, look at what can be kept of a \
         damaged journal (proofd store salvage --dry-run), or go on without what is lost (proofd store \
         accept-loss --reason TEXT)"
    )]
    Lost(Box<Loss>),
    #[error("nothing is lost; there is nothing to accept")]
    NothingLost,
    #[error("no record of the journal is damaged; there is nothing to salvage")]
    NothingDamaged,
    #[error("the store is closed")]
    Closed,
    #[error("another process has this store open: {0}")]
    Locked(String),
    #[error("the disk is nearly full; new events and new cases are refused until there is free space")]
    Full,
    #[error("the disk is full: the store needs {} MiB of free space to open", needed >> 20)]
    NoRoom { needed: u64 },
}

impl Error {
    /// Whether it says that the disk is full: the same may work later.
    pub fn is_no_room(&self) -> bool {
        match self {
            Self::Full | Self::NoRoom { .. } => true,
            Self::Io { cause, .. } => journal::no_room(cause),
            _ => false,
        }
    }

    fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |cause| Self::Io { doing, cause }
    }
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct CaseFilter {
    pub policy: Option<String>,
    /// A subject's id, or its reference such as `registration/17`.
    pub subject: Option<String>,
    pub open: Option<bool>,
    /// Vendor execution or account id.
    pub vendor: Option<String>,
}

/// An open store; clones share it. The last one to go waits until what was handed in is on disk.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    state: Arc<State>,
    secret: Secret,
    applied: watch::Receiver<u64>,
    cases: watch::Receiver<u64>,
    room: Arc<Room>,
    dir: PathBuf,
    queue: Mutex<Option<mpsc::Sender<Request>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The last to go: sled has let go of its files when another may open the store.
    _lock: File,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("applied", &*self.applied.borrow()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens or makes a store in a directory: journal read to its end, a torn tail cut, sled brought up to
    /// it or rebuilt. `Opened` says what had to be done. A store with a loss is refused.
    pub fn open(dir: &Path, now: Timestamp) -> Result<(Self, Opened), Error> {
        Self::open_with(dir, now, Options::default())
    }

    /// The same with other sizes and hooks.
    pub fn open_with(dir: &Path, now: Timestamp, options: Options) -> Result<(Self, Opened), Error> {
        opening::open(dir, now, options)
    }

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
