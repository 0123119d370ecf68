//! What the rollout is told once, at start.

use std::path::PathBuf;

use chrono::TimeDelta;

use crate::model::Watched;
use crate::policy::Known;

/// Where policies come from, and which edits wait for a person.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory of the policy tree.
    pub policies: PathBuf,
    pub all_or_nothing: bool,
    /// An edit that lets a policy do more of this waits for a release; empty: none does.
    pub park: Vec<Watched>,
    /// The same for one that would have done it to more people than this, and how far back that is looked at.
    pub park_above: usize,
    pub look_back: TimeDelta,
    /// A parked revision is released by somebody else than who pushed the edit.
    pub release_by_other: bool,
    /// Names that policies may use.
    pub known: Known,
}

impl Default for Settings {
    /// As where a configuration says nothing.
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
