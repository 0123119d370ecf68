//! A policy's verdict on an event, a manual start or a sweep, for the decision log.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// A case opened.
    Opened,
    /// The event reached the open case.
    Joined,
    /// The event ended the open case.
    Cancelled,
    /// The open case ignored the event.
    Ignored,
    /// The same event opened a case before.
    Duplicate,
    /// The open case cannot be read.
    Gone,
    /// A change made by the daemon itself: no policy is evaluated.
    OwnChange,
    /// There is no person to decide about.
    NoSubject,
    Disabled,
    /// A clause of the policy does not hold.
    Clause,
    /// A clause of the sweep does not hold.
    Where,
    CouldNotDecide,
    /// A shadow policy would have opened a case.
    Shadow,
    /// A word of another version.
    Other,
}

impl Verdict {
    pub const ALL: [Self; 14] = [
        Self::Opened,
        Self::Joined,
        Self::Cancelled,
        Self::Ignored,
        Self::Duplicate,
        Self::Gone,
        Self::OwnChange,
        Self::NoSubject,
        Self::Disabled,
        Self::Clause,
        Self::Where,
        Self::CouldNotDecide,
        Self::Shadow,
        Self::Other,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Joined => "joined",
            Self::Cancelled => "cancelled",
            Self::Ignored => "ignored",
            Self::Duplicate => "duplicate",
            Self::Gone => "gone",
            Self::OwnChange => "own_change",
            Self::NoSubject => "no_subject",
            Self::Disabled => "disabled",
            Self::Clause => "clause",
            Self::Where => "where",
            Self::CouldNotDecide => "could_not_decide",
            Self::Shadow => "shadow",
            Self::Other => "other",
        }
    }

    pub fn of_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|verdict| verdict.word() == word).unwrap_or(Self::Other)
    }

    /// Returns the verdict as a sentence; `detail` is the case, the clause or the error.
    pub fn sentence(self, detail: &str) -> String {
        match self {
            Self::Opened => format!("a case opened: {detail}"),
            Self::Joined => format!("the event joined the open case {detail}"),
            Self::Cancelled => format!("the event ended the open case {detail}"),
            Self::Ignored => format!("the open case {detail} ignored the event"),
            Self::Clause => format!("a clause is false: {detail}"),
            Self::Where => format!("the sweep skips them: {detail}"),
            Self::CouldNotDecide => format!("could not decide; no case opened: {detail}"),
            Self::NoSubject => format!("no person to decide about: {detail}"),
            Self::Shadow | Self::Disabled | Self::Duplicate | Self::Gone | Self::OwnChange | Self::Other => {
                format!("{}: {detail}", self.word())
            }
        }
    }

    /// Returns whether `detail` is the id of a case that the event reached.
    pub fn has_case(self) -> bool {
        match self {
            Self::Opened | Self::Joined | Self::Cancelled | Self::Ignored => true,
            Self::Duplicate
            | Self::Gone
            | Self::OwnChange
            | Self::NoSubject
            | Self::Disabled
            | Self::Clause
            | Self::Where
            | Self::CouldNotDecide
            | Self::Shadow
            | Self::Other => false,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
