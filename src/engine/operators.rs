//! The operator API: queries and orders of people and programs about cases.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::api::Page;
use crate::api::all;
use crate::api::bounds::CaseLimit;
use crate::api::cases::{CaseLine, CasePage, CaseQuery, CaseSheet, Filters, OverLimitLine, StateFilter};
use crate::api::holds::HoldLine;
use crate::api::journal::Entry;
use crate::case::{self, Case, Decision, Input, Operator, Refused, State};
use crate::model::{Actor, CaseId, CaseState, Clock, Subject, SubjectRef, Timestamp, search};
use crate::policy::Policy;
use crate::rollout::Rollout;
use crate::store::{self, CaseFilter, Store};

use super::cases::{ApplyError, Cases};
use super::metrics::Metrics;
use super::view::{calls, decisions, registered, review};

pub use crate::case::Order;

/// Cases per page if the query sets no limit.
const PAGE: usize = 50;

/// Most pages of the store that are searched for one page of a filtered list: a rare match cannot hold a request
/// forever. The cursor continues from there.
const PAGES_PER_REQUEST: usize = 5;

/// A handle on the queries and orders of people and programs.
#[derive(Debug, Clone)]
pub struct Operators {
    pub(super) cases: Cases,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rollout: Rollout,
    pub(super) metrics: Arc<Metrics>,
}

/// How busy a policy is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Activity {
    pub open_cases: u64,
    /// When its newest case opened.
    pub last_opened_at: Option<Timestamp>,
}

impl Operators {
    pub fn activity_of(&self, policy: &str) -> Result<Activity, store::Error> {
        let counts = self.store.open_counts()?;
        let of = counts.iter().filter(|((name, _), _)| name == policy);
        let filter = CaseFilter { policy: Some(policy.to_owned()), ..CaseFilter::default() };
        let (newest, _) = self.store.cases(&filter, None, 1)?;
        Ok(Activity {
            open_cases: of.map(|(_, count)| count).sum(),
            last_opened_at: newest.first().map(|case| case.opened_at),
        })
    }

    pub fn list_cases(&self, query: &CaseQuery) -> Result<Page<CaseLine>, store::Error> {
        self.search(query, |this, case| this.matches(case, query).then(|| this.line(case)))
    }

    pub fn list_over_limit(&self, page: CasePage) -> Result<Page<OverLimitLine>, store::Error> {
        let CasePage { cursor, limit } = page;
        let query = CaseQuery { state: Some(StateFilter::OverLimit), cursor, limit, ..CaseQuery::default() };
        self.search(&query, |_, case| match &case.state {
            State::Held { action, since, .. } => Some(OverLimitLine {
                id: case.id.clone(),
                policy: case.policy.clone(),
                action: *action,
                subject: (&case.subject).into(),
                since: *since,
            }),
            _ => None,
        })
    }

    /// Returns the words that the filters of a list accept.
    pub fn filters(&self) -> Filters {
        let active = self.rollout.active();
        let policies = || active.set.policies.values();
        let sorted = |words: BTreeSet<&str>| words.into_iter().map(str::to_owned).collect();
        let queues = policies().flat_map(|policy| policy.people.queues.keys().map(String::as_str));
        Filters {
            policies: sorted(policies().map(|policy| policy.name.as_str()).collect()),
            queues: sorted(queues.collect()),
            outcomes: sorted(policies().flat_map(|policy| policy.results()).collect()),
        }
    }

    fn search<T>(
        &self,
        query: &CaseQuery,
        pick: impl Fn(&Self, &Case) -> Option<T>,
    ) -> Result<Page<T>, store::Error> {
        let limit = query.limit.map_or(PAGE, CaseLimit::get);
        // Only a review has a queue and an assignee.
        let in_review = query.queue.is_some() || query.assignee.as_ref().is_some_and(|by| !by.is_empty());
        let state = query.state.and_then(StateFilter::state).or(in_review.then_some(CaseState::InReview));
        let filter = CaseFilter {
            policy: query.policy.clone(),
            subject: query.subject.clone(),
            open: query.state.map(|state| state.state() != Some(CaseState::Closed)),
            state,
            vendor: query.vendor.clone(),
            text: query.text.clone(),
        };
        let mut items = Vec::new();
        let mut cursor = query.cursor.clone().map(String::from);
        for _ in 0..PAGES_PER_REQUEST {
            let (cases, next) = self.store.cases(&filter, cursor.as_deref(), limit - items.len())?;
            items.extend(cases.iter().filter_map(|case| pick(self, case)));
            cursor = next;
            if cursor.is_none() || items.len() >= limit {
                break;
            }
        }
        Ok(Page { items, next: cursor })
    }

