//! What a transition was decided from, kept beside its result so that it can be decided again: the cause, and
//! what it looked at that is not the same for every case. What is the same for all of them, such as the
//! organization's name or the keys of links, is only named by a mark.

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

/// What happened to a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Opening(Opening),
    Input(Input),
    /// It moved to the revision that it has afterwards.
    Migration(Mover),
}

/// The part of `Here` that is of this one decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub now: Timestamp,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub over_limit: BTreeSet<EffectKind>,
    /// What is known of the person at providers, by earlier cases.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub enrolments: BTreeMap<String, Enrolment>,
    /// Who has shown the document that the input is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<DocumentUse>,
    /// What other cases hold against the person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Hold>,
    /// Times in the life of the case in which somebody could not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses: Vec<Pause>,
    /// The mark of everything else that was looked at: settings, keys, the program's version.
    pub under: String,
}

impl Recorded {
    /// The one way from a cause to a new state, the first time and every other time.
    pub fn decide(
        &self,
        before: Option<Case>,
        policy: &Policy,
        context: &Context<'_>,
    ) -> Result<Advance, Refused> {
        match (self.cause.clone(), before) {
            (Cause::Opening(opening), None) => Ok(open(opening, policy, context)),
            (Cause::Input(input), Some(case)) => advance(case, policy, input, context),
            // It was opened already, or is not there to be changed.
            (Cause::Opening(_), Some(_)) | (Cause::Input(_) | Cause::Migration(_), None) => {
                Err(Refused::Stale)
            }
            // That takes both revisions; see `migrate`.
            (Cause::Migration(_), Some(_)) => Err(Refused::WrongPolicy),
        }
    }

    /// The same for a move between two revisions. `None`: it was none.
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
