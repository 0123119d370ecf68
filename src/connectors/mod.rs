//! Adapters to outside systems. They know the wire and nothing of cases, policies or the store:
//! an attempt comes in with what is asked for, what was achieved or a `Failure` goes out.

use std::fmt::Debug;
use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::config::SecretSource;
use crate::model::{
    Attempt, Changed, Event, Failure, Fields, HttpRequest, IdentityChange, Message, ReadSession, Reading,
    Session, Snapshot, StartSession, Subject, SubjectRef,
};

pub mod cloudevents;
pub mod endpoint;
pub mod http;
pub mod jumio;
pub mod onelogin;
pub mod options;
mod perform;
pub mod registry;
pub mod scim;
pub mod setup;
pub mod sink;
pub mod smtp;

pub use registry::Registry;
pub use setup::{Connectors, Setup};

/// What can be asked of every outside system.
pub trait Connector: Debug + Send + Sync {
    /// Tries what can be tried without anybody noticing: token, permissions, clock, a read.
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>>;
}

/// A mail server.
pub trait Mailer: Connector {
    /// The call's id becomes the Message-ID. In doubt or not, the mail is sent (again): twice is a nuisance, never is a
    /// lost case.
    fn send<'a>(&'a self, attempt: &'a Attempt, message: &'a Message) -> BoxFuture<'a, Result<(), Failure>>;

    /// Sends a mail that says that mail works.
    fn send_test<'a>(&'a self, to: &'a str) -> BoxFuture<'a, Result<(), Failure>>;
}

/// The options of an identity provider.
pub trait IdentityOptions: options::Options {
    /// Our names of user fields that the configuration maps to fields of the provider.
    fn mapped(&self) -> Vec<String>;

    fn build(&self, site: &options::Site<'_>) -> anyhow::Result<Arc<dyn IdentityProvider>>;
}

/// The options of a verification provider.
pub trait VerificationOptions: options::Options {
    /// Between two reads of a run whose capture has not ended.
    fn poll_every(&self) -> TimeDelta;

    /// The key of the secret paths that callbacks come to; none: no callbacks are asked for.
    fn callback_secret(&self) -> Option<&SecretSource>;

    fn build(&self, site: &options::Site<'_>) -> anyhow::Result<Arc<dyn VerificationProvider>>;
}

/// A verification provider.
pub trait VerificationProvider: Connector {
    /// A call whose earlier attempt was lost is started again: nobody ever saw the lost session's link, and its result
    /// carries another reference.
    fn start<'a>(&'a self, start: &'a StartSession) -> BoxFuture<'a, Result<Session, Failure>>;

    fn read<'a>(&'a self, read: &'a ReadSession) -> BoxFuture<'a, Result<Reading, Failure>>;

    /// The run that a callback's body is about: it may have changed. The error repeats nothing of the body.
    fn hint(&self, body: &[u8]) -> Result<String, String>;

    fn pace(&self) -> Pace;
}

/// How often a verification provider may be called.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// By the whole tenant.
    pub starts_per_second: f64,
    pub reads_per_second: f64,
}

/// An identity provider: where people are, and where they are let in or stopped.
pub trait IdentityProvider: Connector {
    /// Between two polls that bring nothing.
    fn poll_every(&self) -> TimeDelta;

    /// The next page of what happened. `cursor` is what the page before returned, none at the very
    /// first poll. The truth: what no webhook brings, this does.
    fn poll<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<Page, Failure>>;

    /// A cursor that reads again what `cursor` stands in the middle of; none: it stands at a beginning. For a
    /// place to which the provider gives no answer, time after time. Events may come twice.
    fn anew(&self, cursor: &str) -> Option<String>;

    /// Whether a request carries what only the provider's webhook knows. Asked before its body is read.
    fn is_webhook(&self, headers: &HeaderMap) -> bool;

    /// Events from a webhook's request. A hint that saves time.
    fn webhook(&self, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Event>, WebhookRefused>;

    /// The person an event is about as they are now. `None`: there is no such person (any more).
    fn subject<'a>(
        &'a self,
        reference: &'a SubjectRef,
        event: Option<&'a Event>,
    ) -> BoxFuture<'a, Result<Option<Subject>, Failure>>;

    /// Changes a record, if it still is what the snapshot says: reads, compares, writes, reads back. An attempt that is
    /// repeated looks first whether the one before had the effect.
    fn change<'a>(
        &'a self,
        attempt: &'a Attempt,
        snapshot: &'a Snapshot,
        change: &'a IdentityChange,
    ) -> BoxFuture<'a, Result<Changed, Failure>>;

    /// A page of everybody who has an account, each with the fields of `subject` as far as a list tells
    /// them; the manager it does not. `cursor` is what the page before returned. Pages overlap, so that a
    /// list that moves while it is read hides nobody; the same person may therefore come twice.
    fn population<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<People, Failure>>;

    /// How many have an account.
    fn population_size(&self) -> BoxFuture<'_, Result<u64, Failure>>;
}

/// A system in which accounts are made and changed.
pub trait TargetSystem: Connector {
    /// Makes an account, or finds that it was made. `external_id` finds it again.
    fn create<'a>(
        &'a self,
        attempt: &'a Attempt,
        external_id: &'a str,
        attributes: &'a Fields,
    ) -> BoxFuture<'a, Result<Created, Failure>>;

    /// Changes the one account that has all of `matching`. True: it was so already.
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
    /// Its id there, if the system tells one.
    pub id: Option<String>,
    /// It was there before.
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

/// What an endpoint answered; a body that is not JSON is a text.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointAnswer {
    pub status: u16,
    pub body: Value,
}

/// Where CloudEvents are sent to.
pub trait EventSink: Connector {
    /// `event` is the event's JSON form. Its id is the same for every attempt.
    fn emit<'a>(&'a self, attempt: &'a Attempt, event: &'a Value) -> BoxFuture<'a, Result<(), Failure>>;
}

/// One page of a population.
#[derive(Debug, Clone, Default)]
pub struct People {
    pub people: Vec<Subject>,
    /// None: this was the last page.
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

/// Why a webhook's request is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRefused {
    #[error("the shared header is missing or wrong")]
    NotAuthentic,
    /// Says which element and what is wrong with it; none of the request is taken.
    #[error("{0}")]
    Malformed(String),
    #[error("no webhook is configured")]
    NotConfigured,
}

/// One line of `proofd doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub ok: bool,
    /// What was tried.
    pub what: String,
    /// What came of it and, if it is not well, what to do.
    pub detail: String,
}
