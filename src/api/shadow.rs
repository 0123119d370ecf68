//! Shadow reports: what a shadow policy would have done, compared with what happened, for each person.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::bounds::PeopleLimit;
use super::mode::Mode;
use super::past::PastEnd;
use super::plan::PastSpan;
use crate::model::{CaseId, EffectKind, SubjectRef};

#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ShadowQuery {
    /// How many people, newest first; 100 by default.
    #[param(inline)]
    pub limit: Option<PeopleLimit>,
}

/// The back-test of one policy beside those that run.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShadowReport {
    pub policy: String,
    /// The revision that was tested: the one that runs.
    pub revision: String,
    pub mode: Mode,
    /// The record that was tested.
    pub past: PastSpan,
    pub people: usize,
    /// How often the policy would have had each effect.
    pub would: BTreeMap<EffectKind, usize>,
    /// How often each happened in the live cases of the same events.
    pub happened: BTreeMap<EffectKind, usize>,
    /// People with a case whose result is unknown.
    pub unknown: usize,
    /// Newest first.
    pub items: Vec<ShadowPerson>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShadowPerson {
    pub subject: SubjectRef,
    /// Newest first.
    pub would: Vec<ShadowCase>,
    pub happened: Vec<LiveCase>,
    /// Whether the same was done; null: not known.
    pub same: Option<bool>,
}

/// A projected case of a shadow policy.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShadowCase {
    pub opened_at: DateTime<Utc>,
    /// What would have opened it: an event's type, `manual` or a sweep.
    pub opened_by: String,
    /// The event's key.
    pub event: Option<String>,
    /// Further events that would have joined it.
    pub joined: usize,
    pub lines: Vec<ShadowLine>,
    #[serde(flatten)]
    pub end: PastEnd,
    pub did: Vec<EffectKind>,
    /// Effects that it may still have, where its end is unknown.
    pub may: BTreeSet<EffectKind>,
    /// The person was assumed to stay as last seen.
    pub assumed: bool,
}

/// What would have happened, as `proofd test` prints it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShadowLine {
    pub at: DateTime<Utc>,
    pub step: Option<String>,
    pub would: String,
}

/// A recorded case.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LiveCase {
    pub case: CaseId,
    pub policy: String,
    #[serde(flatten)]
    pub end: PastEnd,
    pub did: Vec<EffectKind>,
    /// An event that opened it would have reached a case of the policy.
    pub same_event: bool,
}
