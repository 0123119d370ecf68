//! Applies one input to one case in one commit. Everything that changes a case goes through `apply` or `open_case`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::case::{
    self, Advance, Case, Cause, Context, Facts, Hold, Input, Links, Opening, Recorded, Refused, State,
    known_as,
};
use crate::connectors::Connectors;
use crate::model::{CaseId, Clock, DocumentUse, EffectKind, Enrolment, Pause, Subject, Timestamp};
use crate::policy::Policy;
use crate::rollout::{PolicyError, Rollout};
use crate::store::{self, About, Changed, Commit, Enrolled, Requests, Store, to_its_end};

use super::bells::Bells;
use super::health::Health;
use super::limits::Limits;
use super::locks::Locks;
use super::metrics::Metrics;
use super::outages::Outages;
use super::replay::{here, under};
use super::settings::Settings;

/// Why an input was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("no such case; `proofd case list` lists the ids")]
    NoCase,
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("{0}")]
    Store(#[from] store::Error),
    /// The revision that the case opened with is unusable; the case waits until it is usable again.
    #[error("{0}")]
    Revision(String),
}

impl From<PolicyError> for ApplyError {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Unloadable(why) => Self::Revision(why),
            PolicyError::Store(error) => Self::Store(error),
        }
    }
}

/// A handle on cases: every change of a case goes through it. Clones share the locks.
#[derive(Debug, Clone)]
pub struct Cases(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    uses: Uses,
    /// The environment hash: a hash of the settings that all decisions share.
    under: String,
    locks: Locks,
}

/// The parts of the program that cases use.
#[derive(Debug)]
pub(super) struct Uses {
    pub settings: Settings,
    pub links: Links,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub connectors: Connectors,
    pub rollout: Rollout,
    pub requests: Requests,
    pub limits: Limits,
    pub outages: Outages,
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
    pub bells: Arc<Bells>,
}

impl Cases {
    pub(super) fn new(uses: Uses) -> Self {
        let under = under(&uses.settings, &uses.links);
        Self(Arc::new(Inner { uses, under, locks: Locks::default() }))
    }

    fn now(&self) -> Timestamp {
        self.0.uses.clock.now()
    }

    /// The locks that admit one writer at a time.
    pub(super) fn locks(&self) -> &Locks {
        &self.0.locks
    }

    /// Returns the context of a decision.
    pub(super) fn here<'a>(&'a self, facts: &'a Facts) -> Context<'a> {
        here(&self.0.uses.settings, &self.0.uses.links, facts)
    }

    /// Resolves calls that were in progress when the daemon stopped; their outcome is unknown.
    pub(super) async fn recover(&self) -> Result<(), store::Error> {
        for (case, call, attempt) in self.0.uses.store.begun_calls()? {
            match self.apply(&case, Input::Lost { call, attempt }).await {
                Ok(_) | Err(ApplyError::Refused(_)) => {}
                Err(error) => {
                    tracing::error!(case = %case, %error, "resuming a call that was in progress at the last stop failed");
                }
            }
        }
        Ok(())
    }

    /// Applies one input to a case and makes the result durable. Workers perform the calls afterwards.
    pub async fn apply(&self, id: &CaseId, input: Input) -> Result<Case, ApplyError> {
        let (cases, id) = (self.clone(), id.clone());
        to_its_end(async move { cases.apply_here(&id, input).await }).await
    }

    async fn apply_here(&self, id: &CaseId, input: Input) -> Result<Case, ApplyError> {
        let _one_writer = self.0.locks.case(id.as_str()).await;
        let case = self.0.uses.store.case(id)?.ok_or(ApplyError::NoCase)?;
        let policy = self.policy_of(&case)?;
        // Facts about a person are shared by their cases.
        let _one_person = self.0.locks.person(&case.subject.person()).await;
        let mut known = self.known_of(&case.subject, Some(&case))?;
        let documents = match &input {
            Input::Outcome { outcome, .. } => outcome.documents().to_vec(),
            _ => Vec::new(),
        };
        // Until the result is committed, no other decision reads these documents.
        let _one_at_a_time = self.0.locks.documents(&documents).await;
        for document in &documents {
            known.documents.extend(self.0.uses.store.shown(document)?);
        }
        let (advance, recorded) = self.decide(&policy, Some(case), known, Cause::Input(input))?;
        self.keep(advance, recorded, &policy).await
    }

