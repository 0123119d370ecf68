//! The queue: the reviews that a person may decide, one after another, soonest due first.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::api::bounds::CaseLimit;
use crate::api::cases::{CaseLine, CaseQuery, StateFilter};
use crate::http::answer::Answer;
use crate::http::extract::Query;
use crate::http::{Problem, cases};

use super::case;
use super::nav::Place;
use super::queue_turn::Turn;
use super::visit::{Note, Visit};

/// Reviews that are sorted by their due time.
const LOOKED_AT: usize = 500;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct At {
    /// The position in the queue, from 1.
    at: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Empty {
    note: Option<Note>,
    /// Reviews of other teams, or that others have claimed.
    elsewhere: usize,
    teams: Vec<String>,
}

/// GET `/queue`.
pub async fn show(visit: Visit, Query(At { at }): Query<At>) -> Result<Response, Problem> {
    let limit = Some(CaseLimit::nearest(LOOKED_AT));
    let query = CaseQuery { state: Some(StateFilter::InReview), limit, ..CaseQuery::default() };
    let Answer(page) = cases::list(State(visit.doors.clone()), Query(query)).await?;
    let all = page.items.len();
    let mut mine: Vec<CaseLine> = page.items.into_iter().filter(|case| is_mine(&visit, case)).collect();
    mine.sort_by_key(|case| (case.due_at.is_none(), case.due_at, case.opened_at));
    let at = at.unwrap_or(1).clamp(1, mine.len().max(1));
    let Some(now) = mine.get(at - 1) else {
        let teams = visit.caller.actor.teams.iter().cloned().collect();
        let view = Empty { note: visit.take_note(), elsewhere: all, teams };
        return visit.page("queue_empty.html", "Queue", Place::Queue, &view);
    };
    let address = |at: usize| if at == 1 { "/queue".to_owned() } else { format!("/queue?at={at}") };
    let turn = Turn {
        at,
        of: mine.len(),
        here: address(at),
        next: (at < mine.len()).then(|| address(at + 1)),
        before: (at > 1).then(|| address(at - 1)),
    };
    case::show_in_queue(visit, now.id.0.clone(), turn).await
}

/// Whether a person's team decides a review, and nobody else has claimed it.
fn is_mine(visit: &Visit, case: &CaseLine) -> bool {
    let active = visit.doors.engine().active();
    let queues = active.set.policies.get(&case.policy).map(|policy| &policy.people.queues);
    let team = queues.zip(case.queue.as_ref()).and_then(|(queues, queue)| queues.get(queue));
    let of_team = team.is_some_and(|queue| visit.caller.actor.teams.contains(&queue.team));
    of_team && case.assignee.as_ref().is_none_or(|by| *by == visit.caller.actor.name)
}
