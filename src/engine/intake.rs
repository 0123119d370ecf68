//! Events: durable first, answered next, matched with policies after. An event lies in the inbox until
//! every policy has had its say, and what each said is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use futures::StreamExt as _;
use reqwest::header::HeaderMap;

use crate::case::{
    Case, Found, Input, Offered, OpenedBy, Opening, applicant, caused_by, concerns, found, gone,
    look_again_at, offer, offer_enforced, opened_by,
};
use crate::connectors::WebhookRefused;
use crate::model::{CaseId, Event, Failure, Subject, SubjectKind, Timestamp};
use crate::policy::Policy;
use crate::policy::tree::IfAlreadyOpen;
use crate::store::{self, About, Commit, Consumed, Deferred, OWN_CHANGE, PolicyVerdict, Waiting, to_its_end};

use super::Engine;
use super::asked::{said, stopped_said};
use super::backoff;
use super::cases::{ApplyError, earlier};
use super::clock::Ahead;

/// Inbox events handled at the same time.
const AT_ONCE: usize = 16;

/// How often a disk that is nearly full is looked at again.
const LOOK_FOR_ROOM_EVERY: TimeDelta = TimeDelta::seconds(5);

/// No event is put off for longer. One that is was put off while the clock was wrong.
const LATEST_LOOK: TimeDelta = TimeDelta::minutes(75);

/// What became of an event for now.
enum Digested {
    Consumed(Vec<PolicyVerdict>, Vec<Subject>),
    /// Looked at again later, not before the provider asks for it.
    Deferred(Failure),
}

impl Engine {
    /// Takes events in. When it returns they are on disk, and whoever sent them may forget them.
    pub async fn receive(
        &self,
        events: Vec<Event>,
        cursor: Option<(String, String)>,
    ) -> Result<(), store::Error> {
        if events.is_empty() && cursor.is_none() {
            return Ok(());
        }
        let events: Vec<Event> = events.into_iter().map(Event::bounded).collect();
        self.0.metrics.received(&events);
        let requests = self.0.requests.mark(About::Events(events.len()));
        let cursors = cursor.into_iter().collect();
        let commit = Commit { received: events, cursors, requests, ..Commit::default() };
        self.0.store.commit_durable(commit).await
    }

