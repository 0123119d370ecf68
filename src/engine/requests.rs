//! `Idempotency-Key`: the same change asked for again is not a second one, also after a restart. What a request
//! changed is marked in the commit of that change; its answer follows in a commit of its own. If the process
//! ends between the two, the mark says that the change happened, and the answer is made of what is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::store::{self, Commit};

pub use crate::store::{About, Answer, Keyed};

use super::Engine;

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

/// How many are remembered.
#[derive(Debug, Default)]
pub(super) struct Remembered(AtomicUsize);

impl Remembered {
    pub(super) fn count(&self, store: &store::Store) -> Result<(), store::Error> {
        self.0.store(store.keyed_count(MOST)?, Ordering::Relaxed);
        Ok(())
    }
}

impl Engine {
    /// The request that was sent under a key, if one was.
    pub fn keyed(&self, key: &str) -> Result<Option<Keyed>, store::Error> {
        self.0.store.keyed(key)
    }

    /// Whether another key can be remembered.
    pub fn remembers_more(&self) -> bool {
        self.0.remembered.0.load(Ordering::Relaxed) < MOST
    }

    /// Makes a change under a key: its commits carry the mark. Whether one did is returned with the result.
    pub async fn under_key<T>(&self, key: &str, request: &str, change: impl Future<Output = T>) -> (T, bool) {
        let marked = AtomicBool::new(false);
        let under_way = Arc::new(UnderWay { key: key.to_owned(), request: request.to_owned(), marked });
        let done = UNDER_WAY.scope(Arc::clone(&under_way), change).await;
        (done, under_way.marked.load(Ordering::Relaxed))
    }

    /// Keeps the answer to a change that was made under a key.
    pub async fn keep_answer(&self, key: &str, request: &str, answer: Answer) -> Result<(), store::Error> {
        let before = self.keyed(key)?;
        if before.is_none() {
            self.0.remembered.0.fetch_add(1, Ordering::Relaxed);
        }
        let about = before.and_then(|before| before.about);
        let answer = Some(answer).filter(|answer| answer.body.len() <= LONGEST_ANSWER);
        if answer.is_none() && about.is_none() {
            return Ok(());
        }
        let (key, request) = (key.to_owned(), request.to_owned());
        let requests = vec![Keyed { key, request, at: self.now(), about, answer }];
        self.0.store.commit(Commit { requests, ..Commit::default() }).await
    }

    /// The mark that the commit of a change carries; none where no key was given.
    pub(super) fn mark(&self, about: About) -> Vec<Keyed> {
        let marked = UNDER_WAY.try_with(|under_way| {
            if !under_way.marked.swap(true, Ordering::Relaxed) {
                self.0.remembered.0.fetch_add(1, Ordering::Relaxed);
            }
            let (key, request) = (under_way.key.clone(), under_way.request.clone());
            Keyed { key, request, at: self.now(), about: Some(about), answer: None }
        });
        marked.into_iter().collect()
    }
}

/// The same work with the request that the present task is under, for work that goes on in a task of its own.
pub(super) fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let under_way = UNDER_WAY.try_with(Arc::clone).ok();
    async move {
        match under_way {
            Some(under_way) => UNDER_WAY.scope(under_way, work).await,
            None => work.await,
        }
    }
}
