//! One run: goes through the population, picks the most overdue people, and opens their cases one by one, each after
//! reading the person again.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::case::intake::{self, Answer, Answered, Decision, Lookup, Modes, Step};
use crate::model::{Failure, FailureKind, SubjectKind, SubjectRef, Verdict};
use crate::policy::tree::Sweep;
use crate::policy::{Mode, Policy};
use crate::store::{self, Asked, Commit, SweepChange, SweepPart, SweepRun, SweepState};

use super::super::backoff;
use super::super::cases::ApplyError;
use super::super::decision_log::swept;
use super::Sweeps;
use super::notes::{Skip, count, leave_out, with_notes};

/// Most new cases of a run whose sweep sets no limit: more at once is never intended.
pub(super) const MOST: u32 = 1_000_000;
/// People in one stored part of the picked list.
pub(super) const PART: usize = 500;
/// Number of people after which the position is stored; in between, the cases show the progress.
const KEEP_EVERY: u32 = 50;
/// Most repetitions of a request that the provider refuses.
const PATIENCE: u32 = 4;

/// Why a run does not continue now.
pub(super) enum Halt {
    /// The daemon stops; the run continues at the next start.
    Stop,
    /// The sweep no longer exists or does something else; the run ends.
    Gone,
    /// The pass so far is invalid; it starts again.
    Again,
    /// The identity provider refuses the request repeatedly.
    Refused(String),
    Failed(String),
}

impl From<store::Error> for Halt {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The result for one person.
enum Swept {
    Opened,
    WouldOpen,
    Skipped(Skip),
    /// By a clause, or by an error in one, with the recorded answer.
    LeftOut(Verdict, Box<Asked>),
}

pub(super) type Stop = watch::Receiver<bool>;

/// A sweep with its policy, as currently active.
type Active = (Arc<Policy>, Arc<Sweep>);

impl Sweeps {
    /// Continues the run of a sweep until it ends or the daemon stops.
    pub(super) async fn run_sweep(self, schedule: String) -> String {
        let mut stop = self.stop.clone();
        let mut failures = 0;
        loop {
            let gone_on = match self.go_on(&schedule, &mut stop).await {
                Err(Halt::Gone) => self.end_run(&schedule, "stopped").await,
                other => other,
            };
            match gone_on {
                Ok(()) | Err(Halt::Stop | Halt::Gone) => return schedule,
                Err(Halt::Again) => failures = 0,
                Err(Halt::Refused(reason) | Halt::Failed(reason)) => {
                    failures += 1;
                    tracing::warn!(sweep = schedule, failures, reason, "a sweep's run waits");
                    if self.rest(&schedule, failures, None, &mut stop).await.is_err() {
                        return schedule;
                    }
                }
            }
        }
    }

    async fn go_on(&self, schedule: &str, stop: &mut Stop) -> Result<(), Halt> {
        let Some(mut state) = self.store.sweep(schedule)? else { return Ok(()) };
        let Some(mut run) = state.run.take() else { return Ok(()) };
        if run.picked.is_none() {
            self.look_at_everybody(schedule, &mut run, stop).await?;
            self.keep_run(&state, &run, &mut Vec::new()).await?;
        }
        let mut notes = Vec::new();
        let asked = self.ask_picked(&state, &mut run, &mut notes, stop).await;
        // Also on a stop: answers since the last commit are not lost.
        self.keep_run(&state, &run, &mut notes).await?;
        asked?;
        self.end_run(schedule, "done").await
    }

    /// Goes through the picked people, from the position of the run.
    async fn ask_picked(
        &self,
        state: &SweepState,
        run: &mut SweepRun,
        notes: &mut Vec<Asked>,
        stop: &mut Stop,
    ) -> Result<(), Halt> {
        let schedule = state.schedule.as_str();
        let picked = run.picked.unwrap_or(0);
        let mut part = Vec::new();
        while run.position < picked {
            let (policy, sweep) = self.sweep_now(schedule, run.shadow)?;
            if run.opened + run.would_open >= sweep.at_most.unwrap_or(MOST) {
                break;
            }
            let place = run.position as usize % PART;
            if place == 0 || part.is_empty() {
                part = self.store.sweep_part(schedule, run.position / PART as u32)?;
            }
            let Some(person) = part.get(place) else {
                return Err(Halt::Failed("a part of the selected people is missing".to_owned()));
            };
            let swept = self.sweep_person(&policy, &sweep, run, person, stop).await?;
            run.position += 1;
            // An existing case is found again by its identity, unless the key also contains the person's record.
            let opened = matches!(swept, Swept::Opened) && policy.case_key.is_some();
            let keep = opened || run.position.is_multiple_of(KEEP_EVERY);
            match swept {
                Swept::Opened => run.opened += 1,
                Swept::WouldOpen => run.would_open += 1,
                Swept::Skipped(why) => count(run, why),
                Swept::LeftOut(why, asked) => leave_out(run, why, notes, || *asked),
            }
            if keep {
                self.keep_run(state, run, notes).await?;
            }
        }
        run.left = run.due.saturating_sub(run.position.into());
        Ok(())
    }

