//! The part of a path before an effect: its outcomes, the proofs and decisions among them, and the conditions.

use crate::policy::graph::Via;
use crate::policy::outcome::{Ending, Meaning};
use crate::policy::tree::{Step, StepIndex};

/// One edge of a path: an outcome, or the end of retries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub step: StepIndex,
    pub via: Via,
}

impl Mark {
    pub fn of(step: StepIndex, ending: &Ending) -> Self {
        Self { step, via: Via::Outcome(ending.clone()) }
    }

    /// Builds the mark that `retry_from` has used up its retries of a step.
    pub fn again(step: StepIndex) -> Self {
        Self { step, via: Via::Again }
    }

    pub fn ending(&self) -> Option<&Ending> {
        if let Via::Outcome(ending) = &self.via { Some(ending) } else { None }
    }

    pub fn word(&self) -> &str {
        self.ending().map_or("again", Ending::word)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trail {
    pub marks: Vec<Mark>,
    /// Verifications that were requested.
    pub asked: Vec<StepIndex>,
    /// The requested verifications that were passed, with no failure since.
    pub passed: Vec<StepIndex>,
    /// Reviews with the decision.
    pub decided: Vec<Mark>,
    /// The last outcome that establishes identity: a pass or a decision.
    pub granted_by: Option<Mark>,
    /// Clauses that must hold along the path, and `unless ...` for those that must not.
    pub conditions: Vec<String>,
}

impl Trail {
    /// Extends the path by an outcome of a step.
    pub fn take(&mut self, step: &Step, ending: &Ending) {
        let mark = Mark::of(step.index, ending);
        match step.meaning(ending) {
            Meaning::Passed => {
                self.asked.push(step.index);
                self.passed.push(step.index);
                self.granted_by = Some(mark.clone());
            }
            Meaning::Unsure | Meaning::NotPassed(_) => {
                self.asked.push(step.index);
                self.passed.clear();
            }
            Meaning::Decided => {
                self.decided.push(mark.clone());
                self.granted_by = Some(mark.clone());
            }
            Meaning::Undecided | Meaning::PassedElsewhere | Meaning::Nothing => {}
        }
        self.marks.push(mark);
    }
}
