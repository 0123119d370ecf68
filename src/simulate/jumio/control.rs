//! Control of the simulator by a test or a demo: in the process, and the same over HTTP under `/_sim`.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Simulator;
use super::api::answer;
use super::execution::{Execution, Order, Script};
use super::knobs::Knobs;
use super::memory::Account;
use super::world::{Denied, Refusal, World};
use crate::model::Timestamp;

/// The workflow key of the full check that `enrol` runs.
const FULL: u32 = 10_011;

/// Why an action on an execution failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    #[error("there is no such execution: list them with GET /_sim/executions")]
    Execution,
    #[error("the execution refused with {0}: {1}")]
    Refused(u16, String),
}

impl Simulator {
    pub fn knobs(&self) -> Knobs {
        self.act(|world, _| world.knobs.clone())
    }

    pub fn set_knobs(&self, knobs: Knobs) {
        self.act(|world, _| world.knobs = knobs);
    }

    /// Changes some knobs and keeps the others.
    pub fn turn(&self, change: impl FnOnce(&mut Knobs)) {
        self.act(|world, _| change(&mut world.knobs));
    }

    /// Every execution, oldest first.
    pub fn executions(&self) -> Vec<Execution> {
        self.act(|world, _| world.executions.iter().filter(|one| !one.deleted).cloned().collect())
    }

    pub fn execution(&self, execution: &str) -> Option<Execution> {
        self.act(|world, _| Some(world.executions[world.find(execution)?].clone()))
    }

    /// The execution whose web client has this address.
    pub fn at(&self, href: &str) -> Option<Execution> {
        let leads = |one: &&Execution| one.href.as_deref() == Some(href) && !one.deleted;
        self.act(|world, _| world.executions.iter().rev().find(leads).cloned())
    }

    /// The latest execution of a `customerInternalReference`.
    pub fn by_reference(&self, reference: &str) -> Option<Execution> {
        let same = |one: &Execution| one.order.customer_internal_reference == reference;
        self.executions().into_iter().rev().find(same)
    }

    /// The person opens the link.
    pub fn open(&self, execution: &str) -> Result<Execution, Unknown> {
        self.play(execution, World::touch)
    }

    /// The person takes one picture.
    pub fn capture(&self, execution: &str) -> Result<Execution, Unknown> {
        self.play(execution, World::capture)
    }

    /// The person finishes; the script sets the result. `None`: the mock dialect's script, or a pass.
    pub fn finish(&self, execution: &str, script: Option<Script>) -> Result<Execution, Unknown> {
        self.play(execution, |world, index, at| world.finish(index, script, at))
    }

    /// The person opens the link and closes the tab; the session then expires by the clock.
    pub fn abandon(&self, execution: &str) -> Result<Execution, Unknown> {
        self.open(execution)
    }

    /// The link (or the started session) expires now.
    pub fn expire(&self, execution: &str) -> Result<Execution, Unknown> {
        self.play(execution, World::expire)
    }

    /// What the vendor stores about every account.
    pub fn accounts(&self) -> Vec<Account> {
        self.act(|world, _| world.accounts.keys().filter_map(|account| world.account(account)).collect())
    }

    pub fn account(&self, account: &str) -> Option<Account> {
        self.act(|world, _| world.account(account))
    }

    /// A person passes a full check on a new account, as preparation before the test begins.
    pub fn enrol(&self, person: &str, script: Script) -> Result<Execution, Unknown> {
        let order = Order {
            customer_internal_reference: format!("enrolment of {person}"),
            user_reference: Some(person.to_owned()),
            key: FULL,
            locale: "en".to_owned(),
            lifetime_seconds: 1800,
            ..Order::default()
        };
        let begun = self.act(|world, now| {
            let index = world.begin(None, order, now)?;
            Ok(world.executions[index].execution.clone())
        });
        let execution = begun.map_err(|denied: Denied| Unknown::Refused(denied.code, denied.message))?;
        self.finish(&execution, Some(script))
    }

    /// Removes the data of an account, as retention does.
    pub fn wipe(&self, account: &str) {
        self.act(|world, now| world.wipe(account, now));
    }

