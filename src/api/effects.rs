//! Effects sheets: the effects of a policy, their targets and their paths.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::mode::Mode;
use crate::model::{EffectKind, Fields, Span, SubjectKind};

/// Everything that a revision can do.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Sheet {
    pub policy: String,
    pub title: String,
    pub revision: String,
    pub mode: Mode,
    pub subject: SubjectKind,
    pub opens_on: Vec<Opens>,
    /// Every clause must hold for a case to open.
    pub only_if: Vec<String>,
    /// Every clause must hold for a case to continue.
    pub as_long_as: Vec<String>,
    pub cancelled_by: Vec<String>,
    /// Numbers and lists that clauses read.
    #[schema(value_type = Object)]
    pub settings: Fields,
    pub effects: Vec<Effect>,
    pub limits: Vec<Bound>,
    /// How long data is kept after a case has closed.
    pub kept: Kept,
    /// Steps that wait for an answer of people, with their time limits.
    pub asks: Vec<Asks>,
    /// False: some paths were not followed to their end. The effects are complete, their paths are not.
    pub complete: bool,
}

/// How long data is kept after a case has closed: spans such as `2y`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Kept {
    pub case: String,
    pub evidence: String,
}

/// What opens a case.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Opens {
    /// `event registration.created`, `manual`, `sweep quarterly/1`.
    pub by: String,
    /// Condition of a sweep.
    pub only_if: Vec<String>,
    /// New cases in one run of a sweep.
    pub at_most: Option<u32>,
    /// When a sweep runs.
    pub runs: Option<String>,
    /// When a person is due in it; null: in every run.
    pub due: Option<String>,
}

/// One effect with every path to it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Effect {
    pub verb: String,
    /// The target: `registration`, `user`, `role ${event.role}`, `in hris`.
    pub to: String,
    /// How many paths there are.
    pub paths: usize,
    /// The shortest first.
    pub ways: Vec<Way>,
}

/// One path from the trigger to an effect.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Way {
    /// The outcomes on the path, such as `proof rejected`; empty: at once.
    pub path: Vec<String>,
    /// The step that does it.
    pub step: String,
    /// How long it can be undone.
    #[schema(value_type = Option<String>)]
    pub grace: Option<Span>,
    /// People's decisions on the path.
    pub decided_by: Vec<Decided>,
    /// The step's own `if`.
    pub only_if: Vec<String>,
    /// It gives access without a pass and without a decision.
    pub unproven: bool,
}

/// A person's decision on a path.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Decided {
    pub step: String,
    pub decision: String,
    pub queue: String,
    /// How many different people must agree.
    pub people: u32,
}

/// A limit on a kind of effect.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Bound {
    pub action: EffectKind,
    /// `50`, `2%`, or whichever of two is larger.
    pub at_most: String,
    #[schema(value_type = String)]
    pub per: Span,
    pub when_exceeded: WhenExceeded,
    /// False: a default limit, because the policy has none.
    pub stated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenExceeded {
    /// The case waits until a person releases it.
    Ask,
    /// The effect is left out and the case continues.
    Skip,
}

/// A step that people answer or decide.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Asks {
    pub step: String,
    #[schema(value_type = String)]
    pub answer_within: Span,
    /// The outcome without an answer in time.
    pub otherwise: String,
    /// The verification.
    pub by: Option<String>,
    /// Required checks.
    pub require: Vec<String>,
    /// Fields that must agree with the document.
    pub compare: Vec<String>,
    /// Maximum age of a reused pass.
    #[schema(value_type = Option<String>)]
    pub reuse_within: Option<Span>,
    /// People who must not decide.
    pub never: Vec<String>,
}

/// Differences of two effects sheets.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Diff {
    pub policy: String,
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Change {
    pub sign: Sign,
    /// The effect's verb, or `limit`, `opens`, `setting`, `only_if`, `as_long_as`, `cancelled_by`, `mode`, `step`,
    /// `again`, `answer_within`, `asks`.
    pub kind: String,
    /// The verb that changes, if any.
    pub verb: Option<String>,
    /// What it is about.
    pub what: String,
    /// What is different.
    pub how: String,
    /// More harmful: more effects, sooner, with fewer decisions, or no longer undone.
    pub graver: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    Added,
    Removed,
    Changed,
}
