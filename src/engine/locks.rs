//! One writer per case: a fixed number of locks, chosen by hash, so that they cost no memory per case.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use tokio::sync::{Mutex, MutexGuard};

const SHARDS: usize = 256;

/// Taken in this order, never the other way: a key's lock (who may open a case), a case's, a person's, a
/// document's (of two people who show the same one the second sees the first). The
/// lock of an account is for effects on it, and nothing else is taken while it is held.
#[derive(Debug)]
pub struct Locks {
    keys: Vec<Mutex<()>>,
    cases: Vec<Mutex<()>>,
    people: Vec<Mutex<()>>,
    documents: Vec<Mutex<()>>,
    accounts: Vec<Mutex<()>>,
}

impl Default for Locks {
    fn default() -> Self {
        let shards = || (0..SHARDS).map(|_| Mutex::new(())).collect();
        Self { keys: shards(), cases: shards(), people: shards(), documents: shards(), accounts: shards() }
    }
}

impl Locks {
    pub async fn key(&self, policy: &str, key: &str) -> MutexGuard<'_, ()> {
        Self::pick(&self.keys, &(policy, key)).lock().await
    }

    pub async fn case(&self, id: &str) -> MutexGuard<'_, ()> {
        Self::pick(&self.cases, &id).lock().await
    }

    pub async fn person(&self, id: &str) -> MutexGuard<'_, ()> {
        Self::pick(&self.people, &id).lock().await
    }

    /// Of all documents of one run, each shard once and in their order.
    pub async fn documents(&self, fingerprints: &[String]) -> Vec<MutexGuard<'_, ()>> {
        let shards: BTreeSet<usize> = fingerprints.iter().map(|one| Self::shard(&one)).collect();
        let mut held = Vec::new();
        for shard in shards {
            // The remainder is always inside.
            held.push(self.documents[shard].lock().await);
        }
        held
    }

    /// Holds of several cases on one account are placed and lifted one at a time.
    pub async fn account(&self, id: &str) -> MutexGuard<'_, ()> {
        Self::pick(&self.accounts, &id).lock().await
    }

    fn pick<'a>(shards: &'a [Mutex<()>], what: &impl Hash) -> &'a Mutex<()> {
        // The remainder is always inside.
        &shards[Self::shard(what)]
    }

    fn shard(what: &impl Hash) -> usize {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0)
    }
}
