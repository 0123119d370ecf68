//! One run: it looks at everybody, picks the most overdue, and opens their cases one by one, each after the
//! person was read again.

use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::case::{self, OpenedBy, Opening, decide, no_case};
use crate::connectors::IdentitySource;
use crate::model::{Failure, FailureKind, Fields, Subject, SubjectKind, SubjectRef, Timestamp};
use crate::policy::script::{Condition, Facts, Verdict};
use crate::policy::tree::{Standing, Sweep};
use crate::policy::{Mode, Policy};
use crate::store::{self, Commit, FirstSeen, SweepChange, SweepPart, SweepRun, SweepState};

use super::super::Engine;
use super::super::asked::{said, stopped_said};
use super::super::cases::ApplyError;
use super::pick::{Met, Picked};

/// New cases of a run whose sweep does not say: more at once is nobody's plan.
const MOST: u32 = 1_000_000;
/// People in one part of what was picked.
const PART: usize = 500;
/// So often the position is kept; between, what was done shows in the cases.
const KEEP_EVERY: u32 = 50;
/// So often a question is asked again whose answer is no.
const PATIENCE: u32 = 4;

/// Why a run does not go on now.
enum Halt {
    /// The daemon stops; the run goes on at the next start.
    Stop,
    /// There is no such sweep any more, or it does something else; the run ends.
    Gone,
    /// What was looked at so far does not count any more.
    Again,
    /// The identity provider says no, and says it again.
    Refused(String),
    Failed(String),
}

impl From<store::Error> for Halt {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What became of one person.
enum Swept {
    Opened,
    WouldOpen,
    Skipped(&'static str),
}

/// What the population's record of a person says.
enum Looked {
    Due(Timestamp),
    NotDue,
    Skipped(&'static str),
    /// Why it could not be decided.
    Undecided(String),
}

type Stop = watch::Receiver<bool>;

/// A sweep with its policy, as they are active at the moment.
type Active = (Arc<Policy>, Arc<Sweep>);

impl Engine {
    /// Goes on with the run of a sweep until it ends or the daemon stops.
    pub(super) async fn run_sweep(self, schedule: String, source: Arc<dyn IdentitySource>) -> String {
        let mut stop = self.stopping();
        let mut failures = 0;
        loop {
            let gone_on = match self.go_on(&schedule, source.as_ref(), &mut stop).await {
                Err(Halt::Gone) => self.end_run(&schedule, "stopped").await,
                other => other,
            };
            match gone_on {
                Ok(()) | Err(Halt::Stop | Halt::Gone) => return schedule,
                Err(Halt::Again) => failures = 0,
                Err(Halt::Refused(reason) | Halt::Failed(reason)) => {
                    failures += 1;
                    tracing::warn!(sweep = schedule, failures, reason, "a sweep's run waits");
                    if self.rest(failures, &mut stop).await.is_err() {
                        return schedule;
                    }
                }
            }
        }
    }

    async fn go_on(&self, schedule: &str, source: &dyn IdentitySource, stop: &mut Stop) -> Result<(), Halt> {
        let Some(mut state) = self.0.store.sweep(schedule)? else { return Ok(()) };
        let Some(mut run) = state.run.take() else { return Ok(()) };
        if run.picked.is_none() {
            self.look_at_everybody(schedule, &mut run, source, stop).await?;
            self.keep_run(&state, &run).await?;
        }
        let picked = run.picked.unwrap_or(0);
        let mut part = Vec::new();
        while run.position < picked {
            let (policy, sweep) = self.sweep_now(schedule, run.shadow)?;
            if run.opened + run.would_open >= sweep.at_most.unwrap_or(MOST) {
                break;
            }
            let place = run.position as usize % PART;
            if place == 0 || part.is_empty() {
                part = self.0.store.sweep_part(schedule, run.position / PART as u32)?;
            }
            let Some(person) = part.get(place) else {
                return Err(Halt::Failed("a part of the people that were picked is missing".to_owned()));
            };
            let swept = self.sweep_person(&policy, &sweep, &run, person, source, stop).await?;
            run.position += 1;
            // A case that is there is found again by its identity, unless the person's record is in that too.
            let opened = matches!(swept, Swept::Opened) && policy.case_key.is_some();
            let keep = opened || run.position % KEEP_EVERY == 0;
            match swept {
                Swept::Opened => run.opened += 1,
                Swept::WouldOpen => run.would_open += 1,
                Swept::Skipped(why) => count(&mut run, why),
            }
            if keep {
                self.keep_run(&state, &run).await?;
            }
        }
        run.left = run.due.saturating_sub(run.position.into());
        self.keep_run(&state, &run).await?;
        self.end_run(schedule, "done").await
    }

