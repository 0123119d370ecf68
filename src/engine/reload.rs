//! Hot reload: the whole tree is read when it stands still, built off to the side by the same function that
//! `check` uses, and swapped in one step. A bad policy keeps its last good revision and the others move.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::model::{Actor, Timestamp};
use crate::policy::diagnostic::{Diagnostic, Severity};
use crate::policy::{self, Files, Known, Loaded, Policy, PolicySet, Revision};
use crate::store::{self, Commit, Examined, PolicyOrder, Store, StoredRevision};
use crate::trial;

use super::cases::ApplyError;
use super::plan::differing;
use super::watching::{RESCAN, SETTLE, Watch, settle};
use super::{Active, Engine, tree};

/// What became of the last look at the tree.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub at: Option<Timestamp>,
    /// Everything in the tree is what runs.
    pub ok: bool,
    /// The hash of the tree that was looked at.
    pub tree: String,
    pub policies: Vec<PolicyStatus>,
    pub diagnostics: Vec<Diagnostic>,
    /// Why the tree as a whole could not be taken.
    pub problem: Option<String>,
    /// Since when there is a problem.
    pub problem_since: Option<Timestamp>,
    /// The diagnostics as text, for a terminal.
    pub rendered: String,
}

#[derive(Debug, Clone)]
pub struct PolicyStatus {
    pub name: String,
    pub title: Option<String>,
    pub mode: Option<policy::Mode>,
    pub revision: Option<Revision>,
    pub state: PolicyState,
    /// Why the tree's revision does not run, where it is good.
    pub why: Vec<String>,
    /// The tree's revision, where it is good and does not run.
    pub waiting: Option<Revision>,
}

/// How what runs compares with what is in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyState {
    /// What is in the tree runs.
    Active,
    /// The tree's version has errors; the last good one runs.
    KeptLastGood,
    /// The tree's version has errors and there was no good one.
    Refused,
    /// Good, but kept back because another policy is not (`all_or_nothing`).
    KeptBack,
    /// Good, but it can do more harm than what runs: a person has to release it.
    NeedsRelease,
    /// Good, but people went back to an older revision, which runs until the files are edited again.
    Reverted,
}

/// The tree that was looked at last, so that nothing is built twice for nothing.
#[derive(Debug, Default)]
pub(super) struct Attempted {
    tree: Option<Revision>,
}

/// Compiled policies of revisions that open cases still follow.
#[derive(Debug, Default)]
pub(super) struct Revisions(Mutex<HashMap<Revision, Arc<Policy>>>);

impl Revisions {
    pub fn get(
        &self,
        name: &str,
        revision: &Revision,
        store: &Store,
        known: &Known,
    ) -> Result<Arc<Policy>, ApplyError> {
        let policy = self.peek(name, revision, store, known)?;
        let mut compiled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.insert(revision.clone(), Arc::clone(&policy));
        Ok(policy)
    }

    /// The same for who looks once.
    pub fn peek(
        &self,
        name: &str,
        revision: &Revision,
        store: &Store,
        known: &Known,
    ) -> Result<Arc<Policy>, ApplyError> {
        if let Some(policy) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(revision) {
            return Ok(Arc::clone(policy));
        }
        let gone = |why: &str| {
            ApplyError::Revision(format!(
                "revision {} of policy {name} cannot be used: {why}",
                revision.short()
            ))
        };
        let files = store.revision(revision)?.ok_or_else(|| gone("its files are not in the store"))?;
        let loaded = policy::load(&files, known);
        let policy = loaded.set.policies.get(name).ok_or_else(|| gone("its files do not load any more"))?;
        Ok(Arc::clone(policy))
    }
}

impl Engine {
    /// The first load. With broken files the last good revisions of the store run.
    pub(super) async fn start_policies(&self) -> anyhow::Result<()> {
        let (mut last, mut tests) = (Vec::new(), BTreeMap::new());
        for (name, revision) in self.0.store.active()? {
            let stored =
                self.0.store.revisions(&name)?.into_iter().find(|stored| stored.revision == revision);
            tests.extend(stored.map(|stored| (name.clone(), stored.tests)));
            match self.0.revisions.get(&name, &revision, &self.0.store, &self.0.settings.known) {
                Ok(policy) => last.push(policy),
                Err(error) => tracing::error!(policy = name, %error, "the last good revision cannot be used"),
            }
        }
        let set = PolicySet::new(last);
        self.0.active.store(Arc::new(Active { set, tests, ..Active::default() }));
        self.look_at_tree(true, None).await;
        Ok(())
    }

