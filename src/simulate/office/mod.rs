//! Other systems of an organization: an HR system with SCIM 2.0, a ticketing system, a pager and a collector of
//! CloudEvents, on one address. This module must not know its callers.
//!
//! `directory` holds the accounts of the HR system; `scim` and `desk` are the two HTTP interfaces.

mod desk;
mod directory;
mod scim;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::directory::Directory;
use super::Serving;
use super::ledger::{Ledger, Record, System};
use crate::model::{Clock, Timestamp};

/// The bearer token of the HR system.
pub const TOKEN: &str = "sim-hris";

/// A request to the ticketing system or the pager, or a collected event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub at: Timestamp,
    /// `ticket`, `page` or `event`.
    pub kind: String,
    pub method: String,
    pub path: String,
    /// The idempotency key: a second request with the same key is ignored.
    pub key: Option<String>,
    pub body: Value,
}

/// Deviations of the office from a well-behaved one. `PUT /_sim/knobs` replaces the whole set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Every request is answered with 503.
    pub down: bool,
    /// The ticketing system's status, if it is not 201.
    pub ticket_status: Option<u16>,
    /// The value of `outcome` in its answer.
    pub ticket_outcome: Option<String>,
    /// Number of account changes that take effect but are answered with 500.
    pub lose_answers: u32,
}

/// The office. Clones share its state.
#[derive(Debug, Clone)]
pub struct Office {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    ledger: Ledger,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    knobs: Knobs,
    directory: Directory,
    notes: Vec<Note>,
}

impl Office {
    pub fn new(clock: Arc<dyn Clock>, ledger: Ledger) -> Self {
        Self { inner: Arc::new(Inner { clock, ledger, state: Mutex::default() }) }
    }

    pub async fn serve(&self, address: SocketAddr) -> io::Result<Serving> {
        let router = Router::new().merge(scim::router()).merge(desk::router()).with_state(self.clone());
        Serving::start("office", address, router).await
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.inner.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Accounts of the HR system, oldest first.
    pub fn accounts(&self) -> Vec<Value> {
        self.with(|state| state.directory.all())
    }

    /// An administrator of the HR system creates an account.
    pub fn hire(&self, account: Value) -> Value {
        self.with(|state| state.directory.create(account).unwrap_or(Value::Null))
    }

    /// Requests and events of a kind, oldest first.
    pub fn notes(&self, kind: &str) -> Vec<Note> {
        self.with(|state| state.notes.iter().filter(|note| note.kind == kind).cloned().collect())
    }

    pub fn turn(&self, turn: impl FnOnce(&mut Knobs)) {
        self.with(|state| turn(&mut state.knobs));
    }

    fn record(&self, what: &str, subject: &str, applied: bool, detail: Value) {
        self.inner.ledger.append(Record {
            at: self.inner.clock.now(),
            system: System::Office,
            what: what.to_owned(),
            subject: subject.to_owned(),
            applied,
            detail,
        });
    }

    /// Adds a note, unless one with the same key exists. True: it was added.
    fn take(&self, note: Note) -> bool {
        let (kind, key) = (note.kind.clone(), note.key.clone());
        let detail = json!({ "method": note.method, "path": note.path, "body": note.body });
        let new = self.with(|state| {
            let known =
                key.is_some() && state.notes.iter().any(|other| other.kind == kind && other.key == key);
            if !known {
                state.notes.push(note);
            }
            !known
        });
        self.record(&kind, key.as_deref().unwrap_or_default(), new, detail);
        new
    }
}
