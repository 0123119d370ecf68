//! What stands before an effect on one path: the outcomes, the proofs and decisions among them, and the conditions.

use crate::policy::graph::Via;
use crate::policy::outcome::{Ending, Says};
use crate::policy::tree::{Step, StepIndex};

/// One way taken on a path: an outcome, or that a step was not tried again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub step: StepIndex,
    pub via: Via,
}

impl Mark {
    pub fn of(step: StepIndex, ending: &Ending) -> Self {
        Self { step, via: Via::Outcome(ending.clone()) }
    }

    /// `retry_from` has gone back to a step as often as it may.
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
    /// Verifications that were asked for.
    pub asked: Vec<StepIndex>,
    /// Those of them that were passed, and none failed since.
    pub passed: Vec<StepIndex>,
    /// Reviews with the decision.
    pub decided: Vec<Mark>,
    /// The last outcome that says who the person is: a pass or a decision.
    pub granted_by: Option<Mark>,
    /// Clauses that must hold along it, and `unless ...` for those that must not.
    pub conditions: Vec<String>,
}

impl Trail {
    /// The path goes on by an outcome of a step.
    pub fn take(&mut self, step: &Step, ending: &Ending) {
        let mark = Mark::of(step.index, ending);
        match step.says(ending) {
            Says::Passed => {
                self.asked.push(step.index);
                self.passed.push(step.index);
                self.granted_by = Some(mark.clone());
            }
            Says::Unsure | Says::NotPassed(_) => {
                self.asked.push(step.index);
                self.passed.clear();
            }
            Says::Decided => {
                self.decided.push(mark.clone());
                self.granted_by = Some(mark.clone());
            }
            Says::Undecided | Says::PassedElsewhere | Says::Nothing => {}
        }
        self.marks.push(mark);
    }
}