    /// Looks at the tree and takes what is good of it. Always answers with what runs afterwards and why.
    pub(super) async fn look_at_tree(&self, even_if_unchanged: bool, by: Option<&Actor>) -> Arc<Active> {
        let mut attempted = self.0.reloading.lock().await;
        let before = self.active();
        let known = self.0.settings.known.clone();
        let dir = self.0.settings.policies.clone();
        let last = attempted.tree.clone().filter(|_| !even_if_unchanged);
        let built = tokio::task::spawn_blocking(move || build(&dir, &known, last.as_ref())).await;
        let built = built.unwrap_or_else(|_| {
            Err("loading the tree failed inside; the policies that ran go on".to_owned())
        });
        let active = match built {
            Ok(None) => return self.active(),
            Ok(Some((tree, loaded, files, tests))) => {
                let active = self.take(tree.clone(), loaded, &files, &tests).await;
                // Only now: a request that is given up halfway must not make the tree look dealt with.
                attempted.tree = Some(tree);
                active
            }
            Err(problem) => {
                // The next look is a new one, whatever is there then.
                attempted.tree = None;
                self.keep_all(problem)
            }
        };
        self.0.pushes.note(&before, &active, by);
        self.0.metrics.reloaded(&active.report, self.now());
        active
    }

    async fn take(&self, tree: Revision, loaded: Loaded, files: &Files, examined: &Tests) -> Arc<Active> {
        let before = self.active();
        if !loaded.partial && loaded.declared.is_empty() && !files.is_policy_tree() {
            let lost = "the policy tree is empty, as a mount that is lost; to remove the last policy, leave people.yaml or \
                        verifications.yaml in the tree";
            return self.keep_all(lost.to_owned());
        }
        let any_error = loaded.diagnostics.iter().any(|found| found.severity == Severity::Error);
        let keep_back = any_error && self.0.settings.all_or_nothing;
        let mut chosen = match self.choose(&before, &loaded, examined, keep_back) {
            Ok(chosen) => chosen,
            Err(error) => return self.keep_all(format!("the store cannot say what ran: {error}")),
        };
        let (foreseen, ask) = self.obey_the_past(&mut chosen);
        self.let_go(&mut chosen, &before, &loaded.declared, keep_back || loaded.partial);
        self.note_edits(&mut chosen, &before);
        let mut asked = Vec::new();
        if ask {
            asked = differing(&before.set.policies, &loaded.set.policies, &loaded.declared, &chosen.edited);
            // Those that wait for the answer, among everything that belongs to the edit.
            asked.iter_mut().for_each(|edited| edited.judge = chosen.waiting.contains_key(&edited.name));
        }
        let tests = tests_of(&before, &chosen.runs, &loaded, examined);
        let rendered = policy::diagnostic::render(&loaded.diagnostics, files, false);
        let report = Report {
            at: Some(self.now()),
            ok: !any_error && chosen.statuses.iter().all(|status| status.state == PolicyState::Active),
            tree: tree.0,
            policies: chosen.statuses,
            diagnostics: loaded.diagnostics,
            problem: None,
            problem_since: None,
            rendered,
        };
        if let Err(error) = self.remember(&before, &chosen.runs, &tests, chosen.orders).await {
            return self.keep_all(format!("the new revisions cannot be stored: {error}"));
        }
        let set = PolicySet::new(chosen.runs);
        let active = Arc::new(Active { set, waiting: chosen.waiting, tests, report, foreseen, asked });
        // Nothing after this line can fail.
        self.0.active.store(Arc::clone(&active));
        told(&before, &active);
        active
    }

    /// Revisions are durable before they run, so that a case never names one that is lost.
    async fn remember(
        &self,
        before: &Active,
        next: &[Arc<Policy>],
        tests: &Tests,
        policy_orders: Vec<PolicyOrder>,
    ) -> Result<(), store::Error> {
        let at = self.now();
        let known: BTreeMap<_, _> = revisions(before.set.policies.values());
        let active = revisions(next);
        let fresh = next.iter().filter(|policy| {
            known.get(&policy.name) != Some(&policy.revision)
                || before.tests.get(&policy.name) != tests.get(&policy.name)
        });
        let tests = |policy: &Policy| tests.get(&policy.name).cloned().unwrap_or_default();
        let revisions = fresh.map(|policy| stored(policy, at, tests(policy))).collect::<Vec<_>>();
        if revisions.is_empty() && policy_orders.is_empty() && known == active {
            return Ok(());
        }
        let commit = Commit { revisions, active: Some(active), policy_orders, ..Commit::default() };
        self.0.store.commit(commit).await
    }

    /// Nothing of the tree is taken; what ran goes on.
    fn keep_all(&self, problem: String) -> Arc<Active> {
        let before = self.active();
        tracing::error!(problem, "the policies could not be reloaded; those that ran go on");
        let report = Report {
            at: Some(self.now()),
            ok: false,
            problem: Some(problem.clone()),
            problem_since: before.report.problem_since.or_else(|| Some(self.now())),
            rendered: problem,
            ..before.report.clone()
        };
        let set = PolicySet::new(before.set.policies.values().cloned());
        let (waiting, tests) = (before.waiting.clone(), before.tests.clone());
        let (foreseen, asked) = (before.foreseen.clone(), before.asked.clone());
        let active = Arc::new(Active { set, waiting, tests, report, foreseen, asked });
        self.0.active.store(Arc::clone(&active));
        active
    }

