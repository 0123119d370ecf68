//! Outside systems: whether they answer, and their outages.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The identity and verification providers, and the daemon itself.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProviderLine {
    pub name: String,
    pub kind: ProviderKind,
    /// It does not answer, since this time. Deadlines of people who need it are extended by that time.
    pub down_since: Option<DateTime<Utc>>,
    /// It requested a pause until this time.
    pub asked_to_wait_until: Option<DateTime<Utc>>,
    /// Calls that wait for it, due or not; at most 1000 are counted.
    pub calls: usize,
    /// Outages of the last 90 days, newest first.
    pub outages: Vec<Outage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    Identity,
    Verification,
    /// The daemon: a stop of it pauses all clocks.
    Daemon,
}

/// A time in which an answer was impossible.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Outage {
    pub from: DateTime<Utc>,
    /// Null: it goes on.
    pub until: Option<DateTime<Utc>>,
}

/// All providers, with what does not work now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Providers {
    pub items: Vec<ProviderLine>,
    /// Always null: the list is not paged.
    pub next: Option<String>,
    /// A sentence for each outside system that does not work now, and for each alarm of one.
    pub troubles: Vec<String>,
}
