//! The page of one case: what happens next, what can be decided, what is known, what happened.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::api::bounds::{EntryLimit, Reason};
use crate::api::cases::{CaseLine, CaseQuery, CaseSheet, Decide, MayReason, Reasoned};
use crate::api::journal::{JournalPage, OrderWord};
use crate::config::Role;
use crate::engine::operators::Order;
use crate::http::answer::Answer;
use crate::http::extract::{Body, Path, Query};
use crate::http::routes::ADMIN;
use crate::http::{Problem, cases};
use crate::model::CaseState;

use super::evidence::{self, Proof};
use super::form::Form;
use super::login::goes;
use super::nav::Place;
use super::queue_turn::Turn;
use super::timeline::{self, Line};
use super::visit::{Note, Visit};
use super::words::{capital, plain};

/// Entries of the journal on one page.
const ENTRIES: usize = 1_000;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Look {
    /// Shows every entry of the journal with its fields.
    technical: Option<String>,
}

#[derive(Debug, Serialize)]
struct Shown {
    sheet: CaseSheet,
    /// Identifies what the person saw when they decide.
    seen: String,
    may_decide: bool,
    choices: Vec<Choice>,
    draft: Draft,
    note: Option<Note>,
    orders: Vec<OrderForm>,
    proofs: Vec<Proof>,
    registered: Vec<(String, String)>,
    others: Vec<CaseLine>,
    timeline: Vec<Line>,
    technical: bool,
    raw_identity: bool,
    /// The first entry of the journal that the page does not show.
    live_from: u64,
    turn: Option<Turn>,
    /// Where a form of this page leads.
    here: String,
}

