//! Home: what needs a person now.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use crate::api::bounds::CaseLimit;
use crate::api::cases::{CaseLine, CaseQuery, StateFilter};
use crate::api::policies::LastReload;
use crate::api::status::StatusSheet;
use crate::http::answer::Answer;
use crate::http::extract::Query;
use crate::http::routes::{CASES, POLICIES};
use crate::http::{Problem, cases, policies, watch};
use crate::model::CaseState;

use super::nav::Place;
use super::visit::{Note, Visit};

/// Lines of each list.
const SHOWN: usize = 6;
/// Cases that are sorted by their due time.
const LOOKED_AT: usize = 500;

#[derive(Debug, Serialize)]
struct Home {
    note: Option<Note>,
    tiles: Vec<Tile>,
    status: StatusSheet,
    reload: Option<LastReload>,
    lists: Vec<List>,
    policies: Vec<(String, u64)>,
}

#[derive(Debug, Serialize)]
struct Tile {
    label: &'static str,
    count: u64,
    path: &'static str,
    tone: &'static str,
    hint: &'static str,
}

#[derive(Debug, Serialize)]
struct List {
    title: &'static str,
    path: &'static str,
    items: Vec<CaseLine>,
    more: usize,
}

/// GET `/`.
pub async fn show(visit: Visit) -> Result<Response, Problem> {
    let Answer(status) = watch::status(State(visit.doors.clone())).await?;
    let reload = if visit.caller.may(POLICIES) {
        Some(policies::list(State(visit.doors.clone())).await?.0.last_reload)
    } else {
        None
    };
    let mut lists = Vec::new();
    if visit.caller.may(CASES) {
        for (title, state, path) in [
            ("Stuck", StateFilter::Stuck, "/cases?state=stuck"),
            ("Next reviews", StateFilter::InReview, "/cases?state=in_review"),
            ("Over limit", StateFilter::OverLimit, "/limits"),
        ] {
            let (items, more) = soonest(&visit, state).await?;
            if !items.is_empty() {
                lists.push(List { title, path, items, more });
            }
        }
    }
    let mut policies: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    for one in &status.open {
        *policies.entry(one.policy.clone()).or_default() += one.cases;
    }
    let note = visit.take_note();
    let tiles = tiles(&status);
    let policies = policies.into_iter().filter(|(_, count)| *count > 0).collect();
    let view = Home { note, tiles, status, reload, lists, policies };
    visit.page("home.html", "Home", Place::Home, &view)
}

/// The cases of a state that are due first, and how many more there are.
async fn soonest(visit: &Visit, state: StateFilter) -> Result<(Vec<CaseLine>, usize), Problem> {
    let limit = Some(CaseLimit::nearest(LOOKED_AT));
    let query = CaseQuery { state: Some(state), limit, ..CaseQuery::default() };
    let Answer(page) = cases::list(State(visit.doors.clone()), Query(query)).await?;
    let mut items = page.items;
    items.sort_by_key(|case| (case.due_at.is_none(), case.due_at, case.opened_at));
    let more = items.len().saturating_sub(SHOWN);
    items.truncate(SHOWN);
    Ok((items, more))
}

fn tiles(status: &StatusSheet) -> Vec<Tile> {
    let count =
        |state: CaseState| status.open.iter().filter(|one| one.state == state).map(|one| one.cases).sum();
    let tile = |label, state, path, tone, hint| Tile { label, count: count(state), path, tone, hint };
    vec![
        tile("Stuck", CaseState::Stuck, "/cases?state=stuck", "bad", "need an operator"),
        tile("In review", CaseState::InReview, "/queue", "blue", "need a decision"),
        tile("Over limit", CaseState::OverLimit, "/limits", "warn", "need a release"),
        tile("In grace", CaseState::InGrace, "/cases?state=in_grace", "warn", "can be undone"),
        tile("Waiting", CaseState::Waiting, "/cases?state=waiting", "", "for the person or a time"),
        tile("Running", CaseState::Running, "/cases?state=running", "", "calls under way"),
    ]
}
