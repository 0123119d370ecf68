//! The files of a revision, and its steps with the edges between them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::diagnostics::Place;
use crate::model::{EffectKind, Span};

/// What a revision is made of, and the graph that its cases walk.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RevisionSource {
    pub policy: String,
    pub revision: String,
    /// Path to text.
    pub files: BTreeMap<String, String>,
    /// Index of the first step of a case.
    pub first: usize,
    /// Edges refer to indexes of this list.
    pub steps: Vec<StepLine>,
}

/// One step.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StepLine {
    /// Its path, as in journals and cases.
    pub path: String,
    /// Its id, or its path where it has none.
    pub name: String,
    /// The verb as the policy writes it.
    pub verb: String,
    /// What the verb is about: a workflow, a queue, a recipient, a role, a result.
    pub about: String,
    /// The effect of the step itself.
    pub effect: Option<EffectKind>,
    /// It takes something away from the person.
    pub adverse: bool,
    /// The time for an answer.
    #[schema(value_type = Option<String>)]
    pub answer_within: Option<Span>,
    /// How long its effect can be undone.
    #[schema(value_type = Option<String>)]
    pub grace: Option<Span>,
    /// The step's own `if`: it is skipped unless every clause holds.
    pub only_if: Vec<String>,
    /// Where it is in the files.
    pub place: Place,
    /// Empty: the case ends here.
    pub edges: Vec<StepEdge>,
}

/// The way to a following step.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StepEdge {
    /// Index of the step.
    pub to: usize,
    pub via: EdgeCause,
    /// The outcome, where the step branches.
    pub outcome: Option<String>,
}

/// Why a case takes an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeCause {
    /// The step is done or skipped.
    Next,
    /// The step would branch or end the path, and its `if` is false.
    LeftOut,
    /// The step ended with an outcome.
    Outcome,
    /// `do` enters a block.
    Block,
    /// `retry_from` goes back.
    Again,
    /// `retry_from` has used up its retries.
    UsedUp,
}
