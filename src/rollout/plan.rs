//! Plans the activation of another tree without activating it. A plan reports whether the tree loads, whether its tests
//! pass, and what would run or be parked. It also has the differences in effects, the back-test, and the steps of open
//! cases.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use crate::api::migrations::MigrationLine;
use crate::api::plan::{OpenCases, Plan, PolicyPlan, SweepAhead, TestsOf, TreeChange};
use crate::api::{self, all};
use crate::case::Case;
use crate::model::Clock;
use crate::policy::diagnostic::{Severity, render};
use crate::policy::effects::{diff, effects};
use crate::policy::{Files, Loader, Policy};
use crate::store::{self, CaseFilter, Store};
use crate::trial::Tested;
use crate::trial::past::PolicyPast;

use super::active::Running;
use super::active_revision::Chooser;
use super::back_test::BackTester;
use super::back_tested::{OnProgress, Progress, Wanted};
use super::catalog::files;
use super::compiled::Revisions;
use super::departure::let_go;
use super::edit_gate::Rules;
use super::edited::{Edited, differing};
use super::load::{Tests, examined, hold_back_failing};
use super::report::PolicyState;

/// Most open cases of a policy that are examined.
const MOST_CASES: usize = 10_000;
/// Most open cases that are listed.
const LISTED: usize = 200;

/// Returns where an open case would be in another revision, given its own policy if readable and the other one if it
/// exists. `None`: the case stays unchanged. The caller supplies what a case uses of its person.
pub type Moved<'a> =
    dyn Fn(&Case, Option<&Policy>, Option<&Policy>) -> Option<MigrationLine> + Send + Sync + 'a;

/// A handle on plans.
#[derive(Debug, Clone)]
pub struct Planner {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) running: Running,
    pub(super) revisions: Revisions,
    pub(super) back_tester: BackTester,
    pub(super) rules: Rules,
    pub(super) loader: Arc<Loader>,
    pub(super) all_or_nothing: bool,
    pub(super) stop: watch::Receiver<bool>,
}

impl Planner {
    /// Computes a plan. Takes a while and blocks.
    pub fn plan(
        &self,
        tree: &Files,
        moved: &Moved<'_>,
        on_progress: &OnProgress,
        wanted: &Wanted,
    ) -> Result<Plan, store::Error> {
        let active = self.running.load();
        let mut loaded = self.loader.load(tree);
        // A policy whose tests fail would not run, and is back-tested all the same.
        let compiled = loaded.set.policies.clone();
        let tested = hold_back_failing(&mut loaded);
        let tests = tests_of(&tested, &active.tests);
        let any_error = loaded.diagnostics.iter().any(|found| found.severity == Severity::Error);
        let keep_back = any_error && self.all_or_nothing;
        let Self { store, revisions, rules, .. } = self;
        let chooser = Chooser { store, revisions, watched: &rules.watched, now: self.clock.now() };
        let mut chosen = chooser.choose(&active, &loaded, &examined(&tested), keep_back)?;
        // An empty tree, or one with an error that blocks all of it, changes nothing.
        let nothing = !tree.is_policy_tree() || keep_back;
        let differing = differing(&active.set.policies, &compiled, &loaded.declared, &chosen.edited);
        let edited: Vec<Edited> =
            differing.into_iter().filter(|edited| !nothing || edited.after.is_some()).collect();
        let back_tests = if edited.is_empty() {
            None
        } else {
            Some(self.back_tester.run(&edited, &active.set, on_progress, wanted)?)
        };
        if let Some(back_tests) = &back_tests {
            for edited in chosen.edited.clone() {
                let Some(past) = back_tests.policies.get(&edited.name) else { continue };
                let why = rules.too_much(past, &edited, back_tests.span);
                chosen.park(&edited, &why, rules.newly(past, &edited), chooser.now);
            }
        }
        if !nothing {
            let_go(&chooser, &mut chosen, &active, &loaded.declared, keep_back);
        }
        let mut policies = Vec::new();
        for edited in &edited {
            let status = chosen.statuses.iter().find(|status| status.name == edited.name);
            let past = back_tests.as_ref().and_then(|tests| tests.policies.get(&edited.name)).cloned();
            let mut plan = self.planned(edited, past, moved)?;
            plan.state = status.map(|status| status.state.into());
            plan.why = status.map(|status| status.why.clone()).unwrap_or_default();
            policies.push(plan);
        }
        Ok(Plan {
            at: self.clock.now(),
            tree: tree.revision().0,
            ok: !any_error
                && tree.is_policy_tree()
                && chosen.statuses.iter().all(|status| status.state == PolicyState::Active),
            text: render(&loaded.diagnostics, tree, false),
            diagnostics: all(&loaded.diagnostics),
            tests,
            past: back_tests.map(|tests| tests.span.into()),
            policies,
        })
    }

