//! Opens or creates a store in a directory: takes the lock, reads the journal and compares it with the mark and the
//! state. Then makes the journal's end durable, updates the state and starts the threads.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};

use super::committer::{Applier, Committer};
use super::directory::{journal_dir, lock, make_dir, make_secret, secret};
use super::handle::{Shared, Store};
use super::journal::{self, Journal};
use super::mark::{Found, Marker};
use super::rebuild::Brought;
use super::room::Room;
use super::state::State;
use super::thread::thread;
use super::{Error, Options, forget, loss, pruning, rebuild};
use crate::model::{Secret, Timestamp};

/// Commits that wait for the committer; further ones wait in their own tasks.
const QUEUE: usize = 1024;
/// Groups that wait for the applier.
const GROUPS: usize = 4;

/// The result of opening a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    pub records: u64,
    /// Records that sled lacked and that were applied now.
    pub replayed: u64,
    /// Bytes of a torn tail that were cut.
    pub cut_bytes: u64,
    /// Why sled was rebuilt from the journal, if it was.
    pub rebuilt: Option<String>,
    /// The directory held no store, and one was created.
    pub new: bool,
    /// The high-water mark was missing or damaged and was rewritten.
    pub marked_anew: bool,
    /// Number of losses ever accepted.
    pub accepted_losses: u64,
}

impl Store {
    /// Opens or creates a store in a directory: reads the journal, cuts a torn tail, and updates or rebuilds sled.
    /// `Opened` reports what was done. A store with a loss is refused.
    pub fn open(dir: &Path, now: Timestamp) -> Result<(Self, Opened), Error> {
        Self::open_with(dir, now, Options::default())
    }

    /// Opens or creates a store with other sizes and hooks.
    pub fn open_with(dir: &Path, now: Timestamp, options: Options) -> Result<(Self, Opened), Error> {
        open(dir, now, options)
    }
}

fn open(dir: &Path, now: Timestamp, options: Options) -> Result<(Store, Opened), Error> {
    make_dir(dir)?;
    let lock = lock(dir)?;
    let journals = journal_dir(dir);
    let room = Arc::new(Room::new(dir, options.reserve_bytes));
    room.to_open()?;
    let survey = loss::survey(dir)?;
    if let Some(loss) = survey.loss(dir) {
        return Err(Error::Lost(Box::new(loss)));
    }
    let new = survey.is_new();
    make_dir(&journals)?;
    journal::settle(&journals, &options, &survey.end, survey.synced())?;
    let journal = Journal::resume(&journals, options.clone(), &survey.end)?;
    // A loss was excluded above: the mark only records the proven end of the journal.
    let mut mark = survey.next_mark(&journal, 0);
    let marked_anew = !new && !matches!(survey.mark, Found::Read { whole: true, .. });
    if new {
        // The secret marks the store as created: a journal or mark missing afterwards is a loss.
        Marker::open(dir, mark, options.clone())?;
        make_secret(dir)?;
    }
    let (cut_bytes, foreign) = (survey.end.torn, survey.state_is_foreign());
    let found = if foreign { Err("it was built from another journal".to_owned()) } else { survey.state };
    let Brought { state, replayed, rebuilt } = rebuild::bring_up(dir, found, &survey.end, &options.progress)?;
    mark.losses = state.losses()?.len() as u64;
    let accepted_losses = mark.losses;
    let marker = Marker::open(dir, mark, options.clone())?;
    let secret = secret(dir)?;
    let records = survey.end.head().sequence;
    let opened = Opened { records, replayed, cut_bytes, rebuilt, new, marked_anew, accepted_losses };
    if opened.cut_bytes > 0 || opened.rebuilt.is_some() || marked_anew {
        tracing::warn!(
            at = %now, cut_bytes, rebuilt = opened.rebuilt, marked_anew, "the store was repaired"
        );
    }
    room.settle();
    forget::clear_temporary(dir);
    pruning::prune(dir, now);
    let ready = Ready { dir, state: Arc::new(state), secret, journal, marker, room, options, lock };
    Ok((ready.start()?, opened))
}

/// A store whose files agree.
struct Ready<'a> {
    dir: &'a Path,
    state: Arc<State>,
    secret: Secret,
    journal: Journal,
    marker: Marker,
    room: Arc<Room>,
    options: Options,
    lock: File,
}

impl Ready<'_> {
    /// Starts the threads.
    fn start(self) -> Result<Store, Error> {
        let Self { dir, state, secret, journal, marker, room, options, lock } = self;
        let (home, failure) = (dir.to_owned(), Arc::clone(&options.failure));
        state.serve(Box::new(move |reason| {
            rebuild::suspect(&home, reason);
            failure(reason);
        }));
        let (queue, requests) = mpsc::channel(QUEUE);
        let (applier, groups) = std::sync::mpsc::sync_channel(GROUPS);
        let (applied, watch) = watch::channel(state.meta().applied);
        let (cases, cases_watch) = watch::channel(state.meta().applied);
        let (inbox, inbox_watch) = watch::channel(state.meta().applied);
        let committer = Committer {
            journal,
            marker,
            options: options.clone(),
            room: Arc::clone(&room),
            queue: requests,
            applier,
            order: None,
        };
        let kept = options.clone();
        let applier = Applier {
            dir: dir.to_owned(),
            state: Arc::clone(&state),
            options,
            groups,
            applied,
            cases,
            inbox,
        };
        let threads = vec![
            thread("store-commit", move || committer.run())?,
            thread("store-apply", move || applier.run())?,
        ];
        let shared = Shared {
            state,
            secret,
            applied: watch,
            cases: cases_watch,
            inbox: inbox_watch,
            room,
            dir: dir.to_owned(),
            options: kept,
            rewriting: tokio::sync::Mutex::default(),
            queue: Mutex::new(Some(queue)),
            threads: Mutex::new(threads),
            _lock: lock,
        };
        Ok(Store { shared: Arc::new(shared) })
    }
}
