//! Cases over HTTP: lists, one case, its journal, decisions, orders, effects over limit.

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;

use crate::api::Page;
use crate::api::audit::{AuditLine, AuditQuery};
use crate::api::bounds::EntryLimit;
use crate::api::cases::{
    CaseLine, CasePage, CaseQuery, CaseSheet, Decide, Filters, MayReason, OverLimitLine, Reasoned, StartCase,
    Started,
};
use crate::api::holds::{HoldLine, HoldQuery};
use crate::api::journal::{Entry, JournalPage};
use crate::api::timers::{TimerQuery, TimersAhead};
use crate::config::Role;
use crate::engine::operators::Order;
use crate::engine::sources::Whom;
use crate::model::CaseId;

use super::answer::{Answer, Created};
use super::extract::{Body, Path, Query};
use super::{AppState, Caller, Problem};

/// Entries per page if the query sets no limit.
const ENTRIES: usize = 200;

pub async fn list(
    State(doors): State<AppState>,
    Query(query): Query<CaseQuery>,
) -> Result<Answer<Page<CaseLine>>, Problem> {
    Ok(Answer(doors.engine.operators().list_cases(&query)?))
}

/// Lists the words that the filters of `list` accept.
pub async fn filters(State(doors): State<AppState>) -> Result<Answer<Filters>, Problem> {
    Ok(Answer(doors.engine.operators().filters()))
}

pub async fn show(
    State(doors): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Answer<CaseSheet>, Problem> {
    let id = CaseId(id);
    let mut sheet = doors.engine.operators().case_sheet(&id)?.ok_or_else(|| Problem::not_found("case"))?;
    sheet.may_not_decide = doors.engine.operators().may_not_decide(&id, &caller.actor)?;
    if !caller.may(&[Role::Desk, Role::Operator, Role::Privacy]) {
        sheet.registered = None;
    }
    if !caller.raw_identity {
        // Reading values of documents needs a permission of its own.
        for step in sheet.steps.values_mut().filter_map(Value::as_object_mut) {
            if step.contains_key("document") {
                step.insert("document".to_owned(), Value::Null);
            }
        }
    }
    Ok(Answer(sheet))
}

pub async fn journal(
    State(doors): State<AppState>,
    Path(id): Path<String>,
    Query(page): Query<JournalPage>,
) -> Result<Answer<Page<Entry>>, Problem> {
    let start = page.cursor.map_or(0, |cursor| cursor.number());
    let id = CaseId(id);
    if doors.engine.cases().case(&id)?.is_none() {
        return Err(Problem::not_found("case"));
    }
    let limit = page.limit.map_or(ENTRIES, EntryLimit::get);
    let items = doors.engine.operators().journal(&id, start, limit)?;
    let next =
        (items.len() == limit).then(|| items.last().map(|entry| (entry.number + 1).to_string())).flatten();
    Ok(Answer(Page { items, next }))
}

pub async fn start(
    State(doors): State<AppState>,
    caller: Caller,
    Body(start): Body<StartCase>,
) -> Result<Created<Started>, Problem> {
    let StartCase { policy, subject, reason } = start;
    match doors.engine.intake().start_case(&policy, &subject, caller.actor.name, reason.into()).await? {
        Ok(id) => Ok(Created(Started { id })),
        Err(why) => Err(Problem::new(StatusCode::CONFLICT, why)),
    }
}

pub async fn decide(
    State(doors): State<AppState>,
    Path(id): Path<String>,
    caller: Caller,
    Body(decide): Body<Decide>,
) -> Result<Answer<CaseLine>, Problem> {
    let id = CaseId(id);
    if let Err(error) =
        doors.engine.operators().decide_case(&id, decide.decision, decide.reason, caller.actor).await
    {
        let allowed = doors.engine.operators().case_sheet(&id)?.map(|sheet| sheet.decisions_allowed);
        return Err(Problem::from(error).allowing(allowed.unwrap_or_default()));
    }
    after(&doors, &id)
}

pub async fn order(
    order: Order,
    State(doors): State<AppState>,
    Path(id): Path<String>,
    caller: Caller,
    Body(body): Body<Reasoned>,
) -> Result<Answer<CaseLine>, Problem> {
    ordered(order, &doors, CaseId(id), caller, body.reason.into()).await
}

/// Claims a review, which needs no reason; a decision does.
pub async fn claim(
    order: Order,
    State(doors): State<AppState>,
    Path(id): Path<String>,
    caller: Caller,
    Body(body): Body<MayReason>,
) -> Result<Answer<CaseLine>, Problem> {
    ordered(order, &doors, CaseId(id), caller, body.reason).await
}

async fn ordered(
    order: Order,
    doors: &AppState,
    id: CaseId,
    caller: Caller,
    reason: String,
) -> Result<Answer<CaseLine>, Problem> {
    doors.engine.operators().order(&id, order, caller.actor, reason).await?;
    after(doors, &id)
}

pub async fn over_limit(
    State(doors): State<AppState>,
    Query(page): Query<CasePage>,
) -> Result<Answer<Page<OverLimitLine>>, Problem> {
    Ok(Answer(doors.engine.operators().list_over_limit(page)?))
}

/// Lists what open cases do by themselves in the next days.
pub async fn timers(
    State(doors): State<AppState>,
    Query(query): Query<TimerQuery>,
) -> Result<Answer<TimersAhead>, Problem> {
    Ok(Answer(doors.engine.operators().timers_ahead(&query)?))
}

pub async fn audit(
    State(doors): State<AppState>,
    Query(query): Query<AuditQuery>,
) -> Result<Answer<Page<AuditLine>>, Problem> {
    Ok(Answer(doors.engine.operators().audit(&query)?))
}

/// Lists suspensions and withheld roles, including those that closed cases left.
pub async fn holds(
    State(doors): State<AppState>,
    Query(of): Query<HoldQuery>,
) -> Result<Answer<Page<HoldLine>>, Problem> {
    let whom = of.subject.map(|subject| doors.engine.sources().whom(subject.as_str())).transpose()?;
    let whom = whom.transpose().map_err(|why| Problem::bad_request(why).about("subject"))?;
    Ok(Answer(Page::whole(doors.engine.operators().list_holds(whom.as_ref().map(Whom::person).as_deref())?)))
}

/// Returns the answer to a change: the case as it is now.
pub(super) fn after(doors: &AppState, id: &CaseId) -> Result<Answer<CaseLine>, Problem> {
    let sheet = doors.engine.operators().case_sheet(id)?.ok_or_else(|| Problem::not_found("case"))?;
    Ok(Answer(sheet.line))
}
