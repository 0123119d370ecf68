//! Hot reload: reads the whole tree once it is stable, builds it with the function that `check` uses, and swaps it in
//! one step. A bad policy keeps its last good revision and the others change.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::model::{Actor, Clock, Timestamp};
use crate::policy::diagnostic::{Severity, render};
use crate::policy::{Loaded, Loader, Policy, PolicySet, Revision};
use crate::store::{self, Commit, Examined, PolicyOrder, Store, StoredRevision, to_its_end};

use super::active::{Active, Running, log_changes};
use super::active_revision::Chooser;
use super::back_test::BackTester;
use super::compiled::Revisions;
use super::departure::{let_go, note_edits};
use super::edit_gate::EditGate;
use super::edited::{Edited, differing};
use super::load::{Built, Tests, build};
use super::releasing::Pushes;
use super::report::{Observer, PolicyState, Report};
use super::settings::Settings;
use super::tree;
use super::watch::{RESCAN, Watch, settle};

/// Most reloads of a tree that keeps being edited.
const LOOKS: usize = 3;

/// A handle on reloads. Clones share one lock.
#[derive(Debug, Clone)]
pub struct Reload(Arc<Parts>);

/// The parts that a reload uses.
#[derive(Debug)]
pub(super) struct Parts {
    pub settings: Settings,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub running: Running,
    pub revisions: Revisions,
    pub gate: EditGate,
    pub back_tester: BackTester,
    pub pushes: Pushes,
    pub observer: Arc<dyn Observer>,
    /// True once the daemon stops: long work is abandoned.
    pub stop: watch::Receiver<bool>,
    /// Builds only what changed since the tree before.
    pub loader: Arc<Loader>,
    pub attempted: tokio::sync::Mutex<Attempted>,
}

/// The tree of the last reload: an unchanged tree is not built again. Its lock admits one reload at a time.
#[derive(Debug, Default)]
pub(super) struct Attempted {
    tree: Option<Revision>,
}

impl Reload {
    pub(super) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Loads the policies for the first time. With broken files the last good revisions of the store run.
    pub(super) async fn start(&self) -> Result<(), store::Error> {
        let (mut last, mut tests) = (Vec::new(), BTreeMap::new());
        let of_tree = self.of_tree().await;
        for (name, revision) in self.0.store.active()? {
            let stored =
                self.0.store.revisions(&name)?.into_iter().find(|stored| stored.revision == revision);
            tests.extend(stored.map(|stored| (name.clone(), stored.tests)));
            if let Some(policy) = of_tree.get(&name).filter(|policy| policy.revision == revision) {
                last.push(Arc::clone(policy));
                continue;
            }
            match self.0.revisions.get(&name, &revision) {
                Ok(policy) => last.push(policy),
                Err(error) => tracing::error!(policy = name, %error, "loading the last good revision failed"),
            }
        }
        let set = PolicySet::new(last);
        self.0.running.swap(Arc::new(Active { set, tests, ..Active::default() }));
        self.look(true, None).await;
        Ok(())
    }

    /// Returns the policies of the tree. Nearly all ran last, and are not built again from the store.
    async fn of_tree(&self) -> BTreeMap<String, Arc<Policy>> {
        let (dir, loader) = (self.0.settings.policies.clone(), Arc::clone(&self.0.loader));
        let read = move || tree::read(&dir).ok().flatten().map(|(files, _)| loader.load(&files).set.policies);
        tokio::task::spawn_blocking(read).await.ok().flatten().unwrap_or_default()
    }

    /// Reloads the tree and answers when all of it is decided. The work continues if the caller disconnects. `by`: the
    /// author of edits that it finds.
    pub async fn reload(&self, by: Option<Actor>) -> Arc<Active> {
        let this = self.clone();
        to_its_end(async move {
            this.0.gate.forget_failures();
            let mut active = this.look(true, by.as_ref()).await;
            for _ in 0..LOOKS {
                if active.untested.is_empty() {
                    break;
                }
                let _turn = this.0.back_tester.turn().await;
                this.back_test(&active.untested).await;
                active = this.look(true, None).await;
            }
            active
        })
        .await
    }

    /// Reloads the tree and returns; back-tests run in the background.
    pub async fn reload_aside(&self, even_if_unchanged: bool) -> Arc<Active> {
        let active = self.look(even_if_unchanged, None).await;
        if !active.untested.is_empty() {
            let this = self.clone();
            tokio::spawn(async move {
                // A back-test that is already running reloads afterwards.
                let Some(_turn) = this.0.back_tester.try_turn() else { return };
                let mut active = this.0.running.load();
                for _ in 0..LOOKS {
                    if active.untested.is_empty() {
                        return;
                    }
                    this.back_test(&active.untested).await;
                    active = this.look(true, None).await;
                }
            });
        }
        active
    }

