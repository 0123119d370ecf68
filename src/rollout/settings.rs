//! Settings of the rollout, fixed at start.

use std::path::PathBuf;

use chrono::TimeDelta;

use crate::model::Watched;
use crate::policy::Known;

/// Where policies come from, and which edits are parked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory of the policy tree.
    pub policies: PathBuf,
    pub all_or_nothing: bool,
    /// An edit that lets a policy do more of these effects is parked; empty: none is.
    pub park: Vec<Watched>,
    /// An edit that would newly affect more people than this is parked too; `look_back` is the period.
    pub park_above: usize,
    pub look_back: TimeDelta,
    /// A parked revision must be released by a person other than the author of the edit.
    pub release_by_other: bool,
    /// Names that policies may use.
    pub known: Known,
}

impl Default for Settings {
    /// The defaults of an empty configuration.
    fn default() -> Self {
        Self {
            policies: PathBuf::from("policies"),
            all_or_nothing: false,
            park: Watched::by_default(),
            park_above: 5,
            look_back: TimeDelta::days(90),
            release_by_other: false,
            known: Known::default(),
        }
    }
}