    /// Returns the sweep as currently active, if it still does what the run does.
    pub(super) fn sweep_now(&self, schedule: &str, shadow: bool) -> Result<Active, Halt> {
        let active = self.rollout.active();
        let mode = if shadow { Mode::Shadow } else { Mode::Enforce };
        let found = active.set.policies.values().filter(|policy| policy.mode == mode).find_map(|policy| {
            let sweep = policy.sweeps().find(|sweep| sweep.schedule == schedule)?;
            Some((Arc::clone(policy), Arc::clone(sweep)))
        });
        found.ok_or(Halt::Gone)
    }

    /// Stores the run with the answers up to its position: no person is processed twice.
    async fn keep_run(&self, state: &SweepState, run: &SweepRun, notes: &mut Vec<Asked>) -> Result<(), Halt> {
        let state = SweepState { run: Some(run.clone()), ..state.clone() };
        let commit = with_notes(vec![SweepChange::State(state)], std::mem::take(notes));
        Ok(self.store.commit(commit).await?)
    }

    /// Ends the run: its nominal time is settled, and the run stays as a record.
    async fn end_run(&self, schedule: &str, end: &str) -> Result<(), Halt> {
        let Some(mut state) = self.store.sweep(schedule)? else { return Ok(()) };
        let Some(run) = state.run.take() else { return Ok(()) };
        let run = SweepRun { ended: Some(self.now()), end: Some(end.to_owned()), ..run };
        state.settled = state.settled.max(run.nominal);
        let policy = schedule.rsplit_once('/').map_or(schedule, |(policy, _)| policy);
        self.metrics.swept(policy, end, &run);
        let skipped: Vec<_> = run.skipped.iter().map(|(why, count)| format!("{why} {count}")).collect();
        tracing::info!(sweep = schedule, nominal = %run.nominal, end, shadow = run.shadow, looked_at = run.looked_at,
            due = run.due, opened = run.opened, would_open = run.would_open, left = run.left, skipped = skipped.join(", "),
            not_noted = run.not_noted, "a sweep's run ended");
        let mut changed = self.no_parts(schedule, 0)?;
        changed.push(SweepChange::State(state));
        changed.push(SweepChange::Ended { schedule: schedule.to_owned(), run });
        Ok(self.store.commit(changes(changed)).await?)
    }

    /// Removes the stored parts from a number on.
    pub(super) fn no_parts(&self, schedule: &str, from: u32) -> Result<Vec<SweepChange>, store::Error> {
        let numbers = self.store.sweep_parts(schedule)?.into_iter().filter(|number| *number >= from);
        let empty = |number| SweepPart { schedule: schedule.to_owned(), number, people: Vec::new() };
        Ok(numbers.map(empty).map(SweepChange::Part).collect())
    }

    /// Processes one picked person: reads them again, decides again, and opens the case.
    async fn sweep_person(
        &self,
        policy: &Arc<Policy>,
        sweep: &Arc<Sweep>,
        run: &SweepRun,
        person: &str,
        stop: &mut Stop,
    ) -> Result<Swept, Halt> {
        let (name, id) = person.split_once('/').unwrap_or(("", person));
        let whom = SubjectRef { source: name.to_owned(), kind: SubjectKind::User, id: id.to_owned() };
        let (modes, now) = (Modes::AsWritten, self.now());
        let mut step = intake::by_sweep(policy, sweep, run.nominal, whom.clone(), modes, false, now);
        let mut who_opens = None;
        let decision = loop {
            step = match step {
                Step::Done(decision) => break decision,
                Step::Person(ask) => {
                    let Ok(source) = self.sources.provider_of(name) else {
                        return Ok(Swept::Skipped(Skip::SourceNotConfigured));
                    };
                    let read = || source.subject(&whom, None);
                    match self.patiently(&sweep.schedule, run.shadow, name, stop, read).await {
                        Ok(subject) => ask.answer(Lookup::Read(subject), self.now()),
                        Err(Halt::Refused(reason)) => {
                            tracing::error!(sweep = sweep.schedule, subject = %whom, reason,
                                "reading a person failed");
                            return Ok(Swept::Skipped(Skip::CouldNotRead));
                        }
                        Err(halt) => return Err(halt),
                    }
                }
                question => match self.intake.answer(question, &mut who_opens).await {
                    Ok(step) => step,
                    Err(ApplyError::Store(error)) => return Err(error.into()),
                    Err(error) => {
                        tracing::error!(sweep = sweep.schedule, subject = %whom, %error,
                            "a case could not be opened");
                        return Ok(Swept::Skipped(Skip::CouldNotOpen));
                    }
                },
            };
        };
        let answered = match decision {
            Decision::Answered { answers, .. } => answers.into_iter().next(),
            Decision::Later(_) | Decision::OwnChange(_) => None,
        };
        let Some(answered) = answered else { return Ok(Swept::Skipped(Skip::CouldNotRead)) };
        self.swept(answered, whom, sweep, run).await
    }

