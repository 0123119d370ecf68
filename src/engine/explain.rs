//! Explains why each policy did or did not fire for a person. Reads recorded answers: policies and people change, and
//! the answer is about the past. `reasons` finds the text and the values of a recorded clause.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::Value;

use crate::api::all;
use crate::api::explain::{
    Answer, CaseOf, ClauseLine, Compared, EditLine, ExplainQuery, Explained, Explanation, Occasion,
};
use crate::case::comparison::Forms;
use crate::case::intake::NotAsked;
use crate::model::{CaseId, Clock, SubjectKind, Timestamp};
use crate::policy::script::Trace;
use crate::policy::tree::Trigger;
use crate::policy::{Mode, Policy};
use crate::rollout::Rollout;
use crate::store::{self, Asked, AskedAbout, LastAsked, Store, kept_for};

use super::reasons::Reasons;
use super::sources::{Sources, Whom};

/// The span in which a policy has no verdict.
#[derive(Debug, Clone, Copy)]
struct NotAskedSince {
    at: Timestamp,
    /// The log was looked through until this time only.
    from: Option<Timestamp>,
    of_one_event: bool,
}

/// A handle on explanations.
#[derive(Debug, Clone)]
pub struct Explanations {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rollout: Rollout,
    pub(super) sources: Sources,
}

impl Explanations {
    /// Returns one line for each policy, also for policies that were never evaluated. `None`: no policy has this name.
    /// Without `raw_identity`, values read from documents are left out.
    pub fn explain(
        &self,
        question: &ExplainQuery,
        whom: &Whom,
        raw_identity: bool,
    ) -> Result<Option<Explanation>, store::Error> {
        let at = question.at.map_or_else(|| self.clock.now(), |at| at.0);
        let active = self.rollout.active();
        let last = self.store.last_asked(AskedAbout {
            policy: question.policy.as_deref(),
            kind: whom.kind,
            event: question.event.as_deref(),
            ..AskedAbout::person(&whom.person(), at)
        })?;
        let LastAsked { mut by_policy, from } = last;
        let mut names: BTreeSet<String> = active.set.policies.keys().cloned().collect();
        names.extend(by_policy.keys().cloned());
        if let Some(policy) = &question.policy {
            names.retain(|name| name == policy);
            if names.is_empty() {
                return Ok(None);
            }
        }
        let (mut items, mut reasons) = (Vec::new(), Reasons::new(&self.rollout.revisions));
        for name in names {
            let policy = active.set.policies.get(&name).map(AsRef::as_ref);
            items.push(match by_policy.remove(&name) {
                Some(found) => self.answered(policy, reasons.of(found)?, raw_identity)?,
                None => {
                    let since = NotAskedSince { at, from, of_one_event: question.event.is_some() };
                    self.not_asked(&name, policy, whom, since)?
                }
            });
        }
        Ok(Some(Explanation { subject: question.subject.clone().into(), at, items, next: None }))
    }

    /// Returns why the subject is unknown: no answer about it is recorded and the identity provider does not have it.
    /// `None`: the subject is known, or it cannot be determined.
    pub async fn missing_person(
        &self,
        question: &ExplainQuery,
        whom: &Whom,
    ) -> Result<Option<String>, store::Error> {
        let Ok(source) = self.sources.provider_of(&whom.source) else { return Ok(None) };
        if whom.kind == Some(SubjectKind::Applicant) || self.store.is_asked(&whom.person())? {
            return Ok(None);
        }
        let kinds = whom.kind.map_or(vec![SubjectKind::User, SubjectKind::Registration], |kind| vec![kind]);
        for kind in kinds {
            let subject = whom.reference(kind);
            if !matches!(source.subject(&subject, None).await, Ok(None)) {
                return Ok(None);
            }
        }
        Ok(Some(format!(
            "unknown person {}: the identity provider does not have them, and no decision about them is \
                recorded",
            question.subject.as_str()
        )))
    }

    fn answered(
        &self,
        policy: Option<&Policy>,
        asked: Asked,
        raw_identity: bool,
    ) -> Result<Explained, store::Error> {
        let Asked { at, subject, event, kind, also, time, said } = asked;
        let reacts_to = policy.map(reacts_to).unwrap_or_default();
        // The type by the name that the policy uses.
        let also = also.into_iter().map(|kind| kind.0).find(|kind| reacts_to.contains(kind));
        let kind = if reacts_to.contains(&kind) { kind } else { also.unwrap_or(kind) };
        let case = match said.verdict.has_case() {
            true => self.case_of(&said.detail, raw_identity)?,
            false => None,
        };
        let (clauses, changes) = traced(said.trace.unwrap_or_default(), raw_identity);
        Ok(Explained {
            title: policy.map(|policy| policy.title.clone()).unwrap_or_default(),
            mode: policy.map(|policy| policy.mode.into()),
            says: said.verdict.sentence(&said.detail),
            asked_at: Some(at),
            event: Some(Occasion { key: event, kind, time }),
            subject: Some(subject),
            revised_since: policy.is_some_and(|policy| policy.revision != said.revision),
            revision: Some(said.revision.0),
            clauses,
            changes,
            case,
            reacts_to,
            policy: said.policy,
            verdict: said.verdict.into(),
        })
    }

