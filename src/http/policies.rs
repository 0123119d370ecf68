//! Policies over HTTP: the active ones, their revisions, and a reload that answers with its result.

use axum::extract::State;

use crate::api::Page;
use crate::api::bounds::PeopleLimit;
use crate::api::policies::{
    LastReload, PolicyLine, PolicyList, PolicyState, PolicyStatus, Reload, RevisionLine,
};
use crate::api::shadow::{ShadowQuery, ShadowReport};
use crate::api::sweeps::SweepLine;
use crate::engine::operators::Activity;
use crate::rollout::Report;

use super::answer::{Answer, Verdict};
use super::extract::{Path, Query};
use super::{AppState, Caller, Problem};

/// People of a report if the query sets no limit.
const PEOPLE: usize = 100;

pub async fn list(State(doors): State<AppState>) -> Result<Answer<PolicyList>, Problem> {
    let active = doors.engine.active();
    let items = lines(&doors, &active.report)?;
    Ok(Answer(PolicyList { items, next: None, last_reload: LastReload::from(&active.report) }))
}

/// Returns the policies of the tree, and removed policies with open cases.
fn lines(doors: &AppState, report: &Report) -> Result<Vec<PolicyLine>, Problem> {
    let active = doors.engine.active();
    let notes = |name: &str| {
        let runs = active.set.policies.get(name);
        runs.map(|policy| doors.engine.capabilities().notes(policy)).unwrap_or_default()
    };
    let mut lines = Vec::new();
    for policy in &report.policies {
        lines.push(line(doors, policy.into(), notes(&policy.name))?);
    }
    for gone in doors.engine.rollout().catalog.gone()? {
        let cases = if gone.open_cases == 1 {
            "1 open case goes".to_owned()
        } else {
            format!("{} open cases go", gone.open_cases)
        };
        let status = PolicyStatus {
            name: gone.name,
            title: None,
            mode: None,
            revision: gone.revision.map(|revision| revision.0),
            state: PolicyState::Gone,
            why: Vec::new(),
            waiting: None,
        };
        lines.push(line(doors, status, vec![format!("gone from the tree, {cases} on")])?);
    }
    Ok(lines)
}

fn line(doors: &AppState, status: PolicyStatus, notes: Vec<String>) -> Result<PolicyLine, Problem> {
    let active = doors.engine.active();
    let runs = active.set.policies.get(&status.name);
    let tests = active.tests.get(&status.name).map_or(0, |examined| examined.tests);
    let Activity { open_cases, last_opened_at } = doors.engine.operators().activity_of(&status.name)?;
    let owner = runs.map(|policy| policy.owner.clone());
    Ok(PolicyLine { status, notes, owner, open_cases, tests, last_opened_at })
}

/// Lists sweeps: the last runs of each, and the next nominal time.
pub async fn sweeps(State(doors): State<AppState>) -> Result<Answer<Page<SweepLine>>, Problem> {
    Ok(Answer(Page::whole(doors.engine.sweeps().list()?)))
}

/// Compares what a shadow policy would have done with what happened, for each person.
pub async fn shadow(
    State(doors): State<AppState>,
    Path(name): Path<String>,
    Query(people): Query<ShadowQuery>,
) -> Result<Answer<ShadowReport>, Problem> {
    let limit = people.limit.map_or(PEOPLE, PeopleLimit::get);
    let report = doors.engine.rollout().shadows.report(&name, limit).await?;
    let report = report.ok_or_else(|| Problem::not_found("policy"))?;
    Ok(Answer(report))
}

pub async fn revisions(
    State(doors): State<AppState>,
    Path(name): Path<String>,
) -> Result<Answer<Page<RevisionLine>>, Problem> {
    let revisions = doors.engine.rollout().catalog.list(&name)?;
    if revisions.is_empty() {
        return Err(Problem::not_found("policy"));
    }
    Ok(Answer(Page::whole(revisions)))
}

/// Answers 200 if everything in the tree runs afterwards, 422 otherwise; with the report in both cases.
pub async fn reload(State(doors): State<AppState>, caller: Caller) -> Result<Verdict<Reload>, Problem> {
    tracing::info!(by = caller.name(), "reload requested");
    let active = doors.engine.rollout().reload.reload(Some(caller.actor)).await;
    let report = &active.report;
    let value = Reload {
        reload: report.into(),
        problem_since: report.problem_since,
        text: report.rendered.clone(),
        policies: lines(&doors, report)?,
    };
    Ok(Verdict { ok: report.ok, value })
}
