//! One pass over the whole population: who is due, who is picked, and who is left out by which clause.

use super::super::decision_log::{stopped_said, swept};
use super::Sweeps;
use super::notes::{LeftOut, Skip, count, leave_out, with_notes};
use super::pick::{Met, Picked};
use super::run::{Halt, MOST, PART, Stop, changes};
use crate::case::{no_case, objection};
use crate::model::{CaseId, Fields, Subject, SubjectRef, Timestamp, Verdict};
use crate::policy::Policy;
use crate::policy::script::{Condition, Facts};
use crate::policy::tree::{NotATime, Standing, Sweep};
use crate::store::{self, FirstSeen, Store, SweepChange, SweepPart, SweepRun};

/// The result of the population's record of a person.
enum Looked<'a> {
    Due(Timestamp),
    NotDue,
    OpenCase,
    LeftOut(LeftOut<'a>),
}

/// State that is the same for every person of one pass.
struct Look<'a> {
    policy: &'a Policy,
    sweep: &'a Sweep,
    /// The policy's own condition can be evaluated on records of a list.
    listed: bool,
    steps: Fields,
    this_case: Fields,
    now: Timestamp,
}

impl Look<'_> {
    fn facts<'a>(&'a self, subject: &'a Subject) -> Facts<'a> {
        let (steps, this_case) = (&self.steps, &self.this_case);
        Facts { event: None, subject, settings: &self.policy.settings, steps, this_case, now: self.now }
    }
}

