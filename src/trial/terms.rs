//! Settings shared by all decisions in a simulated world.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use crate::case::intake::Modes;
use crate::case::{Context, Facts, Links};
use crate::model::{PollEvery, Secret};

/// Settings shared by all decisions.
#[derive(Debug, Clone)]
pub struct Terms {
    pub links: Links,
    pub organization: String,
    pub sinks: Vec<String>,
    pub poll_every: PollEvery,
    /// Verification providers that must be told what to verify.
    pub told: BTreeSet<String>,
    pub invite_grace: TimeDelta,
    pub consistency: BTreeMap<String, TimeDelta>,
    /// Whether policy modes apply.
    pub modes: Modes,
    /// Disables limits.
    pub unlimited: bool,
    /// Maximum of turns; a world that takes more never ends.
    pub most_turns: u64,
}

/// The key of links and fingerprints in a simulated world, as long as a store's.
pub const KEY: &str = "a world that is made up, and a key that everybody may know .....";

impl Default for Terms {
    fn default() -> Self {
        Self {
            links: Links::new("https://proof.example.com", Secret::new(KEY), BTreeMap::new()),
            organization: "Example Corp".to_owned(),
            sinks: vec!["sink".to_owned()],
            poll_every: TimeDelta::minutes(10).into(),
            told: BTreeSet::new(),
            invite_grace: TimeDelta::minutes(2),
            consistency: BTreeMap::new(),
            modes: Modes::AsWritten,
            unlimited: false,
            most_turns: u64::MAX,
        }
    }
}

pub(super) fn here<'a>(terms: &'a Terms, facts: &'a Facts) -> Context<'a> {
    Context {
        now: facts.now,
        links: &terms.links,
        organization: &terms.organization,
        over_limit: &facts.over_limit,
        enrolments: &facts.enrolments,
        documents: &facts.documents,
        others: &facts.others,
        pauses: &facts.pauses,
        sinks: &terms.sinks,
        poll_every: &terms.poll_every,
        told: &terms.told,
        invite_grace: terms.invite_grace,
        consistency: &terms.consistency,
    }
}
