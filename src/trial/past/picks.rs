//! On what it depends whom a sweep picks.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::Value;

use crate::policy::Policy;
use crate::policy::schedule::Timetable;
use crate::policy::sweep::Due;
use crate::policy::tree::Sweep;

/// Sweeps that may pick other people than they did. Only those whom they picked are in the record.
pub(super) fn other_sweeps(before: Option<&Arc<Policy>>, after: Option<&Arc<Policy>>) -> Vec<String> {
    let Some(after) = after else { return Vec::new() };
    let other = |sweep: &&Arc<Sweep>| {
        let old = before.and_then(|before| {
            let same = before.sweeps().find(|old| old.schedule == sweep.schedule)?;
            Some(Picks::of(before, same))
        });
        old.is_none_or(|old| old != Picks::of(after, sweep))
    };
    let told = |sweep: &Arc<Sweep>| {
        let others = if before.is_some() { ", which may pick others than it did" } else { "" };
        format!("opens cases by the sweep {}{others}; whom is not in the record", sweep.schedule)
    };
    after.sweeps().filter(other).map(told).collect()
}

/// Everything on which it depends whom a sweep picks, and how often.
#[derive(PartialEq)]
struct Picks<'a> {
    clauses: Vec<String>,
    settings: Vec<(&'a String, &'a Value)>,
    scripts: Vec<(&'a String, &'a Arc<[u8]>)>,
    sweep: (&'a Option<Due>, TimeDelta, Option<u32>, &'a Timetable),
}

impl<'a> Picks<'a> {
    fn of(policy: &'a Policy, sweep: &'a Sweep) -> Self {
        let mut clauses = sweep.condition.clauses();
        clauses.extend(policy.condition.clauses());
        let read = |name: &str| clauses.iter().any(|line| reads_setting(line, name));
        let settings = policy.settings.iter().filter(|(name, _)| read(name)).collect();
        // Whatever a clause calls may call the others.
        let calls = clauses.iter().any(|line| line.contains("::"));
        let scripts = policy.files.0.iter().filter(|(path, _)| calls && path.ends_with(".rhai")).collect();
        let sweep = (&sweep.due, sweep.spread, sweep.at_most, &sweep.timetable);
        Self { clauses, settings, scripts, sweep }
    }
}

/// Whether a clause may read a setting: by its name, or because all of them are handed on.
fn reads_setting(line: &str, name: &str) -> bool {
    fn named(rest: &str) -> Option<&str> {
        let word = rest.strip_prefix('.')?;
        let end = word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len());
        Some(&word[..end])
    }
    line.split("settings").skip(1).any(|rest| named(rest).is_none_or(|word| word == name))
}