    fn planned(
        &self,
        edited: &Edited,
        past: Option<Arc<PolicyPast>>,
        moved: &Moved<'_>,
    ) -> Result<PolicyPlan, store::Error> {
        let Edited { name, before, after, .. } = edited;
        let sheets = (before.as_deref().map(effects), after.as_deref().map(effects));
        let effects = diff(sheets.0.as_ref(), sheets.1.as_ref());
        let revision = |policy: &Option<Arc<Policy>>| policy.as_ref().map(|policy| policy.revision.0.clone());
        Ok(PolicyPlan {
            policy: name.clone(),
            change: match (before, after) {
                (None, _) => TreeChange::Added,
                (Some(_), Some(_)) => TreeChange::Edited,
                (Some(_), None) => TreeChange::Removed,
            },
            from: revision(before),
            to: revision(after),
            state: None,
            why: Vec::new(),
            effects_text: effects.to_string(),
            effects: effects.into(),
            files: files(before.as_deref(), after.as_deref()),
            past: past.as_deref().map(Into::into),
            open_cases: self.open_cases(name, after.as_deref(), moved)?,
            sweeps: self.ahead(after.as_deref())?,
        })
    }

    /// Returns the open cases of a policy, and where they would be in a new revision. Blocks.
    pub fn open_cases(
        &self,
        name: &str,
        new: Option<&Policy>,
        moved: &Moved<'_>,
    ) -> Result<OpenCases, store::Error> {
        let filter = CaseFilter { policy: Some(name.to_owned()), open: Some(true), ..CaseFilter::default() };
        let (cases, next) = self.store.cases(&filter, None, MOST_CASES)?;
        let mut open = OpenCases { open: cases.len(), more: next.is_some(), ..OpenCases::default() };
        for case in &cases {
            let old = self.revisions.readable(case);
            let step = old.as_deref().map(|old| at(case, old)).unwrap_or_default();
            *open.steps.entry(step).or_default() += 1;
            let Some(moved) = moved(case, old.as_deref(), new) else { continue };
            open.can_move += usize::from(moved.can);
            open.overdue += usize::from(!moved.overdue.is_empty());
            if let Some(why) = &moved.why_not {
                *open.cannot_move.entry(why.clone()).or_default() += 1;
            }
            if open.items.len() < LISTED {
                open.items.push(moved);
            }
        }
        Ok(open)
    }

    fn ahead(&self, policy: Option<&Policy>) -> Result<Vec<SweepAhead>, store::Error> {
        let mut ahead = Vec::new();
        for sweep in policy.into_iter().flat_map(Policy::sweeps) {
            let last = self.store.sweep_runs(&sweep.schedule, 1)?.pop();
            ahead.push(SweepAhead {
                schedule: sweep.schedule.clone(),
                next: sweep.timetable.next(self.clock.now()),
                at_most: sweep.at_most,
                last_picked: last.and_then(|run| run.picked),
            });
        }
        Ok(ahead)
    }

    /// Computes a plan in the background and reports its progress.
    pub async fn plan_aside(
        &self,
        tree: Files,
        moved: Box<Moved<'static>>,
        on_progress: impl Fn(api::plan::Progress) + Send + Sync + 'static,
        wanted: impl Fn() -> bool + Send + Sync + 'static,
    ) -> anyhow::Result<Plan> {
        let on_progress = move |progress: Progress| on_progress(progress.into());
        on_progress(Progress::Waiting);
        let _turn = self.back_tester.turn().await;
        let (planner, stop) = (self.clone(), self.stop.clone());
        let wanted = move || wanted() && !*stop.borrow();
        Ok(tokio::task::spawn_blocking(move || planner.plan(&tree, &moved, &on_progress, &wanted)).await??)
    }
}

/// Returns the tests of every policy that has or had some.
fn tests_of(tested: &[Tested], before: &Tests) -> Vec<TestsOf> {
    let names: BTreeSet<&String> = before
        .iter()
        .filter(|(_, examined)| examined.tests > 0)
        .map(|(name, _)| name)
        .chain(tested.iter().map(|tested| &tested.policy))
        .collect();
    let of = |policy: &String| {
        let tests =
            tested.iter().find(|tested| tested.policy == *policy).map(|tested| tested.tests.as_slice());
        let tests = tests.unwrap_or_default();
        let passed = tests.iter().filter(|test| test.ok).count();
        let before = before.get(policy).map_or(0, |examined| examined.tests);
        TestsOf { policy: policy.clone(), passed, failed: tests.len() - passed, before }
    };
    names.into_iter().map(of).collect()
}

fn at(case: &Case, policy: &Policy) -> String {
    case.step().and_then(|step| policy.step(step)).map(|step| step.path.clone()).unwrap_or_default()
}
