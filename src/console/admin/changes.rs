//! Review of parked revisions: what differs, whom it would have concerned, where open cases would go.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::api::bounds::Reason;
use crate::api::effects::Change;
use crate::api::migrations::TableQuery;
use crate::api::plan::OpenCases;
use crate::api::policies::{DiffQuery, PolicyState, PolicyStatus, Reject, Release, RevisionSheet};
use crate::http::answer::Answer;
use crate::http::extract::{Body, Path, Query};
use crate::http::routes::ADMIN;
use crate::http::{Problem, migrations, policies, revisions};

use super::super::drawing::{Drawing, Taken, draw};
use super::super::form::Form;
use super::super::login::goes;
use super::super::nav::Place;
use super::super::visit::{Note, Visit};
use super::compare::{self, Line};

/// Whether a revision, or the removal of a policy, waits for a person.
pub(super) fn is_parked(status: &PolicyStatus) -> bool {
    status.state == PolicyState::NeedsRelease
}

#[derive(Debug, Serialize)]
struct List {
    note: Option<Note>,
    parked: Vec<PolicyStatus>,
    /// Rejected, or people went back to an older revision.
    rejected: Vec<PolicyStatus>,
}

/// GET `/changes`.
pub async fn list(visit: Visit) -> Result<Response, Problem> {
    let Answer(list) = policies::list(State(visit.doors.clone())).await?;
    let all: Vec<PolicyStatus> = list.items.into_iter().map(|line| line.status).collect();
    let rejected = all.iter().filter(|status| status.state == PolicyState::Reverted).cloned().collect();
    let parked = all.into_iter().filter(is_parked).collect();
    let view = List { note: visit.take_note(), parked, rejected };
    visit.page("changes.html", "Changes", Place::Changes, &view)
}

#[derive(Debug, Serialize)]
struct Review {
    note: Option<Note>,
    status: PolicyStatus,
    /// What runs; none: the policy is new.
    before: Option<RevisionSheet>,
    /// What is parked; none: the policy left the tree.
    after: Option<RevisionSheet>,
    changes: Vec<Change>,
    graver: usize,
    lines: Vec<Line>,
    path: Option<Drawing>,
    open_cases: Option<OpenCases>,
    may_release: bool,
    reason: String,
}

/// GET `/changes/{name}`.
pub async fn show(visit: Visit, Path(name): Path<String>) -> Result<Response, Problem> {
    let mut fields = visit.take_draft().map(|draft| draft.fields).unwrap_or_default();
    let mut field = |name: &str| {
        let at = fields.iter().position(|(key, _)| key == name)?;
        Some(fields.swap_remove(at).1)
    };
    let note = field("refused").map(|text| Note { good: false, text });
    let reason = field("reason").unwrap_or_default();
    let Answer(list) = policies::list(State(visit.doors.clone())).await?;
    let status = list.items.into_iter().map(|line| line.status).find(|status| status.name == name);
    let status = status.ok_or_else(|| Problem::not_found("policy"))?;
    if !is_parked(&status) {
        let text = format!("Nothing of {name} is parked now. Somebody may have released or rejected it.");
        visit.keep_draft("/changes", vec![("refused".to_owned(), text)]);
        return Ok(goes("/changes"));
    }
    let view = review(&visit, status, note, reason).await?;
    visit.page("change.html", &format!("Change of {name}"), Place::Changes, &view)
}

async fn review(
    visit: &Visit,
    status: PolicyStatus,
    note: Option<Note>,
    reason: String,
) -> Result<Review, Problem> {
    let doors = || State(visit.doors.clone());
    let name = status.name.clone();
    let at = |which: &str| Path((name.clone(), which.to_owned()));
    let before = match &status.revision {
        Some(_) => Some(revisions::show(doors(), at("running")).await?.0),
        None => None,
    };
    let Some(waiting) = status.waiting.clone() else {
        let (changes, lines) = (Vec::new(), Vec::new());
        let (after, path, open_cases) = (None, None, None);
        let may_release = visit.caller.may(ADMIN);
        return Ok(Review {
            note,
            status,
            before,
            after,
            changes,
            graver: 0,
            lines,
            path,
            open_cases,
            may_release,
            reason,
        });
    };
    let Answer(after) = revisions::show(doors(), at(&waiting)).await?;
    let Answer(of) = revisions::source(doors(), at(&waiting)).await?;
    let (mut changes, mut lines) = (Vec::new(), Vec::new());
    if before.is_some() {
        let between = DiffQuery { from: None, to: None };
        let Answer(diff) = revisions::diff(doors(), Path(name.clone()), Query(between)).await?;
        (changes, lines) = (diff.effects.changes, compare::lines(&diff.files));
        changes.sort_by_key(|change| !change.graver);
    }
    let to = TableQuery { to: Some(waiting) };
    let Answer(open_cases) = migrations::table(doors(), Path(name.clone()), Query(to)).await?;
    Ok(Review {
        note,
        graver: changes.iter().filter(|change| change.graver).count(),
        changes,
        lines,
        path: Some(draw(&of, &Taken::default())),
        open_cases: Some(open_cases),
        may_release: visit.caller.may(ADMIN),
        before,
        after: Some(after),
        status,
        reason,
    })
}

#[derive(Debug, Deserialize)]
pub struct Judged {
    #[serde(default)]
    reason: String,
    /// The revision that the person looked at.
    #[serde(default)]
    revision: String,
}

impl Judged {
    fn reason(&self) -> Result<Reason, Problem> {
        Reason::new(self.reason.clone()).map_err(Problem::bad_request)
    }
}

/// POST `/changes/{name}/release`.
pub async fn release(
    visit: Visit,
    Path(name): Path<String>,
    Form(judged): Form<Judged>,
) -> Result<Response, Problem> {
    let (doors, caller) = (State(visit.doors.clone()), visit.caller.clone());
    let done = async {
        let body = Body(Release { reason: judged.reason()?, revision: Some(judged.revision.clone()) });
        revisions::release(doors, Path(name.clone()), caller, body).await.map(drop)
    };
    let done = done.await;
    settle(&visit, &name, judged, done, format!("Released. The new revision of {name} runs for new cases."))
}

/// POST `/changes/{name}/reject`.
pub async fn reject(
    visit: Visit,
    Path(name): Path<String>,
    Form(judged): Form<Judged>,
) -> Result<Response, Problem> {
    let (doors, caller) = (State(visit.doors.clone()), visit.caller.clone());
    let done = async {
        let body = Body(Reject { reason: judged.reason()?, revision: Some(judged.revision.clone()) });
        revisions::reject(doors, Path(name.clone()), caller, body).await.map(drop)
    };
    let done = done.await;
    let text = format!("Rejected. {name} stays as it runs; the next edit of its files is judged anew.");
    settle(&visit, &name, judged, done, text)
}

/// Goes on after a decision. A refusal keeps what was typed.
fn settle(
    visit: &Visit,
    name: &str,
    judged: Judged,
    done: Result<(), Problem>,
    text: String,
) -> Result<Response, Problem> {
    match done {
        Ok(()) => {
            visit.keep_draft("/changes", vec![("done".to_owned(), text)]);
            Ok(goes("/changes"))
        }
        Err(problem) if problem.status().is_client_error() => {
            let page = format!("/changes/{name}");
            let said = super::super::words::capital(problem.detail());
            visit.keep_draft(&page, vec![("refused".to_owned(), said), ("reason".to_owned(), judged.reason)]);
            Ok(goes(&page))
        }
        Err(problem) => Err(problem),
    }
}
