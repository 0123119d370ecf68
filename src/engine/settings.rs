//! What the engine is told once, at start.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::model::{PollEvery, Secret};
use crate::rollout;

/// What is the same for every decision, and which policies may run.
#[derive(Debug, Clone)]
pub struct Settings {
    pub public_url: String,
    pub organization: String,
    pub rollout: rollout::Settings,
    /// How often runs of verification providers are read.
    pub poll_every: PollEvery,
    /// The keys of the callback paths, by verification provider.
    pub callback_secrets: BTreeMap<String, Secret>,
    /// Names of the sinks that events go to.
    pub sinks: Vec<String>,
    /// How long an account that was made in a system may not be found there yet, by the system's name.
    pub consistency: BTreeMap<String, TimeDelta>,
}

impl Default for Settings {
    /// As where a configuration says nothing.
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8470".to_owned(),
            organization: String::new(),
            rollout: rollout::Settings::default(),
            poll_every: PollEvery::default(),
            callback_secrets: BTreeMap::new(),
            sinks: Vec::new(),
            consistency: BTreeMap::new(),
        }
    }
}
