//! Why each policy did or did not fire for a person. What was said then is read, not decided again: policies
//! and people change, and the answer is about what happened.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{CaseId, SubjectKind, SubjectRef, Timestamp};
use crate::policy::script::{Answer, Edit, Seen, Trace};
use crate::policy::tree::Trigger;
use crate::policy::{Mode, Policy};
use crate::store::{self, Asked, kept_for};

use super::Engine;
use super::sources::Whom;

/// So many answers of one policy about one person are looked through for the one that is asked for.
const LOOKED_THROUGH: usize = 1_000;

/// What is asked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// An id, or a reference such as `user/17`.
    pub subject: String,
    /// The answer nearest before this; now, if it is not given.
    #[serde(default)]
    pub at: Option<Timestamp>,
    #[serde(default)]
    pub policy: Option<String>,
    /// An event's key: what was said of this very event.
    #[serde(default)]
    pub event: Option<String>,
}

/// What the policies said.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    pub subject: String,
    pub at: Timestamp,
    pub items: Vec<Explained>,
}

/// What one policy said.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Explained {
    pub policy: String,
    pub title: String,
    /// None: it does not run any more.
    pub mode: Option<Mode>,
    /// `not_asked`, `opened`, `joined`, `cancelled`, `ignored`, `clause`, `where`, `could_not_decide`, `shadow`, ...
    pub verdict: String,
    /// In a sentence.
    pub says: String,
    pub asked_at: Option<Timestamp>,
    pub event: Option<Occasion>,
    pub subject: Option<SubjectRef>,
    /// The revision that was asked.
    pub revision: Option<String>,
    /// It is not the one that runs now.
    pub revised_since: bool,
    /// What kept it from firing.
    pub clauses: Vec<ClauseLine>,
    /// The smallest changes that would have made it fire; each is enough by itself. Empty: no comparison
    /// with a constant or a setting decided.
    pub changes: Vec<Vec<EditLine>>,
    pub case: Option<CaseOf>,
    /// The events, sweeps and hands that can open its cases.
    pub reacts_to: Vec<String>,
}

/// What made the policy be asked.
#[derive(Debug, Clone, Serialize)]
pub struct Occasion {
    pub key: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub time: Timestamp,
}

/// A clause with what it looked at.
#[derive(Debug, Clone, Serialize)]
pub struct ClauseLine {
    pub clause: String,
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub answer: Answer,
    pub error: Option<String>,
    pub values: Vec<Seen>,
}

#[derive(Debug, Clone, Serialize)]
pub struct EditLine {
    #[serde(flatten)]
    pub edit: Edit,
    pub says: String,
}

/// The case that it led to, as it is now.
#[derive(Debug, Clone, Serialize)]
pub struct CaseOf {
    pub id: CaseId,
    pub state: String,
    pub result: Option<String>,
    /// Per verification the compared fields as they were compared; only for those who may see documents.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub compared: BTreeMap<String, Value>,
}

impl Engine {
    /// One line for each policy, also for those that were never asked. None: there is no policy of the name.
    /// Without `raw_identity` what was read from documents is left out.
    pub fn explain(
        &self,
        question: &Question,
        whom: &Whom,
        raw_identity: bool,
    ) -> Result<Option<Explanation>, store::Error> {
        let at = question.at.unwrap_or_else(|| self.now());
        let (kind, person) = (whom.kind, &whom.person());
        let active = self.active();
        let mut names: BTreeSet<String> = active.set.policies.keys().cloned().collect();
        names.extend(self.0.store.policies_asked(person)?);
        if let Some(policy) = &question.policy {
            names.retain(|name| name == policy);
            if names.is_empty() {
                return Ok(None);
            }
        }
        let mut items = Vec::new();
        for name in names {
            let policy = active.set.policies.get(&name).map(AsRef::as_ref);
            let asked = self.nearest(person, kind, &name, at, question.event.as_deref())?;
            items.push(match asked {
                Some(asked) => self.answered(policy, asked, raw_identity)?,
                None => self.not_asked(&name, policy, kind, at, question.event.is_some())?,
            });
        }
        Ok(Some(Explanation { subject: question.subject.clone(), at, items }))
    }

