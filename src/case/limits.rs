//! Counts limited effects of each policy over a sliding window.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::TimeDelta;

use crate::model::EffectKind;
use crate::model::Timestamp;
use crate::policy::Policy;
use crate::policy::tree::Amount;

/// Longest window; older effects are dropped.
pub const LONGEST_WINDOW: TimeDelta = TimeDelta::days(31);

#[derive(Debug, Default)]
pub struct Counters {
    effects: BTreeMap<(String, EffectKind), VecDeque<Timestamp>>,
    /// Number of people at each identity provider, as counted last.
    populations: BTreeMap<String, u64>,
}

impl Counters {
    pub fn count(&mut self, policy: &str, action: EffectKind, at: Timestamp) {
        let effects = self.effects.entry((policy.to_owned(), action)).or_default();
        while effects.front().is_some_and(|first| *first < at - LONGEST_WINDOW) {
            effects.pop_front();
        }
        effects.push_back(at);
    }

    /// Returns the kinds of effect whose limit is used up for this policy now.
    pub fn used_up(&self, policy: &Policy, now: Timestamp) -> BTreeSet<EffectKind> {
        let over = policy.limits.iter().filter(|limit| {
            let window = limit.per.elapsed().unwrap_or(LONGEST_WINDOW).min(LONGEST_WINDOW);
            let had = self
                .effects
                .get(&(policy.name.clone(), limit.action))
                .map_or(0, |effects| effects.iter().rev().take_while(|at| **at > now - window).count());
            had >= self.allowed(policy, limit.at_most)
        });
        over.map(|limit| limit.action).collect()
    }

    /// Returns when a policy may have another effect of a used-up kind. `None`: now, or unknown.
    pub fn free_at(&self, policy: &Policy, action: EffectKind, now: Timestamp) -> Option<Timestamp> {
        let effects = self.effects.get(&(policy.name.clone(), action))?;
        let of = policy.limits.iter().filter(|limit| limit.action == action).filter_map(|limit| {
            let window = limit.per.elapsed().unwrap_or(LONGEST_WINDOW).min(LONGEST_WINDOW);
            let lately = effects.iter().rev().take_while(|at| **at > now - window);
            // The oldest of the newest `allowed` effects must leave the window.
            let last = self.allowed(policy, limit.at_most).checked_sub(1)?;
            lately.map(|at| *at + window).nth(last)
        });
        of.max()
    }

    pub fn populated(&mut self, source: &str, population: u64) {
        self.populations.insert(source.to_owned(), population);
    }

    /// Returns the allowed count. A share of an unknown population is zero: the first effect waits for a person.
    fn allowed(&self, policy: &Policy, amount: Amount) -> usize {
        let own = self.populations.iter().filter(|(source, _)| policy.takes(source));
        let population: u64 = own.map(|(_, population)| population).sum();
        let share = |percent: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a share of a population, rounded down"
            )]
            let share = (population as f64 * percent / 100.0).max(0.0) as usize;
            share
        };
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        match amount {
            Amount::Count(at_most) => count(at_most),
            Amount::Percent(percent) => share(percent),
            Amount::Larger(at_most, percent) => count(at_most).max(share(percent)),
        }
    }
}
