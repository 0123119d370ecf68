//! What people and programs ask about cases and order them to do. The shapes here have the stable field
//! names of the API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::case::{self, Case, Decision, Entry, Hold, Input, Operator, Refused, State};
use crate::model::{Actor, CaseId, Fields, SubjectKind, SubjectRef, Timestamp};
use crate::policy::Policy;
use crate::store::{self, CaseFilter, Consumed};

use super::Engine;
use super::cases::ApplyError;

pub use crate::case::Order;
/// Whether a text can be the cursor of a page of cases.
pub use crate::store::is_cursor;

/// One line of a case list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CaseLine {
    pub id: CaseId,
    pub policy: String,
    pub revision: String,
    pub subject: SubjectLine,
    /// `running`, `waiting`, `in_review`, `in_grace`, `held`, `stuck` or `closed`.
    pub state: String,
    /// In plain words.
    pub waiting_for: String,
    /// The step's path.
    pub step: Option<String>,
    /// The word of the `close` that was reached.
    pub result: Option<String>,
    pub opened_at: Timestamp,
    pub due_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
    /// Verification sessions started.
    pub attempts: u32,
    /// Who has taken the review.
    pub assignee: Option<String>,
    /// The queue in which the review waits.
    pub queue: Option<String>,
    /// Why the case cannot go on whatever happens, and what to do.
    #[serde(default)]
    pub trouble: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SubjectLine {
    /// The identity provider that has them; not for an applicant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    #[serde(rename = "type")]
    pub kind: SubjectKind,
    pub id: String,
    pub name: String,
}

/// A case with what there is to know of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CaseSheet {
    #[serde(flatten)]
    pub line: CaseLine,
    /// What finished steps learned, by step id.
    pub steps: Fields,
    /// Calls that have not ended.
    pub calls: Vec<CallLine>,
    pub decisions_allowed: Vec<String>,
    /// Decisions so far, where several people must agree.
    pub decisions_given: Vec<Decision>,
    pub stuck_because: Option<String>,
    /// What the case holds against the person.
    pub holds: Vec<Hold>,
}

/// A suspension or a withheld role, and the case that placed it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HoldLine {
    pub case: CaseId,
    pub policy: String,
    pub subject: SubjectRef,
    /// The case has ended and left this; an operator can lift it.
    pub case_closed: bool,
    #[serde(flatten)]
    pub hold: Hold,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CallLine {
    pub id: String,
    pub action: String,
    pub due_at: Timestamp,
    pub attempts: u32,
    pub under_way: bool,
}

/// A page of a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listed<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// What to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Query {
    pub policy: Option<String>,
    pub subject: Option<String>,
    /// A state's word, or `open`.
    pub state: Option<String>,
    /// The result's word.
    pub outcome: Option<String>,
    /// In the subject's name or mail address, or a part of the case id.
    pub text: Option<String>,
    /// A review queue.
    pub queue: Option<String>,
    /// Who has taken the review; empty: nobody.
    pub assignee: Option<String>,
    /// Execution or account id at the vendor.
    pub vendor: Option<String>,
    pub cursor: Option<String>,
    pub limit: Option<usize>,
}

/// An effect that a limit stopped.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HeldLine {
    /// The case's id.
    pub id: CaseId,
    pub policy: String,
    pub action: String,
    pub subject: SubjectLine,
    pub since: Timestamp,
}

/// A revision of a policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevisionLine {
    pub revision: String,
    pub active: bool,
    /// When it first ran.
    pub at: Timestamp,
    pub files: Vec<String>,
}

/// Pages of the store looked through for one page of a filtered list, so that a rare match cannot hold a
/// request for ever; the cursor goes on from there.
const PAGES_PER_REQUEST: usize = 50;

impl Engine {
    pub fn list_cases(&self, query: &Query) -> Result<Listed<CaseLine>, store::Error> {
        self.search(query, |engine, case| engine.matches(case, query).then(|| engine.line(case)))
    }

    pub fn list_held(
        &self,
        cursor: Option<String>,
        limit: Option<usize>,
    ) -> Result<Listed<HeldLine>, store::Error> {
        let query = Query { state: Some("open".to_owned()), cursor, limit, ..Query::default() };
        self.search(&query, |_, case| match &case.state {
            State::Held { action, since, .. } => Some(HeldLine {
                id: case.id.clone(),
                policy: case.policy.clone(),
                action: word(action),
                subject: subject(case),
                since: *since,
            }),
            _ => None,
        })
    }

