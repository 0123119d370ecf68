//! One writer per case: a fixed number of locks, chosen by hash, so that they cost no memory per case.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use tokio::sync::{Mutex, MutexGuard};

const SHARDS: usize = 256;

/// Taken in this order, never the other way: a key's lock (who may open a case), then a case's lock.
#[derive(Debug)]
pub struct Locks {
    keys: Vec<Mutex<()>>,
    cases: Vec<Mutex<()>>,
}

impl Default for Locks {
    fn default() -> Self {
        let shards = || (0..SHARDS).map(|_| Mutex::new(())).collect();
        Self { keys: shards(), cases: shards() }
    }
}

impl Locks {
    pub async fn key(&self, policy: &str, key: &str) -> MutexGuard<'_, ()> {
        Self::pick(&self.keys, &(policy, key)).lock().await
    }

    pub async fn case(&self, id: &str) -> MutexGuard<'_, ()> {
        Self::pick(&self.cases, &id).lock().await
    }

    fn pick<'a>(shards: &'a [Mutex<()>], what: &impl Hash) -> &'a Mutex<()> {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0);
        // The remainder is always inside.
        &shards[at]
    }
}