    /// The sweep as it is active now, if it still does what the run does.
    fn sweep_now(&self, schedule: &str, shadow: bool) -> Result<Active, Halt> {
        let active = self.active();
        let mode = if shadow { Mode::Shadow } else { Mode::Enforce };
        let found = active.set.policies.values().filter(|policy| policy.mode == mode).find_map(|policy| {
            let sweep = policy.sweeps().find(|sweep| sweep.schedule == schedule)?;
            Some((Arc::clone(policy), Arc::clone(sweep)))
        });
        found.ok_or(Halt::Gone)
    }

    async fn keep_run(&self, state: &SweepState, run: &SweepRun) -> Result<(), Halt> {
        let state = SweepState { run: Some(run.clone()), ..state.clone() };
        Ok(self.0.store.commit(changes(vec![SweepChange::State(state)])).await?)
    }

    /// The run is over: its nominal time is dealt with, and what it was stays as a record.
    async fn end_run(&self, schedule: &str, end: &str) -> Result<(), Halt> {
        let Some(mut state) = self.0.store.sweep(schedule)? else { return Ok(()) };
        let Some(run) = state.run.take() else { return Ok(()) };
        let run = SweepRun { ended: Some(self.now()), end: Some(end.to_owned()), ..run };
        state.settled = state.settled.max(run.nominal);
        let policy = schedule.rsplit_once('/').map_or(schedule, |(policy, _)| policy);
        self.0.metrics.swept(policy, end, &run);
        tracing::info!(sweep = schedule, nominal = %run.nominal, end, shadow = run.shadow, looked_at = run.looked_at,
            due = run.due, opened = run.opened, would_open = run.would_open, left = run.left, skipped = ?run.skipped,
            "a sweep's run ended");
        let mut changed = self.no_parts(schedule, 0)?;
        changed.push(SweepChange::State(state));
        changed.push(SweepChange::Ended { schedule: schedule.to_owned(), run });
        Ok(self.0.store.commit(changes(changed)).await?)
    }

    /// Takes away the parts that are kept from a number on.
    fn no_parts(&self, schedule: &str, from: u32) -> Result<Vec<SweepChange>, store::Error> {
        let numbers = self.0.store.sweep_parts(schedule)?.into_iter().filter(|number| *number >= from);
        let empty = |number| SweepPart { schedule: schedule.to_owned(), number, people: Vec::new() };
        Ok(numbers.map(empty).map(SweepChange::Part).collect())
    }

