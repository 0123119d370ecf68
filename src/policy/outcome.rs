//! How steps and cases end, where the language fixes the words. Words that a policy declares itself stay text.

use std::borrow::Borrow;
use std::cmp::Ordering;

macro_rules! outcomes {
    ($($(#[$meta:meta])* $name:ident { $($outcome:ident $word:literal $doc:literal)* })*) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
            pub enum $name { $($outcome),* }

            impl $name {
                pub const ALL: &'static [Self] = &[$(Self::$outcome),*];
                pub const WORDS: &'static [&'static str] = &[$($word),*];

                pub const fn word(self) -> &'static str {
                    match self {
                        $(Self::$outcome => $word),*
                    }
                }

                pub fn of_word(word: &str) -> Option<Self> {
                    Self::ALL.iter().copied().find(|outcome| outcome.word() == word)
                }
            }
        )*

        /// Returns the meaning of an outcome, for editors. None if the step declares the outcome.
        pub fn doc(word: &str) -> Option<&'static str> {
            const ALL: &[(&str, &str)] = &[$($(($word, $doc)),*),*];
            ALL.iter().find(|(other, _)| *other == word).map(|(_, doc)| *doc)
        }
    };
}

outcomes! {
    /// How a verification ends.
    ProofOutcome {
        Passed "passed" "The verification passed, and every required check passed."
        Warning "warning" "The result is unclear; people should decide."
        Rejected "rejected" "The provider rejected the verification; `steps.<id>.reasons` has the reasons."
        NoResponse "no_response" "The person did not answer within `answer_within`."
        Unavailable "unavailable" "The provider failed; it does not count against the person."
    }
    /// How a review ends without a decision.
    ReviewOutcome {
        Overdue "overdue" "Nobody decided within `answer_within`."
    }
    /// How a wait for an event ends.
    WaitOutcome {
        Happened "happened" "The event came."
        TimedOut "timed_out" "The event did not come within `answer_within`."
    }
    /// How a request to an endpoint ends.
    RequestOutcome {
        Ok "ok" "The endpoint answered with success."
        Failed "failed" "The endpoint could not be reached, or answered with a failure."
    }
    /// What reviewers decide about an objection to an adverse effect.
    ContestOutcome {
        Undo "undo" "The effect in grace is undone."
        Uphold "uphold" "The effect in grace stays."
    }
    /// Results that cases can have without a `close` of the policy.
    OwnResult {
        NoLongerApplies "no_longer_applies" "`as_long_as` became false."
        Cancelled "cancelled" "An event or an operator canceled the case."
        Dropped "dropped" "An administrator dropped an effect over its limit."
        Undone "undone" "An operator undid the effect in grace."
        SubjectDeleted "subject_deleted" "The subject no longer exists."
    }
}

/// How one step ended. Within a step each word is unique, and endings are equal if their words are.
#[derive(Debug, Clone)]
pub enum Ending {
    Proof(ProofOutcome),
    /// A decision that the review declares.
    Decision(String),
    Review(ReviewOutcome),
    Wait(WaitOutcome),
    Request(RequestOutcome),
    /// A name that the step declares.
    Declared(String),
}

impl Ending {
    pub fn word(&self) -> &str {
        match self {
            Self::Proof(outcome) => outcome.word(),
            Self::Review(outcome) => outcome.word(),
            Self::Wait(outcome) => outcome.word(),
            Self::Request(outcome) => outcome.word(),
            Self::Decision(word) | Self::Declared(word) => word,
        }
    }

    /// Reports whether the time ran out before an answer came.
    pub fn is_silence(&self) -> bool {
        match self {
            Self::Proof(outcome) => *outcome == ProofOutcome::NoResponse,
            Self::Wait(outcome) => *outcome == WaitOutcome::TimedOut,
            Self::Review(ReviewOutcome::Overdue) => true,
            Self::Decision(_) | Self::Request(_) | Self::Declared(_) => false,
        }
    }
}

impl PartialEq for Ending {
    fn eq(&self, other: &Self) -> bool {
        self.word() == other.word()
    }
}

impl Eq for Ending {}

impl PartialOrd for Ending {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ending {
    fn cmp(&self, other: &Self) -> Ordering {
        self.word().cmp(other.word())
    }
}

impl Borrow<str> for Ending {
    fn borrow(&self) -> &str {
        self.word()
    }
}

/// What an ending shows about the person's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Passed,
    /// The provider is not sure.
    Unsure,
    NotPassed(ProofOutcome),
    /// Reviewers decided.
    Decided,
    /// A review ended without a decision.
    Undecided,
    /// The person passed in a case of another policy.
    PassedElsewhere,
    Nothing,
}
