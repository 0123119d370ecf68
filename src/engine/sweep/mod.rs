//! Sweeps: a schedule over a population opens cases. One task finds the nominal times that have come. A run goes
//! through the population once, picks people, and opens their cases one by one.
//!
//! A schedule and a nominal time identify a run and its cases. After any interruption, the run continues at its
//! position and opens no case twice. If the policy is edited meanwhile, the active revision decides about the remaining
//! people. If its sweep is removed, or the policy's mode changes, the run ends.
//!
//! | file | what |
//! |---|---|
//! | `run` | one run: opens cases and keeps its position |
//! | `look` | one pass over the population: who is due, who is left out by which clause |
//! | `pick` | the most overdue people, in bounded memory |
//! | `notes` | records of the people who were left out |

mod look;
mod notes;
mod pick;
mod run;

pub(super) use look::standing;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;

use crate::api::all;
use crate::api::sweeps::SweepLine;
use crate::connectors::Connectors;
use crate::model::{Clock, Timestamp};
use crate::policy::tree::{IfMissed, Sweep};
use crate::policy::{Mode, Policy, PolicySet};
use crate::rollout::Rollout;
use crate::store::{self, Commit, Store, SweepChange, SweepRun, SweepState};

use super::decision_log::DecisionLog;
use super::intake::Intake;
use super::jumps::{Beat, Time};
use super::metrics::Metrics;
use super::sources::Sources;
use super::waiting::earlier;

/// A run that begins later than this counts as missed, where missed runs are skipped.
const LATE: TimeDelta = TimeDelta::hours(1);
/// Longest time until a new policy is noticed.
const LOOK_EVERY: TimeDelta = TimeDelta::seconds(30);
/// Past runs that are shown.
const SHOWN: usize = 5;

