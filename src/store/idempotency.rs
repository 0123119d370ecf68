//! `Idempotency-Key`: the same change asked for again is not a second one, also after a restart. What a request
//! changed is marked in the commit of that change; its answer follows in a commit of its own. If the process
//! ends between the two, the mark says that the change happened, and the answer is made of what is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::Error;
use super::commit::{About, Answer, Commit, Keyed};
use super::handle::Store;
use crate::model::Clock;

/// Requests that are remembered; above this no new key is taken until older ones are forgotten.
const MOST: usize = 100_000;
/// A longer answer is not kept: it is made anew.
const LONGEST_ANSWER: usize = 16 << 10;

/// A request that is being carried out.
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

/// A handle on the requests that are remembered. Clones share the count.
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

    /// Counts anew, after old ones were forgotten.
    pub fn recount(&self) -> Result<(), Error> {
        self.remembered.store(self.store.keyed_count(MOST)?, Ordering::Relaxed);
        Ok(())
    }

    /// The request that was sent under a key, if one was.
    pub fn keyed(&self, key: &str) -> Result<Option<Keyed>, Error> {
        self.store.keyed(key)
    }

    /// Whether another key can be remembered.
    pub fn remembers_more(&self) -> bool {
        self.remembered.load(Ordering::Relaxed) < MOST
    }

    /// Makes a change under a key: its commits carry the mark. Returns the result, and whether a commit did.
    pub async fn under_key<T>(&self, key: &str, request: &str, change: impl Future<Output = T>) -> (T, bool) {
        let marked = AtomicBool::new(false);
        let under_way = Arc::new(UnderWay { key: key.to_owned(), request: request.to_owned(), marked });
        let done = UNDER_WAY.scope(Arc::clone(&under_way), change).await;
        (done, under_way.marked.load(Ordering::Relaxed))
    }

    /// Keeps the answer to a change that was made under a key.
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

    /// The mark that the commit of a change carries; none where no key was given.
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

/// Runs work to its end, also when the caller is dropped: a client that hangs up drops its request, and a lock that
/// is released before its commit can be read would hand the next writer an older case.
pub async fn to_its_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(carried(work)).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // Only when the runtime ends, and then nobody waits any more.
        Err(Err(_)) => std::future::pending().await,
    }
}

/// The same work with the request of the present task, for work that goes on in a task of its own.
fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let under_way = UNDER_WAY.try_with(Arc::clone).ok();
    async move {
        match under_way {
            Some(under_way) => UNDER_WAY.scope(under_way, work).await,
            None => work.await,
        }
    }
}