    pub(super) fn case_of(&self, id: &str, raw_identity: bool) -> Result<Option<CaseOf>, store::Error> {
        let case = self.store.case(&CaseId(id.to_owned()))?;
        let compared = |(step, value): (&String, &Value)| {
            let forms = value.pointer("/document/compared").filter(|_| raw_identity)?;
            let forms = serde_json::from_value::<Vec<Forms>>(forms.clone());
            let forms = forms.inspect_err(
                |error| tracing::error!(%error, case = id, "reading the compared fields failed"),
            );
            Some((step.clone(), all::<_, Compared>(forms.ok()?)))
        };
        Ok(case.map(|case| CaseOf {
            state: case.standing(),
            compared: case.steps.iter().filter_map(compared).collect(),
            id: case.id,
            result: case.result,
        }))
    }

    fn not_asked(
        &self,
        name: &str,
        policy: Option<&Policy>,
        whom: &Whom,
        since: NotAskedSince,
    ) -> Result<Explained, store::Error> {
        let says = match policy {
            None => "not active; it was not evaluated then".to_owned(),
            Some(policy) => self.why_not_asked(policy, whom, since)?,
        };
        Ok(Explained {
            policy: name.to_owned(),
            title: policy.map(|policy| policy.title.clone()).unwrap_or_default(),
            mode: policy.map(|policy| policy.mode.into()),
            verdict: Answer::NotAsked,
            says,
            asked_at: None,
            event: None,
            subject: None,
            revision: policy.map(|policy| policy.revision.0.clone()),
            revised_since: false,
            clauses: Vec::new(),
            changes: Vec::new(),
            case: None,
            reacts_to: policy.map(reacts_to).unwrap_or_default(),
        })
    }

    fn why_not_asked(
        &self,
        policy: &Policy,
        whom: &Whom,
        since: NotAskedSince,
    ) -> Result<String, store::Error> {
        if policy.mode == Mode::Disabled {
            return Ok("not evaluated: the policy is disabled".to_owned());
        }
        if let Some(why) = NotAsked::of_person(policy, whom.kind, &whom.source) {
            return Ok(format!("not evaluated: {}", why.sentence(policy)));
        }
        let reacts_to = reacts_to(policy).join(", ");
        if since.of_one_event {
            return Ok(format!("not evaluated for this event; it reacts to {reacts_to}"));
        }
        // Before that time a plain negative answer has expired, or the policy did not exist.
        let first_ran = self.store.revisions(&policy.name)?.iter().map(|stored| stored.at).min();
        let kept = since.from.unwrap_or(since.at - kept_for());
        let since = first_ran.map_or(kept, |first| first.max(kept));
        let sweep = match policy.sweeps().next() {
            Some(_) => {
                "; people that a sweep found not due are not recorded, and of the people that it skipped \
                    only the first 1,000 of a run; use --try sweep"
            }
            None => "",
        };
        Ok(format!(
            "not evaluated: no trigger of this person since {}; it reacts to {reacts_to}{sweep}",
            (since + TimeDelta::milliseconds(999)).format("%Y-%m-%dT%H:%M:%SZ")
        ))
    }
}

/// Returns the clauses and values of a trace, filtered by permission.
pub(super) fn traced(mut trace: Trace, raw_identity: bool) -> (Vec<ClauseLine>, Vec<Vec<EditLine>>) {
    if !raw_identity {
        hide_documents(&mut trace);
    }
    (all(trace.clauses), trace.changes.into_iter().map(all).collect())
}

pub(super) fn reacts_to(policy: &Policy) -> Vec<String> {
    let word = |trigger: &Trigger| match trigger {
        Trigger::Event(kind) => kind.to_string(),
        Trigger::Sweep(sweep) => format!("sweep {}", sweep.schedule),
        Trigger::Manual => "a start by hand".to_owned(),
    };
    policy.when.iter().map(word).collect()
}

/// Reading values of documents needs a permission of its own.
fn hide_documents(trace: &mut Trace) {
    let of_document = |path: &str| path.split('.').any(|field| field == "document");
    for seen in trace.clauses.iter_mut().flat_map(|clause| &mut clause.values) {
        if of_document(&seen.path) {
            seen.value = Value::Null;
        }
        without_documents(&mut seen.value);
    }
    for edit in trace.changes.iter_mut().flatten() {
        if of_document(&edit.path) {
            edit.is = Value::Null;
        }
        without_documents(&mut edit.is);
    }
}

fn without_documents(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "document" {
                    *value = Value::Null;
                } else {
                    without_documents(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_documents),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
