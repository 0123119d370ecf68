//! Adapters to outside systems. They implement the wire protocol and must not depend on cases, policies or the store.
//! Each takes an attempt with its request and returns the result or a `Failure`.

use std::fmt::Debug;
use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::config::SecretSource;
use crate::model::{
    Attempt, Changed, Event, Failure, Fields, HttpRequest, IdentityChange, Message, ReadSession, Reading,
    Returned, Session, Snapshot, StartSession, Subject, SubjectRef,
};

pub mod cloudevents;
pub mod endpoint;
pub mod http;
pub mod jumio;
pub mod keycloak;
pub mod onelogin;
pub mod openid_verification;
pub mod options;
mod perform;
pub mod registry;
pub mod scim;
pub mod setup;
pub mod sink;
pub mod smtp;

pub use registry::Registry;
pub use setup::{CallLimits, Connectors, Setup};

/// Operations of every outside system.
pub trait Connector: Debug + Send + Sync {
    /// Checks the system without side effects: token, permissions, clock, a read.
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>>;
}

/// A mail server.
pub trait Mailer: Connector {
    /// Sends a mail whose Message-ID is the call's id. A repeated attempt sends it again even in doubt: a duplicate is
    /// a nuisance, a missing mail is a lost case.
    fn send<'a>(&'a self, attempt: &'a Attempt, message: &'a Message) -> BoxFuture<'a, Result<(), Failure>>;

    /// Sends a test mail.
    fn send_test<'a>(&'a self, to: &'a str) -> BoxFuture<'a, Result<(), Failure>>;
}

/// The options of an identity provider.
pub trait IdentityOptions: options::Options {
    /// Returns our names of user fields that the configuration maps to fields of the provider.
    fn mapped(&self) -> Vec<String>;

    fn build(&self, site: &options::Site<'_>) -> anyhow::Result<Arc<dyn IdentityProvider>>;
}

/// The options of a verification provider.
pub trait VerificationOptions: options::Options {
    fn results(&self) -> Results<'_>;

    fn build(&self, site: &options::Site<'_>) -> anyhow::Result<Arc<dyn VerificationProvider>>;
}

/// The way in which a provider gives its results.
#[derive(Debug, Clone, Copy)]
pub enum Results<'a> {
    /// Its runs are read. It knows from its own workflow what to verify.
    Read {
        /// The interval between two reads of a run whose capture has not ended.
        every: TimeDelta,
        /// The key of the secret paths for its hints; `None`: no hints are requested.
        callback_secret: Option<&'a SecretSource>,
    },
    /// The person's browser brings them. Each session says what to verify.
    Brought,
}

/// A verification provider.
pub trait VerificationProvider: Connector {
    /// Starts a session. A call whose earlier attempt was lost is started again: no person received the lost session's
    /// link, and its result has another reference.
    fn start<'a>(&'a self, start: &'a StartSession) -> BoxFuture<'a, Result<Session, Failure>>;

    fn read<'a>(&'a self, read: &'a ReadSession) -> BoxFuture<'a, Result<Reading, Failure>>;

    /// Returns the run that a callback's body is about: it may have changed. The error repeats nothing of the body.
    fn hint(&self, _body: &[u8]) -> Result<String, String> {
        Err("the provider sends no callbacks".to_owned())
    }

    /// Reads the query with which a person's browser comes back: the run, and what its result is exchanged for. The
    /// error repeats nothing of the query.
    fn returned(&self, _query: &str) -> Result<(String, Returned), String> {
        Err("the provider's results do not come with the browser".to_owned())
    }

    fn pace(&self) -> Pace;

    /// Returns the name by which people know the vendor. It is shown to them before their data goes there.
    fn display_name(&self) -> &str;

    /// Deletes a person's account with everything that the provider has about them. An account that does not exist (any
    /// more) counts as deleted. `None`: the provider does not offer that.
    fn delete<'a>(&'a self, _account: &'a str) -> Option<BoxFuture<'a, Result<(), Failure>>> {
        None
    }

    /// Returns whether `delete` is offered.
    fn deletes(&self) -> bool {
        false
    }
}

/// The rates at which a verification provider may be called.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// By the whole tenant.
    pub starts_per_second: f64,
    pub reads_per_second: f64,
}

/// An identity provider: holds accounts and registrations, and admits or blocks people.
pub trait IdentityProvider: Connector {
    /// Returns the interval between two polls without events.
    fn poll_every(&self) -> TimeDelta;