    /// Why there is nobody to say something about: no answer about them is kept, and the identity provider
    /// does not know them. None: there is somebody, or nobody can say.
    pub async fn nobody(&self, question: &Question, whom: &Whom) -> Result<Option<String>, store::Error> {
        let Ok(source) = self.provider_of(&whom.source) else { return Ok(None) };
        if whom.kind == Some(SubjectKind::Applicant)
            || !self.0.store.policies_asked(&whom.person())?.is_empty()
        {
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
            "nobody is known as {}: the identity provider does not have them, and no answer about them is kept",
            question.subject
        )))
    }

    /// What a policy said last before a time; of one event what says most.
    fn nearest(
        &self,
        person: &str,
        kind: Option<SubjectKind>,
        policy: &str,
        at: Timestamp,
        event: Option<&str>,
    ) -> Result<Option<Asked>, store::Error> {
        let narrow = kind.is_some() || event.is_some();
        let limit = if narrow { LOOKED_THROUGH } else { 1 };
        let asked = self.0.store.asked(person, policy, at, limit)?;
        Ok(asked.into_iter().find(|asked| {
            kind.is_none_or(|kind| asked.subject.kind == kind) && event.is_none_or(|key| asked.event == key)
        }))
    }

    fn answered(
        &self,
        policy: Option<&Policy>,
        asked: Asked,
        raw_identity: bool,
    ) -> Result<Explained, store::Error> {
        let Asked { at, subject, event, kind, also, time, said } = asked;
        let reacts_to = policy.map(reacts_to).unwrap_or_default();
        // By the name that the policy knows it by.
        let also = also.into_iter().map(|kind| kind.0).find(|kind| reacts_to.contains(kind));
        let kind = if reacts_to.contains(&kind) { kind } else { also.unwrap_or(kind) };
        let case = match said.verdict.as_str() {
            "opened" | "joined" | "cancelled" | "ignored" => self.case_of(&said.detail, raw_identity)?,
            _ => None,
        };
        let (clauses, changes) = traced(said.trace.unwrap_or_default(), raw_identity);
        Ok(Explained {
            title: policy.map(|policy| policy.title.clone()).unwrap_or_default(),
            mode: policy.map(|policy| policy.mode),
            says: sentence(&said.verdict, &said.detail),
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
            verdict: said.verdict,
        })
    }

    pub(super) fn case_of(&self, id: &str, raw_identity: bool) -> Result<Option<CaseOf>, store::Error> {
        let case = self.0.store.case(&CaseId(id.to_owned()))?;
        let compared = |(step, value): (&String, &Value)| {
            Some((step.clone(), value.pointer("/document/compared").filter(|_| raw_identity)?.clone()))
        };
        Ok(case.map(|case| CaseOf {
            state: case.state_word().to_owned(),
            compared: case.steps.iter().filter_map(compared).collect(),
            id: case.id,
            result: case.result,
        }))
    }

    fn not_asked(
        &self,
        name: &str,
        policy: Option<&Policy>,
        kind: Option<SubjectKind>,
        at: Timestamp,
        of_one_event: bool,
    ) -> Result<Explained, store::Error> {
        let says = match policy {
            None => "it does not run, and was not asked then".to_owned(),
            Some(policy) => self.why_not_asked(policy, kind, at, of_one_event)?,
        };
        Ok(Explained {
            policy: name.to_owned(),
            title: policy.map(|policy| policy.title.clone()).unwrap_or_default(),
            mode: policy.map(|policy| policy.mode),
            verdict: "not_asked".to_owned(),
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
        kind: Option<SubjectKind>,
        at: Timestamp,
        of_one_event: bool,
    ) -> Result<String, store::Error> {
        if policy.mode == Mode::Disabled {
            return Ok("not asked: it is disabled".to_owned());
        }
        if kind.is_some_and(|kind| kind != policy.subject) {
            return Ok(format!("not asked: it is about {}", policy.subject.one()));
        }
        let reacts_to = reacts_to(policy).join(", ");
        if of_one_event {
            return Ok(format!("not asked about this event; it reacts to {reacts_to}"));
        }
        // Before that a plain no would have been forgotten, or the policy was not there.
        let first_ran = self.0.store.revisions(&policy.name)?.iter().map(|stored| stored.at).min();
        let kept = at - kept_for("clause");
        let since = first_ran.map_or(kept, |first| first.max(kept));
        let sweep = match policy.sweeps().next() {
            Some(_) => {
                "; whom a sweep did not find due is not kept, and of whom it left out the first 1,000 of a run: \
                 ask it with --try sweep"
            }
            None => "",
        };
        Ok(format!(
            "not asked: none of its triggers happened to this person since {}; it reacts to {reacts_to}{sweep}",
            (since + TimeDelta::milliseconds(999)).format("%Y-%m-%dT%H:%M:%SZ")
        ))
    }
}

/// What a policy looked at, for those who may see it.
pub(super) fn traced(mut trace: Trace, raw_identity: bool) -> (Vec<ClauseLine>, Vec<Vec<EditLine>>) {
    if !raw_identity {
        hide_documents(&mut trace);
    }
    let clauses = trace.clauses.into_iter().map(|traced| ClauseLine {
        clause: traced.clause,
        file: traced.file,
        line: traced.line,
        column: traced.column,
        answer: traced.answer,
        error: traced.error,
        values: traced.values,
    });
    let line = |edit: Edit| EditLine { says: edit.said(), edit };
    let changes = trace.changes.into_iter().map(|edits| edits.into_iter().map(line).collect());
    (clauses.collect(), changes.collect())
}

pub(super) fn reacts_to(policy: &Policy) -> Vec<String> {
    let word = |trigger: &Trigger| match trigger {
        Trigger::Event(kind) => kind.to_string(),
        Trigger::Sweep(sweep) => format!("sweep {}", sweep.schedule),
        Trigger::Manual => "a start by hand".to_owned(),
    };
    policy.when.iter().map(word).collect()
}

pub(super) fn sentence(verdict: &str, detail: &str) -> String {
    match verdict {
        "opened" => format!("a case opened: {detail}"),
        "joined" => format!("the event joined the open case {detail}"),
        "cancelled" => format!("the event ended the open case {detail}"),
        "ignored" => format!("the open case {detail} had no use for the event"),
        "clause" => format!("a clause did not hold: {detail}"),
        "where" => format!("the sweep leaves them out: {detail}"),
        "could_not_decide" => format!("it could not decide, and opened nothing: {detail}"),
        "shadow" => format!("shadow: {detail}"),
        "no_subject" => format!("nobody to decide about: {detail}"),
        other => format!("{other}: {detail}"),
    }
}

/// What was read from a document is a permission of its own.
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
