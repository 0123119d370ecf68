//! Admits one writer per case: a fixed number of locks, chosen by hash, which cost no memory per case.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use tokio::sync::{Mutex, MutexGuard};

const SHARDS: usize = 256;

/// Locks are taken in this order only: a key's lock (who may open a case), a case's, a person's, a document's. If two
/// people present the same document, the second decision sees the first. An account's lock is for effects on it; no
/// other lock is taken while it is held.
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

    /// Locks several cases, each shard once and in shard order. No other lock is taken while they are held.
    pub async fn cases<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Vec<MutexGuard<'_, ()>> {
        let shards: BTreeSet<usize> = ids.map(|id| Self::shard(&id)).collect();
        let mut held = Vec::new();
        for shard in shards {
            // The remainder is always in range.
            held.push(self.cases[shard].lock().await);
        }
        held
    }

    pub async fn person(&self, id: &str) -> MutexGuard<'_, ()> {
        Self::pick(&self.people, &id).lock().await
    }

    /// Locks all documents of one run, each shard once and in shard order.
    pub async fn documents(&self, fingerprints: &[String]) -> Vec<MutexGuard<'_, ()>> {
        let shards: BTreeSet<usize> = fingerprints.iter().map(|one| Self::shard(&one)).collect();
        let mut held = Vec::new();
        for shard in shards {
            // The remainder is always in range.
            held.push(self.documents[shard].lock().await);
        }
        held
    }

    /// Locks an account: holds of several cases on it are placed and lifted one at a time.
    pub async fn account(&self, id: &str) -> MutexGuard<'_, ()> {
        Self::pick(&self.accounts, &id).lock().await
    }

    fn pick<'a>(shards: &'a [Mutex<()>], what: &impl Hash) -> &'a Mutex<()> {
        // The remainder is always in range.
        &shards[Self::shard(what)]
    }

    fn shard(what: &impl Hash) -> usize {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0)
    }
}
