//! How many limited effects each policy has had, over a sliding window. Rebuilt from the store at start.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::TimeDelta;

use crate::model::Timestamp;
use crate::policy::Policy;
use crate::policy::tree::{Amount, LimitedAction};
use crate::store::{self, Store};

/// No window is longer than this; older effects are forgotten.
const LONGEST_WINDOW: TimeDelta = TimeDelta::days(31);

#[derive(Debug, Default)]
pub struct Counters {
    effects: BTreeMap<(String, LimitedAction), VecDeque<Timestamp>>,
}

impl Counters {
    pub fn from_store(store: &Store, now: Timestamp) -> Result<Self, store::Error> {
        let mut counters = Self::default();
        for (policy, action, at) in store.effects_since(now - LONGEST_WINDOW)? {
            counters.count(&policy, action, at);
        }
        Ok(counters)
    }

    pub fn count(&mut self, policy: &str, action: LimitedAction, at: Timestamp) {
        let effects = self.effects.entry((policy.to_owned(), action)).or_default();
        while effects.front().is_some_and(|first| *first < at - LONGEST_WINDOW) {
            effects.pop_front();
        }
        effects.push_back(at);
    }

    /// The kinds of effect that this policy may not have now.
    pub fn used_up(&self, policy: &Policy, now: Timestamp) -> BTreeSet<LimitedAction> {
        let over = policy.limits.iter().filter(|limit| {
            let window = limit.per.elapsed().unwrap_or(LONGEST_WINDOW).min(LONGEST_WINDOW);
            let had = self
                .effects
                .get(&(policy.name.clone(), limit.action))
                .map_or(0, |effects| effects.iter().rev().take_while(|at| **at > now - window).count());
            match limit.at_most {
                Amount::Count(at_most) => had >= usize::try_from(at_most).unwrap_or(usize::MAX),
                // Refused at load: this version does not know how many people there are.
                Amount::Percent(_) => true,
            }
        });
        over.map(|limit| limit.action).collect()
    }
}
