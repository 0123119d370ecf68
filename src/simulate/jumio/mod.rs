//! A simulator of Jumio's KYX platform: accounts, workflow executions, results, callbacks and the person's
//! web page, on a given clock. Every documented and observed deviation has a knob. All of the vendor's hosts
//! are served under one base address by a path prefix: `/auth`, `/account`, `/api`, `/retrieval`, `/web` and
//! `/status`; `/_sim` controls the simulator. This module must not know the connectors.

mod api;
mod callback;
mod control;
mod execution;
mod knobs;
mod labels;
mod memory;
mod order;
mod page;
mod plan;
mod plays;
mod result;
mod retrieval;
mod token;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use serde_json::json;
use tokio::sync::watch;

pub use self::control::Unknown;
pub use self::execution::{Credential, Directory, Execution, Faces, Holder, Order, Outcome, Script, Status};
pub use self::knobs::{Callbacks, Enrolment, Expired, Knobs, Permissions, Redirect, Wiped};
pub use self::memory::Account;

use self::callback::Delivery;
use self::world::World;
use super::Serving;
use super::fault::strike;
use super::ledger::Ledger;
use crate::model::{Clock, Timestamp};

/// Options of a simulator.
#[derive(Clone)]
pub struct Options {
    pub client_id: String,
    pub client_secret: String,
    /// Seed of the ids: the same seed gives the same ids.
    pub seed: u64,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { client_id, client_secret: _, seed } = self;
        out.debug_struct("Options").field("client_id", client_id).field("seed", seed).finish_non_exhaustive()
    }
}

/// A simulated vendor. Clones share its state.
#[derive(Debug, Clone)]
pub struct Simulator {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    clock: Arc<dyn Clock>,
    world: Mutex<World>,
    changed: watch::Sender<()>,
}

impl Simulator {
    pub fn new(options: Options, clock: Arc<dyn Clock>, ledger: Ledger) -> Self {
        let world = Mutex::new(World::new(options.seed, ledger));
        Self { inner: Arc::new(Inner { options, clock, world, changed: watch::Sender::new(()) }) }
    }

    /// The routes of all hosts. Callbacks are sent only while it is served with [`Simulator::serve`].
    pub fn router(&self) -> axum::Router {
        let vendor = api::routes().merge(retrieval::routes()).merge(page::routes());
        let faulty = axum::middleware::from_fn_with_state(self.clone(), faulty);
        vendor
            .layer(faulty)
            .merge(control::routes())
            .layer(axum::extract::DefaultBodyLimit::max(16 * 1024 * 1024))
            .with_state(self.clone())
    }

    /// Binds and serves until the returned value is dropped. Port 0 picks a free port.
    pub async fn serve(&self, address: SocketAddr) -> io::Result<Serving> {
        let serving = Serving::start("Jumio", address, self.router()).await?;
        self.set_base(&serving.url);
        serving.beside(callback::deliver(self.clone()));
        Ok(serving)
    }

    /// Sets where the names of documents come from.
    pub fn know(&self, directory: Directory) {
        self.act(|world, _| world.directory = directory);
    }

    /// Sets the base of links and `href`s if it differs from the served address (a proxy).
    pub fn set_base(&self, base: &str) {
        self.act(|world, _| base.trim_end_matches('/').clone_into(&mut world.base));
    }

    /// Advances the state to the present, applies a change and wakes the callbacks.
    fn act<T>(&self, change: impl FnOnce(&mut World, Timestamp) -> T) -> T {
        let now = self.inner.clock.now();
        let mut world = self.inner.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.settle(now);
        let done = change(&mut world, now);
        world.settle(now);
        drop(world);
        self.inner.changed.send_replace(());
        done
    }

    fn changed(&self) -> watch::Receiver<()> {
        self.inner.changed.subscribe()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.clock)
    }

    /// The callbacks to send now, and the time of the next scheduled change.
    fn take_due(&self) -> (Vec<Delivery>, Option<Timestamp>) {
        let now = self.inner.clock.now();
        let mut world = self.inner.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.settle(now);
        let (due, later) = std::mem::take(&mut world.outbox).into_iter().partition(|one| one.due <= now);
        world.outbox = later;
        (due, world.next())
    }

    fn delivered(&self, delivery: &Delivery, answer: Option<u16>) {
        let accepted = answer.is_some_and(|code| (200..300).contains(&code));
        self.act(|world, now| {
            let detail = json!({"status": delivery.status, "answer": answer});
            world.note(now, "callback", &delivery.reference, accepted, detail);
            if !accepted && delivery.retries_left > 0 {
                let wait = chrono::TimeDelta::seconds(i64::from(world.knobs.callback_retry_seconds));
                let retries_left = delivery.retries_left - 1;
                world.outbox.push(Delivery { due: now + wait, retries_left, ..delivery.clone() });
            }
        });
    }
}

async fn faulty(State(simulator): State<Simulator>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().as_str(), request.uri().path());
    let Some(fault) = simulator.act(|world, _| strike(&mut world.knobs.faults, method, path)) else {
        return next.run(request).await;
    };
    let refuse = |code: u16| {
        let title = StatusCode::from_u16(code).ok().and_then(|code| code.canonical_reason());
        let title = title.unwrap_or("Error");
        api::answer(code, &json!({"title": title, "status": code, "detail": "Simulated"}))
    };
    fault.inject(&*simulator.clock(), refuse, next.run(request)).await
}