    /// Opens a case. `None`: the same opening opened it before.
    pub async fn open_case(&self, opening: Opening, policy: &Policy) -> Result<Option<Case>, ApplyError> {
        let id = case::case_id(&policy.name, &opening.key, &opening.by);
        let _one_writer = self.0.locks.case(id.as_str()).await;
        if self.0.uses.store.case(&id)?.is_some() {
            return Ok(None);
        }
        let _one_person = self.0.locks.person(&opening.subject.person()).await;
        let known = self.known_of(&opening.subject, None)?;
        let (advance, recorded) = self.decide(policy, None, known, Cause::Opening(opening))?;
        self.0.uses.metrics.opened(&policy.name);
        tracing::info!(case = %id, policy = policy.name, revision = policy.revision.short(), "case opened");
        self.keep(advance, recorded, policy).await.map(Some)
    }

    /// Runs the pure decision. The counters stay locked from reading a limit to counting against it: two cases cannot
    /// both use the last effect. The decision takes microseconds.
    fn decide(
        &self,
        policy: &Policy,
        before: Option<Case>,
        known: KnownOf,
        cause: Cause,
    ) -> Result<(Advance, Recorded), Refused> {
        let now = self.now();
        let mut counters = self.0.uses.limits.lock();
        let over_limit = counters.used_up(policy, now);
        let recorded = Recorded { cause, facts: self.facts(known, now, over_limit) };
        let here = self.here(&recorded.facts);
        let advance = recorded.decide(before, policy, &here)?;
        for action in &advance.effects {
            counters.count(&policy.name, *action, now);
        }
        Ok((advance, recorded))
    }

    /// Returns the cause and facts that a case would open with.
    pub fn would_open(&self, opening: Opening) -> Result<Recorded, ApplyError> {
        let facts = self.facts(self.known_of(&opening.subject, None)?, self.now(), BTreeSet::new());
        Ok(Recorded { cause: Cause::Opening(opening), facts })
    }

    /// Returns the facts that are recorded with a decision.
    pub(super) fn facts(&self, known: KnownOf, now: Timestamp, over_limit: BTreeSet<EffectKind>) -> Facts {
        let KnownOf { enrolments, documents, others, pauses } = known;
        Facts { now, over_limit, enrolments, documents, others, pauses, under: self.0.under.clone() }
    }

    pub(super) async fn keep(
        &self,
        advance: Advance,
        recorded: Recorded,
        policy: &Policy,
    ) -> Result<Case, ApplyError> {
        let Advance { case, entries, effects, events, enrolments, documents } = advance;
        for entry in &entries {
            self.0.uses.metrics.noted(&policy.name, &entry.note);
            tracing::debug!(case = %case.id, policy = policy.name, revision = policy.revision.short(),
                step = entry.step.as_deref().unwrap_or_default(), entry = entry.note.word(), "journal");
        }
        entries.iter().for_each(|entry| log_for_operators(&case, policy, &entry.note));
        let newly = entries.iter().any(|entry| matches!(entry.note, case::Note::Stuck { .. }));
        if let (true, State::Stuck(stuck)) = (newly, &case.state) {
            tracing::warn!(case = %case.id, policy = policy.name, subject = %case.subject.reference(),
                reason = stuck.reason, "case is stuck; its owner is notified");
        }
        let person = known_as(&case.subject);
        let enrolled = enrolments
            .into_iter()
            .map(|(provider, enrolment)| Enrolled { provider, person: person.clone(), enrolment })
            .collect();
        self.0.uses.metrics.requested(&policy.name, &effects);
        self.0.uses.metrics.received(&events);
        let changed =
            Changed { case: case.clone(), entries, effects, at: self.now(), recorded: Some(recorded) };
        let requests = self.0.uses.requests.mark(About::Case(case.id.clone()));
        let commit = Commit {
            cases: vec![changed],
            enrolled,
            documents,
            received: events,
            requests,
            ..Commit::default()
        };
        let begun = tokio::time::Instant::now();
        self.0.uses.store.commit(commit).await?;
        self.0.uses.metrics.committed(begun.elapsed());
        self.0.uses.bells.ring(&case);
        self.0.uses.health.progressed(self.now());
        Ok(case)
    }

