//! The list of policies, with the last reload.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use crate::api::policies::{LastReload, PolicyLine};
use crate::config::Role;
use crate::http::answer::Answer;
use crate::http::{Problem, policies};

use super::super::login::goes;
use super::super::nav::Place;
use super::super::visit::{Note, Visit};

#[derive(Debug, Serialize)]
struct List {
    note: Option<Note>,
    items: Vec<PolicyLine>,
    last_reload: LastReload,
    parked: usize,
    may_reload: bool,
}

/// GET `/policies`.
pub async fn list(visit: Visit) -> Result<Response, Problem> {
    let Answer(list) = policies::list(State(visit.doors.clone())).await?;
    let parked = list.items.iter().filter(|line| super::changes::is_parked(&line.status)).count();
    let view = List {
        note: visit.take_note(),
        items: list.items,
        last_reload: list.last_reload,
        parked,
        may_reload: visit.caller.may(&[Role::Author]),
    };
    visit.page("policies.html", "Policies", Place::Policies, &view)
}

/// POST `/policies/reload`.
pub async fn reload(visit: Visit) -> Result<Response, Problem> {
    let verdict = policies::reload(State(visit.doors.clone()), visit.caller.clone()).await?;
    let (kind, text) = if verdict.ok {
        ("done", "The tree was loaded; everything in it runs.")
    } else {
        ("refused", "The tree was loaded; a part of it does not run. The list says what and why.")
    };
    visit.keep_draft("/policies", vec![(kind.to_owned(), text.to_owned())]);
    Ok(goes("/policies"))
}
