//! Sweeps with their runs.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use crate::api::sweeps::SweepLine;
use crate::http::answer::Answer;
use crate::http::{Problem, policies};

use super::super::nav::Place;
use super::super::visit::Visit;

#[derive(Debug, Serialize)]
struct List {
    items: Vec<SweepLine>,
}

/// GET `/sweeps`.
pub async fn list(visit: Visit) -> Result<Response, Problem> {
    let Answer(page) = policies::sweeps(State(visit.doors.clone())).await?;
    visit.page("sweeps.html", "Sweeps", Place::Sweeps, &List { items: page.items })
}
