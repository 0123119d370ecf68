//! Timers ahead by day, and the next runs of sweeps.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::api::timers::{DayLimit, TimerDay, TimerLine, TimerQuery, TimersAhead};
use crate::http::answer::Answer;
use crate::http::extract::Query;
use crate::http::routes::POLICIES;
use crate::http::{Problem, cases, policies};

use super::super::nav::Place;
use super::super::visit::Visit;

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Wanted {
    policy: String,
    days: String,
}

#[derive(Debug, Serialize)]
struct Calendar {
    wanted: Wanted,
    days: Vec<Day>,
    /// The largest number on one line, for the bars.
    most: usize,
    /// The earliest timers.
    items: Vec<TimerLine>,
    more: bool,
    sweeps: Vec<Sweep>,
    policies: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Day {
    day: NaiveDate,
    /// As people write it.
    name: String,
    count: usize,
    lines: Vec<TimerDay>,
}

#[derive(Debug, Serialize)]
struct Sweep {
    policy: String,
    schedule: String,
    next: DateTime<Utc>,
    at_most: Option<u32>,
}

/// GET `/calendar`.
pub async fn show(visit: Visit, Query(wanted): Query<Wanted>) -> Result<Response, Problem> {
    let doors = || State(visit.doors.clone());
    let policy = Some(wanted.policy.trim().to_owned()).filter(|policy| !policy.is_empty());
    let days = wanted.days.parse::<usize>().ok().map(DayLimit::nearest);
    let query = TimerQuery { days, policy: policy.clone() };
    let Answer(ahead) = cases::timers(doors(), Query(query)).await?;
    let TimersAhead { days, items, more, until, .. } = ahead;
    let mut sweeps = Vec::new();
    if visit.caller.may(POLICIES) {
        let Answer(page) = policies::sweeps(doors()).await?;
        let of =
            page.items.into_iter().filter(|line| policy.as_ref().is_none_or(|name| *name == line.policy));
        sweeps.extend(of.filter_map(|line| {
            let next = line.next.filter(|next| *next <= until)?;
            Some(Sweep { policy: line.policy, schedule: line.schedule, next, at_most: line.at_most })
        }));
        sweeps.sort_by_key(|sweep| sweep.next);
    }
    let view = Calendar {
        most: days.iter().map(|line| line.count).max().unwrap_or_default(),
        days: by_day(days),
        items,
        more,
        sweeps,
        policies: visit.doors.engine().active().set.policies.keys().cloned().collect(),
        wanted,
    };
    visit.page("calendar.html", "Calendar", Place::Calendar, &view)
}

fn by_day(lines: Vec<TimerDay>) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for line in lines {
        match days.last_mut().filter(|last| last.day == line.day) {
            Some(last) => {
                last.count += line.count;
                last.lines.push(line);
            }
            None => days.push(Day {
                day: line.day,
                name: line.day.format("%a %-d %b").to_string(),
                count: line.count,
                lines: vec![line],
            }),
        }
    }
    days
}
