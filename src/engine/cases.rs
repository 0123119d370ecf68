//! One input, one case, one commit. Everything that changes a case goes through `apply` or `open_case`.

use std::sync::{Arc, PoisonError};

use chrono::TimeDelta;

use crate::case::{self, Advance, Case, Cause, Facts, Input, Opening, Recorded, Refused, State};
use crate::model::{CaseId, SubjectKind, Timestamp};
use crate::policy::Policy;
use crate::store::{self, Account, Changed, Commit};

use super::Engine;
use super::replay::here;

/// How long an approval may take to invite the person by itself before we look.
pub(super) const INVITE_GRACE: TimeDelta = TimeDelta::minutes(2);

/// Why an input did nothing.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("there is no such case")]
    NoCase,
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("{0}")]
    Store(#[from] store::Error),
    /// The revision that the case opened with cannot be used; the case waits until it can.
    #[error("{0}")]
    Revision(String),
}

impl Engine {
    /// Hands one input to a case and makes the result durable. Calls are performed afterwards, by workers.
    pub async fn apply(&self, id: &CaseId, input: Input) -> Result<Case, ApplyError> {
        let (engine, id) = (self.clone(), id.clone());
        to_its_end(async move { engine.apply_here(&id, input).await }).await
    }

    async fn apply_here(&self, id: &CaseId, input: Input) -> Result<Case, ApplyError> {
        let _one_writer = self.0.locks.case(id.as_str()).await;
        let case = self.0.store.case(id)?.ok_or(ApplyError::NoCase)?;
        let policy = self.policy_of(&case)?;
        let account = self.account_of(&case)?;
        let (advance, recorded) = self.decide(&policy, Some(case), account, Cause::Input(input))?;
        self.keep(advance, recorded, &policy).await
    }

    /// Opens a case. `None`: it was opened by the same opening before.
    pub async fn open_case(&self, opening: Opening, policy: &Policy) -> Result<Option<Case>, ApplyError> {
        let id = case::case_id(&policy.name, &opening.key, &opening.by);
        let _one_writer = self.0.locks.case(id.as_str()).await;
        if self.0.store.case(&id)?.is_some() {
            return Ok(None);
        }
        let (advance, recorded) = self.decide(policy, None, None, Cause::Opening(opening))?;
        self.0.metrics.opened(&policy.name);
        tracing::info!(case = %id, policy = policy.name, revision = policy.revision.short(), "case opened");
        self.keep(advance, recorded, policy).await.map(Some)
    }

    /// Runs the pure decision. The counters are locked from looking at a limit to counting against it, so
    /// that two cases cannot both take the last effect; the decision takes microseconds.
    fn decide(
        &self,
        policy: &Policy,
        before: Option<Case>,
        account: Option<String>,
        cause: Cause,
    ) -> Result<(Advance, Recorded), Refused> {
        let now = self.now();
        let mut counters = self.0.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let over_limit = counters.used_up(policy, now);
        let facts = Facts { now, over_limit, account, under: self.0.under.clone() };
        let recorded = Recorded { cause, facts };
        let here = here(&self.0.settings, &self.0.links, &recorded.facts);
        let advance = recorded.decide(before, policy, &here)?;
        for action in &advance.effects {
            counters.count(&policy.name, *action, now);
        }
        Ok((advance, recorded))
    }

    async fn keep(&self, advance: Advance, recorded: Recorded, policy: &Policy) -> Result<Case, ApplyError> {
        let Advance { case, entries, effects } = advance;
        for entry in &entries {
            self.0.metrics.noted(&policy.name, &entry.note);
            tracing::debug!(case = %case.id, policy = policy.name, revision = policy.revision.short(),
                step = entry.step.as_deref().unwrap_or_default(), entry = entry.note.word(), "journal");
        }
        let newly = entries.iter().any(|entry| matches!(entry.note, case::Note::Stuck { .. }));
        if let (true, State::Stuck(stuck)) = (newly, &case.state) {
            tracing::warn!(case = %case.id, policy = policy.name, subject = %case.subject.reference(),
                reason = stuck.reason, "case is stuck; its owner was told");
        }
        let accounts = accounts(&case);
        let changed =
            Changed { case: case.clone(), entries, effects, at: self.now(), recorded: Some(recorded) };
        self.0.store.commit(Commit { cases: vec![changed], accounts, ..Commit::default() }).await?;
        self.0.health.progressed(self.now());
        Ok(case)
    }

    /// The compiled policy at the revision that the case opened with.
    pub fn policy_of(&self, case: &Case) -> Result<Arc<Policy>, ApplyError> {
        let active = self.active();
        if let Some(policy) =
            active.set.policies.get(&case.policy).filter(|policy| policy.revision == case.revision)
        {
            return Ok(Arc::clone(policy));
        }
        self.0.revisions.get(&case.policy, &case.revision, &self.0.store, &self.0.settings.known)
    }

    /// The person's account at a verification provider from an earlier case.
    fn account_of(&self, case: &Case) -> Result<Option<String>, ApplyError> {
        if !matches!(case.state, State::Proving(_)) || !case.sessions.is_empty() {
            return Ok(None);
        }
        let Some(provider) = self.0.connectors.verification.keys().next() else { return Ok(None) };
        Ok(self.0.store.account(provider, &person(case))?)
    }

    /// The state of a case right now.
    pub fn case(&self, id: &CaseId) -> Result<Option<Case>, store::Error> {
        self.0.store.case(id)
    }
}

/// Goes on when whoever asked goes away: a client that hangs up drops its request, and a lock that is let
/// go before its commit can be read would hand the next writer an older case.
pub(super) async fn to_its_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // Only when the runtime ends, and then nobody waits any more.
        Err(Err(_)) => std::future::pending().await,
    }
}

/// What the person is called at the verification provider over several cases. Numbers of registrations and
/// of users are counted apart: the same one can be two people.
fn person(case: &Case) -> String {
    match (case.subject.text("user_id"), case.subject.kind) {
        (Some(user), _) => user.to_owned(),
        (None, SubjectKind::User) => case.subject.id.clone(),
        (None, SubjectKind::Registration | SubjectKind::Applicant) => case.subject.reference().to_string(),
    }
}

/// The accounts that the case's sessions left at a provider, for later re-verification.
fn accounts(case: &Case) -> Vec<Account> {
    let State::Proving(proving) = &case.state else { return Vec::new() };
    let Some(session) = &proving.session else { return Vec::new() };
    // One verification provider so far; its name comes with the session once there are several.
    vec![Account { provider: "jumio".to_owned(), person: person(case), account: session.account.clone() }]
}

/// For due times: the earlier of two, where none is never.
pub(super) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}
