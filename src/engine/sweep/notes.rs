//! Records who was left out and why: a bounded number per run; the rest are counted.

use crate::case::Stopped;
use crate::model::Verdict;
use crate::policy::script::{Condition, Facts};
use crate::policy::tree::{NotATime, Sweep};
use crate::store::{Asked, Commit, SweepChange, SweepRun};

/// Most plain negative answers that a run records. Errors have the same bound of their own: many negative answers
/// cannot hide them.
const MOST_NOTED: u64 = 1_000;
/// Verdicts that are plain negative answers.
const NOES: [Verdict; 2] = [Verdict::Where, Verdict::Clause];

/// A person whom a clause left out, or whose decision failed.
pub(super) struct LeftOut<'a> {
    pub(super) why: Verdict,
    /// With the place, without values.
    pub(super) says: String,
    /// The condition that decided; `None`: the date.
    pub(super) by: Option<&'a Condition>,
}

impl<'a> LeftOut<'a> {
    /// Builds the record from the result of a condition.
    pub(super) fn by(
        condition: &'a Condition,
        why: Verdict,
        objection: Result<Option<String>, String>,
    ) -> Option<Self> {
        let (why, says) = match objection {
            Ok(says) => (why, says?),
            Err(says) => (Verdict::CouldNotDecide, says),
        };
        Some(Self { why, says, by: Some(condition) })
    }

    /// Builds the record of an invalid date.
    pub(super) fn undated(sweep: &Sweep, error: NotATime) -> Self {
        Self { why: Verdict::CouldNotDecide, says: format!("{}: {error}", sweep.place), by: None }
    }

    /// Adds the values that the condition read, which evaluates it again.
    pub(super) fn stopped(self, sweep: &Sweep, facts: &Facts<'_>) -> Stopped {
        match self.by {
            Some(condition) => Stopped::by(condition, self.says, facts),
            None => {
                let trace = sweep.trace_of_due(facts.subject, Some(NotATime));
                Stopped { says: self.says, clause: None, trace }
            }
        }
    }
}

/// Why a person gets no case, where no clause decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skip {
    OpenCase,
    /// The person is no longer at the identity provider.
    Gone,
    NotDueAnyMore,
    /// The policy does not apply to people of this provider.
    OtherSource,
    SourceNotConfigured,
    CouldNotRead,
    CouldNotOpen,
}

impl Skip {
    /// Returns the word in the counts of a run.
    const fn word(self) -> &'static str {
        match self {
            Self::OpenCase => "open_case",
            Self::Gone => "gone",
            Self::NotDueAnyMore => "not_due_any_more",
            Self::OtherSource => "other_source",
            Self::SourceNotConfigured => "source_not_configured",
            Self::CouldNotRead => "could_not_read",
            Self::CouldNotOpen => "could_not_open",
        }
    }
}

/// Counts a person who got no case.
pub(super) fn count(run: &mut SweepRun, why: Skip) {
    count_word(run, why.word());
}

fn count_word(run: &mut SweepRun, why: &str) {
    *run.skipped.entry(why.to_owned()).or_default() += 1;
}

/// Counts a person who was left out, and records the answer unless the run has recorded enough.
pub(super) fn leave_out(
    run: &mut SweepRun,
    why: Verdict,
    notes: &mut Vec<Asked>,
    asked: impl FnOnce() -> Asked,
) {
    let so_far = |why: Verdict| run.skipped.get(why.word()).copied().unwrap_or(0);
    let kept = if why == Verdict::CouldNotDecide { so_far(why) } else { NOES.into_iter().map(so_far).sum() };
    if kept < MOST_NOTED {
        notes.push(asked());
    } else {
        run.not_noted += 1;
    }
    count_word(run, why.word());
}

/// Returns one commit for both: both are stored or neither.
pub(super) fn with_notes(sweeps: Vec<SweepChange>, asked: Vec<Asked>) -> Commit {
    Commit { sweeps, asked, ..Commit::default() }
}
