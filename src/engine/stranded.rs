//! Open cases whose revision cannot be used any more: a name that it uses is gone from the configuration, say. Nothing
//! is done in them until a person does something, so they are counted, and each says what to do.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::case::Case;
use crate::model::{CaseId, Pause};
use crate::policy::diagnostic::{Diagnostic, Severity};
use crate::policy::{self, Policy, Revision};
use crate::store::{self, CaseFilter};

use super::Engine;

/// Open cases looked at in one go.
const AT_ONCE: usize = 50;

/// What is known of revisions that cannot be used, and the open cases that have one.
#[derive(Debug, Default)]
pub(super) struct Stranded {
    /// What a revision may name is settled when the daemon starts, so this holds until it ends.
    revisions: Mutex<HashMap<Revision, Arc<Unusable>>>,
    cases: Mutex<BTreeMap<CaseId, Revision>>,
}

/// A revision that cannot be used.
#[derive(Debug)]
pub(super) struct Unusable {
    /// Why, and what to do.
    pub says: String,
    /// The same, with no name judged: enough to read where a case is, and never to go on with it.
    pub readable: Option<Arc<Policy>>,
}

impl Stranded {
    pub fn revision(&self, revision: &Revision) -> Option<Arc<Unusable>> {
        self.revisions.lock().unwrap_or_else(PoisonError::into_inner).get(revision).cloned()
    }

    fn found(&self, case: CaseId, revision: Revision) {
        self.cases.lock().unwrap_or_else(PoisonError::into_inner).insert(case, revision);
    }
}

impl Engine {
    /// Why a revision that does not load cannot be used, and what to do.
    pub(super) fn unusable(&self, name: &str, revision: &Revision) -> Result<Arc<Unusable>, store::Error> {
        if let Some(known) = self.0.stranded.revision(revision) {
            return Ok(known);
        }
        let (mut because, mut readable) = (None, None);
        if let Some(files) = self.0.store.revision(revision)? {
            let loaded = policy::load(&files, &self.0.settings.known);
            because = loaded.diagnostics.iter().find(|found| stops(found, name)).map(said);
            readable = policy::load(&files, &self.0.settings.known.of_any_configuration())
                .set
                .policies
                .get(name)
                .cloned();
        }
        let because = because.unwrap_or_else(|| "its files are not in the store".to_owned());
        let put_right = if readable.is_some() {
            "put that back into proofd.yaml and start the daemon again"
        } else {
            "run the version of proofd that it ran with"
        };
        let says = format!(
            "revision {} of policy {name} cannot be used: {because}. What to do: {put_right}, or move its open cases \
             to another revision with proofd case migrate --policy {name}",
            revision.short()
        );
        let unusable = Arc::new(Unusable { says, readable });
        let mut known = self.0.stranded.revisions.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(revision.clone(), Arc::clone(&unusable));
        Ok(unusable)
    }

    /// Why a case cannot go on, and what to do; none: it can.
    pub(super) fn trouble(&self, case: &Case) -> Option<String> {
        if case.is_closed() {
            return None;
        }
        self.policy_of(case).err().map(|error| error.to_string())
    }

    /// The policy of a case to read where it is; also where the case cannot go on with it.
    pub(super) fn readable(&self, case: &Case) -> Option<Arc<Policy>> {
        let usable = self.policy_of(case).ok();
        usable.or_else(|| self.0.stranded.revision(&case.revision)?.readable.clone())
    }

    /// Goes over the open cases once. While the daemon runs, no further one is stranded.
    pub(super) async fn look_for_stranded(self) {
        let mut stop = self.stopping();
        if let Err(error) = self.find_stranded().await {
            tracing::error!(%error, "open cases cannot be read");
        }
        for ((policy, revision), count) in self.stranded_cases() {
            let why = self.0.stranded.revision(&revision).map(|unusable| unusable.says.clone());
            let why = why.unwrap_or_default();
            tracing::error!(
                policy,
                revision = revision.short(),
                cases = count,
                why,
                "open cases cannot go on"
            );
        }
        let _ = stop.wait_for(|stop| *stop).await;
    }

    async fn find_stranded(&self) -> Result<(), store::Error> {
        let stop = self.stopping();
        let open = CaseFilter { open: Some(true), ..CaseFilter::default() };
        let mut usable: BTreeMap<Revision, bool> = BTreeMap::new();
        let mut cursor = None;
        while !*stop.borrow() {
            let (cases, next) = self.0.store.cases(&open, cursor.as_deref(), AT_ONCE)?;
            for case in cases {
                let known = usable.get(&case.revision).copied();
                let good = known.unwrap_or_else(|| self.policy_of(&case).is_ok());
                usable.insert(case.revision.clone(), good);
                if !good {
                    self.0.stranded.found(case.id, case.revision);
                }
            }
            cursor = next;
            if cursor.is_none() {
                break;
            }
            // A page is read in a moment; the others have theirs in between.
            tokio::task::yield_now().await;
        }
        if cursor.is_none() {
            self.stop_their_clocks(&usable).await?;
        }
        Ok(())
    }

    /// Nobody loses time to a case that could not go on.
    async fn stop_their_clocks(&self, usable: &BTreeMap<Revision, bool>) -> Result<(), store::Error> {
        let unusable = usable.iter().filter(|(_, usable)| !**usable);
        let mut stopped: BTreeSet<String> =
            unusable.map(|(revision, _)| format!("{}{revision}", Pause::REVISION)).collect();
        for pause in self.0.pauses.of_revisions() {
            if !stopped.remove(&pause.who) {
                self.paused(Pause { until: Some(self.now()), ..pause }).await?;
            }
        }
        for who in stopped {
            self.paused(Pause { who, from: self.now(), until: None }).await?;
        }
        Ok(())
    }

    /// How many open cases cannot go on, by policy and revision. One that was moved or cancelled is no more among them.
    pub fn stranded_cases(&self) -> BTreeMap<(String, Revision), usize> {
        let mut counts = BTreeMap::new();
        let mut cases = self.0.stranded.cases.lock().unwrap_or_else(PoisonError::into_inner);
        cases.retain(|id, revision| match self.0.store.case(id) {
            Ok(Some(case)) if !case.is_closed() && case.revision == *revision => {
                *counts.entry((case.policy, revision.clone())).or_default() += 1;
                true
            }
            Ok(_) => false,
            // It is still there, wherever it stands.
            Err(_) => true,
        });
        counts
    }

    /// The same in sentences.
    pub fn stranded_says(&self) -> Vec<String> {
        let say = |((_, revision), count): ((String, Revision), usize)| {
            let says = self.0.stranded.revision(&revision).map(|unusable| unusable.says.clone());
            let cases = if count == 1 { "1 open case cannot" } else { &format!("{count} open cases cannot") };
            format!("{cases} go on: {}", says.unwrap_or_default())
        };
        self.stranded_cases().into_iter().map(say).collect()
    }
}

fn said(found: &Diagnostic) -> String {
    format!("{}: {}", found.place, found.message)
}

/// Whether a mistake keeps this policy from running.
fn stops(found: &Diagnostic, name: &str) -> bool {
    found.severity == Severity::Error && found.policy.as_deref().is_none_or(|policy| policy == name)
}
