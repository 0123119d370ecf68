//! What a shadow policy would have done, person by person, against what happened.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::bounds::PeopleLimit;
use super::policies::Mode;
use crate::model::{CaseId, CaseState, EffectKind, SubjectRef};

#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ShadowQuery {
    /// How many people, newest first; 100, if it is not given.
    #[param(inline)]
    pub limit: Option<PeopleLimit>,
}

/// The report of one shadow policy.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShadowReport {
    pub policy: String,
    pub mode: Mode,
    pub people: usize,
    /// How often the shadow would have had each effect.
    pub would: BTreeMap<EffectKind, usize>,
    /// How often each happened in the live cases of the same events.
    pub happened: BTreeMap<EffectKind, usize>,
    /// People whose shadow case is not known to its end.
    pub unknown: usize,
    /// Newest first.
    pub items: Vec<ShadowPerson>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShadowPerson {
    pub subject: SubjectRef,
    pub would: Vec<ShadowCase>,
    pub happened: Vec<LiveCase>,
    /// Whether the same was done; null: not known.
    pub same: Option<bool>,
}

/// A case that would have been.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShadowCase {
    pub opened_at: DateTime<Utc>,
    pub event: String,
    pub revision: String,
    /// Further events that would have joined it.
    pub joined: usize,
    pub lines: Vec<ShadowLine>,
    #[serde(flatten)]
    pub end: ShadowEnd,
    pub did: Vec<EffectKind>,
}

/// What a step would have done.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShadowLine {
    pub at: DateTime<Utc>,
    pub step: Option<String>,
    pub would: String,
}

/// How it would have ended.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum ShadowEnd {
    Closed {
        result: String,
        at: DateTime<Utc>,
    },
    /// An adverse effect would be in grace.
    InGrace {
        result: Option<String>,
        until: DateTime<Utc>,
    },
    Stuck {
        because: String,
    },
    /// From here on nothing is known.
    Unknown {
        because: String,
    },
}

/// A case that was.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LiveCase {
    pub case: CaseId,
    pub policy: String,
    pub state: CaseState,
    pub result: Option<String>,
    pub did: Vec<EffectKind>,
    /// The same event opened it.
    pub same_event: bool,
}
