//! Routes for monitoring. All but the status are open to every client that reaches the private listener: they name no
//! person.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use chrono::TimeDelta;

use crate::api::providers::Providers;
use crate::api::status::StatusSheet;

use super::answer::{Answer, Words};
use super::exposition::Exposition;
use super::{AppState, Problem};

pub async fn metrics(State(doors): State<AppState>, headers: HeaderMap) -> Result<Exposition, Problem> {
    let text = doors.engine.status().metrics_text().map_err(|error| Problem::internal(&error))?;
    Ok(Exposition::new(text, &headers))
}

/// Lists outside systems, and whether they answer. Names no person, and needs a role all the same.
pub async fn providers(State(doors): State<AppState>) -> Result<Answer<Providers>, Problem> {
    Ok(Answer(doors.engine.status().providers()?))
}

/// Open cases, and what does not work now.
pub async fn status(State(doors): State<AppState>) -> Result<Answer<StatusSheet>, Problem> {
    Ok(Answer(doors.engine.status().sheet()?))
}

pub async fn live(State(doors): State<AppState>) -> Words {
    let ok = doors.engine.status().alive(TimeDelta::seconds(60)).await;
    Words { ok, text: if ok { "alive\n" } else { "no progress\n" }.to_owned() }
}

pub async fn ready(State(doors): State<AppState>) -> Words {
    match doors.engine.status().ready() {
        Ok(()) => {
            // The other policies are served, so the daemon is ready; the answer still names the problem.
            let degraded: Vec<String> = doors
                .engine
                .active()
                .tree_problem()
                .into_iter()
                .chain(doors.engine.status().degraded())
                .collect();
            let word = if degraded.is_empty() { "ready" } else { "degraded" };
            let says = doors
                .engine
                .rollout()
                .unloadable
                .sentences()
                .into_iter()
                .chain(degraded)
                .chain(doors.engine.status().loss_lines());
            let says: String = says.map(|says| format!("{says}\n")).collect();
            Words { ok: true, text: format!("{word}\n{says}") }
        }
        Err(why) => Words { ok: false, text: format!("{why}\n") },
    }
}

/// Dates an answer by the daemon's clock, which a simulated one may have moved: clients show times relative to it.
pub async fn dated(State(doors): State<AppState>, mut response: Response) -> Response {
    let now = doors.engine.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::from_str(&now) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}
