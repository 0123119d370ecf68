//! The people of a campaign and how they behave.

use proofd::model::Timestamp;
use proofd::simulate::jumio::{Outcome, Script};

/// The behavior of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Honest,
    Forger,
    /// Never presses the button.
    Silent,
}

/// A person, and the events outside of the daemon.
#[derive(Debug, Clone)]
pub struct Life {
    pub kind: Kind,
    pub email: String,
    /// The person's user at the identity provider.
    pub user: String,
    /// Vendor sessions that the person was sent to, with their times.
    pub delivered: Vec<(String, Timestamp)>,
}

impl Kind {
    pub fn of(number: usize) -> Self {
        match number % 8 {
            3 | 7 => Self::Forger,
            5 => Self::Silent,
            _ => Self::Honest,
        }
    }

    /// The policy that the mail address selects.
    pub fn policy(self) -> &'static str {
        match self {
            Self::Honest | Self::Forger => "proofing",
            Self::Silent => "silence",
        }
    }

    pub fn domain(self) -> &'static str {
        match self {
            Self::Honest | Self::Forger => "partner.test",
            Self::Silent => "silent.test",
        }
    }

    pub fn script(self) -> Script {
        match self {
            Self::Honest | Self::Silent => Script::default(),
            Self::Forger => Script {
                outcome: Outcome::Reject,
                labels: vec!["imageChecks:MANIPULATED_DOCUMENT".to_owned()],
                ..Script::default()
            },
        }
    }
}

/// A small random number generator: its seed repeats a failing run.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
