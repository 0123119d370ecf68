//! Why policies did or did not fire for a person, and what they would answer with other values.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::bounds::{CaseLimit, Moment, Whom};
use crate::api::cases::{CaseQuery, SubjectLine};
use crate::api::diagnostics::Diagnostic;
use crate::api::explain::{Answer as Word, DryRun, DryRunLine, ExplainQuery, Explained, MadeUp};
use crate::http::answer::Answer;
use crate::http::extract::Query;
use crate::http::routes::CASES;
use crate::http::{Problem, cases, explain};
use crate::model::{EventType, Fields};

use super::super::nav::Place;
use super::super::visit::{Note, Visit};

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Question {
    /// What somebody typed into the search: a name, a mail address, an id.
    who: String,
    /// A reference such as `user/17`.
    subject: String,
    policy: String,
    event: String,
    at: String,
    /// Not empty: a dry run.
    r#try: String,
    /// Type of a made-up event; empty: the newest recorded one.
    kind: String,
    /// Lines `field: value`.
    fields: String,
    person: String,
}

#[derive(Debug, Default, Serialize)]
struct Shown {
    question: Question,
    note: Option<Note>,
    /// People that the search found.
    people: Vec<Found>,
    searched: bool,
    /// Verdicts, the most telling first.
    items: Vec<Explained>,
    /// Policies that were not asked.
    silent: Vec<Explained>,
    tried: Vec<DryRunLine>,
    errors: Vec<Diagnostic>,
    policies: Vec<String>,
    kinds: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Found {
    subject: SubjectLine,
    path: String,
}

/// GET `/explain`.
pub async fn show(visit: Visit, Query(question): Query<Question>) -> Result<Response, Problem> {
    let mut view = Shown { policies: policies(&visit), kinds: kinds(&visit), ..Shown::default() };
    let asked = if !question.subject.trim().is_empty() {
        answer(&visit, &question, &mut view).await
    } else if !question.who.trim().is_empty() {
        search(&visit, &question, &mut view).await
    } else {
        Ok(())
    };
    match asked {
        Ok(()) => {}
        // What was typed stays in the form.
        Err(problem) if problem.status().is_client_error() => {
            view.note = Some(Note { good: false, text: super::super::words::capital(problem.detail()) });
        }
        Err(problem) => return Err(problem),
    }
    view.question = question;
    visit.page("explain.html", "Explain", Place::Explain, &view)
}

fn policies(visit: &Visit) -> Vec<String> {
    visit.doors.engine().active().set.policies.keys().cloned().collect()
}

/// Types of events that some policy reacts to.
fn kinds(visit: &Visit) -> Vec<String> {
    let active = visit.doors.engine().active();
    let kinds: BTreeSet<String> =
        active.set.policies.values().flat_map(|policy| policy.reacts_to()).map(ToString::to_string).collect();
    ["manual", "sweep"].into_iter().map(str::to_owned).chain(kinds).collect()
}

async fn search(visit: &Visit, question: &Question, view: &mut Shown) -> Result<(), Problem> {
    view.searched = true;
    if !visit.caller.may(CASES) {
        // Who may not see cases names the person.
        return Ok(());
    }
    let text = Some(question.who.trim().to_owned());
    let query = CaseQuery { text, limit: Some(CaseLimit::nearest(100)), ..CaseQuery::default() };
    let Answer(page) = cases::list(State(visit.doors.clone()), Query(query)).await?;
    let mut seen = BTreeSet::new();
    for line in page.items {
        let reference = reference(&line.subject);
        if seen.insert(reference.clone()) {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("subject", &reference);
            view.people.push(Found { subject: line.subject, path: format!("/explain?{}", query.finish()) });
        }
    }
    Ok(())
}

fn reference(subject: &SubjectLine) -> String {
    let SubjectLine { source, kind, id, .. } = subject;
    if source.is_empty() { format!("{}/{id}", kind.word()) } else { format!("{source}/{}/{id}", kind.word()) }
}

async fn answer(visit: &Visit, question: &Question, view: &mut Shown) -> Result<(), Problem> {
    let wrong = |name: &'static str| move |why: &'static str| Problem::bad_request(format!("{name}: {why}"));
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let subject = Whom::new(question.subject.trim()).map_err(wrong("person"))?;
    let at = given(&question.at).map(|text| moment(&text)).transpose()?;
    let (policy, event) = (given(&question.policy), given(&question.event));
    if question.r#try.is_empty() {
        let query = ExplainQuery { subject, at, policy, event };
        let Answer(explained) =
            explain::explain(State(visit.doors.clone()), visit.caller.clone(), Query(query)).await?;
        let (silent, mut items): (Vec<_>, Vec<_>) =
            explained.items.into_iter().partition(|one| one.verdict == Word::NotAsked);
        items.sort_by_key(|one| (one.case.is_none(), std::cmp::Reverse(one.asked_at)));
        (view.items, view.silent) = (items, silent);
        return Ok(());
    }
    let kind = given(&question.kind).map(EventType::new);
    let fields = fields(&question.fields).map_err(|line| malformed("the event", &line))?;
    let person = self::fields(&question.person).map_err(|line| malformed("the person", &line))?;
    let key = event.filter(|_| kind.is_none());
    let run =
        DryRun { subject, policy, event: MadeUp { kind, key, fields }, person, files: None, at, last: None };
    let answer = visit.doors.engine().dry_runs().run(&run, visit.caller.raw_identity).await?;
    (view.tried, view.errors) = (answer.items, answer.errors);
    Ok(())
}

fn malformed(whose: &str, line: &str) -> Problem {
    Problem::bad_request(format!("fields of {whose}: expected `field: value`, found `{line}`"))
}

fn moment(text: &str) -> Result<Moment, Problem> {
    // A browser's field for a time has no zone and no seconds.
    let text = if text.len() == 16 { format!("{text}:00Z") } else { text.to_owned() };
    let at = text.parse().map(Moment);
    at.map_err(|_| Problem::bad_request("time: expected a time such as 2026-01-05T09:00:00Z"))
}

/// Reads lines `field: value`; a value is JSON, or else text. The error is the line.
fn fields(text: &str) -> Result<Fields, String> {
    let mut fields = Fields::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(line)?;
        let value = value.trim();
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        fields.insert(name.trim().to_owned(), value);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_lines() {
        for (text, expected) in [
            ("", Ok("{}")),
            ("risk: 90\n\n country: DE ", Ok(r#"{"risk":90,"country":"DE"}"#)),
            ("at: 10:30", Ok(r#"{"at":"10:30"}"#)),
            ("vip: true", Ok(r#"{"vip":true}"#)),
            ("vip", Err("vip")),
        ] {
            let read = fields(text).map(|fields| serde_json::to_value(&fields).unwrap());
            let expected = expected
                .map(|json| serde_json::from_str::<Value>(json).unwrap())
                .map_err(|line: &str| line.to_owned());
            assert_eq!(read, expected, "{text}");
        }
    }
}
