//! What is the same for every decision in a made-up world.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::case::intake::Modes;
use crate::case::{Context, Facts, Links};
use crate::model::{PollEvery, Secret};

/// What is the same for every decision.
#[derive(Debug, Clone)]
pub struct Terms {
    pub links: Links,
    pub organization: String,
    pub sinks: Vec<String>,
    pub poll_every: PollEvery,
    pub invite_grace: TimeDelta,
    pub consistency: BTreeMap<String, TimeDelta>,
    /// Whether the modes of policies count.
    pub modes: Modes,
    /// Limits are not looked at.
    pub unlimited: bool,
    /// More turns than this are a world that does not come to rest.
    pub most_turns: u64,
}

/// The key of links and fingerprints in a made-up world, as long as a store's.
pub const KEY: &str = "a world that is made up, and a key that everybody may know .....";

impl Default for Terms {
    fn default() -> Self {
        Self {
            links: Links::new("https://proof.example.com", Secret::new(KEY), BTreeMap::new()),
            organization: "Example Corp".to_owned(),
            sinks: vec!["sink".to_owned()],
            poll_every: TimeDelta::minutes(10).into(),
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
        invite_grace: terms.invite_grace,
        consistency: &terms.consistency,
    }
}