    fn search<T>(
        &self,
        query: &Query,
        pick: impl Fn(&Self, &Case) -> Option<T>,
    ) -> Result<Listed<T>, store::Error> {
        let limit = query.limit.unwrap_or(50).clamp(1, 500);
        let filter = CaseFilter {
            policy: query.policy.clone(),
            subject: query.subject.clone(),
            open: query.state.as_deref().map(|state| state != "closed"),
            vendor: query.vendor.clone(),
        };
        let mut items = Vec::new();
        let mut cursor = query.cursor.clone();
        for _ in 0..PAGES_PER_REQUEST {
            let (cases, next) = self.0.store.cases(&filter, cursor.as_deref(), limit - items.len())?;
            items.extend(cases.iter().filter_map(|case| pick(self, case)));
            cursor = next;
            if cursor.is_none() || items.len() >= limit {
                break;
            }
        }
        Ok(Listed { items, next: cursor })
    }

    fn matches(&self, case: &Case, query: &Query) -> bool {
        let state = query.state.as_deref().filter(|state| *state != "open");
        let outcome = query.outcome.as_deref();
        let text = query.text.as_deref().map(str::to_lowercase);
        let taken_by = |by: &String| assignee(case, self.now()).unwrap_or_default() == *by;
        state.is_none_or(|state| case.state_word() == state)
            && query.queue.as_deref().is_none_or(|name| queue(case) == Some(name))
            && query.assignee.as_ref().is_none_or(taken_by)
            && outcome.is_none_or(|outcome| case.result.as_deref() == Some(outcome))
            && text.is_none_or(|text| {
                case.id.as_str().contains(&text)
                    || case.subject.display_name().to_lowercase().contains(&text)
                    || case.subject.text("email").is_some_and(|email| email.to_lowercase().contains(&text))
            })
    }

    fn line(&self, case: &Case) -> CaseLine {
        // A revision that cannot be used any more must not hide the case.
        let trouble = self.trouble(case);
        let policy = self.readable(case);
        let step =
            |policy: &Policy| case.step().and_then(|index| policy.step(index)).map(|step| step.path.clone());
        CaseLine {
            id: case.id.clone(),
            policy: case.policy.clone(),
            revision: case.revision.0.clone(),
            subject: subject(case),
            state: case.state_word().to_owned(),
            waiting_for: policy.as_ref().filter(|_| trouble.is_none()).map_or_else(
                || "a revision that can be used".to_owned(),
                |policy| case::waiting_for(case, policy),
            ),
            step: policy.as_deref().and_then(step),
            result: case.result.clone(),
            opened_at: case.opened_at,
            due_at: case.due_at(),
            closed_at: case.closed_at,
            attempts: case.attempts,
            assignee: assignee(case, self.now()),
            queue: queue(case).map(str::to_owned),
            trouble,
        }
    }

    pub fn case_sheet(&self, id: &CaseId) -> Result<Option<CaseSheet>, store::Error> {
        let Some(case) = self.0.store.case(id)? else { return Ok(None) };
        let policy = self.policy_of(&case).ok();
        let calls = case.calls.iter().map(|(number, pending)| CallLine {
            id: case.call_id(*number).to_string(),
            action: pending.action.word().to_owned(),
            due_at: pending.due,
            attempts: pending.attempt,
            under_way: pending.begun.is_some(),
        });
        Ok(Some(CaseSheet {
            line: self.line(&case),
            steps: case.steps.clone(),
            calls: calls.collect(),
            decisions_allowed: policy
                .map(|policy| case::decisions_allowed(&case, &policy))
                .unwrap_or_default(),
            decisions_given: match &case.state {
                State::Reviewing(review) => review.given.clone(),
                _ => Vec::new(),
            },
            stuck_because: match &case.state {
                State::Stuck(stuck) => Some(stuck.reason.clone()),
                _ => None,
            },
            holds: case.holds.clone(),
        }))
    }

    /// What cases hold, against one account or anybody.
    pub fn list_holds(&self, account: Option<&str>) -> Result<Vec<HoldLine>, store::Error> {
        const MOST: usize = 10_000;
        let holdings = match account {
            Some(account) => self.0.store.holds_of(account)?,
            None => self.0.store.holds(MOST)?,
        };
        let lines = holdings.into_iter().flat_map(|holding| {
            holding.holds.into_iter().map(move |hold| HoldLine {
                case: holding.case.clone(),
                policy: holding.policy.clone(),
                subject: holding.subject.clone(),
                case_closed: holding.closed,
                hold,
            })
        });
        Ok(lines.collect())
    }

    /// The journal of a case from an entry number on.
    pub fn journal(&self, id: &CaseId, from: u64, limit: usize) -> Result<Vec<Entry>, store::Error> {
        self.0.store.entries(id, from, limit.clamp(1, 1_000))
    }