    /// Deletes an account with all its data, as another client may do; false if there is none.
    pub fn forget(&self, account: &str) -> bool {
        self.act(|world, now| world.forget(account, now))
    }

    /// Invalidates the vendor's token: the next call with it is answered with 401.
    pub fn revoke_token(&self) {
        self.act(|world, _| world.token = None);
    }

    fn play(
        &self,
        execution: &str,
        action: impl FnOnce(&mut World, usize, Timestamp) -> Result<(), Refusal>,
    ) -> Result<Execution, Unknown> {
        let done = self.act(|world, now| {
            let index = world.find(execution).ok_or(Unknown::Execution)?;
            action(world, index, now).map_err(|(code, message)| Unknown::Refused(code, message))
        });
        done.and_then(|()| self.execution(execution).ok_or(Unknown::Execution))
    }
}

pub(super) fn routes() -> Router<Simulator> {
    Router::new()
        .route("/_sim/knobs", get(knobs).put(set_knobs))
        .route("/_sim/executions", get(executions))
        .route("/_sim/executions/{execution}", get(execution))
        .route("/_sim/executions/{execution}/{action}", post(play))
        .route("/_sim/accounts", get(accounts))
        .route("/_sim/accounts/{account}/wipe", post(wipe))
        .route("/_sim/accounts/{account}/forget", post(forget))
        .route("/_sim/token/revoke", post(revoke))
}

async fn knobs(State(simulator): State<Simulator>) -> Json<Knobs> {
    Json(simulator.knobs())
}

async fn set_knobs(State(simulator): State<Simulator>, Json(knobs): Json<Knobs>) -> Json<Knobs> {
    simulator.set_knobs(knobs);
    Json(simulator.knobs())
}

#[derive(Debug, Deserialize)]
struct Filter {
    reference: Option<String>,
}

async fn executions(
    State(simulator): State<Simulator>,
    Query(filter): Query<Filter>,
) -> Json<Vec<Execution>> {
    let mut list = simulator.executions();
    if let Some(reference) = filter.reference {
        list.retain(|one| one.order.customer_internal_reference == reference);
    }
    Json(list)
}

fn shown(one: Result<Execution, Unknown>) -> Response {
    match one {
        Ok(one) => answer(200, &json!(one)),
        Err(error @ Unknown::Execution) => answer(404, &json!({"error": error.to_string()})),
        Err(error @ Unknown::Refused(..)) => answer(409, &json!({"error": error.to_string()})),
    }
}

async fn execution(State(simulator): State<Simulator>, Path(execution): Path<String>) -> Response {
    shown(simulator.execution(&execution).ok_or(Unknown::Execution))
}

async fn play(
    State(simulator): State<Simulator>,
    Path((execution, action)): Path<(String, String)>,
    body: axum::body::Bytes,
) -> Response {
    let script = match body.trim_ascii() {
        [] => None,
        bytes => match serde_json::from_slice::<Script>(bytes) {
            Ok(script) => Some(script),
            Err(error) => return answer(400, &json!({"error": error.to_string()})),
        },
    };
    match action.as_str() {
        "open" => shown(simulator.open(&execution)),
        "capture" => shown(simulator.capture(&execution)),
        "finish" => shown(simulator.finish(&execution, script)),
        "abandon" => shown(simulator.abandon(&execution)),
        "expire" => shown(simulator.expire(&execution)),
        other => answer(404, &json!({"error": format!("no action {other}")})),
    }
}

async fn accounts(State(simulator): State<Simulator>) -> Json<Vec<Account>> {
    Json(simulator.accounts())
}

async fn forget(State(simulator): State<Simulator>, Path(account): Path<String>) -> Response {
    match simulator.forget(&account) {
        true => answer(200, &json!({})),
        false => {
            answer(404, &json!({"error": "there is no such account: list them with GET /_sim/accounts"}))
        }
    }
}

async fn wipe(State(simulator): State<Simulator>, Path(account): Path<String>) -> Json<Value> {
    simulator.wipe(&account);
    Json(json!({}))
}

async fn revoke(State(simulator): State<Simulator>) -> Json<Value> {
    simulator.revoke_token();
    Json(json!({}))
}
