//! Outside systems: whether they answer, their outages, and the calls that wait for them.

use axum::extract::State;
use axum::response::Response;

use crate::http::answer::Answer;
use crate::http::{Problem, watch};

use super::super::nav::Place;
use super::super::visit::Visit;

/// GET `/providers`.
pub async fn list(visit: Visit) -> Result<Response, Problem> {
    let Answer(providers) = watch::providers(State(visit.doors.clone())).await?;
    visit.page("providers.html", "Providers", Place::Providers, &providers)
}
