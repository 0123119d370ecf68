//! Settings of the engine, fixed at start.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use crate::model::{PollEvery, Secret};
use crate::rollout;

/// The settings that all decisions share, and which policies may run.
#[derive(Debug, Clone)]
pub struct Settings {
    pub public_url: String,
    pub organization: String,
    pub rollout: rollout::Settings,
    /// Polling intervals for runs at verification providers.
    pub poll_every: PollEvery,
    /// Verification providers that must be told what to verify.
    pub told: BTreeSet<String>,
    /// The keys of the callback paths, by verification provider.
    pub callback_secrets: BTreeMap<String, Secret>,
    /// Names of the sinks that receive events.
    pub sinks: Vec<String>,
    /// How long a new account may still be missing when it is read back, by the system's name.
    pub consistency: BTreeMap<String, TimeDelta>,
}

impl Default for Settings {
    /// The defaults of an empty configuration.
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8470".to_owned(),
            organization: String::new(),
            rollout: rollout::Settings::default(),
            poll_every: PollEvery::default(),
            told: BTreeSet::new(),
            callback_secrets: BTreeMap::new(),
            sinks: Vec::new(),
            consistency: BTreeMap::new(),
        }
    }
}