    /// The loop that empties the inbox.
    pub(super) async fn digest_inbox(self) {
        let mut applied = self.0.store.applied();
        let mut stop = self.stopping();
        let mut ahead = Ahead::default();
        while !*stop.borrow() {
            applied.mark_unchanged();
            if self.0.store.is_full() && !self.room_again().await {
                self.until(Some(self.now() + LOOK_FOR_ROOM_EVERY), &mut applied, &mut stop).await;
                continue;
            }
            let now = self.now();
            if ahead.is_due(now) {
                match self.0.store.inbox_after(now + LATEST_LOOK, AT_ONCE * 8) {
                    Ok(waiting) => self.digest(waiting).await,
                    Err(error) => tracing::error!(%error, "the inbox cannot be read"),
                }
            }
            let next = match self.0.store.inbox(now, AT_ONCE * 8) {
                Ok((waiting, next)) if waiting.is_empty() => earlier(next, Some(ahead.next(now))),
                Ok((waiting, _)) => {
                    self.digest(waiting).await;
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, "the inbox cannot be read");
                    Some(now + TimeDelta::seconds(30))
                }
            };
            self.until(next, &mut applied, &mut stop).await;
        }
    }

    /// The inbox rests while the disk is nearly full: what it would open needs space that cases under way need.
    async fn room_again(&self) -> bool {
        let store = self.0.store.clone();
        tokio::task::spawn_blocking(move || store.look_for_room()).await.unwrap_or(false)
    }

    /// What is ready at the same moment ends in one commit: most events lead nowhere, and a commit for each
    /// would cost more than looking at it.
    async fn digest(&self, waiting: Vec<Waiting>) {
        // Those about one account one after the other, as they happened: a role that was given and taken away
        // must not be seen taken away first.
        let mut by_account: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
        for waiting in waiting {
            by_account.entry(waiting.event.subject.person()).or_default().push(waiting);
        }
        let ends = futures::stream::iter(by_account.into_values())
            .map(|waiting| self.ends(waiting))
            .buffer_unordered(AT_ONCE)
            .ready_chunks(AT_ONCE * 8);
        let mut ends = std::pin::pin!(ends);
        while let Some(ends) = ends.next().await {
            let mut commit = Commit::default();
            for end in ends.into_iter().flatten() {
                match end {
                    End::Consumed(consumed) => commit.consumed.push(consumed),
                    End::Deferred(deferred) => commit.deferred.push(deferred),
                }
            }
            if let Err(error) = self.0.store.commit(commit).await {
                tracing::error!(%error, "the end of events could not be kept");
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
            Ok(Digested::Consumed(verdicts, people)) => End::Consumed(Consumed { key, at, verdicts, people }),
            Ok(Digested::Deferred(why)) => End::Deferred(defer(key, attempts, at, &why)),
            Err(error) => {
                tracing::warn!(event = key, %error, "an event could not be dealt with and is looked at again");
                End::Deferred(defer(key, attempts, at, &Failure::unavailable(error.to_string())))
            }
        }
    }

    async fn consider(&self, event: Event, attempts: u32) -> Result<Digested, ApplyError> {
        self.hear(&event).await?;
        if let Some(cause) = self.cause(&event)? {
            // Its effect explains no other event like this one.
            self.join_id(&cause, &event).await?;
            if gone(&event) {
                self.gone_by_our_doing(&event).await?;
            }
            // Who takes a role away must not be stopped by the role being gone.
            let own = PolicyVerdict {
                verdict: OWN_CHANGE.to_owned(),
                detail: "the daemon caused this event itself".to_owned(),
                ..PolicyVerdict::default()
            };
            return Ok(Digested::Consumed(vec![own], Vec::new()));
        }
        let mut verdicts = Vec::new();
        for id in self.0.store.open_cases_of(&event.subject)? {
            let Some(case) = self.0.store.case(&id)? else { continue };
            let policy = self.policy_of(&case)?;
            if concerns(&case, &policy, &event) {
                let verdict = self.join(&case, &event).await?;
                verdicts.push(said(&policy, verdict, id.to_string()));
            }
        }
        let active = self.active();
        let policies: Vec<Arc<Policy>> = active.set.matching(&event).into_iter().cloned().collect();
        let mut subjects: BTreeMap<SubjectKind, Subject> = BTreeMap::new();
        for policy in &policies {
            let asked_about = event.subject.clone();
            let mut event = event.clone();
            event.subject.kind = policy.subject;
            let subject = match subjects.get(&policy.subject) {
                Some(subject) => subject,
                None => match self.resolve(&event, attempts).await {
                    Ok(Found::Person(subject)) => subjects.entry(policy.subject).or_insert(subject),
                    Ok(Found::Later(reason)) => {
                        return Ok(Digested::Deferred(Failure::unavailable(reason)));
                    }
                    Err(failure) => return Ok(Digested::Deferred(failure)),
                    Ok(Found::Never(why)) => {
                        verdicts.push(said(policy, "no_subject", why));
                        continue;
                    }
                },
            };
            let mut said = self.offer(policy, &event, subject).await?;
            // Only where it differs: nearly all events are about the very person that is found.
            said.about = Some(subject.reference()).filter(|about| *about != asked_about);
            verdicts.push(said);
        }
        // Whoever a case opened with is in the case.
        let opened = |kind: SubjectKind| {
            let of_kind = |policy: &&Arc<Policy>| policy.subject == kind;
            policies.iter().filter(of_kind).any(|policy| {
                verdicts.iter().any(|said| said.verdict == "opened" && said.policy == policy.name)
            })
        };
        let read = subjects.into_iter().filter(|(kind, _)| *kind != SubjectKind::Applicant && !opened(*kind));
        let people = read.map(|(_, subject)| subject).collect();
        Ok(Digested::Consumed(verdicts, people))
    }

    /// The case whose effect caused an event, if one did.
    fn cause(&self, event: &Event) -> Result<Option<CaseId>, store::Error> {
        let known = self.0.store.echoes_of(&event.subject.person())?;
        let echoes = known.iter().flat_map(|(case, echoes)| echoes.iter().map(move |echo| (case, echo)));
        Ok(caused_by(echoes, event).cloned())
    }

    /// One case destroyed the person's record; the others have nobody left to be about.
    async fn gone_by_our_doing(&self, event: &Event) -> Result<(), ApplyError> {
        for id in self.0.store.open_cases_of(&event.subject)? {
            let Some(case) = self.0.store.case(&id)? else { continue };
            if !case.explains(event) {
                self.join(&case, event).await?;
            }
        }
        Ok(())
    }

    /// Who the event is about, as they are now; the error is why nobody can say.
    async fn resolve(&self, event: &Event, attempts: u32) -> Result<Found, Failure> {
        if event.subject.kind == SubjectKind::Applicant {
            // In no identity provider yet: the event is all there is.
            return Ok(Found::Person(applicant(event)));
        }
        let name = &event.subject.source;
        let source = match self.provider_of(name) {
            Ok(source) => source,
            Err(why) => return Ok(Found::Never(why)),
        };
        match source.subject(&event.subject, Some(event)).await {
            Ok(person) => Ok(found(event, person, attempts)),
            Err(failure) => {
                self.0.metrics.connector_failed(name);
                Err(failure)
            }
        }
    }

    /// Offers an event to one policy.
    async fn offer(
        &self,
        policy: &Arc<Policy>,
        event: &Event,
        subject: &Subject,
    ) -> Result<PolicyVerdict, ApplyError> {
        let key = match offer(policy, Some(event), subject, self.now()) {
            Offered::Opens(key) => key,
            Offered::Disabled => return Ok(said(policy, "disabled", String::new())),
            Offered::Shadow(key) => {
                let by = OpenedBy::Event(event.clone());
                return self.shadowed(policy, Opening { subject: subject.clone(), by, key });
            }
            Offered::Clause(stopped) => return Ok(stopped_said(policy, "clause", stopped)),
            Offered::CouldNotDecide(stopped) => {
                let error = &stopped.says;
                self.0.metrics.could_not_decide(&policy.name);
                tracing::error!(policy = policy.name, revision = policy.revision.short(), subject = %subject.reference(),
                    error, "could not decide whether a case should open; no case was opened");
                return Ok(stopped_said(policy, "could_not_decide", stopped));
            }
        };
        let _who_opens = self.0.locks.key(&policy.name, &key).await;
        if let Some(id) = self.0.store.open_case(&policy.name, &key)? {
            let Some(case) = self.0.store.case(&id)? else { return Ok(said(policy, "gone", id.to_string())) };
            if opened_by(&case, event) {
                // Looked at again: the daemon stopped, or another policy could not decide, before this
                // event's end was kept. Joining would restart or cancel what it has just opened.
                return Ok(said(policy, "opened", id.to_string()));
            }
            // `restart` and `cancel` are decided by the case; `open_another` with the same key joins too.
            let verdict = self.join(&case, event).await?;
            return Ok(said(policy, verdict, id.to_string()));
        }
        let opening = Opening { subject: subject.clone(), by: OpenedBy::Event(event.clone()), key };
        Ok(match self.open_case(opening, policy).await? {
            Some(case) => said(policy, "opened", case.id.to_string()),
            None => said(policy, "duplicate", "the same event opened a case before".to_owned()),
        })
    }

    async fn join(&self, case: &Case, event: &Event) -> Result<&'static str, ApplyError> {
        self.join_id(&case.id, event).await
    }

    async fn join_id(&self, case: &CaseId, event: &Event) -> Result<&'static str, ApplyError> {
        match self.apply(case, Input::Event(event.clone())).await {
            Ok(after) if after.is_closed() => Ok("cancelled"),
            Ok(_) => Ok("joined"),
            Err(ApplyError::Refused(_)) => Ok("ignored"),
            Err(error) => Err(error),
        }
    }

    /// Opens a case by hand, under the same conditions as an event would.
    pub async fn start_by_hand(
        &self,
        policy: &Arc<Policy>,
        subject: Subject,
        by: String,
        reason: String,
    ) -> Result<Result<Case, String>, ApplyError> {
        let (engine, policy) = (self.clone(), Arc::clone(policy));
        to_its_end(async move { engine.start_here(&policy, subject, by, reason).await }).await
    }

    async fn start_here(
        &self,
        policy: &Arc<Policy>,
        subject: Subject,
        by: String,
        reason: String,
    ) -> Result<Result<Case, String>, ApplyError> {
        let now = self.now();
        let key = match offer_enforced(policy, None, &subject, now) {
            Offered::Opens(key) => key,
            Offered::Clause(stopped) => {
                let why = format!("the policy does not apply: {}", stopped.says);
                self.note_manual(&subject, now, stopped_said(policy, "clause", stopped)).await?;
                return Ok(Err(why));
            }
            Offered::CouldNotDecide(stopped) => {
                let why = format!("the policy cannot decide: {}", stopped.says);
                self.note_manual(&subject, now, stopped_said(policy, "could_not_decide", stopped)).await?;
                return Ok(Err(why));
            }
            Offered::Disabled | Offered::Shadow(_) => {
                return Ok(Err("the policy is not enforced".to_owned()));
            }
        };
        let _who_opens = self.0.locks.key(&policy.name, &key).await;
        if let Some(id) = self.0.store.open_case(&policy.name, &key)?
            && policy.if_already_open != IfAlreadyOpen::OpenAnother
        {
            return Ok(Err(format!("there is an open case already: {id}")));
        }
        let by = OpenedBy::Hand { by, reason, nonce: now.to_rfc3339() };
        let opening = Opening { subject: subject.clone(), by, key };
        let Some(case) = self.open_case(opening, policy).await? else {
            return Ok(Err("it was started already".to_owned()));
        };
        self.note_manual(&subject, now, said(policy, "opened", case.id.to_string())).await?;
        Ok(Ok(case))
    }

    /// Waits until something was written, a time has come, or the daemon stops.
    pub(super) async fn until(
        &self,
        next: Option<Timestamp>,
        applied: &mut tokio::sync::watch::Receiver<u64>,
        stop: &mut tokio::sync::watch::Receiver<bool>,
    ) {
        let timer = async {
            match next {
                Some(at) => self.0.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // An error means the sender is gone, which only happens at the very end.
            _ = applied.changed() => {}
            _ = stop.changed() => {}
            () = timer => {}
        }
    }
}

