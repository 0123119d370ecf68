//! The rest of an organization: an HR system that speaks SCIM 2.0, a ticketing system, a pager and a
//! collector of CloudEvents, on one address. It must not know who calls, or why.
//!
//! `directory` are the accounts of the HR system, `scim` and `desk` its two doors.

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

/// A request to the ticketing system or the pager, or an event that was collected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub at: Timestamp,
    /// `ticket`, `page` or `event`.
    pub kind: String,
    pub method: String,
    pub path: String,
    /// The key under which a repeated request is the same request.
    pub key: Option<String>,
    pub body: Value,
}

/// What the office does differently from a friendly one. `PUT /_sim/knobs` replaces all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Everything answers 503.
    pub down: bool,
    /// What the ticketing system answers with, where not 201.
    pub ticket_status: Option<u16>,
    /// What it says under `outcome`.
    pub ticket_outcome: Option<String>,
    /// How many changes of accounts are made while their answer is lost (500).
    pub lose_answers: u32,
}

/// The office. Clones are handles to the same one.
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

    /// Somebody at HR makes an account by hand.
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

    /// Takes a note, unless one with the same key is there. True: it is new.
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