    /// Goes through the population once and makes durable whom the run will ask. What it knows meanwhile is
    /// one page, those it would pick, and a mark for each whom it met.
    async fn look_at_everybody(
        &self,
        schedule: &str,
        run: &mut SweepRun,
        source: &dyn IdentitySource,
        stop: &mut Stop,
    ) -> Result<(), Halt> {
        *run = SweepRun::new(run.nominal, run.revision.clone(), run.shadow, run.began);
        let (policy, sweep) = self.sweep_now(schedule, run.shadow)?;
        run.revision = policy.revision.clone();
        // More than can be opened, for those who turn out not to be due when they are read again.
        let room = sweep.at_most.unwrap_or(MOST).saturating_mul(2) as usize;
        let mut picked = Picked::new(room, run.nominal);
        let listed = told_by_a_list(&policy.condition);
        let (mut cursor, mut met) = (None, Met::default());
        loop {
            if self.sweep_now(schedule, run.shadow)?.0.revision != policy.revision {
                return Err(Halt::Again);
            }
            let page =
                self.patiently(schedule, run.shadow, source, stop, || source.population(cursor.as_deref()));
            let page = page.await?;
            let mut seen = Vec::new();
            for person in page.people.iter().filter(|person| met.is_new(&person.id)) {
                run.looked_at += 1;
                match self.look_at(&policy, &sweep, run, person, listed, &mut seen)? {
                    Looked::Due(since) => {
                        run.due += 1;
                        picked.offer(since, &person.id);
                    }
                    Looked::NotDue => {}
                    Looked::Skipped(why) => count(run, why),
                    Looked::Undecided(error) => {
                        // One of a run is enough to find the mistake, whoever else it concerns.
                        if !run.skipped.contains_key("could_not_decide") {
                            let said = said(&policy, "could_not_decide", error);
                            self.note_swept(person, &sweep, run, said).await?;
                        }
                        count(run, "could_not_decide");
                    }
                }
                tokio::task::consume_budget().await;
            }
            if !seen.is_empty() {
                self.0.store.commit(changes(seen)).await?;
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        self.keep_picked(schedule, run, picked.into_people()).await
    }

    async fn keep_picked(&self, schedule: &str, run: &mut SweepRun, people: Vec<String>) -> Result<(), Halt> {
        let mut parts = 0;
        for people in people.chunks(PART) {
            let part = SweepPart { schedule: schedule.to_owned(), number: parts, people: people.to_vec() };
            self.0.store.commit(changes(vec![SweepChange::Part(part)])).await?;
            parts += 1;
        }
        // Of a look that was broken off.
        self.0.store.commit(changes(self.no_parts(schedule, parts)?)).await?;
        run.picked = Some(u32::try_from(people.len()).unwrap_or(u32::MAX));
        Ok(())
    }

    /// How a person stands as far as the population's record tells.
    fn look_at(
        &self,
        policy: &Policy,
        sweep: &Sweep,
        run: &mut SweepRun,
        person: &Subject,
        listed: bool,
        seen: &mut Vec<SweepChange>,
    ) -> Result<Looked, store::Error> {
        let Ok(mut standing) = self.standing(policy, sweep, run, person)? else {
            return Ok(self.undecided(
                policy,
                run,
                person,
                "the field of `due` holds something that is not a time",
            ));
        };
        if matches!(standing, Standing::NotYet | Standing::Never) {
            return Ok(Looked::NotDue);
        }
        if self.has_open_case(policy, person)? {
            return Ok(Looked::Skipped("open_case"));
        }
        match self.holds(policy, &sweep.condition, person) {
            Ok(true) => {}
            Ok(false) => return Ok(Looked::Skipped("where")),
            Err(error) => return Ok(self.undecided(policy, run, person, &error)),
        }
        if standing == Standing::Unseen {
            seen.push(SweepChange::FirstSeen(FirstSeen {
                policy: policy.name.clone(),
                shadow: run.shadow,
                person: person.id.clone(),
                at: run.nominal,
            }));
            standing = sweep
                .standing(&policy.name, person, run.nominal, Some(run.nominal))
                .unwrap_or(Standing::NotYet);
        }
        let Standing::Due(since) = standing else { return Ok(Looked::NotDue) };
        // Who gets no case by the policy's own condition takes nobody's place.
        match listed.then(|| self.holds(policy, &policy.condition, person)) {
            None | Some(Ok(true)) => Ok(Looked::Due(since)),
            Some(Ok(false)) => Ok(Looked::Skipped("clause")),
            Some(Err(error)) => Ok(self.undecided(policy, run, person, &error)),
        }
    }

    /// An error is not "no": it is counted, and the first of a run is in the log, without values.
    fn undecided(&self, policy: &Policy, run: &SweepRun, person: &Subject, error: &str) -> Looked {
        self.0.metrics.could_not_decide(&policy.name);
        if !run.skipped.contains_key("could_not_decide") {
            tracing::error!(policy = policy.name, revision = policy.revision.short(), subject = %person.reference(),
                error, "could not decide whether a person is due; no case was opened");
        }
        Looked::Undecided(error.to_owned())
    }

    fn standing(
        &self,
        policy: &Policy,
        sweep: &Sweep,
        run: &SweepRun,
        person: &Subject,
    ) -> Result<Result<Standing, crate::policy::sweep::NotATime>, store::Error> {
        let standing = sweep.standing(&policy.name, person, run.nominal, None);
        if standing != Ok(Standing::Unseen) {
            return Ok(standing);
        }
        let first_seen = self.0.store.first_seen(&policy.name, run.shadow, &person.id)?;
        Ok(sweep.standing(&policy.name, person, run.nominal, first_seen))
    }

    fn has_open_case(&self, policy: &Policy, person: &Subject) -> Result<bool, store::Error> {
        for id in self.0.store.open_cases_of(&person.reference())? {
            if self.0.store.case(&id)?.is_some_and(|case| case.policy == policy.name) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn holds(&self, policy: &Policy, condition: &Condition, person: &Subject) -> Result<bool, String> {
        let (steps, this_case) = (Fields::new(), no_case(policy));
        let facts = self.facts(policy, person, &steps, &this_case);
        condition.decide(&facts).map(|verdict| verdict == Verdict::Holds).map_err(|error| error.to_string())
    }

    fn facts<'a>(
        &self,
        policy: &'a Policy,
        subject: &'a Subject,
        steps: &'a Fields,
        this_case: &'a Fields,
    ) -> Facts<'a> {
        Facts { event: None, subject, settings: &policy.settings, steps, this_case, now: self.now() }
    }

    /// One person who was picked: read again, judged again, and the case opened.
    async fn sweep_person(
        &self,
        policy: &Arc<Policy>,
        sweep: &Sweep,
        run: &SweepRun,
        person: &str,
        source: &dyn IdentitySource,
        stop: &mut Stop,
    ) -> Result<Swept, Halt> {
        let reference = SubjectRef { kind: SubjectKind::User, id: person.to_owned() };
        let read = || source.subject(&reference, None);
        let subject = match self.patiently(&sweep.schedule, run.shadow, source, stop, read).await {
            Ok(Some(subject)) => subject,
            Ok(None) => return Ok(Swept::Skipped("gone")),
            Err(Halt::Refused(reason)) => {
                tracing::error!(sweep = sweep.schedule, subject = %reference, reason, "a person cannot be read");
                return Ok(Swept::Skipped("could_not_read"));
            }
            Err(halt) => return Err(halt),
        };
        let by = OpenedBy::Sweep { schedule: sweep.schedule.clone(), nominal: run.nominal };
        let (steps, this_case) = (Fields::new(), no_case(policy));
        let facts = self.facts(policy, &subject, &steps, &this_case);
        // Opened right before a stop, and not counted any more.
        if let Ok(key) = case_key(policy, &facts)
            && self.0.store.case(&case::case_id(&policy.name, &key, &by))?.is_some()
        {
            return Ok(Swept::Opened);
        }
        let says_no = match self.standing(policy, sweep, run, &subject)? {
            Ok(Standing::Due(_)) => {
                let holds = self.holds(policy, &sweep.condition, &subject);
                holds.map(|holds| (!holds).then_some("where"))
            }
            Ok(Standing::NotYet | Standing::Never | Standing::Unseen) => Ok(Some("not_due_any_more")),
            Err(error) => Err(error.to_string()),
        };
        let judged = match says_no {
            Ok(Some(why)) => return Ok(Swept::Skipped(why)),
            Ok(None) => {
                decide(policy, &facts).map_err(|stopped| stopped_said(policy, "could_not_decide", stopped))
            }
            Err(error) => Err(said(policy, "could_not_decide", error)),
        };
        let key = match judged {
            Ok(Ok(key)) => key,
            Ok(Err(stopped)) => {
                self.note_swept(&subject, sweep, run, stopped_said(policy, "clause", stopped)).await?;
                return Ok(Swept::Skipped("clause"));
            }
            Err(said) => {
                self.undecided(policy, run, &subject, &said.detail);
                self.note_swept(&subject, sweep, run, said).await?;
                return Ok(Swept::Skipped("could_not_decide"));
            }
        };
        let _who_opens = self.0.locks.key(&policy.name, &key).await;
        if self.has_open_case(policy, &subject)? || self.0.store.open_case(&policy.name, &key)?.is_some() {
            return Ok(Swept::Skipped("open_case"));
        }
        if run.shadow {
            self.note_shadow(policy, sweep, run, Opening { subject, by, key }).await?;
            return Ok(Swept::WouldOpen);
        }
        let opened = said(policy, "opened", case::case_id(&policy.name, &key, &by).to_string());
        match self.open_case(Opening { subject: subject.clone(), by, key }, policy).await {
            // `None`: it is there already, which is the same.
            Ok(Some(_) | None) => {
                self.note_swept(&subject, sweep, run, opened).await?;
                Ok(Swept::Opened)
            }
            Err(ApplyError::Store(error)) => Err(error.into()),
            Err(error) => {
                tracing::error!(sweep = sweep.schedule, subject = %reference, %error, "a case could not be opened");
                Ok(Swept::Skipped("could_not_open"))
            }
        }
    }

    /// Asks until there is an answer. While the identity provider is not there the run waits, and goes on
    /// with the same nominal time.
    async fn patiently<'a, T>(
        &self,
        schedule: &str,
        shadow: bool,
        source: &dyn IdentitySource,
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
            self.0.metrics.connector_failed(source.name());
            if failure.kind != FailureKind::Unavailable && failures > PATIENCE {
                return Err(Halt::Refused(failure.reason));
            }
            tracing::warn!(
                sweep = schedule,
                failures,
                reason = failure.reason,
                "the identity provider cannot be read; the sweep's run waits"
            );
            self.rest(failures, stop).await?;
            self.sweep_now(schedule, shadow)?;
        }
    }

    async fn rest(&self, failures: u32, stop: &mut Stop) -> Result<(), Halt> {
        let wait = TimeDelta::seconds(2) * 2_i32.pow(failures.min(8));
        tokio::select! {
            () = self.0.clock.sleep_until(self.now() + wait.min(TimeDelta::minutes(5))) => Ok(()),
            _ = stop.wait_for(|stop| *stop) => Err(Halt::Stop),
        }
    }
}

fn changes(sweeps: Vec<SweepChange>) -> Commit {
    Commit { sweeps, ..Commit::default() }
}

fn count(run: &mut SweepRun, why: &str) {
    *run.skipped.entry(why.to_owned()).or_default() += 1;
}

/// Whether a condition looks only at what a list of people tells.
fn told_by_a_list(condition: &Condition) -> bool {
    let untold = |field: Option<&str>| matches!(field, None | Some("manager"));
    !condition.looks().iter().any(|look| look.root == "user" && untold(look.field.as_deref()))
}

fn case_key(policy: &Policy, facts: &Facts<'_>) -> Result<String, String> {
    match &policy.case_key {
        Some(key) => key.render(facts).map_err(|error| error.to_string()),
        None => Ok(facts.subject.id.clone()),
    }
}
