//! Answers the questions of the intake in a dry run, from current state. Records nothing and opens nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::case::intake::{Answer as Said, Decision, Lookup, Reaction, Step, Taken};
use crate::case::{Input, Stopped, advance, applicant};
use crate::model::{CaseId, Event, FailureKind, Subject, SubjectRef, Timestamp};
use crate::policy::given::put_over;
use crate::policy::{Mode, Policy};

use super::{About, DryRuns, Round, Untried};

/// State of one dry run, besides the round.
pub(super) struct Dry<'a> {
    pub(super) policy: &'a Arc<Policy>,
    pub(super) event: Option<&'a Event>,
    /// The subject that was read.
    pub(super) known: Option<Subject>,
    /// The open case would restart.
    pub(super) restarts: bool,
}

impl Dry<'_> {
    /// Adds the values that a clause of an event's answer read.
    pub(super) fn traced(&self, stopped: Stopped, now: Timestamp) -> Stopped {
        let Some((clause, event)) = stopped.clause.zip(self.event) else { return stopped };
        let subject = self.known.clone().unwrap_or_else(|| applicant(event));
        Stopped::again(self.policy, event, &subject, now, clause).unwrap_or(stopped)
    }
}

/// The id of the case that would open: empty.
pub(super) fn would_be() -> CaseId {
    CaseId(String::new())
}

impl DryRuns {
    /// Runs the intake. Answers its questions from current state and opens nothing.
    pub(super) async fn answers(
        &self,
        mut step: Step,
        dry: &mut Dry<'_>,
        round: &mut Round<'_>,
    ) -> Result<Vec<Said>, Untried> {
        loop {
            step = match step {
                Step::Done(Decision::Answered { answers, .. }) => {
                    return Ok(answers.into_iter().map(|answered| answered.answer).collect());
                }
                Step::Done(Decision::Later(failure)) => return Err(Untried::Unreachable(failure.reason)),
                Step::Done(Decision::OwnChange(_)) => return Ok(Vec::new()),
                question => self.answer_dry(question, dry, round).await?,
            };
        }
    }

    async fn answer_dry(
        &self,
        step: Step,
        dry: &mut Dry<'_>,
        round: &mut Round<'_>,
    ) -> Result<Step, Untried> {
        let (store, policy) = (&self.store, dry.policy);
        Ok(match step {
            // A made-up event has no cause. For recorded events, policies were evaluated already.
            Step::Echoes(ask) => ask.answer([]),
            Step::Concerned(ask) => {
                let mut open = Vec::new();
                for case in self.intake.open_about(ask.about())? {
                    if case.policy == policy.name
                        && let Ok(follows) = self.cases.policy_of(&case)
                    {
                        open.push((case, follows));
                    }
                }
                ask.answer(open.iter().map(|(case, policy)| (&**case, policy)))
            }
            Step::Cases(ask) => {
                let open = self.intake.open_about(&ask.about())?;
                ask.answer(open.iter().map(|case| &**case))
            }
            Step::Join(ask) => {
                let reaction = self.would_react(&ask.case, &ask.event, dry)?;
                ask.answer(reaction)
            }
            Step::Person(ask) => {
                let recorded = matches!(round.about, About::Recorded(_));
                let event = dry.event.filter(|_| recorded);
                let mut person = self.person(&ask.subject, event, round).await?;
                if let Some(person) = &mut person {
                    put_over(&mut person.fields, &round.dry_run.person);
                }
                dry.known.clone_from(&person);
                ask.answer(Lookup::Read(person), round.now)
            }
            // The case of a dry run never exists.
            Step::Opened(ask) => ask.answer(false),
            Step::FirstSeen(ask) => {
                let shadow = policy.mode == Mode::Shadow;
                let seen = store.first_seen(&policy.name, shadow, &ask.person())?;
                let now = ask.picked.then_some(round.now);
                ask.answer(seen.or(now))
            }
            Step::Taken(ask) => {
                let Some(id) = store.open_case(&policy.name, ask.key())? else {
                    return Ok(ask.answer(Taken::Nobody));
                };
                match store.case(&id)? {
                    Some(case) => ask.answer(Taken::Case(&case)),
                    None => ask.answer(Taken::Gone(id)),
                }
            }
            Step::Open(ask) => ask.answer(Some(would_be())),
            Step::Done(decision) => Step::Done(decision),
        })
    }

    /// Returns the result that an event would have in an open case.
    fn would_react(&self, id: &CaseId, event: &Event, dry: &mut Dry<'_>) -> Result<Reaction, Untried> {
        let Some(case) = self.store.case(id)? else { return Ok(Reaction::Ignored) };
        let Ok(policy) = self.cases.policy_of(&case) else { return Ok(Reaction::Ignored) };
        let known = self
            .cases
            .known_of(&case.subject, Some(&case))
            .map_err(|error| Untried::Wrong(error.to_string()))?;
        let facts = self.cases.facts(known, self.clock.now(), BTreeSet::new());
        let here = self.cases.here(&facts);
        Ok(match advance(case, &policy, Input::Event(event.clone()), &here) {
            Ok(after) if after.case.is_closed() => Reaction::Cancelled,
            Ok(after) => {
                dry.restarts = after.case.event.is_some_and(|by| by.key == event.key);
                Reaction::Joined
            }
            Err(_) => Reaction::Ignored,
        })
    }

    /// Returns the person's current record.
    async fn person(
        &self,
        whom: &SubjectRef,
        event: Option<&Event>,
        round: &mut Round<'_>,
    ) -> Result<Option<Subject>, Untried> {
        let key = (whom.kind, event.map(|event| event.key.clone()));
        if let Some(subject) = round.people.get(&key) {
            return Ok(subject.clone());
        }
        let source = self.sources.provider_of(&whom.source).map_err(Untried::Wrong)?;
        let subject = source.subject(whom, event).await.map_err(|failure| match failure.kind {
            FailureKind::Refused => Untried::Wrong(failure.reason),
            FailureKind::Unavailable | FailureKind::Changed | FailureKind::NotEnrolled => {
                self.metrics.connector_failed(&whom.source);
                Untried::Unreachable(failure.reason)
            }
        })?;
        round.people.insert(key, subject.clone());
        Ok(subject)
    }
}