/// A handle on sweeps.
#[derive(Debug, Clone)]
pub struct Sweeps {
    pub(super) intake: Intake,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rollout: Rollout,
    pub(super) connectors: Connectors,
    pub(super) sources: Sources,
    pub(super) log: DecisionLog,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Sweeps {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns every sweep of the active policies.
    pub fn list(&self) -> Result<Vec<SweepLine>, store::Error> {
        let (active, now) = (self.rollout.active(), self.now());
        let mut lines = Vec::new();
        for policy in active.set.policies.values() {
            for sweep in policy.sweeps() {
                let state = self.store.sweep(&sweep.schedule)?;
                let settled = state.as_ref().map_or(now, |state| state.settled);
                let next = sweep.timetable.next(settled.max(now));
                lines.push(SweepLine {
                    schedule: sweep.schedule.clone(),
                    policy: policy.name.clone(),
                    mode: policy.mode.into(),
                    timetable: sweep.timetable.to_string(),
                    at_most: sweep.at_most,
                    next: next.filter(|_| policy.mode != Mode::Disabled),
                    run: state.and_then(|state| state.run).map(Into::into),
                    past: all(self.store.sweep_runs(&sweep.schedule, SHOWN)?),
                });
            }
        }
        Ok(lines)
    }

    /// Runs the loop over all schedules. Runs proceed in parallel: no run delays another.
    pub(super) async fn run_sweeps(self) {
        let mut stop = self.stop.clone();
        let mut runs = FuturesUnordered::new();
        let mut busy = BTreeSet::new();
        let mut beat = Beat::default();
        loop {
            let stopping = *stop.borrow_and_update();
            if stopping && runs.is_empty() {
                return;
            }
            let now = self.now();
            let soon = now + LOOK_EVERY;
            // With a clock that is briefly years ahead, every person would be due, and the runs of those years would be
            // settled.
            let suspect = beat.look(now, self.clock.steady()) == Time::Suspect;
            let mut next = soon;
            if !suspect && !stopping {
                match self.begin_runs(&busy).await {
                    Ok((begun, nominal)) => {
                        for schedule in begun {
                            runs.push(self.clone().run_sweep(schedule.clone()));
                            busy.insert(schedule);
                        }
                        next = earlier(nominal, Some(soon)).unwrap_or(soon);
                    }
                    Err(error) => tracing::error!(%error, "reading or storing the state of sweeps failed"),
                }
            }
            tokio::select! {
                Some(schedule) = runs.next() => {
                    busy.remove(&schedule);
                }
                () = self.clock.sleep_until(next), if !stopping => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Updates the state of every sweep to now. Returns the schedules that have a run to do, and the next nominal time.
    async fn begin_runs(
        &self,
        busy: &BTreeSet<String>,
    ) -> Result<(Vec<String>, Option<Timestamp>), store::Error> {
        let (active, now) = (self.rollout.active(), self.now());
        let mut known = self.store.sweeps()?;
        let (mut commit, mut begun, mut next) = (Commit::default(), Vec::new(), None);
        for (policy, sweep) in awake(&active.set) {
            let old = known.remove(&sweep.schedule);
            if busy.contains(&sweep.schedule) {
                continue;
            }
            let (state, missed) = move_on(old.clone(), policy, sweep, now);
            next = earlier(next, sweep.timetable.next(state.settled.max(now)));
            if let Some(missed) = missed {
                tracing::warn!(sweep = sweep.schedule, nominal = %missed.nominal, "a run was missed and is skipped");
                self.metrics.swept(&policy.name, "missed", &missed);
                commit.sweeps.push(SweepChange::Ended { schedule: sweep.schedule.clone(), run: missed });
            }
            if state.run.is_some() {
                begun.push(sweep.schedule.clone());
            }
            if old.as_ref() != Some(&state) {
                commit.sweeps.push(SweepChange::State(state));
            }
        }
        // The remaining states belong to sweeps that no longer exist.
        for state in known.into_values().filter(|state| state.awake && !busy.contains(&state.schedule)) {
            if state.run.is_some() {
                // The run ends itself and records why.
                begun.push(state.schedule.clone());
            } else {
                commit.sweeps.push(SweepChange::State(SweepState { awake: false, ..state }));
            }
        }
        if commit != Commit::default() {
            self.store.commit(commit).await?;
        }
        Ok((begun, next))
    }
}

/// Returns the sweeps of policies that are not disabled.
fn awake(set: &PolicySet) -> impl Iterator<Item = (&Arc<Policy>, &Arc<Sweep>)> {
    let policies = set.policies.values().filter(|policy| policy.mode != Mode::Disabled);
    policies.flat_map(|policy| policy.sweeps().map(move |sweep| (policy, sweep)))
}

/// Tolerance between a settled nominal time and a clock that is right.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// Returns a sweep's state now, and the run that was missed for good, if any.
fn move_on(
    old: Option<SweepState>,
    policy: &Policy,
    sweep: &Sweep,
    now: Timestamp,
) -> (SweepState, Option<SweepRun>) {
    let timetable = sweep.timetable.to_string();
    let mut state = match old {
        // A clock that was ahead settled runs of what is now the future; they run again.
        Some(old) if old.awake && old.timetable == timetable => {
            SweepState { settled: if old.settled > now + AHEAD { now } else { old.settled }, ..old }
        }
        // Enabled again, or with another timetable: treated as new, without missed runs.
        Some(old) => SweepState { timetable, awake: true, settled: old.settled.max(now), ..old },
        None => {
            SweepState { schedule: sweep.schedule.clone(), timetable, awake: true, settled: now, run: None }
        }
    };
    if state.run.is_some() {
        return (state, None);
    }
    let Some(nominal) = sweep.timetable.latest(state.settled, now) else { return (state, None) };
    let run = SweepRun::new(nominal, policy.revision.clone(), policy.mode == Mode::Shadow, now);
    match sweep.if_missed {
        IfMissed::Skip if now - nominal > LATE => {
            state.settled = nominal;
            let missed = SweepRun { ended: Some(now), end: Some("missed".to_owned()), ..run };
            (state, Some(missed))
        }
        IfMissed::Skip | IfMissed::RunOnce => {
            state.run = Some(run);
            (state, None)
        }
    }
}
