//! One policy: what it does in words, its path, its source, its revisions.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::api::bounds::Reason;
use crate::api::effects::Change;
use crate::api::policies::{DiffQuery, PolicyLine, Revert, RevisionLine, RevisionSheet};
use crate::http::answer::Answer;
use crate::http::extract::{Body, Path, Query};
use crate::http::routes::ADMIN;
use crate::http::{Problem, policies, revisions};

use super::super::drawing::{Drawing, Taken, draw};
use super::super::form::Form;
use super::super::login::goes;
use super::super::nav::Place;
use super::super::visit::{Note, Visit};
use super::compare::{self, Line};
use super::source::{self, File};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// `source` or `revisions`; otherwise the summary.
    show: String,
    /// The first digits of a revision; otherwise the one that runs or ran last.
    revision: String,
    /// Compares this revision with `revision`.
    from: String,
}

#[derive(Debug, Serialize)]
struct Shown {
    note: Option<Note>,
    show: &'static str,
    /// `?revision=...` of the address, where a revision is named.
    named: Option<String>,
    line: Option<PolicyLine>,
    sheet: RevisionSheet,
    /// The effects sheet has adverse effects.
    path: Drawing,
    files: Vec<File>,
    revisions: Vec<RevisionLine>,
    compared: Option<Compared>,
    may_revert: bool,
}

#[derive(Debug, Serialize)]
struct Compared {
    from: String,
    to: String,
    changes: Vec<Change>,
    lines: Vec<Line>,
}

/// GET `/policies/{name}`.
pub async fn show(
    visit: Visit,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let doors = || State(visit.doors.clone());
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let which = given(&wanted.revision).unwrap_or_else(|| "last".to_owned());
    let Answer(sheet) = revisions::show(doors(), Path((name.clone(), which.clone()))).await?;
    let Answer(of) = revisions::source(doors(), Path((name.clone(), which.clone()))).await?;
    // A parked revision that never ran is not stored: the list may be empty.
    let listed = policies::revisions(doors(), Path(name.clone())).await;
    let listed = listed.map(|Answer(page)| page.items).unwrap_or_default();
    let Answer(list) = policies::list(doors()).await?;
    let compared = match given(&wanted.from) {
        None => None,
        Some(from) => {
            let between = DiffQuery { from: Some(from), to: Some(sheet.revision.clone()) };
            let Answer(diff) = revisions::diff(doors(), Path(name.clone()), Query(between)).await?;
            Some(Compared {
                from: diff.from,
                to: diff.to,
                changes: diff.effects.changes,
                lines: compare::lines(&diff.files),
            })
        }
    };
    let title = sheet.policy.clone();
    let view = Shown {
        note: visit.take_note(),
        show: match wanted.show.as_str() {
            "source" => "source",
            "revisions" => "revisions",
            _ => "summary",
        },
        named: given(&wanted.revision),
        line: list.items.into_iter().find(|line| line.status.name == name),
        path: draw(&of, &Taken::default()),
        files: source::files(of.files, &name),
        sheet,
        revisions: listed,
        compared,
        may_revert: visit.caller.may(ADMIN),
    };
    visit.page("policy.html", &title, Place::Policies, &view)
}

#[derive(Debug, Deserialize)]
pub struct Back {
    revision: String,
    #[serde(default)]
    reason: String,
}

/// POST `/policies/{name}/revert`.
pub async fn revert(
    visit: Visit,
    Path(name): Path<String>,
    Form(back): Form<Back>,
) -> Result<Response, Problem> {
    let page = format!("/policies/{name}");
    let reason = Reason::new(back.reason).map_err(|why| Problem::bad_request(why).about("reason"))?;
    let body = Body(Revert { reason, revision: back.revision });
    let done = revisions::revert(State(visit.doors.clone()), Path(name), visit.caller.clone(), body).await;
    let said = match done {
        Ok(_) => {
            ("done", "The older revision runs now, until the files of the policy are edited.".to_owned())
        }
        Err(problem) if problem.status().is_client_error() => ("refused", problem.detail().to_owned()),
        Err(problem) => return Err(problem),
    };
    visit.keep_draft(&page, vec![(said.0.to_owned(), said.1)]);
    Ok(goes(&format!("{page}?show=revisions")))
}