    /// A person's decision in a review, or about a contested end.
    pub async fn decide_case(
        &self,
        id: &CaseId,
        decision: String,
        reason: Option<String>,
        by: Actor,
    ) -> Result<(), ApplyError> {
        let case = self.0.store.case(id)?.ok_or(ApplyError::NoCase)?;
        let decision = Decision { decision, reason, by, at: self.now() };
        let refused = match self.apply(id, Input::Decision(decision.clone())).await {
            // It is on record now, and changes nothing.
            Ok(_) if case.is_closed() => Refused::Closed,
            Ok(_) => {
                tracing::info!(case = %id, policy = case.policy, subject = %case.subject.reference(),
                    decision = decision.decision, by = decision.by.name, "decision");
                return Ok(());
            }
            Err(ApplyError::Refused(refused)) => refused,
            Err(error) => return Err(error),
        };
        self.told_refused(&case, "decision", &decision.by, &refused);
        if !case.is_closed() {
            match self.apply(id, Input::RefusedDecision(decision.refused(&refused))).await {
                // The journal of a case holds only so many.
                Ok(_) | Err(ApplyError::Refused(_)) => {}
                Err(error) => tracing::error!(case = %id, %error, "a refused decision is not in the journal"),
            }
        }
        Err(refused.into())
    }

    /// The log has the token's name: the person's id may be a mail address.
    fn told_refused(&self, case: &Case, what: &'static str, by: &Actor, refused: &Refused) {
        self.0.metrics.refused(what, refused.word());
        tracing::warn!(case = %case.id, policy = case.policy, subject = %case.subject.reference(),
            by = by.name, reason = refused.word(), "{what} refused");
    }

    pub async fn order(
        &self,
        id: &CaseId,
        order: Order,
        by: Actor,
        reason: String,
    ) -> Result<(), ApplyError> {
        let who = by.clone();
        match self.apply(id, Input::Operator(Operator { order, by, reason })).await {
            Ok(case) => {
                tracing::info!(case = %id, policy = case.policy, ?order, by = who.name, "order");
                Ok(())
            }
            Err(ApplyError::Refused(refused)) => {
                if let Some(case) = self.0.store.case(id)? {
                    self.told_refused(&case, order.word(), &who, &refused);
                }
                Err(refused.into())
            }
            Err(error) => Err(error),
        }
    }

    /// Opens a case by hand. The outer error is ours, the inner one is a sentence for who asked.
    pub async fn start_case(
        &self,
        policy: &str,
        subject: &SubjectRef,
        by: String,
        reason: String,
    ) -> Result<Result<CaseId, String>, ApplyError> {
        let active = self.active();
        let Some(policy) = active.set.policies.get(policy) else {
            return Ok(Err(format!("there is no policy {policy}")));
        };
        if !policy.manual() {
            return Ok(Err(format!("policy {} has no `manual: true` under `when`", policy.name)));
        }
        if policy.subject != subject.kind {
            return Ok(Err(format!(
                "policy {} is about {}, not {}",
                policy.name,
                policy.subject.one(),
                subject.kind.one()
            )));
        }
        let subject = match self.sourced(subject.clone()) {
            Ok(subject) => subject,
            Err(why) => return Ok(Err(format!("subject: {why}"))),
        };
        let source = match self.provider_of(&subject.source) {
            Ok(source) => source,
            Err(why) => return Ok(Err(why)),
        };
        match source.subject(&subject, None).await {
            Err(failure) => Ok(Err(format!("the identity provider does not answer: {}", failure.reason))),
            Ok(None) => Ok(Err(format!("there is no {subject} at the identity provider"))),
            Ok(Some(subject)) => {
                let started = self.start_by_hand(policy, subject, by, reason).await?;
                Ok(started.map(|case| case.id))
            }
        }
    }

    /// Every revision of a policy that the store has, newest first.
    pub fn policy_revisions(&self, name: &str) -> Result<Vec<RevisionLine>, store::Error> {
        let active = self.active();
        let runs = active.set.policies.get(name).map(|policy| policy.revision.clone());
        let mut lines: Vec<_> = self
            .0
            .store
            .revisions(name)?
            .into_iter()
            .map(|stored| RevisionLine {
                active: runs.as_ref() == Some(&stored.revision),
                revision: stored.revision.0,
                at: stored.at,
                files: stored.files.into_keys().collect(),
            })
            .collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.at));
        Ok(lines)
    }

    /// Open cases by policy and state.
    pub fn counts(&self) -> Result<BTreeMap<(String, String), u64>, store::Error> {
        let mut counts = self.0.store.counts()?;
        counts.retain(|(_, state), _| state != "closed");
        Ok(counts)
    }

    /// What every policy said about an event.
    pub fn verdicts(&self, key: &str) -> Result<Option<Consumed>, store::Error> {
        self.0.store.verdicts(key)
    }
}

fn queue(case: &Case) -> Option<&str> {
    match &case.state {
        State::Reviewing(reviewing) => Some(&reviewing.queue),
        _ => None,
    }
}

fn assignee(case: &Case, now: Timestamp) -> Option<String> {
    let State::Reviewing(reviewing) = &case.state else { return None };
    reviewing.assignee.as_ref().filter(|taken| taken.until > now).map(|taken| taken.by.name.clone())
}

fn subject(case: &Case) -> SubjectLine {
    let SubjectRef { source, kind, id } = case.subject.reference();
    SubjectLine { source, kind, id, name: case.subject.display_name() }
}

fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