    /// The compiled policy at the revision that the case opened with.
    pub fn policy_of(&self, case: &Case) -> Result<Arc<Policy>, ApplyError> {
        Ok(self.0.uses.rollout.policy_of(case)?)
    }

    /// Returns why a case cannot continue and what to do about it, or `None` if it can.
    pub(super) fn trouble(&self, case: &Case) -> Option<String> {
        if case.is_closed() {
            return None;
        }
        self.policy_of(case).err().map(|error| error.to_string())
    }

    /// Reads what earlier and other cases recorded about a person, and the outages during this case.
    pub(super) fn known_of(&self, subject: &Subject, case: Option<&Case>) -> Result<KnownOf, ApplyError> {
        let mut known = KnownOf::default();
        if let Some(case) = case {
            known.pauses = self.0.uses.outages.known();
            known.pauses.retain(|pause| pause.until.is_none_or(|until| until > case.opened_at));
        }
        let person = known_as(subject);
        for provider in self.0.uses.connectors.verification.keys() {
            if let Some(enrolment) = self.0.uses.store.enrolment(provider, &person)? {
                known.enrolments.insert(provider.clone(), enrolment);
            }
        }
        known.others = self.others_holds(subject, case.map(|case| &case.id))?;
        Ok(known)
    }

    /// Returns the holds of other cases on a person. A hold that is being lifted counts too: only the last one frees
    /// the person.
    pub(super) fn others_holds(
        &self,
        subject: &Subject,
        but: Option<&CaseId>,
    ) -> Result<Vec<Hold>, store::Error> {
        let holdings = self.0.uses.store.holds_of(&subject.person())?;
        let others = holdings.into_iter().filter(|holding| Some(&holding.case) != but);
        Ok(others.flat_map(|holding| holding.holds).collect())
    }

    /// Returns the current state of a case.
    pub fn case(&self, id: &CaseId) -> Result<Option<Case>, store::Error> {
        self.0.uses.store.case(id)
    }
}

/// Logs what an operator must know of a case: limits that hold, adverse effects, and ends.
fn log_for_operators(case: &Case, policy: &Policy, note: &case::Note) {
    let (id, policy, revision) = (&case.id, policy.name.as_str(), policy.revision.short());
    let subject = case.subject.reference();
    match note {
        case::Note::Held { action } => {
            tracing::warn!(case = %id, policy, revision, %subject, action = action.word(),
                "a limit holds an effect; an administrator releases or drops it");
        }
        case::Note::GraceBegan { until } => {
            tracing::info!(case = %id, policy, revision, %subject, %until, "an adverse effect begins its grace");
        }
        case::Note::Destroyed { .. } => {
            tracing::info!(case = %id, policy, revision, %subject, "an adverse effect was carried out");
        }
        case::Note::Closed { result } => {
            tracing::info!(case = %id, policy, revision, %subject, result, "case closed");
        }
        _ => {}
    }
}

/// Facts from outside the case that a decision may use.
#[derive(Debug, Default)]
pub(super) struct KnownOf {
    pub enrolments: BTreeMap<String, Enrolment>,
    pub documents: Vec<DocumentUse>,
    pub others: Vec<Hold>,
    pub pauses: Vec<Pause>,
}