/// What is kept of an event that was looked at.
enum End {
    Consumed(Consumed),
    Deferred(Deferred),
}

fn defer(key: String, attempts: u32, now: Timestamp, why: &Failure) -> Deferred {
    let asked = why.retry_after_seconds.map(|_| now + backoff::wait(&key, 0, Some(why)));
    let due = asked.unwrap_or(now).max(look_again_at(now, attempts));
    Deferred { key, due, attempts: attempts + 1, reason: why.reason.clone() }
}

/// Verdicts by policy, for those who ask why.
pub fn by_policy(consumed: &Consumed) -> BTreeMap<&str, &PolicyVerdict> {
    consumed.verdicts.iter().map(|verdict| (verdict.policy.as_str(), verdict)).collect()
}

/// Why a webhook's request was not taken.
#[derive(Debug, thiserror::Error)]
pub enum HookRefused {
    #[error("the shared header is missing or wrong")]
    NotAuthentic,
    #[error("{0}")]
    Malformed(String),
    #[error("no webhook is configured")]
    NotConfigured,
    #[error("{0}")]
    Store(#[from] store::Error),
}

impl Engine {
    /// Whether a request is the identity provider's webhook, as far as its head says.
    pub fn is_webhook(&self, provider: &str, headers: &HeaderMap) -> bool {
        self.0.connectors.identity.get(provider).is_some_and(|source| source.is_webhook(headers))
    }

    /// An identity provider's webhook. When it returns, its events are on disk.
    pub async fn webhook(
        &self,
        provider: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<usize, HookRefused> {
        let source = self.0.connectors.identity.get(provider).ok_or(HookRefused::NotConfigured)?;
        let events = source.webhook(headers, body).map_err(|refused| match refused {
            WebhookRefused::NotAuthentic => HookRefused::NotAuthentic,
            WebhookRefused::Malformed(why) => HookRefused::Malformed(why),
            WebhookRefused::NotConfigured => HookRefused::NotConfigured,
        })?;
        let count = events.len();
        self.receive(events, None).await?;
        Ok(count)
    }

    /// A verification vendor's callback. False: not one of ours, whatever is wrong with it.
    pub async fn vendor_hint(&self, provider: &str, secret: &str, body: &[u8]) -> Result<bool, ApplyError> {
        let Some(vendor) = self.0.connectors.verification.get(provider) else { return Ok(false) };
        match vendor.hint(body) {
            Ok(execution) => self.hint(provider, secret, &execution).await,
            Err(why) => {
                tracing::debug!(why, "a callback was not understood");
                Ok(false)
            }
        }
    }
}
