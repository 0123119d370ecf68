//! Stored holds of a case on a person: a suspended account, a withheld role.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// A suspension or a withheld role that belongs to a case. The account or role is free only when no case holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub what: Held,
    pub since: Timestamp,
    /// The account's earlier status; lifting restores it.
    pub before: Option<String>,
    /// The owner of the change, according to reads around it.
    pub whose: Whose,
    /// The owner according to the newest event; it takes precedence.
    #[serde(default)]
    pub told: Option<(Timestamp, Whose)>,
    /// When the withheld role was granted, if an event reported it.
    #[serde(default)]
    pub granted_at: Option<Timestamp>,
    /// When a read confirmed that the hold is in force.
    #[serde(default)]
    pub read_at: Option<Timestamp>,
    /// Whether a lifting is in progress.
    pub lifting: bool,
    /// How far the placing has progressed.
    pub placed: Placed,
}

/// Who suspended an account or removed a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// proofd: lifting the hold gives it back.
    Ours,
    /// proofd, unless an event soon reports otherwise: a role granted moments ago was not visible yet.
    Presumed,
    /// Another actor: lifting the hold changes nothing.
    Theirs,
    /// Unknown: an attempt's end is unknown. A person decides unless an event identifies the owner.
    Unknown,
}

impl Hold {
    pub fn owner(&self) -> Whose {
        self.told.map_or(self.whose, |(_, whose)| whose)
    }
}

/// Progress of placing a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placed {
    /// No attempt was made; the hold has no effect yet.
    Asked,
    /// An attempt was made; the hold may be in force.
    Tried,
    /// It is in force, by this case or another one, and the earlier state is known.
    Known,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    Account,
    Role(String),
}
