//! What activating another tree would do, without activating anything: whether it loads and its tests pass,
//! what would run and what would wait, what policies could do otherwise, what they would have done in the
//! recorded past, and what becomes of the cases that are open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api;
use crate::api::migrations::MigrationLine;
use crate::api::plan::{OpenCases, Plan, PolicyPlan, SweepAhead, TestsOf, TreeChange};
use crate::case::{Case, Cause, Mover, Recorded};
use crate::policy::diagnostic::Severity;
use crate::policy::effects::{diff, effects};
use crate::policy::{self, Files, Policy};
use crate::store::{self, CaseFilter};
use crate::trial::Tested;
use crate::trial::past::{Bar, PolicyPast};

use super::Engine;
use super::cases::ApplyError;
use super::foresight::{Edited, Newly, Progress, Span, Told, Wanted};
use super::migrating::line;
use super::reload::{PolicyState, Tests, examined, hold_back_failing};
use super::replay::here;
use super::revisions::files;
use super::view::all;

/// Open cases of a policy that are looked at.
const MOST_CASES: usize = 10_000;
/// And that are listed.
const LISTED: usize = 200;

impl Engine {
    /// Takes a while and blocks.
    pub fn plan(&self, tree: &Files, told: &Told, wanted: &Wanted) -> Result<Plan, store::Error> {
        let active = self.active();
        let mut loaded = policy::load(tree, &self.0.settings.known);
        // What fails its tests would not run, and is what somebody wants to know of all the same.
        let compiled = loaded.set.policies.clone();
        let tested = hold_back_failing(&mut loaded);
        let tests = tests_of(&tested, &active.tests);
        let any_error = loaded.diagnostics.iter().any(|found| found.severity == Severity::Error);
        let keep_back = any_error && self.0.settings.all_or_nothing;
        let mut chosen = self.choose(&active, &loaded, &examined(&tested), keep_back)?;
        // Of an empty tree, or one with a mistake that keeps all of it back, nothing is taken.
        let nothing = !tree.is_policy_tree() || keep_back;
        let differing = differing(&active.set.policies, &compiled, &loaded.declared, &chosen.edited);
        let edited: Vec<Edited> =
            differing.into_iter().filter(|edited| !nothing || edited.after.is_some()).collect();
        let foreseen = if edited.is_empty() { None } else { Some(self.foresee(&edited, told, wanted)?) };
        if let Some(foreseen) = &foreseen {
            for edited in chosen.edited.clone() {
                let Some(past) = foreseen.policies.get(&edited.name) else { continue };
                let why = self.too_much(past, &edited, foreseen.span);
                chosen.hold(&edited, &why, self.newly(past, &edited), self.now());
            }
        }
        if !nothing {
            self.let_go(&mut chosen, &active, &loaded.declared, keep_back);
        }
        let mut policies = Vec::new();
        for edited in &edited {
            let status = chosen.statuses.iter().find(|status| status.name == edited.name);
            let past = foreseen.as_ref().and_then(|foreseen| foreseen.policies.get(&edited.name)).cloned();
            let mut plan = self.planned(edited, past)?;
            plan.state = status.map(|status| status.state.into());
            plan.why = status.map(|status| status.why.clone()).unwrap_or_default();
            policies.push(plan);
        }
        Ok(Plan {
            at: self.now(),
            tree: tree.revision().0,
            ok: !any_error
                && tree.is_policy_tree()
                && chosen.statuses.iter().all(|status| status.state == PolicyState::Active),
            text: policy::diagnostic::render(&loaded.diagnostics, tree, false),
            diagnostics: all(&loaded.diagnostics),
            tests,
            past: foreseen.map(|foreseen| foreseen.span.into()),
            policies,
        })
    }

