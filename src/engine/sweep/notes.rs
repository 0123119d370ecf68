//! Who was left out and why, as it is kept: of one run a bounded number, the rest is counted.

use crate::case::Stopped;
use crate::model::Verdict;
use crate::policy::script::{Condition, Facts};
use crate::policy::tree::{NotATime, Sweep};
use crate::store::{Asked, Commit, SweepChange, SweepRun};

/// Plain noes that a run keeps; as many errors, so that no crowd of noes hides those.
const MOST_NOTED: u64 = 1_000;
/// Why somebody was left out by a plain no.
const NOES: [Verdict; 2] = [Verdict::Where, Verdict::Clause];

/// Somebody is left out by a clause, or could not be decided about.
pub(super) struct LeftOut<'a> {
    pub(super) why: Verdict,
    /// With the place, without values.
    pub(super) says: String,
    /// What said it; none: it was the date.
    pub(super) by: Option<&'a Condition>,
}

impl<'a> LeftOut<'a> {
    /// What a condition says against somebody.
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

    /// The date is not one.
    pub(super) fn undated(sweep: &Sweep, error: NotATime) -> Self {
        Self { why: Verdict::CouldNotDecide, says: format!("{}: {error}", sweep.place), by: None }
    }

    /// With what it looked at, which takes a second look.
    pub(super) fn stopped(self, sweep: &Sweep, facts: &Facts<'_>) -> Stopped {
        match self.by {
            Some(condition) => Stopped::by(condition, self.says, facts),
            None => Stopped { says: self.says, trace: sweep.trace_of_due(facts.subject, Some(NotATime)) },
        }
    }
}

/// Why somebody who was looked at gets no case, where no clause says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skip {
    OpenCase,
    /// The person is not at the identity provider any more.
    Gone,
    NotDueAnyMore,
    /// The policy is not about people of this provider.
    OtherSource,
    SourceNotConfigured,
    CouldNotRead,
    CouldNotOpen,
}

impl Skip {
    /// As the counts of a run name it.
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

/// Counts somebody who got no case.
pub(super) fn count(run: &mut SweepRun, why: Skip) {
    count_word(run, why.word());
}

fn count_word(run: &mut SweepRun, why: &str) {
    *run.skipped.entry(why.to_owned()).or_default() += 1;
}

/// Counts somebody who was left out, and keeps what was said unless the run has kept enough.
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

/// What is kept together: both or neither.
pub(super) fn with_notes(sweeps: Vec<SweepChange>, asked: Vec<Asked>) -> Commit {
    Commit { sweeps, asked, ..Commit::default() }
}
