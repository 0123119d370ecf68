//! What a case holds against a person, as it is stored: an account that is suspended, a role that is withheld.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// A suspension, or a role that is withheld, which belongs to a case. What it is held against is free only
/// when no case holds it any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub what: Held,
    pub since: Timestamp,
    /// The account's status before; it goes back to this.
    pub before: Option<String>,
    /// Whose doing it is, as far as what was read back around the change tells.
    pub whose: Whose,
    /// Whose doing it is by the newest event about it, which counts more.
    #[serde(default)]
    pub told: Option<(Timestamp, Whose)>,
    /// When somebody gave the role that is withheld, if an event said so.
    #[serde(default)]
    pub granted_at: Option<Timestamp>,
    /// When it was read back that it is in force.
    #[serde(default)]
    pub read_at: Option<Timestamp>,
    /// On its way to being lifted.
    pub lifting: bool,
    /// How far it is on its way to being in force.
    pub placed: Placed,
}

/// Whose doing it is that an account is suspended or a role is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// This program's: lifting the hold gives it back.
    Ours,
    /// Ours, unless an event says otherwise soon: a role that was given moments ago was not to be seen.
    Presumed,
    /// Somebody else's: lifting the hold changes nothing.
    Theirs,
    /// An attempt's end is not known. A person decides unless an event tells.
    Unknown,
}

impl Hold {
    pub fn owner(&self) -> Whose {
        self.told.map_or(self.whose, |(_, whose)| whose)
    }
}

/// How far a hold is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placed {
    /// Nothing was tried yet; it keeps nobody from anything.
    Asked,
    /// It may be in force.
    Tried,
    /// It is in force, or another case's is, and what was before is known.
    Known,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    Account,
    Role(String),
}