    fn planned(&self, edited: &Edited, past: Option<Arc<PolicyPast>>) -> Result<PolicyPlan, store::Error> {
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
            open_cases: self.open_cases(name, after.as_deref())?,
            sweeps: self.ahead(after.as_deref())?,
        })
    }

    fn open_cases(&self, name: &str, new: Option<&Policy>) -> Result<OpenCases, store::Error> {
        let filter = CaseFilter { policy: Some(name.to_owned()), open: Some(true), ..CaseFilter::default() };
        let (cases, next) = self.0.store.cases(&filter, None, MOST_CASES)?;
        let mut open = OpenCases { open: cases.len(), more: next.is_some(), ..OpenCases::default() };
        for case in &cases {
            let old = self.readable(case);
            let step = old.as_deref().map(|old| at(case, old)).unwrap_or_default();
            *open.steps.entry(step).or_default() += 1;
            let moved = match (old, new) {
                (Some(old), Some(new)) => self.would_move(case, &old, new),
                (Some(_), None) => continue,
                (None, _) => {
                    line(case, self.policy_of(case).err().map(|error| error.to_string()), None, false)
                }
            };
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

    /// Where a case would be in another revision. Nothing is changed, so nothing is locked.
    fn would_move(&self, case: &Case, old: &Policy, new: &Policy) -> MigrationLine {
        let known = match self.known_of(&case.subject, Some(case)) {
            Ok(known) => known,
            Err(error) => return line(case, Some(error.to_string()), None, false),
        };
        let facts = self.facts(known, self.now(), BTreeSet::new());
        let mover = Mover { by: String::new(), reason: String::new() };
        let recorded = Recorded { cause: Cause::Migration(mover), facts };
        let here = here(&self.0.settings, &self.0.links, &recorded.facts);
        match recorded.migrate(case.clone(), old, new, &here) {
            Some(Ok(migration)) => line(case, None, Some(migration.preview), false),
            Some(Err(why)) => line(case, Some(why.to_string()), None, false),
            None => line(case, Some(ApplyError::NoCase.to_string()), None, false),
        }
    }

    fn ahead(&self, policy: Option<&Policy>) -> Result<Vec<SweepAhead>, store::Error> {
        let mut ahead = Vec::new();
        for sweep in policy.into_iter().flat_map(Policy::sweeps) {
            let last = self.0.store.sweep_runs(&sweep.schedule, 1)?.pop();
            ahead.push(SweepAhead {
                schedule: sweep.schedule.clone(),
                next: sweep.timetable.next(self.now()),
                at_most: sweep.at_most,
                last_picked: last.and_then(|run| run.picked),
            });
        }
        Ok(ahead)
    }

    /// Why the past says that a person must look first.
    pub(super) fn too_much(&self, past: &PolicyPast, edited: &Edited, span: Span) -> Vec<String> {
        let settings = &self.0.settings;
        let bar = Bar { watched: &settings.park, above: settings.park_above, earlier: &edited.earlier };
        past.reasons(&bar, span.from, span.to)
    }

    /// People whom an edit would have newly met, with those of the edits before it.
    pub(super) fn newly(&self, past: &PolicyPast, edited: &Edited) -> Newly {
        let mut newly = edited.earlier.clone();
        for effect in &past.effects {
            *newly.entry(effect.what.word().to_owned()).or_default() += effect.counts(&self.0.settings.park);
        }
        newly.retain(|_, people| *people > 0);
        newly
    }

    /// The same in the background, with what is told on the way.
    pub async fn plan_aside(
        &self,
        tree: Files,
        told: impl Fn(api::plan::Progress) + Send + Sync + 'static,
        wanted: impl Fn() -> bool + Send + Sync + 'static,
    ) -> anyhow::Result<Plan> {
        let told = move |progress: Progress| told(progress.into());
        told(Progress::Waiting);
        let _one_at_a_time = self.0.asking.lock().await;
        let (engine, stop) = (self.clone(), self.stopping());
        let wanted = move || wanted() && !*stop.borrow();
        Ok(tokio::task::spawn_blocking(move || engine.plan(&tree, &told, &wanted)).await??)
    }
}

/// Of every policy that has tests, or had some.
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

/// Policies that are not the same in both. One with mistakes is not looked at: what runs of it goes on.
/// `chosen`: those of which more is known, such as what ran before they left the tree.
pub(super) fn differing(
    running: &BTreeMap<String, Arc<Policy>>,
    next: &BTreeMap<String, Arc<Policy>>,
    declared: &[String],
    chosen: &[Edited],
) -> Vec<Edited> {
    let names: BTreeSet<&String> = running.keys().chain(next.keys()).collect();
    let edited = |name: &String| {
        let (before, after) = (running.get(name).cloned(), next.get(name).cloned());
        let same = match (&before, &after) {
            (Some(before), Some(after)) => before.revision == after.revision,
            (_, None) => declared.contains(name),
            (None, Some(_)) => false,
        };
        let known = || chosen.iter().find(|edited| edited.name == *name).cloned();
        (!same).then(|| known().unwrap_or_else(|| Edited::new(name, before, after)))
    };
    names.into_iter().filter_map(edited).collect()
}

fn at(case: &Case, policy: &Policy) -> String {
    case.step().and_then(|step| policy.step(step)).map(|step| step.path.clone()).unwrap_or_default()
}