    /// Counts and records the result for one person.
    async fn swept(
        &self,
        answered: Answered,
        whom: SubjectRef,
        sweep: &Sweep,
        run: &SweepRun,
    ) -> Result<Swept, Halt> {
        let ends = match &answered.answer {
            // Opened right before a stop, and not counted yet.
            Answer::Duplicate => return Ok(Swept::Opened),
            Answer::NotAsked(_) => return Ok(Swept::Skipped(Skip::OtherSource)),
            Answer::NoSubject(_) | Answer::Unknown(_) => return Ok(Swept::Skipped(Skip::Gone)),
            Answer::NotDue(_) | Answer::Disabled => return Ok(Swept::Skipped(Skip::NotDueAnyMore)),
            Answer::AlreadyOpen(_) | Answer::Gone(_) | Answer::Reached(..) => {
                return Ok(Swept::Skipped(Skip::OpenCase));
            }
            Answer::CouldNotDecide(stopped) => {
                self.undecided(&answered.policy, run, &whom, &stopped.says);
                None
            }
            Answer::Where(_) | Answer::Clause(_) => None,
            Answer::Opened(_) => Some(Swept::Opened),
            Answer::Shadow(_) => Some(Swept::WouldOpen),
        };
        let said = match self.log.said(answered) {
            Ok(Some(said)) => said,
            Ok(None) => return Err(Halt::Failed("an answer has no verdict".to_owned())),
            Err(error) => return Err(Halt::Failed(error.to_string())),
        };
        match ends {
            Some(ends) => {
                self.log.note_swept(whom, sweep, run, said).await?;
                Ok(ends)
            }
            None => {
                let why = said.verdict;
                Ok(Swept::LeftOut(why, Box::new(swept(self.now(), whom, sweep, run.nominal, said))))
            }
        }
    }

    /// Repeats a request until it has an answer. While the identity provider is unavailable the run waits, and
    /// continues with the same nominal time.
    pub(super) async fn patiently<'a, T>(
        &self,
        schedule: &str,
        shadow: bool,
        source: &str,
        stop: &mut Stop,
        ask: impl Fn() -> BoxFuture<'a, Result<T, Failure>>,
    ) -> Result<T, Halt> {
        let mut failures = 0;
        loop {
            let answer = tokio::select! {
                answer = ask() => answer,
                _ = stop.wait_for(|stop| *stop) => return Err(Halt::Stop),
            };
            let failure = match answer {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            failures += 1;
            self.metrics.connector_failed(source);
            if failure.kind != FailureKind::Unavailable && failures > PATIENCE {
                return Err(Halt::Refused(failure.reason));
            }
            tracing::warn!(
                sweep = schedule,
                failures,
                reason = failure.reason,
                "reading the identity provider failed; the run of the sweep waits"
            );
            self.rest(schedule, failures, Some(&failure), stop).await?;
            self.sweep_now(schedule, shadow)?;
        }
    }

    async fn rest(
        &self,
        schedule: &str,
        failures: u32,
        failure: Option<&Failure>,
        stop: &mut Stop,
    ) -> Result<(), Halt> {
        let wait = backoff::wait(schedule, failures, failure);
        tokio::select! {
            () = self.clock.sleep_until(self.now() + wait) => Ok(()),
            _ = stop.wait_for(|stop| *stop) => Err(Halt::Stop),
        }
    }
}

pub(super) fn changes(sweeps: Vec<SweepChange>) -> Commit {
    Commit { sweeps, ..Commit::default() }
}
