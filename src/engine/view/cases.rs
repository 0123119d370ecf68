//! Cases, holds, migrations.

use crate::api::Name;
use crate::api::cases::{CallLine, ComingLine, DecisionLine, ReviewSheet, SubjectLine, Upcoming};
use crate::api::holds::{Hold, HoldTarget, Placed, Whose};
use crate::api::journal::{Decision, OrderWord, Ordered, RefusedDecision};
use crate::case::{self, Case, Pending, Reviewing, State};
use crate::model::{Fields, Subject, SubjectRef, Timestamp};
use crate::policy::Policy;
use crate::policy::tree::Step;

impl From<&Subject> for SubjectLine {
    fn from(subject: &Subject) -> Self {
        let SubjectRef { source, kind, id } = subject.reference();
        Self { source, kind, id, name: Name(subject.display_name()) }
    }
}

/// The calls of a case that have not ended.
pub(in crate::engine) fn calls(case: &Case) -> Vec<CallLine> {
    let line = |(number, pending): (&u32, &Pending)| CallLine {
        id: case.call_id(*number).to_string(),
        action: pending.action.word().to_owned(),
        due_at: pending.due,
        attempts: pending.attempt,
        under_way: pending.begun.is_some(),
    };
    case.calls.iter().map(line).collect()
}

/// The decisions that are allowed now.
pub(in crate::engine) fn decisions(case: &Case, policy: &Policy) -> Vec<DecisionLine> {
    let rules = case::decision_rules(case, policy);
    let line = |decision: String| {
        let rule = rules.and_then(|(rules, _)| rules.get(&decision));
        let reason_required = rule.is_some_and(|rule| rule.reason_required);
        let then = reviewed(case, policy).map(|(_, step)| case::follow(policy, step, &decision));
        let (people, then) = (rules.map_or(1, |(_, people)| people), then.unwrap_or_default());
        DecisionLine { decision, reason_required, people, then }
    };
    case::decisions_allowed(case, policy).into_iter().map(line).collect()
}

impl From<case::Coming> for ComingLine {
    fn from(case::Coming { at, what }: case::Coming) -> Self {
        Self { at, what }
    }
}

/// The review of a case and its step, if one is awaited.
fn reviewed<'a>(case: &'a Case, policy: &'a Policy) -> Option<(&'a Reviewing, &'a Step)> {
    let State::Reviewing(review) = &case.state else { return None };
    Some((review, policy.step(review.step)?))
}

/// The rules of a case's review, if one is awaited.
pub(in crate::engine) fn review(case: &Case, policy: &Policy, now: Timestamp) -> Option<ReviewSheet> {
    let (review, _) = reviewed(case, policy)?;
    Some(ReviewSheet {
        team: policy.people.queues.get(&review.queue).map(|queue| queue.team.clone()),
        claimed_until: review.assignee.as_ref().map(|claim| claim.until).filter(|until| *until > now),
    })
}

/// Fields that people fill in or recognize a person by. Others are for policies.
const REGISTERED: &[&str] = &[
    "first_name",
    "last_name",
    "email",
    "username",
    "date_of_birth",
    "phone",
    "company",
    "department",
    "title",
    "job_title",
    "profile",
    "locale",
    "start_date",
    "created_at",
];

pub(in crate::engine) fn registered(subject: &Subject) -> Fields {
    let field = |name: &&str| Some(((*name).to_owned(), subject.fields.get(*name)?.clone()));
    let known = REGISTERED.iter().filter_map(field);
    known
        .filter(|(_, value)| value.as_str().is_none_or(|text| !text.is_empty()) && !value.is_null())
        .collect()
}

impl From<case::Upcoming> for Upcoming {
    fn from(upcoming: case::Upcoming) -> Self {
        let case::Upcoming { at, what, then } = upcoming;
        Self { at, what, then }
    }
}

impl From<case::Hold> for Hold {
    fn from(hold: case::Hold) -> Self {
        let case::Hold { what, since, before, whose, told, granted_at, read_at, lifting, placed } = hold;
        let told = told.map(|(at, whose)| (at, whose.into()));
        let (what, whose, placed) = (what.into(), whose.into(), placed.into());
        Self { what, since, before, whose, told, granted_at, read_at, lifting, placed }
    }
}

impl From<case::Held> for HoldTarget {
    fn from(held: case::Held) -> Self {
        match held {
            case::Held::Account => Self::Account,
            case::Held::Role(role) => Self::Role(role),
        }
    }
}

impl From<case::Whose> for Whose {
    fn from(whose: case::Whose) -> Self {
        match whose {
            case::Whose::Ours => Self::Ours,
            case::Whose::Presumed => Self::Presumed,
            case::Whose::Theirs => Self::Theirs,
            case::Whose::Unknown => Self::Unknown,
        }
    }
}

impl From<case::Placed> for Placed {
    fn from(placed: case::Placed) -> Self {
        match placed {
            case::Placed::Asked => Self::Asked,
            case::Placed::Tried => Self::Tried,
            case::Placed::Known => Self::Known,
        }
    }
}

impl From<case::Decision> for Decision {
    fn from(decision: case::Decision) -> Self {
        let case::Decision { decision, reason, by, at } = decision;
        Self { decision, reason, by, at }
    }
}

impl From<case::RefusedDecision> for RefusedDecision {
    fn from(refused: case::RefusedDecision) -> Self {
        let case::RefusedDecision { decision, by, reason } = refused;
        Self { decision, by, reason }
    }
}

impl From<case::Operator> for Ordered {
    fn from(operator: case::Operator) -> Self {
        let case::Operator { order, by, reason } = operator;
        Self { order: order.into(), by, reason }
    }
}

impl From<case::Order> for OrderWord {
    fn from(order: case::Order) -> Self {
        match order {
            case::Order::Retry => Self::Retry,
            case::Order::Cancel => Self::Cancel,
            case::Order::Release => Self::Release,
            case::Order::Drop => Self::Drop,
            case::Order::Undo => Self::Undo,
            case::Order::Remind => Self::Remind,
            case::Order::Claim => Self::Claim,
            case::Order::ReleaseClaim => Self::ReleaseClaim,
            case::Order::Lift => Self::Lift,
        }
    }
}
