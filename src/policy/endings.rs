//! Maps each kind of step to its possible endings, and to what each ending shows about the person's identity.

use super::effect::Effect;
use super::outcome::{Ending, Meaning, OwnResult, ProofOutcome, RequestOutcome, ReviewOutcome, WaitOutcome};
use super::tree::{Policy, Step, Verb, Wait};
use crate::model::EventType;

impl Verb {
    /// Returns the ending for a word of the step's `outcomes`.
    pub fn ending(&self, word: &str) -> Ending {
        let fixed = match self {
            Self::Verify(_) => ProofOutcome::of_word(word).map(Ending::Proof),
            Self::Review(_) => {
                let decision = || Ending::Decision(word.to_owned());
                Some(ReviewOutcome::of_word(word).map_or_else(decision, Ending::Review))
            }
            Self::Wait(_) => WaitOutcome::of_word(word).map(Ending::Wait),
            Self::Effect(Effect::Call(_)) => RequestOutcome::of_word(word).map(Ending::Request),
            Self::Run { .. }
            | Self::Act { .. }
            | Self::Approve
            | Self::Reject { .. }
            | Self::Delete { .. }
            | Self::Do { .. }
            | Self::RetryFrom { .. }
            | Self::Close { .. }
            | Self::Effect(_) => None,
        };
        fixed.unwrap_or_else(|| Ending::Declared(word.to_owned()))
    }
}

impl Step {
    pub fn meaning(&self, ending: &Ending) -> Meaning {
        match ending {
            Ending::Proof(ProofOutcome::Passed) => Meaning::Passed,
            Ending::Proof(ProofOutcome::Warning) => Meaning::Unsure,
            Ending::Proof(
                outcome @ (ProofOutcome::Rejected | ProofOutcome::NoResponse | ProofOutcome::Unavailable),
            ) => Meaning::NotPassed(*outcome),
            Ending::Decision(_) => Meaning::Decided,
            Ending::Review(ReviewOutcome::Overdue) => Meaning::Undecided,
            Ending::Wait(WaitOutcome::Happened) if self.waits_for(EventType::VERIFICATION_PASSED) => {
                Meaning::PassedElsewhere
            }
            Ending::Wait(WaitOutcome::Happened | WaitOutcome::TimedOut)
            | Ending::Request(_)
            | Ending::Declared(_) => Meaning::Nothing,
        }
    }

    fn waits_for(&self, kind: &str) -> bool {
        matches!(&self.verb, Verb::Wait(Wait::For { event, .. }) if event.as_str() == kind)
    }
}

impl Policy {
    /// Returns the words with which its cases can close, with proofd's own.
    pub fn results(&self) -> impl Iterator<Item = &str> {
        let closes = self.steps.iter().filter_map(|step| {
            if let Verb::Close { result } = &step.verb { Some(result.as_str()) } else { None }
        });
        closes.chain(OwnResult::WORDS.iter().copied())
    }
}