    fn matches(&self, case: &Case, query: &CaseQuery) -> bool {
        let outcome = query.outcome.as_deref();
        let taken_by = |by: &String| assignee(case, self.clock.now()).unwrap_or_default() == *by;
        query.queue.as_deref().is_none_or(|name| queue(case) == Some(name))
            && query.assignee.as_ref().is_none_or(taken_by)
            && outcome.is_none_or(|outcome| case.result.as_deref() == Some(outcome))
    }

    fn line(&self, case: &Case) -> CaseLine {
        // An unusable revision must not hide the case.
        let trouble = self.cases.trouble(case);
        let policy = self.rollout.revisions.readable(case);
        let step =
            |policy: &Policy| case.step().and_then(|index| policy.step(index)).map(|step| step.path.clone());
        CaseLine {
            id: case.id.clone(),
            policy: case.policy.clone(),
            revision: case.revision.0.clone(),
            subject: (&case.subject).into(),
            state: case.standing(),
            waiting_for: policy
                .as_ref()
                .filter(|_| trouble.is_none())
                .map_or_else(|| "a loadable revision".to_owned(), |policy| case::waiting_for(case, policy)),
            step: policy.as_deref().and_then(step),
            result: case.result.clone(),
            opened_at: case.opened_at,
            due_at: case.due_at(),
            closed_at: case.closed_at,
            attempts: case.attempts,
            assignee: assignee(case, self.clock.now()),
            queue: queue(case).map(str::to_owned),
            trouble,
        }
    }

    pub fn case_sheet(&self, id: &CaseId) -> Result<Option<CaseSheet>, store::Error> {
        let Some(case) = self.store.case(id)? else { return Ok(None) };
        let policy = self.cases.policy_of(&case).ok();
        let policy = policy.as_deref();
        Ok(Some(CaseSheet {
            line: self.line(&case),
            steps: case.steps.clone(),
            calls: calls(&case),
            decisions_allowed: policy
                .map(|policy| case::decisions_allowed(&case, policy))
                .unwrap_or_default(),
            decisions: policy.map(|policy| decisions(&case, policy)).unwrap_or_default(),
            may_not_decide: None,
            coming: all(policy.map(|policy| case::coming(&case, policy)).unwrap_or_default()),
            orders_allowed: all(case::orders_allowed(&case)),
            review: policy.and_then(|policy| review(&case, policy, self.clock.now())),
            upcoming: policy.map(|policy| all(case::upcoming(&case, policy))).unwrap_or_default(),
            registered: Some(registered(case.seen.as_ref().unwrap_or(&case.subject))),
            decisions_given: match &case.state {
                State::Reviewing(review) => all(review.given.clone()),
                _ => Vec::new(),
            },
            stuck_because: match &case.state {
                State::Stuck(stuck) => Some(stuck.reason.clone()),
                _ => None,
            },
            holds: all(case.holds.clone()),
            same_mailbox: self.same_mailbox(&case.subject)?,
        }))
    }

    /// Returns why a person may not decide what a case waits for; none: they may, or nothing is to decide.
    pub fn may_not_decide(&self, id: &CaseId, by: &Actor) -> Result<Option<String>, store::Error> {
        let Some(case) = self.store.case(id)? else { return Ok(None) };
        let Ok(policy) = self.cases.policy_of(&case) else { return Ok(None) };
        if case::decisions_allowed(&case, &policy).is_empty() {
            return Ok(None);
        }
        Ok(case::may_decide(&case, &policy, by, self.clock.now()).err().map(|refused| refused.to_string()))
    }