    /// Reads the next page of events. `cursor` is the one that the previous page returned, `None` at the very first
    /// poll. Polling is authoritative: it also finds events that no webhook delivers.
    fn poll<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<Page, Failure>>;

    /// Returns a cursor at the start of the round that `cursor` is within; `None`: it is at a start. Used for a
    /// position that the provider fails on repeatedly. Events may be read twice.
    fn anew(&self, cursor: &str) -> Option<String>;

    /// Returns a sentence for each thing at the provider that a person must repair, such as a setting without which
    /// new people are let in unproven. Known from the last polls.
    fn alarms(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns whether a request has the secret of the provider's webhook. Checked before its body is read. A provider
    /// without webhooks keeps this and the next function as they are.
    fn is_webhook(&self, _headers: &HeaderMap) -> bool {
        false
    }

    /// Reads events from a webhook's request: a hint that saves time.
    fn webhook(&self, _headers: &HeaderMap, _body: &[u8]) -> Result<Vec<Event>, WebhookRefused> {
        Err(WebhookRefused::NotConfigured)
    }

    /// Reads the current record of an event's person. `None`: the person does not exist (any more).
    fn subject<'a>(
        &'a self,
        reference: &'a SubjectRef,
        event: Option<&'a Event>,
    ) -> BoxFuture<'a, Result<Option<Subject>, Failure>>;

    /// Changes a record that still matches the snapshot: reads, compares, writes, reads back. A repeated attempt checks
    /// first whether an earlier one had the effect.
    fn change<'a>(
        &'a self,
        attempt: &'a Attempt,
        snapshot: &'a Snapshot,
        change: &'a IdentityChange,
    ) -> BoxFuture<'a, Result<Changed, Failure>>;

    /// Reads a page of all people with an account, each with the fields of `subject` that a list contains; the manager
    /// is missing. `cursor` is the one that the previous page returned. Pages overlap: a list that changes during the
    /// reading hides no person. The same person may therefore appear twice.
    fn population<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<People, Failure>>;

    /// Returns the number of people with an account.
    fn population_size(&self) -> BoxFuture<'_, Result<u64, Failure>>;
}

/// A system in which accounts are created and changed.
pub trait TargetSystem: Connector {
    /// Creates an account, or finds the one that was created. `external_id` finds it again.
    fn create<'a>(
        &'a self,
        attempt: &'a Attempt,
        external_id: &'a str,
        attributes: &'a Fields,
    ) -> BoxFuture<'a, Result<Created, Failure>>;

    /// Changes the one account that has all of `matching`. Returns true if it already had the values.
    fn update<'a>(
        &'a self,
        attempt: &'a Attempt,
        matching: &'a Fields,
        attributes: &'a Fields,
    ) -> BoxFuture<'a, Result<bool, Failure>>;
}

/// An account in a target system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its id there, if the system returns one.
    pub id: Option<String>,
    /// The account existed before.
    pub already: bool,
}

/// A named HTTP endpoint that policies call.
pub trait EndpointClient: Connector {
    fn request<'a>(
        &'a self,
        attempt: &'a Attempt,
        request: &'a HttpRequest,
    ) -> BoxFuture<'a, Result<EndpointAnswer, Failure>>;
}

/// The answer of an endpoint; a body that is not JSON is a text.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointAnswer {
    pub status: u16,
    pub body: Value,
}

/// A receiver of CloudEvents.
pub trait EventSink: Connector {
    /// Sends an event. `event` is the event's JSON form. Its id is the same for every attempt.
    fn emit<'a>(&'a self, attempt: &'a Attempt, event: &'a Value) -> BoxFuture<'a, Result<(), Failure>>;
}

/// One page of a population.
#[derive(Debug, Clone, Default)]
pub struct People {
    pub people: Vec<Subject>,
    /// `None`: this was the last page.
    pub next: Option<String>,
}

/// One page of a poll.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub events: Vec<Event>,
    /// Stored in the same commit as the events.
    pub cursor: Option<String>,
    /// More can be fetched at once.
    pub more: bool,
}

/// Why a webhook's request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRefused {
    #[error("the shared header is missing or wrong")]
    NotAuthentic,
    /// The invalid element and its error; the whole request is refused.
    #[error("{0}")]
    Malformed(String),
    #[error("no webhook is configured")]
    NotConfigured,
}

/// One line of `proofd doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub ok: bool,
    /// The name of the check.
    pub what: String,
    /// The result and, after a failure, what to do.
    pub detail: String,
}
