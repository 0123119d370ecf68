//! The intake matches events of the inbox with policies and starts cases by hand. An event stays in the inbox until
//! every policy was evaluated and each answer is recorded. The intake decides nothing itself: it answers the questions
//! of `case::intake`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures::StreamExt as _;
use tokio::sync::{MutexGuard, watch};

use crate::case::intake::{self, Answer, Decision, Lookup, Modes, NotAsked, Reaction, Step, Taken};
use crate::case::{Case, Input, OpenedBy, look_again_at};
use crate::model::{CaseId, Clock, Event, Failure, SubjectRef, Timestamp, Verdict};
use crate::policy::{Mode, Policy, Revision};
use crate::rollout::Rollout;
use crate::store::{self, Commit, Consumed, Deferred, PolicyVerdict, Store, Waiting, to_its_end};

use super::backoff;
use super::capabilities::Capabilities;
use super::cases::{ApplyError, Cases};
use super::clock::Ahead;
use super::decision_log::DecisionLog;
use super::metrics::Metrics;
use super::sources::Sources;
use super::waiting::{earlier, until};

/// Most inbox events in progress at the same time.
const AT_ONCE: usize = 16;

/// Interval at which free space is checked while the disk is nearly full.
const LOOK_FOR_ROOM_EVERY: TimeDelta = TimeDelta::seconds(5);

/// How long ended events wait for others to share a commit with. A commit costs as much as ten events.
const GATHERED_FOR: Duration = Duration::from_millis(10);

/// Longest deferral of an event. A later time was set while the clock was wrong.
const LATEST_LOOK: TimeDelta = TimeDelta::minutes(75);

/// The result of processing an event for now.
enum Digested {
    Consumed(Consumed),
    /// Processed again later, not before the provider allows it.
    Deferred(Failure),
}

/// A handle on the intake: it processes events, manual starts and the people that a sweep picked.
#[derive(Debug, Clone)]
pub struct Intake {
    pub(super) cases: Cases,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rollout: Rollout,
    pub(super) sources: Sources,
    pub(super) capabilities: Capabilities,
    pub(super) log: DecisionLog,
    pub(super) metrics: Arc<Metrics>,
}

