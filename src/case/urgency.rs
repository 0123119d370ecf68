//! How soon a call is wanted. A queue serves the classes by weight, so that a campaign delays no new person.

use chrono::TimeDelta;

use super::state::{Case, Pending, Purpose};
use crate::model::SubjectKind;

/// Calls that are requested later than this after the opening follow from a time or a decision.
const FRESH: TimeDelta = TimeDelta::hours(1);

/// The class of a call, most urgent first. Computed from the case alone: a restart keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// A person waits for it: a new registration, or somebody at their page.
    Joining,
    /// A risk was reported.
    Risk,
    /// Another change, or a later step of a case.
    Change,
    /// A sweep or a reminder: no person waits for it.
    Scheduled,
}

impl Urgency {
    pub const ALL: [Self; 4] = [Self::Joining, Self::Risk, Self::Change, Self::Scheduled];

    /// Returns the share of a queue while every class has calls.
    pub const fn weight(self) -> u32 {
        match self {
            Self::Joining => 8,
            Self::Risk => 4,
            Self::Change => 2,
            Self::Scheduled => 1,
        }
    }

    /// Returns the byte in keys of the store; smaller is more urgent.
    pub const fn byte(self) -> u8 {
        self as u8 + 1
    }

    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|urgency| urgency.byte() == byte)
    }
}

impl Case {
    /// Returns the class of one of its calls.
    pub fn urgency(&self, pending: &Pending) -> Urgency {
        match pending.purpose {
            Purpose::Start | Purpose::Lift | Purpose::Page => Urgency::Joining,
            Purpose::Uphold => Urgency::Risk,
            Purpose::Reminder | Purpose::OwnerNotice => Urgency::Scheduled,
            Purpose::Step
            | Purpose::Invite
            | Purpose::Read
            | Purpose::EnsureInvited
            | Purpose::Destroy
            | Purpose::Look => {
                let fresh = pending.asked_at - self.opened_at <= FRESH;
                if fresh { self.cause() } else { self.cause().max(Urgency::Change) }
            }
        }
    }

    /// Returns the class of what opened it.
    fn cause(&self) -> Urgency {
        let Some(event) = &self.event else { return Urgency::Scheduled };
        match self.subject.kind {
            SubjectKind::Registration | SubjectKind::Applicant => Urgency::Joining,
            SubjectKind::User if event.kind.as_str().starts_with("login.") => Urgency::Risk,
            SubjectKind::User => Urgency::Change,
        }
    }
}
