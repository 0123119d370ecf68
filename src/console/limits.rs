//! What limits stopped: release or drop, one or many, with a preview.

use std::collections::BTreeMap;

use axum::extract::{RawForm, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::api::bounds::{CaseLimit, Reason};
use crate::api::cases::{CasePage, OverLimitLine, Reasoned};
use crate::engine::operators::Order;
use crate::http::answer::Answer;
use crate::http::extract::{Body, Path, Query};
use crate::http::routes::ADMIN;
use crate::http::{Problem, cases};

use super::login::goes;
use super::nav::Place;
use super::visit::{Note, Visit};

/// Effects on one page: the most that one form releases.
const SHOWN: usize = 200;

#[derive(Debug, Serialize)]
struct List {
    note: Option<Note>,
    groups: Vec<Group>,
    count: usize,
    /// The list has another page.
    more: bool,
    may_decide: bool,
}

/// What the limit of one effect of one policy stopped.
#[derive(Debug, Serialize)]
struct Group {
    policy: String,
    action: &'static str,
    items: Vec<OverLimitLine>,
}

async fn stopped(visit: &Visit) -> Result<(Vec<Group>, bool), Problem> {
    let page = CasePage { limit: Some(CaseLimit::nearest(SHOWN)), ..CasePage::default() };
    let Answer(page) = cases::over_limit(State(visit.doors.clone()), Query(page)).await?;
    let mut groups: BTreeMap<(String, &'static str), Vec<OverLimitLine>> = BTreeMap::new();
    for line in page.items {
        groups.entry((line.policy.clone(), line.action.word())).or_default().push(line);
    }
    let groups = groups.into_iter().map(|((policy, action), items)| Group { policy, action, items });
    Ok((groups.collect(), page.next.is_some()))
}

/// GET `/limits`.
pub async fn show(visit: Visit) -> Result<Response, Problem> {
    let (groups, more) = stopped(&visit).await?;
    let count = groups.iter().map(|group| group.items.len()).sum();
    let may_decide = visit.caller.may(ADMIN);
    let view = List { note: visit.take_note(), groups, count, more, may_decide };
    visit.page("limits.html", "Over limit", Place::Limits, &view)
}

#[derive(Debug, Serialize)]
struct Preview {
    order: String,
    reason: String,
    groups: Vec<Group>,
    count: usize,
    /// Chosen effects that are no longer stopped.
    gone: usize,
}

/// A form with several cases.
#[derive(Debug, Default, Deserialize)]
struct Selected {
    ids: Vec<String>,
    order: String,
    reason: String,
    confirmed: bool,
}

fn selected(form: &[u8]) -> Selected {
    let mut selected = Selected::default();
    for (name, value) in url::form_urlencoded::parse(form) {
        match name.as_ref() {
            "id" => selected.ids.push(value.into_owned()),
            "order" => selected.order = value.into_owned(),
            "reason" => selected.reason = value.into_owned(),
            "confirmed" => selected.confirmed = true,
            _ => {}
        }
    }
    selected
}

/// POST `/limits`: shows what would be released or dropped, and does it once it is confirmed.
pub async fn decide(visit: Visit, RawForm(form): RawForm) -> Result<Response, Problem> {
    let Selected { ids, order, reason, confirmed } = selected(&form);
    let word = match order.as_str() {
        "release" => Order::Release,
        "drop" => Order::Drop,
        _ => return Err(Problem::bad_request("choose to release or to drop")),
    };
    if ids.is_empty() {
        let text = "Choose at least one effect. Nothing was done.".to_owned();
        visit.keep_draft("/limits", vec![("refused".to_owned(), text)]);
        return Ok(goes("/limits"));
    }
    if let (true, Ok(reason)) = (confirmed, Reason::new(reason.clone())) {
        return carry_out(&visit, word, &ids, &reason).await;
    }
    let (mut groups, _) = stopped(&visit).await?;
    for group in &mut groups {
        group.items.retain(|line| ids.contains(&line.id.0));
    }
    groups.retain(|group| !group.items.is_empty());
    let count = groups.iter().map(|group| group.items.len()).sum();
    let gone = ids.len().saturating_sub(count);
    let view = Preview { order, reason, groups, count, gone };
    visit.page("limits_preview.html", "Over limit", Place::Limits, &view)
}

async fn carry_out(
    visit: &Visit,
    order: Order,
    ids: &[String],
    reason: &Reason,
) -> Result<Response, Problem> {
    let (mut done, mut refused) = (0_usize, 0_usize);
    for id in ids {
        let body = Body(Reasoned { reason: reason.clone() });
        match cases::order(order, State(visit.doors.clone()), Path(id.clone()), visit.caller.clone(), body)
            .await
        {
            Ok(_) => done += 1,
            Err(problem) if problem.status().is_client_error() => refused += 1,
            Err(problem) => return Err(problem),
        }
    }
    let word = if order == Order::Release { "Released" } else { "Dropped" };
    let mut text = format!("{word}: {done}.");
    if refused > 0 {
        text.push_str(&format!(
            " {refused} had changed meanwhile, or are your own case; nothing was done with them."
        ));
    }
    visit.keep_draft("/limits", vec![("done".to_owned(), text)]);
    Ok(goes("/limits"))
}
