//! Determines what a sweep's selection depends on.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::policy::Policy;
use crate::policy::tree::Sweep;

/// Returns sweeps that may select other people than before. The record contains only the people that they selected.
pub(super) fn other_sweeps(before: Option<&Arc<Policy>>, after: Option<&Arc<Policy>>) -> Vec<String> {
    let Some(after) = after else { return Vec::new() };
    let other = |sweep: &&Arc<Sweep>| {
        let Some(before) = before else { return true };
        let old = before.sweeps().find(|old| old.schedule == sweep.schedule);
        old.is_none_or(|old| lets_in(before, old, after, sweep))
    };
    let described = |sweep: &Arc<Sweep>| {
        let others = if before.is_some() { ", which may select other people" } else { "" };
        format!("opens cases by the sweep {}{others}; these people are not in the record", sweep.schedule)
    };
    after.sweeps().filter(other).map(described).collect()
}

/// Returns whether a changed sweep, or data that it reads, may select additional people. More frequent or larger runs
/// show in the policies' effects.
fn lets_in(before: &Policy, old: &Sweep, after: &Policy, new: &Sweep) -> bool {
    let clauses = |policy: &Policy, sweep: &Sweep| {
        let mut clauses = sweep.condition.clauses();
        clauses.extend(policy.condition.clauses());
        clauses
    };
    let (was, is) = (clauses(before, old), clauses(after, new));
    let names: BTreeSet<&String> = before.settings.keys().chain(after.settings.keys()).collect();
    let mut read = names.into_iter().filter(|name| was.iter().any(|line| reads_setting(line, name)));
    // Any function that a clause calls may call the other scripts.
    let calls = was.iter().any(|line| line.contains("::"));
    let mut scripts = before.files.0.iter().filter(|(path, _)| calls && path.ends_with(".rhai"));
    // An additional clause selects no additional people.
    was.iter().any(|clause| !is.contains(clause))
        || read.any(|name| before.settings.get(name) != after.settings.get(name))
        || scripts.any(|(path, bytes)| after.files.get(path) != Some(bytes))
}

/// Returns whether a clause may read a setting: by its name, or because it passes on all settings.
fn reads_setting(line: &str, name: &str) -> bool {
    fn named(rest: &str) -> Option<&str> {
        let word = rest.strip_prefix('.')?;
        let end = word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len());
        Some(&word[..end])
    }
    line.split("settings").skip(1).any(|rest| named(rest).is_none_or(|word| word == name))
}
