//! One person: their cases, and what is held against them. And the list of all holds.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::api::bounds::{CaseLimit, Whom};
use crate::api::cases::{CaseLine, CaseQuery};
use crate::api::holds::{HoldLine, HoldQuery};
use crate::config::Role;
use crate::http::answer::Answer;
use crate::http::extract::{Path, Query};
use crate::http::{Problem, cases};

use super::nav::Place;
use super::visit::{Note, Visit};

/// Cases of a person on the page.
const CASES: usize = 200;
/// Holds on one page, each with the person's name.
const HOLDS: usize = 200;

#[derive(Debug, Serialize)]
struct Person {
    note: Option<Note>,
    name: String,
    id: String,
    kind: &'static str,
    source: String,
    registered: Vec<(String, String)>,
    cases: Vec<CaseLine>,
    holds: Vec<Held>,
    may_lift: bool,
}

#[derive(Debug, Serialize)]
struct Held {
    #[serde(flatten)]
    line: HoldLine,
    name: String,
}

/// GET `/people/{subject}`.
pub async fn person(visit: Visit, Path(subject): Path<String>) -> Result<Response, Problem> {
    let doors = || State(visit.doors.clone());
    let limit = Some(CaseLimit::nearest(CASES));
    let query = CaseQuery { subject: Some(subject.clone()), limit, ..CaseQuery::default() };
    let Answer(page) = cases::list(doors(), Query(query)).await?;
    let newest = page.items.first().ok_or_else(|| Problem::not_found("person"))?.clone();
    let Answer(sheet) = cases::show(doors(), visit.caller.clone(), Path(newest.id.0.clone())).await?;
    let name = newest.subject.name.0.clone();
    let whom = Whom::new(subject.clone()).ok();
    let holds = match cases::holds(doors(), Query(HoldQuery { subject: whom })).await {
        Ok(Answer(page)) => page.items,
        // Somebody without an account has none.
        Err(_) => Vec::new(),
    };
    let view = Person {
        note: visit.take_note(),
        id: subject,
        kind: newest.subject.kind.word(),
        source: newest.subject.source,
        registered: sheet.registered.as_ref().map(super::evidence::all).unwrap_or_default(),
        holds: holds.into_iter().map(|line| Held { line, name: name.clone() }).collect(),
        cases: page.items,
        may_lift: visit.caller.may(&[Role::Operator]),
        name,
    };
    let title = if view.name.is_empty() { "Person" } else { &view.name };
    visit.page("person.html", title, Place::Other, &view)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    subject: String,
}

#[derive(Debug, Serialize)]
struct Holds {
    note: Option<Note>,
    subject: String,
    wrong: Option<String>,
    items: Vec<Held>,
    more: usize,
    may_lift: bool,
}

/// GET `/holds`.
pub async fn holds(visit: Visit, Query(wanted): Query<Wanted>) -> Result<Response, Problem> {
    let doors = || State(visit.doors.clone());
    let subject = Whom::new(wanted.subject.trim()).ok();
    let (mut lines, wrong) = match cases::holds(doors(), Query(HoldQuery { subject })).await {
        Ok(Answer(page)) => (page.items, None),
        Err(problem) if problem.status().is_client_error() => (Vec::new(), Some(problem.detail().to_owned())),
        Err(problem) => return Err(problem),
    };
    lines.sort_by_key(|line| std::cmp::Reverse(line.hold.since));
    let more = lines.len().saturating_sub(HOLDS);
    lines.truncate(HOLDS);
    let mut names = BTreeMap::new();
    for line in &lines {
        if !names.contains_key(&line.case) {
            let sheet = cases::show(doors(), visit.caller.clone(), Path(line.case.0.clone())).await;
            let name = sheet.map(|Answer(sheet)| sheet.line.subject.name.0).unwrap_or_default();
            names.insert(line.case.clone(), name);
        }
    }
    let held = |line: HoldLine| Held { name: names.get(&line.case).cloned().unwrap_or_default(), line };
    let view = Holds {
        note: visit.take_note(),
        subject: wanted.subject,
        wrong,
        items: lines.into_iter().map(held).collect(),
        more,
        may_lift: visit.caller.may(&[Role::Operator]),
    };
    visit.page("holds.html", "Holds", Place::Holds, &view)
}