impl Sweeps {
    /// Goes through the population once and makes durable who is picked. Memory holds one page, the picked people, and
    /// a hash for each person seen.
    pub(super) async fn look_at_everybody(
        &self,
        schedule: &str,
        run: &mut SweepRun,
        stop: &mut Stop,
    ) -> Result<(), Halt> {
        *run = SweepRun::new(run.nominal, run.revision.clone(), run.shadow, run.began);
        let (policy, sweep) = self.sweep_now(schedule, run.shadow)?;
        run.revision = policy.revision.clone();
        // More people than can be opened: some turn out not to be due when they are read again.
        let room = sweep.at_most.unwrap_or(MOST).saturating_mul(2) as usize;
        let mut picked = Picked::new(room, run.nominal);
        let listed = reads_only_listed_fields(&policy.condition);
        let (steps, this_case) = (Fields::new(), no_case(&policy));
        let mut look = Look { policy: &policy, sweep: &sweep, listed, steps, this_case, now: self.now() };
        let mut met = Met::default();
        let sources = self.connectors.identity.iter().filter(|(name, _)| policy.takes(name));
        for (name, source) in sources {
            let mut cursor = None;
            loop {
                if self.sweep_now(schedule, run.shadow)?.0.revision != policy.revision {
                    return Err(Halt::Again);
                }
                let page =
                    self.patiently(schedule, run.shadow, name, stop, || source.population(cursor.as_deref()));
                let page = page.await?;
                look.now = self.now();
                let (mut seen, mut notes) = (Vec::new(), Vec::new());
                for person in page.people.iter().filter(|person| met.is_new(&person.person())) {
                    run.looked_at += 1;
                    match self.look_at(&look, run, person, &mut seen)? {
                        Looked::Due(since) => {
                            run.due += 1;
                            picked.offer(since, &person.person());
                        }
                        Looked::NotDue => {}
                        Looked::OpenCase => count(run, Skip::OpenCase),
                        Looked::LeftOut(left) => {
                            if left.why == Verdict::CouldNotDecide {
                                self.undecided(&policy, run, &person.reference(), &left.says);
                            }
                            // Uses the start time of the run: a repeated pass writes the same record under the same
                            // key.
                            let (at, nominal, why) = (run.began, run.nominal, left.why);
                            leave_out(run, why, &mut notes, || {
                                let stopped = left.stopped(&sweep, &look.facts(person));
                                swept(
                                    at,
                                    person.reference(),
                                    &sweep,
                                    nominal,
                                    stopped_said(&policy, why, stopped),
                                )
                            });
                        }
                    }
                    tokio::task::consume_budget().await;
                }
                if !seen.is_empty() || !notes.is_empty() {
                    self.store.commit(with_notes(seen, notes)).await?;
                }
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
        }
        self.keep_picked(schedule, run, picked.into_people()).await
    }

    async fn keep_picked(&self, schedule: &str, run: &mut SweepRun, people: Vec<String>) -> Result<(), Halt> {
        let mut parts = 0;
        for people in people.chunks(PART) {
            let part = SweepPart { schedule: schedule.to_owned(), number: parts, people: people.to_vec() };
            self.store.commit(changes(vec![SweepChange::Part(part)])).await?;
            parts += 1;
        }
        // Removes parts of an interrupted pass.
        self.store.commit(changes(self.no_parts(schedule, parts)?)).await?;
        run.picked = Some(u32::try_from(people.len()).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Returns the state of a person, as far as the population's record shows it.
    fn look_at<'a>(
        &self,
        look: &Look<'a>,
        run: &SweepRun,
        person: &Subject,
        seen: &mut Vec<SweepChange>,
    ) -> Result<Looked<'a>, store::Error> {
        let Look { policy, sweep, .. } = *look;
        let mut standing = match standing(&self.store, policy, sweep, run.shadow, run.nominal, person)? {
            Ok(Standing::NotYet(_) | Standing::Never) => return Ok(Looked::NotDue),
            Ok(standing) => standing,
            Err(error) => return Ok(Looked::LeftOut(LeftOut::undated(sweep, error))),
        };
        if self.has_open(policy, person)?.is_some() {
            return Ok(Looked::OpenCase);
        }
        let facts = look.facts(person);
        let no = |condition: &'a Condition, why| LeftOut::by(condition, why, objection(condition, &facts));
        if let Some(left) = no(&sweep.condition, Verdict::Where) {
            return Ok(Looked::LeftOut(left));
        }
        if standing == Standing::Unseen {
            seen.push(SweepChange::FirstSeen(FirstSeen {
                policy: policy.name.clone(),
                shadow: run.shadow,
                person: person.person(),
                at: run.nominal,
            }));
            standing = sweep
                .standing(&policy.name, person, run.nominal, Some(run.nominal))
                .unwrap_or(Standing::NotYet(None));
        }
        let Standing::Due(since) = standing else { return Ok(Looked::NotDue) };
        // A person who gets no case by the policy's own condition takes no place in the run.
        let left = look.listed.then(|| no(&policy.condition, Verdict::Clause)).flatten();
        Ok(left.map_or(Looked::Due(since), Looked::LeftOut))
    }

    /// Records an error of a decision, which is not a "no": all are counted, and the first of a run is logged, without
    /// values.
    pub(super) fn undecided(&self, policy: &Policy, run: &SweepRun, person: &SubjectRef, error: &str) {
        self.metrics.could_not_decide(&policy.name);
        if !run.skipped.contains_key(Verdict::CouldNotDecide.word()) {
            tracing::error!(policy = policy.name, revision = policy.revision.short(), subject = %person,
                error, "deciding whether a person is due failed; no case was opened");
        }
    }

    /// Returns the open case that a policy has for a person, whatever its key.
    fn has_open(&self, policy: &Policy, person: &Subject) -> Result<Option<CaseId>, store::Error> {
        let mut open = self.intake.open_about(&person.reference())?.into_iter();
        Ok(open.find(|case| case.policy == policy.name).map(|case| case.id.clone()))
    }
}

/// Returns a person's state at a time, from the record and the time at which the sweep first saw them.
pub(in crate::engine) fn standing(
    store: &Store,
    policy: &Policy,
    sweep: &Sweep,
    shadow: bool,
    nominal: Timestamp,
    person: &Subject,
) -> Result<Result<Standing, NotATime>, store::Error> {
    let standing = sweep.standing(&policy.name, person, nominal, None);
    if standing != Ok(Standing::Unseen) {
        return Ok(standing);
    }
    let first_seen = store.first_seen(&policy.name, shadow, &person.person())?;
    Ok(sweep.standing(&policy.name, person, nominal, first_seen))
}

/// Returns whether a condition reads only fields that a list of people contains.
fn reads_only_listed_fields(condition: &Condition) -> bool {
    let untold = |field: Option<&str>| matches!(field, None | Some("manager"));
    !condition.looks().iter().any(|look| look.root == "user" && untold(look.field.as_deref()))
}