    /// Returns the other records of cases with a person's mail address.
    fn same_mailbox(&self, subject: &Subject) -> Result<Vec<SubjectRef>, store::Error> {
        let Some(mailbox) = search::mailbox(subject) else { return Ok(Vec::new()) };
        let mut people = self.store.people_of_mailbox(&mailbox)?;
        people.retain(|other| *other != subject.reference());
        Ok(people)
    }

    /// Returns the holds of cases, on one account or on all.
    pub fn list_holds(&self, account: Option<&str>) -> Result<Vec<HoldLine>, store::Error> {
        const MOST: usize = 10_000;
        let holdings = match account {
            Some(account) => self.store.holds_of(account)?,
            None => self.store.holds(MOST)?,
        };
        let lines = holdings.into_iter().flat_map(|holding| {
            holding.holds.into_iter().map(move |hold| HoldLine {
                case: holding.case.clone(),
                policy: holding.policy.clone(),
                subject: holding.subject.clone(),
                case_closed: holding.closed,
                hold: hold.into(),
            })
        });
        Ok(lines.collect())
    }

    /// Returns the journal of a case from an entry number on.
    pub fn journal(&self, id: &CaseId, from: u64, limit: usize) -> Result<Vec<Entry>, store::Error> {
        Ok(all(self.store.entries(id, from, limit.clamp(1, 1_000))?))
    }

    /// Applies a person's decision in a review, or about a contested end.
    pub async fn decide_case(
        &self,
        id: &CaseId,
        decision: String,
        reason: Option<String>,
        by: Actor,
    ) -> Result<(), ApplyError> {
        let case = self.store.case(id)?.ok_or(ApplyError::NoCase)?;
        let decision = Decision { decision, reason, by, at: self.clock.now() };
        let refused = match self.cases.apply(id, Input::Decision(decision.clone())).await {
            // The decision is recorded now, and changes nothing.
            Ok(_) if case.is_closed() => Refused::Closed,
            Ok(_) => {
                tracing::info!(case = %id, policy = case.policy, subject = %case.subject.reference(),
                    decision = decision.decision, by = decision.by.name, "decision");
                return Ok(());
            }
            Err(ApplyError::Refused(refused)) => refused,
            Err(error) => return Err(error),
        };
        self.log_refused(&case, "decision", &decision.by, &refused);
        if !case.is_closed() {
            match self.cases.apply(id, Input::RefusedDecision(decision.refused(&refused))).await {
                // The journal of a case holds a limited number of entries.
                Ok(_) | Err(ApplyError::Refused(_)) => {}
                Err(error) => {
                    tracing::error!(case = %id, %error, "writing a refused decision to the journal failed")
                }
            }
        }
        Err(refused.into())
    }

    /// Logs a refusal. The log has the token's name: the person's id may be a mail address.
    fn log_refused(&self, case: &Case, what: &'static str, by: &Actor, refused: &Refused) {
        self.metrics.refused(what, refused.word());
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
        match self.cases.apply(id, Input::Operator(Operator { order, by, reason })).await {
            Ok(case) => {
                tracing::info!(case = %id, policy = case.policy, order = order.word(), by = who.name, "order");
                Ok(())
            }
            Err(ApplyError::Refused(refused)) => {
                if let Some(case) = self.store.case(id)? {
                    self.log_refused(&case, order.word(), &who, &refused);
                }
                Err(refused.into())
            }
            Err(error) => Err(error),
        }
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

#[cfg(test)]
mod tests {
    use crate::api::bounds::CaseCursor;
    use crate::store::is_cursor;

    /// A cursor that the store cannot parse would show the first page again.
    #[test]
    fn the_store_parses_every_cursor_that_the_api_accepts() {
        for text in ["6c", "6c00ff", "6c0", "6b00", "", "00", "6cxx", "6C00"] {
            assert!(CaseCursor::new(text).is_err() || is_cursor(text), "{text}");
        }
        assert!(CaseCursor::new("6c00ff").is_ok());
    }
}