    /// Runs the loop that watches the directories, and reloads at an interval.
    pub async fn watch_tree(self) {
        let mut stop = self.0.stop.clone();
        let (hints, mut hinted) = mpsc::channel(1);
        let mut watch = Watch::new(hints);
        let root = self.0.settings.policies.clone();
        if !self.0.running.load().untested.is_empty() {
            // Edits found at the start: a back-test takes longer than a start may.
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

    /// Back-tests edits and records the results.
    async fn back_test(&self, edits: &[Edited]) {
        // Another task may have done so while this one waited for its turn.
        if !self.0.gate.is_open(edits) {
            return;
        }
        let (tester, running, stop) =
            (self.0.back_tester.clone(), self.0.running.load(), self.0.stop.clone());
        let edited = edits.to_vec();
        let tested = tokio::task::spawn_blocking(move || {
            tester.run(&edited, &running.set, &|_| {}, &move || !*stop.borrow())
        });
        let result = match tested.await {
            Ok(Ok(tests)) => Ok(tests),
            Ok(Err(error)) => Err(format!("the back-test failed: {error}")),
            Err(_) => Err("internal error in the back-test; the daemon's log has the reason".to_owned()),
        };
        self.0.gate.record(edits, &result);
    }

    /// Reloads the tree and activates its good policies. Always returns what runs afterwards and why.
    async fn look(&self, even_if_unchanged: bool, by: Option<&Actor>) -> Arc<Active> {
        let mut attempted = self.0.attempted.lock().await;
        let before = self.0.running.load();
        let (dir, loader) = (self.0.settings.policies.clone(), Arc::clone(&self.0.loader));
        let last = attempted.tree.clone().filter(|_| !even_if_unchanged);
        let built = tokio::task::spawn_blocking(move || build(&dir, &loader, last.as_ref())).await;
        let built = built.unwrap_or_else(|_| {
            Err("internal error while loading the tree; the active policies stay".to_owned())
        });
        let active = match built {
            Ok(None) => return self.0.running.load(),
            Ok(Some(built)) => {
                let tree = built.tree.clone();
                let active = self.take(built).await;
                // Only now: an abandoned request must not make the tree look processed.
                attempted.tree = Some(tree);
                active
            }
            Err(problem) => {
                // The next reload builds the tree again, whatever it contains.
                attempted.tree = None;
                self.keep_all(problem)
            }
        };
        self.0.pushes.note(&before, &active, by);
        self.0.observer.reloaded(&active.report, self.now());
        active
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    async fn take(&self, built: Built) -> Arc<Active> {
        let Built { tree, loaded, files, tests: examined } = built;
        let before = self.0.running.load();
        if !loaded.partial && loaded.declared.is_empty() && !files.is_policy_tree() {
            let lost = "the policy tree is empty, like a lost mount; to remove the last policy, keep \
                people.yaml or verifications.yaml in the tree";
            return self.keep_all(lost.to_owned());
        }
        let any_error = loaded.diagnostics.iter().any(|found| found.severity == Severity::Error);
        let keep_back = any_error && self.0.settings.all_or_nothing;
        let Parts { store, revisions, settings, .. } = &*self.0;
        let chooser = Chooser { store, revisions, watched: &settings.park, now: self.now() };
        let mut chosen = match chooser.choose(&before, &loaded, &examined, keep_back) {
            Ok(chosen) => chosen,
            Err(error) => {
                return self.keep_all(format!(
                    "reading the active revisions from the store \
                failed: {error}"
                ));
            }
        };
        let (back_tests, open) = self.0.gate.apply(&mut chosen, chooser.now);
        let_go(&chooser, &mut chosen, &before, &loaded.declared, keep_back || loaded.partial);
        note_edits(&chooser, &mut chosen, &before);
        let mut untested = Vec::new();
        if open {
            untested =
                differing(&before.set.policies, &loaded.set.policies, &loaded.declared, &chosen.edited);
            // Marks the edits that wait for the answer, among all policies of the edit.
            untested.iter_mut().for_each(|edited| edited.judge = chosen.waiting.contains_key(&edited.name));
        }
        let tests = tests_of(&before, &chosen.runs, &loaded, &examined);
        let rendered = render(&loaded.diagnostics, &files, false);
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
        if let Err(error) = self.persist(&before, &chosen.runs, &tests, chosen.orders).await {
            return self.keep_all(format!("storing the new revisions failed: {error}"));
        }
        let set = PolicySet::new(chosen.runs);
        let waits = |name: &String| chosen.waiting.contains_key(name);
        let waiting_tests = examined.into_iter().filter(|(name, _)| waits(name)).collect();
        let waiting = chosen.waiting;
        let active = Active { set, waiting, tests, waiting_tests, report, back_tests, untested };
        let active = Arc::new(active);
        // Nothing after this line can fail.
        self.0.running.swap(Arc::clone(&active));
        log_changes(&before, &active);
        active
    }

    /// Makes revisions durable before they run: a case never refers to one that is lost.
    async fn persist(
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

    /// Keeps all running policies and takes nothing of the tree.
    fn keep_all(&self, problem: String) -> Arc<Active> {
        let before = self.0.running.load();
        tracing::error!(problem, "reloading the policies failed; the active ones stay");
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
        let waiting_tests = before.waiting_tests.clone();
        let (back_tests, untested) = (before.back_tests.clone(), before.untested.clone());
        let active = Active { set, waiting, tests, waiting_tests, report, back_tests, untested };
        let active = Arc::new(active);
        self.0.running.swap(Arc::clone(&active));
        active
    }
}

/// Returns what the tests of the running policies cover. Tests that were removed from a running revision still count:
/// the next edit is compared with them.
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
