//! What stands before an effect on one path: the outcomes, the proofs and decisions among them, and the conditions.

use crate::policy::tree::{Step, StepIndex, Verb};

/// The outcome of a step to which a path goes back.
pub(super) const AGAIN: &str = "again";

/// One outcome on a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub step: StepIndex,
    pub outcome: String,
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
    /// Clauses that must hold along it, and `unless ...` for those that must not.
    pub conditions: Vec<String>,
}

impl Trail {
    /// The path goes on by an outcome of a step.
    pub fn take(&mut self, step: &Step, outcome: &str) {
        let mark = Mark { step: step.index, outcome: outcome.to_owned() };
        match &step.verb {
            Verb::Verify(_) => {
                self.asked.push(step.index);
                if outcome == "passed" {
                    self.passed.push(step.index);
                } else {
                    self.passed.clear();
                }
            }
            Verb::Review(review) if review.decisions.contains_key(outcome) => self.decided.push(mark.clone()),
            Verb::Review(_)
            | Verb::Run { .. }
            | Verb::Wait(_)
            | Verb::Act { .. }
            | Verb::Approve
            | Verb::Reject { .. }
            | Verb::Delete { .. }
            | Verb::Do { .. }
            | Verb::RetryFrom { .. }
            | Verb::Close { .. }
            | Verb::Effect(_) => {}
        }
        self.marks.push(mark);
    }

    /// The last outcome that says who the person is: a pass or a decision.
    pub fn granted_by(&self) -> Option<&Mark> {
        let grants = |mark: &&Mark| {
            self.decided.contains(mark) || (mark.outcome == "passed" && self.asked.contains(&mark.step))
        };
        self.marks.iter().rev().find(grants)
    }
}