    /// Watches the directories and looks again by itself from time to time.
    pub(super) async fn watch_policies(self) {
        let mut stop = self.stopping();
        let (hints, mut hinted) = mpsc::channel(1);
        let mut watch = Watch::new(hints);
        let root = self.0.settings.policies.clone();
        if !self.active().asked.is_empty() {
            // What was found at the start: asking the past takes longer than a start may.
            self.reload_aside(true).await;
        }
        while !*stop.borrow() {
            watch.arm(&root);
            tokio::select! {
                _ = hinted.recv() => settle(&root).await,
                () = tokio::time::sleep(RESCAN) => {}
                _ = stop.changed() => break,
            }
            while hinted.try_recv().is_ok() {}
            self.reload_aside(false).await;
        }
    }
}

type Built = (Revision, Loaded, Files, Tests);

/// What the tests of each policy walk.
pub(super) type Tests = BTreeMap<String, Examined>;

/// Reads and loads. `None`: it is the tree that was looked at last.
fn build(dir: &Path, known: &Known, last: Option<&Revision>) -> Result<Option<Built>, String> {
    for _ in 0..10 {
        let Some((files, look)) = tree::read(dir)? else {
            std::thread::sleep(SETTLE);
            continue;
        };
        let revision = files.revision_without(look.unread.keys());
        if Some(&revision) == last {
            return Ok(None);
        }
        let mut loaded = policy::load_tree(&files, &look.unread, known);
        let tests = examined(&hold_back_failing(&mut loaded));
        return Ok(Some((revision, loaded, files, tests)));
    }
    Err("the tree keeps changing while it is read; it is looked at again soon".to_owned())
}

/// A revision whose tests fail is as good as one with a mistake: it is not activated.
pub(super) fn hold_back_failing(loaded: &mut Loaded) -> Vec<trial::Tested> {
    let tested = trial::run(loaded);
    let passed = |name: &str| tested.iter().all(|tested| tested.policy != name || tested.ok());
    let good = loaded.set.policies.values().filter(|policy| passed(&policy.name)).cloned();
    loaded.set = PolicySet::new(good.collect::<Vec<_>>());
    loaded.diagnostics.extend(trial::diagnostics(&tested));
    tested
}

pub(super) fn examined(tested: &[trial::Tested]) -> Tests {
    let branch = |branch: &trial::Branch| format!("{} {}", branch.step, branch.outcome);
    let of = |tested: &trial::Tested| Examined {
        tests: tested.tests.len(),
        walked: tested.coverage.walked_branches.iter().map(branch).collect(),
        not_walked: tested.coverage.not_walked.iter().map(branch).collect(),
    };
    tested.iter().map(|tested| (tested.policy.clone(), of(tested))).collect()
}

/// What the tests of what runs walk. Tests that are taken away from a revision that runs already still count: the next
/// edit is compared with them.
fn tests_of(before: &Active, runs: &[Arc<Policy>], loaded: &Loaded, examined: &Tests) -> Tests {
    let of = |policy: &Arc<Policy>| {
        let name = &policy.name;
        let same = |other: Option<&Arc<Policy>>| other.is_some_and(|other| other.revision == policy.revision);
        let had = before.tests.get(name).filter(|_| same(before.set.policies.get(name)));
        let has = examined.get(name).filter(|_| same(loaded.set.policies.get(name)));
        let kept = match (had, has) {
            (Some(had), Some(has)) if had.less_in(has).is_none() => Some(has),
            (Some(had), _) => Some(had),
            (None, has) => has,
        };
        (name.clone(), kept.cloned().unwrap_or_default())
    };
    runs.iter().map(of).collect()
}

fn revisions<'a>(policies: impl IntoIterator<Item = &'a Arc<Policy>>) -> BTreeMap<String, Revision> {
    policies.into_iter().map(|policy| (policy.name.clone(), policy.revision.clone())).collect()
}

fn stored(policy: &Policy, at: Timestamp, tests: Examined) -> StoredRevision {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    StoredRevision {
        policy: policy.name.clone(),
        revision: policy.revision.clone(),
        files: policy.files.0.iter().map(|(path, bytes)| (path.clone(), text(bytes))).collect(),
        at,
        tests,
    }
}

fn told(before: &Active, active: &Active) {
    for policy in active.set.policies.values() {
        let old = before.set.policies.get(&policy.name);
        if old.is_none_or(|old| old.revision != policy.revision) {
            tracing::info!(policy = policy.name, revision = policy.revision.short(), mode = ?policy.mode,
                "policy active");
        }
    }
    for name in before.set.policies.keys().filter(|name| !active.set.policies.contains_key(*name)) {
        tracing::warn!(policy = name, "policy gone from the tree: it opens no cases, its open cases go on");
    }
    for status in active.report.policies.iter().filter(|status| !status.why.is_empty()) {
        tracing::warn!(policy = status.name, state = ?status.state, waiting = ?status.waiting,
            why = status.why.join("; "), "the tree's revision does not run");
    }
    for found in &active.report.diagnostics {
        match found.severity {
            Severity::Error => tracing::error!(place = %found.place, code = found.code, "{}", found.message),
            Severity::Warning => tracing::warn!(place = %found.place, code = found.code, "{}", found.message),
        }
    }
}
