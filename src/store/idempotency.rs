//! `Idempotency-Key`: a repeated request makes no second change, also after a restart. The commit of a change carries a
//! mark of the request; a second commit stores the answer. If the process ends between the two, the mark proves the
//! change, and the answer is rebuilt from the stored data.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::Error;
use super::commit::{About, Answer, Commit, Keyed};
use super::handle::Store;
use crate::model::Clock;

/// Maximum of remembered requests; above this new keys are refused until older ones expire.
const MOST: usize = 100_000;
/// Maximum of bytes of a stored answer; a longer one is rebuilt.
const LONGEST_ANSWER: usize = 16 << 10;

/// A request in progress.
#[derive(Debug)]
struct UnderWay {
    key: String,
    request: String,
    marked: AtomicBool,
}

tokio::task_local! {
    /// The request whose change this task makes.
    static UNDER_WAY: Arc<UnderWay>;
}

/// A handle on the remembered requests. Clones share the count.
#[derive(Debug, Clone)]
pub struct Requests {
    store: Store,
    clock: Arc<dyn Clock>,
    remembered: Arc<AtomicUsize>,
}

impl Requests {
    pub fn open(store: Store, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let remembered = Arc::new(AtomicUsize::new(store.keyed_count(MOST)?));
        Ok(Self { store, clock, remembered })
    }

    /// Recounts after expired requests were removed.
    pub fn recount(&self) -> Result<(), Error> {
        self.remembered.store(self.store.keyed_count(MOST)?, Ordering::Relaxed);
        Ok(())
    }

    /// Returns the earlier request with this key.
    pub fn keyed(&self, key: &str) -> Result<Option<Keyed>, Error> {
        self.store.keyed(key)
    }

    /// Returns whether another key can be remembered.
    pub fn remembers_more(&self) -> bool {
        self.remembered.load(Ordering::Relaxed) < MOST
    }

    /// Makes a change under a key: its commits carry the mark. Returns the result, and whether a commit carried the
    /// mark.
    pub async fn under_key<T>(&self, key: &str, request: &str, change: impl Future<Output = T>) -> (T, bool) {
        let marked = AtomicBool::new(false);
        let under_way = Arc::new(UnderWay { key: key.to_owned(), request: request.to_owned(), marked });
        let done = UNDER_WAY.scope(Arc::clone(&under_way), change).await;
        (done, under_way.marked.load(Ordering::Relaxed))
    }

    /// Stores the answer to a change that was made under a key.
    pub async fn keep_answer(&self, key: &str, request: &str, answer: Answer) -> Result<(), Error> {
        let before = self.keyed(key)?;
        if before.is_none() {
            self.remembered.fetch_add(1, Ordering::Relaxed);
        }
        let about = before.and_then(|before| before.about);
        let answer = Some(answer).filter(|answer| answer.body.len() <= LONGEST_ANSWER);
        if answer.is_none() && about.is_none() {
            return Ok(());
        }
        let (key, request) = (key.to_owned(), request.to_owned());
        let requests = vec![Keyed { key, request, at: self.clock.now(), about, answer }];
        self.store.commit(Commit { requests, ..Commit::default() }).await
    }

    /// Returns the mark for the commit of a change; empty without a key.
    pub fn mark(&self, about: About) -> Vec<Keyed> {
        let marked = UNDER_WAY.try_with(|under_way| {
            if !under_way.marked.swap(true, Ordering::Relaxed) {
                self.remembered.fetch_add(1, Ordering::Relaxed);
            }
            let (key, request) = (under_way.key.clone(), under_way.request.clone());
            Keyed { key, request, at: self.clock.now(), about: Some(about), answer: None }
        });
        marked.into_iter().collect()
    }
}

/// Runs work to its end, also when the caller is dropped. A client that disconnects drops its request, and a lock
/// released before its commit is visible would give the next writer an outdated case.
pub async fn to_its_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    // Boxed: such work is several kilobytes, and would be moved into each future around it.
    match tokio::spawn(carried(Box::pin(work))).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime is shutting down; the result is not needed.
        Err(Err(_)) => std::future::pending().await,
    }
}

/// Carries the current task's request into work that runs in a task of its own.
fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let under_way = UNDER_WAY.try_with(Arc::clone).ok();
    async move {
        match under_way {
            Some(under_way) => UNDER_WAY.scope(under_way, work).await,
            None => work.await,
        }
    }
}