/// What somebody typed before a decision could be taken.
#[derive(Debug, Default, Serialize)]
struct Draft {
    decision: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Choice {
    decision: String,
    label: String,
    key: usize,
    reason_required: bool,
    then: Vec<String>,
}

#[derive(Debug, Serialize)]
struct OrderForm {
    path: String,
    label: &'static str,
    explains: &'static str,
    /// A claim needs no reason.
    reason: bool,
    danger: bool,
}

/// GET `/cases/{id}`.
pub async fn show(
    visit: Visit,
    Path(id): Path<String>,
    Query(look): Query<Look>,
) -> Result<Response, Problem> {
    let view = shown(&visit, id, look.technical.is_some()).await?;
    finish(&visit, &view, Place::Cases)
}

/// The page of a case as one of a queue.
pub async fn show_in_queue(visit: Visit, id: String, turn: Turn) -> Result<Response, Problem> {
    let mut view = shown(&visit, id, false).await?;
    view.here.clone_from(&turn.here);
    view.turn = Some(turn);
    finish(&visit, &view, Place::Queue)
}

fn finish(visit: &Visit, view: &Shown, place: Place) -> Result<Response, Problem> {
    let title = view.sheet.line.subject.name.0.clone();
    let title = if title.is_empty() { "Case".to_owned() } else { title };
    visit.page("case.html", &title, place, view)
}

async fn shown(visit: &Visit, id: String, technical: bool) -> Result<Shown, Problem> {
    let doors = || State(visit.doors.clone());
    let Answer(sheet) = cases::show(doors(), visit.caller.clone(), Path(id.clone())).await?;
    let limit = Some(EntryLimit::nearest(ENTRIES));
    let Answer(journal) =
        cases::journal(doors(), Path(id.clone()), Query(JournalPage { limit, ..JournalPage::default() }))
            .await?;
    let subject = Some(sheet.line.subject.id.clone());
    let Answer(others) = cases::list(doors(), Query(CaseQuery { subject, ..CaseQuery::default() })).await?;
    let raw_identity = visit.caller.raw_identity;
    let proofs = evidence::proofs(&sheet, raw_identity);
    if raw_identity && !proofs.is_empty() {
        tracing::info!(case = id, by = visit.caller.name(), "identity data of a document was shown");
    }
    let (draft, note) = kept(visit);
    Ok(Shown {
        seen: seen(&sheet),
        may_decide: visit.caller.may(&[Role::Desk]) && !sheet.decisions_allowed.is_empty(),
        choices: choices(&sheet),
        draft,
        note,
        orders: orders(visit, &sheet),
        proofs,
        registered: sheet.registered.as_ref().map(evidence::others).unwrap_or_default(),
        others: others.items.into_iter().filter(|other| other.id != sheet.line.id).take(10).collect(),
        timeline: timeline::lines(&journal.items, technical),
        technical,
        raw_identity,
        live_from: journal.items.last().map_or(0, |entry| entry.number + 1),
        turn: None,
        here: format!("/cases/{}", sheet.line.id),
        sheet,
    })
}

/// What was typed or done on this page before.
fn kept(visit: &Visit) -> (Draft, Option<Note>) {
    let (mut draft, mut note) = (Draft::default(), None);
    for (name, value) in visit.take_draft().into_iter().flat_map(|draft| draft.fields) {
        match name.as_str() {
            "decision" => draft.decision = value,
            "reason" => draft.reason = value,
            "done" => note = Some(Note { good: true, text: value }),
            "refused" => note = Some(Note { good: false, text: value }),
            _ => {}
        }
    }
    if note.is_none() && !draft.reason.is_empty() {
        let text = "You are signed in again. What you typed is below; nothing was done with it yet.";
        note = Some(Note { good: true, text: text.to_owned() });
    }
    (draft, note)
}

/// Identifies the awaited decision. Another review of the same case has another one.
fn seen(sheet: &CaseSheet) -> String {
    let started = sheet.line.due_at.map(|at| at.timestamp()).unwrap_or_default();
    let step = sheet.line.step.as_deref().unwrap_or_default();
    format!("{}.{step}.{started}.{}", sheet.line.state.word(), sheet.decisions_given.len())
}

fn choices(sheet: &CaseSheet) -> Vec<Choice> {
    let rules = &sheet.decisions;
    let choice = |(decision, key): (&String, usize)| {
        let rule = rules.iter().find(|rule| rule.decision == *decision);
        Choice {
            decision: decision.clone(),
            label: capital(&plain(decision)),
            key,
            reason_required: rule.is_some_and(|rule| rule.reason_required),
            then: rule.map(|rule| rule.then.clone()).unwrap_or_default(),
        }
    };
    sheet.decisions_allowed.iter().zip(1..).map(choice).collect()
}

/// What an order needs, and what it does.
struct Offer {
    path: &'static str,
    roles: &'static [Role],
    label: &'static str,
    explains: &'static str,
    reason: bool,
    danger: bool,
}

fn offer(order: &OrderWord) -> Offer {
    let offer =
        |path, roles, label, explains| Offer { path, roles, label, explains, reason: true, danger: false };
    let desk = |path, label, explains| Offer { reason: false, ..offer(path, &[Role::Desk], label, explains) };
    let operator = |path, label, explains| offer(path, &[Role::Operator], label, explains);
    match order {
        OrderWord::Claim => desk("claim", "Claim for 30 minutes", "Nobody else decides meanwhile."),
        OrderWord::ReleaseClaim => {
            desk("release", "Release the claim", "Anybody of the team can decide again.")
        }
        OrderWord::Remind => {
            operator("remind", "Send the reminder now", "The person gets the mail with the link again.")
        }
        OrderWord::Retry => operator("retry", "Try the failed step again", "Attempts count anew."),
        OrderWord::Undo => operator("undo", "Undo before it happens", "The effect in grace is not done."),
        OrderWord::Lift => {
            operator("lift", "Lift the holds", "What this case holds against the person is given back.")
        }
        OrderWord::Release => {
            let explains = "The effect that the limit stopped is done.";
            offer("limits/release", ADMIN, "Release over the limit", explains)
        }
        OrderWord::Drop => {
            let explains = "The effect is not done, and the case closes.";
            Offer { danger: true, ..offer("limits/drop", ADMIN, "Drop the effect", explains) }
        }
        OrderWord::Cancel => Offer {
            danger: true,
            ..operator("cancel", "Cancel the case", "It ends without further effects.")
        },
    }
}

fn orders(visit: &Visit, sheet: &CaseSheet) -> Vec<OrderForm> {
    let id = sheet.line.id.as_str();
    let form = |order: &OrderWord| {
        let Offer { path, roles, label, explains, reason, danger } = offer(order);
        let path = match path.strip_prefix("limits/") {
            Some(word) => format!("/limits/{id}/{word}"),
            None => format!("/cases/{id}/{path}"),
        };
        visit.caller.may(roles).then_some(OrderForm { path, label, explains, reason, danger })
    };
    sheet.orders_allowed.iter().filter_map(form).collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Decided {
    decision: String,
    reason: String,
    seen: String,
    /// The page to go to afterwards.
    next: String,
}

/// POST `/cases/{id}/decisions`.
pub async fn decide(
    visit: Visit,
    Path(id): Path<String>,
    Form(form): Form<Decided>,
) -> Result<Response, Problem> {
    let page = format!("/cases/{id}");
    // A refusal is shown on the page of the case, also in a queue: the queue may have moved on.
    let back = page.as_str();
    let doors = || State(visit.doors.clone());
    let keep = |refused: String| {
        let fields =
            [("decision", form.decision.clone()), ("reason", form.reason.clone()), ("refused", refused)];
        visit.keep_draft(path_of(back), fields.map(|(name, value)| (name.to_owned(), value)).to_vec());
        goes(back)
    };
    if form.decision.is_empty() {
        return Ok(keep("Choose a decision first. Nothing was done.".to_owned()));
    }
    let Answer(now) = cases::show(doors(), visit.caller.clone(), Path(id.clone())).await?;
    if !form.seen.is_empty() && form.seen != seen(&now) {
        return Ok(keep(moved_on(&now)));
    }
    let reason = Some(form.reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    let body = Body(Decide { decision: form.decision.clone(), reason });
    match cases::decide(doors(), Path(id.clone()), visit.caller.clone(), body).await {
        Ok(Answer(line)) => {
            let who = Some(line.subject.name.0).filter(|name| !name.is_empty());
            let rest = match line.state {
                CaseState::InReview => " Another person must agree before anything happens.",
                _ => "",
            };
            let done = format!(
                "You decided about {}: {}.{rest}",
                who.as_deref().unwrap_or("this person"),
                plain(&form.decision)
            );
            let next = super::login::local(&form.next);
            let next = if form.next.is_empty() { page.as_str() } else { next };
            visit.keep_draft(path_of(next), vec![("done".to_owned(), done)]);
            Ok(goes(next))
        }
        Err(problem) if problem.status() == StatusCode::CONFLICT => {
            Ok(keep(format!("Nothing was decided: {}.", problem.detail().trim_end_matches('.'))))
        }
        Err(problem) => Err(problem),
    }
}

/// Says that the case is no longer what the person saw.
fn moved_on(now: &CaseSheet) -> String {
    let state = match now.line.state {
        CaseState::Closed => {
            format!("it is closed ({})", plain(now.line.result.as_deref().unwrap_or("no result")))
        }
        _ => format!("it waits for {}", now.line.waiting_for),
    };
    format!(
        "This case changed while you looked at it: {state}. Your decision was not taken. What you typed is kept."
    )
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Ordered {
    reason: String,
    next: String,
}

/// POST `/cases/{id}/retry` and the other orders.
pub async fn order(
    order: Order,
    visit: Visit,
    Path(id): Path<String>,
    Form(form): Form<Ordered>,
) -> Result<Response, Problem> {
    let page = format!("/cases/{id}");
    let next = if form.next.is_empty() { page.as_str() } else { super::login::local(&form.next) };
    let keep = |refused: String| {
        let fields = [("reason", form.reason.clone()), ("refused", refused)];
        visit.keep_draft(path_of(next), fields.map(|(name, value)| (name.to_owned(), value)).to_vec());
        goes(next)
    };
    let (doors, caller) = (State(visit.doors.clone()), visit.caller.clone());
    let answer = match order {
        Order::Claim | Order::ReleaseClaim => {
            cases::claim(
                order,
                doors,
                Path(id.clone()),
                caller,
                Body(MayReason { reason: form.reason.clone() }),
            )
            .await
        }
        _ => match Reason::new(form.reason.clone()) {
            Ok(reason) => {
                cases::order(order, doors, Path(id.clone()), caller, Body(Reasoned { reason })).await
            }
            Err(_) => {
                return Ok(keep("Give a reason; it is kept in the journal. Nothing was done.".to_owned()));
            }
        },
    };
    match answer {
        Ok(_) => {
            visit.keep_draft(path_of(next), vec![("done".to_owned(), done(order).to_owned())]);
            Ok(goes(next))
        }
        Err(problem) if problem.status() == StatusCode::CONFLICT => {
            Ok(keep(format!("Nothing was done: {}.", problem.detail().trim_end_matches('.'))))
        }
        Err(problem) => Err(problem),
    }
}

/// An address without its query.
fn path_of(address: &str) -> &str {
    address.split('?').next().unwrap_or_default()
}

fn done(order: Order) -> &'static str {
    match order {
        Order::Retry => "The failed step is tried again.",
        Order::Cancel => "The case is canceled.",
        Order::Release => "The effect is released.",
        Order::Drop => "The effect is dropped.",
        Order::Undo => "The effect is undone.",
        Order::Remind => "The reminder is on its way.",
        Order::Claim => "The review is yours for 30 minutes.",
        Order::ReleaseClaim => "The claim is released.",
        Order::Lift => "The holds are being lifted.",
    }
}
