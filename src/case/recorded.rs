//! Stores the inputs of a transition beside its result, for replay: the cause and the case-specific context. Context
//! shared by all cases, such as the organization's name or link keys, is represented by a hash.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::advance::{advance, open};
use super::input::{Input, Opening, Refused};
use super::migrating::{CannotMigrate, Migration, Mover, migrate};
use super::state::{Case, Hold};
use super::{Advance, Context};
use crate::model::{DocumentUse, EffectKind, Enrolment, Pause, Timestamp};
use crate::policy::Policy;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    pub cause: Cause,
    pub facts: Facts,
}

/// The cause of a transition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Opening(Opening),
    Input(Input),
    /// A move to the revision that the case has afterwards.
    Migration(Mover),
}

/// The part of `Context` that is specific to this decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub now: Timestamp,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub over_limit: BTreeSet<EffectKind>,
    /// Data of earlier cases about the person at providers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub enrolments: BTreeMap<String, Enrolment>,
    /// Recorded uses of the document that the input is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<DocumentUse>,
    /// Other cases' holds on the person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Hold>,
    /// Outages during the life of the case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses: Vec<Pause>,
    /// The environment hash: settings, keys, the program's version.
    pub under: String,
}

impl Recorded {
    /// Computes the new state from a cause. The first decision and every replay use this function.
    pub fn decide(
        &self,
        before: Option<Case>,
        policy: &Policy,
        context: &Context<'_>,
    ) -> Result<Advance, Refused> {
        match (self.cause.clone(), before) {
            (Cause::Opening(opening), None) => Ok(open(opening, policy, context)),
            (Cause::Input(input), Some(case)) => advance(case, policy, input, context),
            // The case is already open, or does not exist.
            (Cause::Opening(_), Some(_)) | (Cause::Input(_) | Cause::Migration(_), None) => {
                Err(Refused::Stale)
            }
            // A migration needs both revisions; see `migrate`.
            (Cause::Migration(_), Some(_)) => Err(Refused::WrongPolicy),
        }
    }

    /// Replays a move between two revisions. `None`: the cause is not a migration.
    pub fn migrate(
        &self,
        before: Case,
        old: &Policy,
        new: &Policy,
        context: &Context<'_>,
    ) -> Option<Result<Migration, CannotMigrate>> {
        let Cause::Migration(mover) = &self.cause else { return None };
        Some(migrate(before, old, new, context, mover))
    }
}
