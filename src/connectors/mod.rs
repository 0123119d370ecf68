//! Adapters to outside systems. They know the wire and nothing of cases, policies or the store:
//! a `Call` comes in, an `Outcome` goes out, and failure is data.

use std::fmt::Debug;

use futures::future::BoxFuture;
use reqwest::header::HeaderMap;

use crate::model::{Call, Event, Failure, Outcome, Subject, SubjectRef};

pub mod cloudevents;
pub mod endpoint;
pub mod http;
pub mod jumio;
pub mod onelogin;
pub mod scim;
pub mod sink;
pub mod smtp;

/// Performs calls of one or more lanes.
pub trait Connector: Debug + Send + Sync {
    fn perform<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Outcome>;

    /// Tries what can be tried without anybody noticing: token, permissions, clock, a read.
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>>;

    /// How often the other side lets us read, if it says.
    fn reads_per_second(&self) -> Option<f64> {
        None
    }
}

/// An identity provider as a source of events and of people.
pub trait IdentitySource: Debug + Send + Sync {
    /// A name for logs, metrics and the stored cursor, such as `onelogin`.
    fn name(&self) -> &'static str;

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

    /// A page of everybody who has an account, each with the fields of `subject` as far as a list tells
    /// them; the manager it does not. `cursor` is what the page before returned. Pages overlap, so that a
    /// list that moves while it is read hides nobody; the same person may therefore come twice.
    fn population<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<People, Failure>>;

    /// How many have an account.
    fn population_size(&self) -> BoxFuture<'_, Result<u64, Failure>>;
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