impl Intake {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs the loop that empties the inbox.
    pub(super) async fn digest_inbox(self, mut stop: watch::Receiver<bool>) {
        let mut applied = self.store.inbox_applied();
        let mut ahead = Ahead::default();
        while !*stop.borrow() {
            applied.mark_unchanged();
            if self.store.is_full() && !self.room_again().await {
                until(&*self.clock, Some(self.now() + LOOK_FOR_ROOM_EVERY), &mut applied, &mut stop).await;
                continue;
            }
            let now = self.now();
            if ahead.is_due(now) {
                match self.store.inbox_after(now + LATEST_LOOK, AT_ONCE * 8) {
                    Ok(waiting) => self.digest(waiting).await,
                    Err(error) => tracing::error!(%error, "reading the inbox failed"),
                }
            }
            let next = match self.store.inbox(now, AT_ONCE * 8) {
                Ok((waiting, next)) if waiting.is_empty() => earlier(next, Some(ahead.next(now))),
                Ok((waiting, _)) => {
                    self.digest(waiting).await;
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, "reading the inbox failed");
                    Some(now + TimeDelta::seconds(30))
                }
            };
            until(&*self.clock, next, &mut applied, &mut stop).await;
        }
    }

    /// Checks for free space. The inbox pauses while the disk is nearly full: new cases need space that open cases
    /// need.
    async fn room_again(&self) -> bool {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.look_for_room()).await.unwrap_or(false)
    }

    /// Ends events in as few commits as their answers allow. Most events open no case, and a commit for each would cost
    /// more than processing it. A slow answer does not hold back the others.
    async fn digest(&self, waiting: Vec<Waiting>) {
        // Events about one account are processed one after the other, in their order: the removal of a role must not be
        // processed before its assignment.
        let mut by_account: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
        for waiting in waiting {
            by_account.entry(waiting.event.subject.person()).or_default().push(waiting);
        }
        let ends = futures::stream::iter(by_account.into_values())
            .map(|waiting| Box::pin(self.ends(waiting)))
            .buffer_unordered(AT_ONCE);
        let mut ends = std::pin::pin!(ends);
        let mut last = false;
        while !last {
            let mut commit = Commit::default();
            let gathered = async {
                while let Some(ends) = ends.next().await {
                    for end in ends {
                        match end {
                            End::Consumed(consumed) => commit.consumed.push(consumed),
                            End::Deferred(deferred) => commit.deferred.push(deferred),
                        }
                    }
                }
            };
            last = tokio::time::timeout(GATHERED_FOR, gathered).await.is_ok();
            if commit.consumed.is_empty() && commit.deferred.is_empty() {
                continue;
            }
            if let Err(error) = self.store.commit(commit).await {
                tracing::error!(%error, "storing processed events failed");
            }
        }
    }

    async fn ends(&self, waiting: Vec<Waiting>) -> Vec<End> {
        let mut ends = Vec::with_capacity(waiting.len());
        for waiting in waiting {
            ends.push(self.end(waiting).await);
        }
        ends
    }

    async fn end(&self, waiting: Waiting) -> End {
        let Waiting { event, attempts, .. } = waiting;
        let (key, at) = (event.key.clone(), self.now());
        match self.consider(event, attempts).await {
            Ok(Digested::Consumed(consumed)) => End::Consumed(consumed),
            Ok(Digested::Deferred(why)) => End::Deferred(defer(key, attempts, at, &why)),
            Err(error) => {
                tracing::warn!(event = key, %error, "processing an event failed; retrying");
                End::Deferred(defer(key, attempts, at, &Failure::unavailable(error.to_string())))
            }
        }
    }

    async fn consider(&self, event: Event, attempts: u32) -> Result<Digested, ApplyError> {
        self.capabilities.hear(&event).await?;
        let (subject, key, at) = (event.subject.clone(), event.key.clone(), self.now());
        let policies = intake::asked_about(&event, &self.rollout.active().set, Modes::AsWritten);
        let step = intake::event(event, policies, Modes::AsWritten, attempts, at);
        Ok(match self.drive(step).await? {
            Decision::OwnChange(_) => {
                let says = "the daemon caused this event itself".to_owned();
                let own = PolicyVerdict::new("", &Revision::default(), Verdict::OwnChange, says);
                Digested::Consumed(Consumed { key, at, verdicts: vec![own], ..Consumed::default() })
            }
            Decision::Later(failure) => Digested::Deferred(failure),
            Decision::Answered { answers, people, named, at } => {
                let mut verdicts = Vec::with_capacity(answers.len());
                for answered in answers {
                    if let Answer::CouldNotDecide(stopped) = &answered.answer {
                        let (policy, error) = (&answered.policy, &stopped.says);
                        let subject = answered.about.as_ref().unwrap_or(&subject);
                        self.metrics.could_not_decide(&policy.name);
                        tracing::error!(policy = policy.name, revision = policy.revision.short(), %subject,
                            error, "deciding whether a case opens failed; no case was opened");
                    }
                    verdicts.extend(self.log.said(answered)?);
                }
                Digested::Consumed(Consumed { key, at, verdicts, people, named })
            }
        })
    }

    /// Answers the questions of the intake until it has decided.
    async fn drive(&self, mut step: Step) -> Result<Decision, ApplyError> {
        let mut who_opens = None;
        loop {
            step = match step {
                Step::Done(decision) => return Ok(decision),
                question => self.answer(question, &mut who_opens).await?,
            };
        }
    }

    /// Answers one question of the intake. `who_opens` locks the key from the question who has it until the steps that
    /// follow from the answer end.
    pub(super) async fn answer<'a>(
        &'a self,
        step: Step,
        who_opens: &mut Option<MutexGuard<'a, ()>>,
    ) -> Result<Step, ApplyError> {
        if !matches!(step, Step::Join(_) | Step::Open(_)) {
            drop(who_opens.take());
        }
        let store = &self.store;
        Ok(match step {
            Step::Echoes(ask) => {
                let known = store.echoes_of(&ask.person())?;
                ask.answer(
                    known.iter().flat_map(|(case, echoes)| echoes.iter().map(move |echo| (case, echo))),
                )
            }
            Step::Concerned(ask) => {
                let mut open = Vec::new();
                for case in self.open_about(ask.about())? {
                    let policy = self.cases.policy_of(&case)?;
                    open.push((case, policy));
                }
                ask.answer(open.iter().map(|(case, policy)| (&**case, policy)))
            }
            Step::Cases(ask) => {
                let open = self.open_about(&ask.about())?;
                ask.answer(open.iter().map(|case| &**case))
            }
            Step::Join(ask) => {
                let reaction = match self.cases.apply(&ask.case, Input::Event(ask.event.clone())).await {
                    Ok(after) if after.is_closed() => Reaction::Cancelled,
                    Ok(_) => Reaction::Joined,
                    Err(ApplyError::Refused(_)) => Reaction::Ignored,
                    Err(error) => return Err(error),
                };
                ask.answer(reaction)
            }
            Step::Person(ask) => {
                let person = self.look_up(&ask.subject, ask.event.as_ref()).await;
                ask.answer(person, self.now())
            }
            Step::Opened(ask) => {
                let opened = store.shared_case(&ask.case)?.is_some();
                ask.answer(opened)
            }
            Step::FirstSeen(ask) => {
                let policy = ask.policy();
                let shadow = policy.mode == Mode::Shadow;
                let seen = store.first_seen(&policy.name, shadow, &ask.person())?;
                ask.answer(seen)
            }
            Step::Taken(ask) => {
                *who_opens = Some(self.cases.locks().key(&ask.policy().name, ask.key()).await);
                let Some(id) = store.open_case(&ask.policy().name, ask.key())? else {
                    return Ok(ask.answer(Taken::Nobody));
                };
                match store.shared_case(&id)? {
                    Some(case) => ask.answer(Taken::Case(&case)),
                    None => ask.answer(Taken::Gone(id)),
                }
            }
            Step::Open(ask) => {
                let opened = self.cases.open_case(ask.opening.clone(), ask.policy()).await?;
                ask.answer(opened.map(|case| case.id))
            }
            Step::Done(decision) => Step::Done(decision),
        })
    }

    pub(super) fn open_about(&self, whom: &SubjectRef) -> Result<Vec<Arc<Case>>, store::Error> {
        let ids = self.store.open_cases_of(whom)?;
        ids.iter().filter_map(|id| self.store.shared_case(id).transpose()).collect()
    }

    /// Reads the person's current record at the identity provider.
    async fn look_up(&self, whom: &SubjectRef, event: Option<&Event>) -> Lookup {
        let source = match self.sources.provider_of(&whom.source) {
            Ok(source) => source,
            Err(why) => return Lookup::Never(why),
        };
        match source.subject(whom, event).await {
            Ok(person) => Lookup::Read(person),
            Err(failure) => {
                self.metrics.connector_failed(&whom.source);
                Lookup::Later(failure)
            }
        }
    }

    /// Opens a case by hand. The outer error is internal; the inner one is a sentence for the caller.
    pub async fn start_case(
        &self,
        policy: &str,
        subject: &SubjectRef,
        by: String,
        reason: String,
    ) -> Result<Result<CaseId, String>, ApplyError> {
        let active = self.rollout.active();
        let Some(policy) = active.set.policies.get(policy) else {
            return Ok(Err(format!("unknown policy {policy}")));
        };
        match self.sources.sourced(subject.clone()) {
            Ok(subject) => self.start_by_hand(policy, subject, by, reason).await,
            Err(why) => Ok(Err(format!("subject: {why}"))),
        }
    }

    async fn start_by_hand(
        &self,
        policy: &Arc<Policy>,
        whom: SubjectRef,
        by: String,
        reason: String,
    ) -> Result<Result<CaseId, String>, ApplyError> {
        let (intake, policy) = (self.clone(), Arc::clone(policy));
        to_its_end(async move { intake.start_here(&policy, whom, by, reason).await }).await
    }

    async fn start_here(
        &self,
        policy: &Arc<Policy>,
        whom: SubjectRef,
        by: String,
        reason: String,
    ) -> Result<Result<CaseId, String>, ApplyError> {
        let now = self.now();
        let by = OpenedBy::Hand { by, reason, nonce: now.to_rfc3339() };
        let answers =
            match self.drive(intake::by_hand(policy, whom.clone(), by, Modes::AsWritten, now)).await? {
                Decision::Answered { answers, .. } => answers,
                Decision::Later(failure) => {
                    return Ok(Err(format!("the identity provider does not answer: {}", failure.reason)));
                }
                Decision::OwnChange(_) => Vec::new(),
            };
        let Some(answered) = answers.into_iter().next() else {
            return Ok(Err("no policy was asked".to_owned()));
        };
        let (name, detail) = (&policy.name, answered.answer.detail(policy));
        let (started, noted) = match &answered.answer {
            Answer::Opened(id) => (Ok(id.clone()), true),
            Answer::Clause(_) => (Err(format!("the policy does not apply: {detail}")), true),
            Answer::CouldNotDecide(_) => (Err(format!("the policy cannot decide: {detail}")), true),
            Answer::Disabled | Answer::Shadow(_) => (Err("the policy is not enforced".to_owned()), false),
            Answer::NotAsked(why) => (
                Err(match why {
                    NotAsked::NotByHand => format!("policy {name} has no `manual: true` under `when`"),
                    NotAsked::OtherSubject => {
                        format!("policy {name} is about {}, not {}", policy.subject.one(), whom.kind.one())
                    }
                    NotAsked::OtherSource => {
                        format!("policy {name} is about people of {}", policy.sources.join(", "))
                    }
                }),
                false,
            ),
            Answer::Gone(id) => (Err(Answer::AlreadyOpen(id.clone()).detail(policy)), false),
            Answer::Duplicate => (Err("it was started already".to_owned()), false),
            Answer::NoSubject(_)
            | Answer::Unknown(_)
            | Answer::Where(_)
            | Answer::NotDue(_)
            | Answer::AlreadyOpen(_)
            | Answer::Reached(..) => (Err(detail), false),
        };
        let about = answered.about.clone().unwrap_or(whom);
        if let Some(said) = self.log.said(answered)?.filter(|_| noted) {
            self.log.note_manual(about, now, PolicyVerdict { about: None, ..said }).await?;
        }
        Ok(started)
    }
}

/// What is recorded of a processed event.
enum End {
    Consumed(Consumed),
    Deferred(Deferred),
}

fn defer(key: String, attempts: u32, now: Timestamp, why: &Failure) -> Deferred {
    let asked = why.retry_after_seconds.map(|_| now + backoff::wait(&key, 0, Some(why)));
    let due = asked.unwrap_or(now).max(look_again_at(now, attempts));
    Deferred { key, due, attempts: attempts + 1, reason: why.reason.clone() }
}
