//! Open cases whose revision no longer loads. They cannot continue until an administrator acts; they are counted, with
//! what to do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::model::CaseId;
use crate::policy::Revision;
use crate::store::{self, CaseFilter, Store};

use super::compiled::Revisions;

/// Open cases read at once.
const AT_ONCE: usize = 50;

/// Revisions that open cases follow, and whether each is usable.
pub type Usable = BTreeMap<Revision, bool>;

/// The open cases that cannot continue. Clones share them.
#[derive(Debug, Clone)]
pub struct UnloadableCases {
    store: Store,
    revisions: Revisions,
    cases: Arc<Mutex<BTreeMap<CaseId, Revision>>>,
}

impl UnloadableCases {
    pub(super) fn new(store: Store, revisions: Revisions) -> Self {
        Self { store, revisions, cases: Arc::default() }
    }

    /// Goes over the open cases once: while the daemon runs, no further revision becomes unloadable. `None`: the daemon
    /// was stopped meanwhile.
    pub async fn find(&self, stop: &watch::Receiver<bool>) -> Result<Option<Usable>, store::Error> {
        let open = CaseFilter { open: Some(true), ..CaseFilter::default() };
        let (mut usable, mut cursor) = (Usable::new(), None);
        while !*stop.borrow() {
            let (cases, next) = self.store.cases(&open, cursor.as_deref(), AT_ONCE)?;
            for case in cases {
                let known = usable.get(&case.revision).copied();
                let good = known.unwrap_or_else(|| self.revisions.of_case(&case).is_ok());
                usable.insert(case.revision.clone(), good);
                if !good {
                    self.lock().insert(case.id, case.revision);
                }
            }
            cursor = next;
            if cursor.is_none() {
                return Ok(Some(usable));
            }
            // Yields after each page to other tasks.
            tokio::task::yield_now().await;
        }
        Ok(None)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<CaseId, Revision>> {
        self.cases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of cases by policy and revision. A case that was moved or cancelled no longer counts.
    pub fn counts(&self) -> BTreeMap<(String, Revision), usize> {
        let mut counts = BTreeMap::new();
        self.lock().retain(|id, revision| match self.store.case(id) {
            Ok(Some(case)) if !case.is_closed() && case.revision == *revision => {
                *counts.entry((case.policy, revision.clone())).or_default() += 1;
                true
            }
            Ok(_) => false,
            // The case still counts if it cannot be read.
            Err(_) => true,
        });
        counts
    }

    /// Returns why cases of a revision cannot continue, and what to do.
    fn why(&self, revision: &Revision) -> String {
        let known = self.revisions.known_unloadable(revision);
        known.map(|unloadable| unloadable.why.clone()).unwrap_or_default()
    }

    /// Returns the counts as sentences.
    pub fn sentences(&self) -> Vec<String> {
        let sentence = |((_, revision), count): ((String, Revision), usize)| {
            let cases = if count == 1 { "1 open case cannot" } else { &format!("{count} open cases cannot") };
            format!("{cases} continue: {}", self.why(&revision))
        };
        self.counts().into_iter().map(sentence).collect()
    }

    pub fn log(&self) {
        for ((policy, revision), count) in self.counts() {
            let (revision, why) = (revision.short().to_owned(), self.why(&revision));
            tracing::error!(policy, revision, cases = count, why, "open cases cannot continue");
        }
    }
}
