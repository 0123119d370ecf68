//! Who may decide: members of the team, except excluded persons, and each person once.

use serde_json::Value;

use super::entry::Note;
use super::input::{Decision, Refused, RefusedDecision};
use super::state::{Case, Reviewing, State};
use super::transition::Transition;
use crate::model::{Actor, Timestamp};
use crate::policy::Policy;
use crate::policy::tree::{Review, Verb};

/// Maximum of refused and late decisions in one case's journal. Further ones are only logged and counted.
const MOST_REFUSALS: u32 = 20;

/// Maximum length of a refused word: it is unvalidated input of any length.
const LONGEST_WORD: usize = 64;

/// Checks whether a person may decide what the case waits for.
pub fn may_decide(case: &Case, policy: &Policy, by: &Actor, now: Timestamp) -> Result<(), Refused> {
    match &case.state {
        State::Reviewing(reviewing) => match policy.step(reviewing.step).map(|step| &step.verb) {
            Some(Verb::Review(review)) => may_review(case, policy, reviewing, review, by, now),
            Some(_) | None => Err(Refused::NotAwaited),
        },
        State::Grace(grace) if grace.contested_at.is_some() => may_decide_contest(case, policy, by),
        State::Grace(_)
        | State::Calling { .. }
        | State::Verifying(_)
        | State::Waiting(_)
        | State::Held { .. }
        | State::Stuck(_)
        | State::Closed => Err(Refused::NotAwaited),
    }
}

/// Checks whether a person may decide or claim a review: both have the same conditions.
fn may_review(
    case: &Case,
    policy: &Policy,
    reviewing: &Reviewing,
    review: &Review,
    by: &Actor,
    now: Timestamp,
) -> Result<(), Refused> {
    let queue = policy.people.queues.get(&reviewing.queue);
    // A queue without a team has no members: every decision is refused.
    member(by, queue.map_or("", |queue| &queue.team))?;
    if review.compares_persons() && by.person.is_none() {
        return Err(Refused::PersonRequired { by: by.name.clone() });
    }
    not_excluded(case, &review.never, by)?;
    taken_by_other(reviewing, by, now)?;
    if reviewing.given.iter().any(|given| given.by.same(by)) {
        return Err(Refused::SamePerson { by: by.name.clone() });
    }
    Ok(())
}

/// Checks whether a person may decide a contested end: the policy's owner may. A mail address as owner has no members to
/// check.
fn may_decide_contest(case: &Case, policy: &Policy, by: &Actor) -> Result<(), Refused> {
    if let Some(team) = policy.owner.strip_prefix("team:") {
        member(by, team)?;
    }
    not_excluded(case, &["subject".to_owned()], by)
}

fn member(by: &Actor, team: &str) -> Result<(), Refused> {
    if by.teams.contains(team) {
        return Ok(());
    }
    Err(Refused::NotInTeam { by: by.name.clone(), team: team.to_owned() })
}

impl Transition<'_> {
    pub(super) fn may_review(
        &self,
        reviewing: &Reviewing,
        review: &Review,
        by: &Actor,
    ) -> Result<(), Refused> {
        may_review(&self.case, self.policy, reviewing, review, by, self.now())
    }

    pub(super) fn may_decide_contest(&self, by: &Actor) -> Result<(), Refused> {
        may_decide_contest(&self.case, self.policy, by)
    }

    /// Returns whether the case is about this person.
    pub(super) fn is_about(&self, by: &Actor) -> bool {
        people_of(&self.case, "subject").iter().any(|id| by.is_called(id))
    }

    pub(super) fn decision_refused(&mut self, mut refused: RefusedDecision) -> Result<(), Refused> {
        self.count_refusal(Refused::NotAwaited)?;
        refused.decision = refused.decision.chars().take(LONGEST_WORD).collect();
        self.note(Note::DecisionRefused { refused });
        Ok(())
    }

    /// Records a decision after the end; it changes nothing else.
    pub(super) fn late_decision(&mut self, decision: Decision) -> Result<(), Refused> {
        self.count_refusal(Refused::Closed)?;
        self.note(Note::LateDecision { decision });
        Ok(())
    }

    fn count_refusal(&mut self, otherwise: Refused) -> Result<(), Refused> {
        if self.case.refusals >= MOST_REFUSALS {
            return Err(otherwise);
        }
        self.case.refusals += 1;
        Ok(())
    }
}

fn taken_by_other(reviewing: &Reviewing, by: &Actor, now: Timestamp) -> Result<(), Refused> {
    match &reviewing.assignee {
        Some(assignee) if assignee.until > now && !assignee.by.same(by) => {
            Err(Refused::Taken { by: assignee.by.name.clone(), until: assignee.until })
        }
        Some(_) | None => Ok(()),
    }
}

/// Refuses a person that a rule in `never` excludes. Matches id, login, mail address or full name.
fn not_excluded(case: &Case, never: &[String], by: &Actor) -> Result<(), Refused> {
    let means = |rule: &&String| people_of(case, rule).iter().any(|id| by.is_called(id));
    match never.iter().find(means) {
        Some(rule) => Err(Refused::MayNotDecide { by: by.name.clone(), rule: format!("never: {rule}") }),
        None => Ok(()),
    }
}

/// Returns the ids of the people that a rule names, in the opening record and the latest one.
fn people_of(case: &Case, rule: &str) -> Vec<String> {
    if rule == "event.actor" {
        let event = case.event.as_ref();
        let actors = event.map(|event| [&event.actor, &event.actor_id]).into_iter().flatten();
        return actors.flatten().cloned().collect();
    }
    let records = [Some(&case.subject), case.seen.as_ref()].into_iter().flatten();
    let of = |subject: &crate::model::Subject| -> Vec<String> {
        if rule == "subject" {
            let fields = ["email", "username", "user_id"].iter().filter_map(|field| subject.text(field));
            let names = [subject.id.clone(), subject.person(), subject.display_name()];
            return names.into_iter().chain(subject.account()).chain(fields.map(str::to_owned)).collect();
        }
        // A manager or sponsor is a top-level field or a custom attribute, as text or as a record.
        let custom = subject.fields.get("attributes").and_then(|attributes| attributes.get(rule));
        [subject.fields.get(rule), custom].into_iter().flatten().flat_map(ids_in).collect()
    };
    records.flat_map(of).collect()
}

fn ids_in(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if !text.is_empty() => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Object(record) => ["id", "email", "name", "username"]
            .iter()
            .filter_map(|field| record.get(*field))
            .flat_map(ids_in)
            .collect(),
        Value::Array(people) => people.iter().flat_map(ids_in).collect(),
        Value::String(_) | Value::Null | Value::Bool(_) => Vec::new(),
    }
}
