//! Compares what opens a case, and how often, in two revisions.

use std::collections::BTreeSet;

use super::Opens;
use super::diff::{Change, Kind, Sign, changed, clauses};
use crate::model::Span;
use crate::policy::tree::{DueField, IfEmpty, Policy, Sweep, Trigger};

/// How often a sweep runs and how soon people are due in it, as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pace {
    pub in_a_year: u64,
    pub due: Option<Due>,
}

/// When a person is due, in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    pub field: DueField,
    pub plus: i64,
    pub spread: i64,
    pub if_empty: IfEmpty,
}

pub(super) fn of(policy: &Policy, trigger: &Trigger) -> Opens {
    let sources = policy.sources.iter().cloned().collect();
    let by = |by: String| Opens {
        by,
        sources,
        only_if: Vec::new(),
        at_most: None,
        runs: None,
        due: None,
        pace: None,
    };
    match trigger {
        Trigger::Event(kind) => by(format!("event {kind}")),
        Trigger::Manual => by("manual".to_owned()),
        Trigger::Sweep(sweep) => Opens {
            only_if: sweep.condition.clauses(),
            at_most: sweep.at_most,
            runs: Some(sweep.timetable.to_string()),
            due: due_line(sweep),
            pace: Some(pace(sweep)),
            ..by(format!("sweep {}", sweep.schedule))
        },
    }
}

fn pace(sweep: &Sweep) -> Pace {
    let due = sweep.due.as_ref().map(|due| Due {
        field: due.field.clone(),
        plus: due.plus.num_seconds(),
        spread: sweep.spread.num_seconds(),
        if_empty: due.if_empty,
    });
    Pace { in_a_year: sweep.timetable.runs_in_a_year(), due }
}

fn due_line(sweep: &Sweep) -> Option<String> {
    let due = sweep.due.as_ref()?;
    let empty = match due.if_empty {
        IfEmpty::Now => "at once if empty",
        IfEmpty::Never => "never if empty",
    };
    let spread = if sweep.spread.is_zero() {
        String::new()
    } else {
        format!(", spread over {}", Span::Elapsed(sweep.spread))
    };
    let plus = Span::Elapsed(due.plus);
    Some(format!("{plus} after {}, {empty}{spread}", due.field.path()))
}

/// Compares the triggers before and after.
pub(super) fn compare(old: &[Opens], new: &[Opens], changes: &mut Vec<Change>) {
    let mut left: Vec<&Opens> = old.iter().collect();
    let mut added = Vec::new();
    for opens in new {
        match left.iter().position(|other| other.by == opens.by) {
            Some(place) => sweeps(left.remove(place), opens, changes),
            None => added.push(opens),
        }
    }
    for opens in added {
        // A sweep is named by its index in the list, which does not identify it.
        let sweep = |other: &&Opens| other.pace.is_some() && opens.pace.is_some();
        match left.iter().position(sweep) {
            Some(place) => sweeps(left.remove(place), opens, changes),
            None => changes.push(Change {
                sign: Sign::Added,
                graver: true,
                ..changed(Kind::Opens, &opens.by, "opens cases now".to_owned())
            }),
        }
    }
    for opens in left {
        let how = "no longer opens cases".to_owned();
        changes.push(Change { sign: Sign::Removed, ..changed(Kind::Opens, &opens.by, how) });
    }
}

/// Returns the identity providers in words.
pub(super) fn sources(sources: &BTreeSet<String>) -> String {
    if sources.is_empty() {
        return "all identity providers".to_owned();
    }
    sources.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Reports whether `these` include people of a provider that `those` do not. An empty set means all.
pub(super) fn beyond(these: &BTreeSet<String>, those: &BTreeSet<String>) -> bool {
    !those.is_empty() && (these.is_empty() || !these.is_subset(those))
}

fn sweeps(old: &Opens, new: &Opens, changes: &mut Vec<Change>) {
    let mut push =
        |how: String, graver| changes.push(Change { graver, ..changed(Kind::Opens, &new.by, how) });
    if old.sources != new.sources {
        let how = format!("for people of {} -> {}", sources(&old.sources), sources(&new.sources));
        push(how, beyond(&new.sources, &old.sources));
    }
    if let (Some(before), Some(after)) = (&old.pace, &new.pace) {
        if old.runs != new.runs {
            let runs = |opens: &Opens| opens.runs.clone().unwrap_or_default();
            // Runs are counted, to ignore a difference of a minute.
            let often = after.in_a_year.saturating_mul(50) > before.in_a_year.saturating_mul(51);
            let word = if often { "runs more often: " } else { "runs " };
            let graver = often && !fewer(before, after, old.at_most.zip(new.at_most));
            push(format!("{word}{} -> {}", runs(old), runs(new)), graver);
        }
        if old.due != new.due {
            let due =
                |opens: &Opens| opens.due.clone().unwrap_or_else(|| "for everyone, in every run".to_owned());
            push(format!("due {} -> {}", due(old), due(new)), sooner(before, after));
        }
    }
    if old.at_most != new.at_most {
        let more = new.at_most.is_none_or(|new| old.at_most.is_some_and(|old| new > old));
        let all = |at_most: Option<u32>| {
            at_most.map_or_else(|| "everybody".to_owned(), |most| format!("{most} per run"))
        };
        push(format!("at most {} -> {}", all(old.at_most), all(new.at_most)), more);
    }
    clauses(Kind::OnlyIf, &new.by, &old.only_if, &new.only_if, changes);
}

/// Reports more runs with so few new cases each that their total does not rise.
fn fewer(before: &Pace, after: &Pace, at_most: Option<(u32, u32)>) -> bool {
    let all = |pace: &Pace, most: u32| pace.in_a_year.saturating_mul(u64::from(most));
    at_most.is_some_and(|(old, new)| all(after, new) <= all(before, old))
}

/// Reports whether people can be due earlier, or more of them. Another field counts, because its effect is unknown.
fn sooner(before: &Pace, after: &Pace) -> bool {
    match (&before.due, &after.due) {
        (Some(_), None) => true,
        (None, _) => false,
        (Some(old), Some(new)) => {
            old.field != new.field
                || new.plus < old.plus
                || new.spread < old.spread
                || (old.if_empty, new.if_empty) == (IfEmpty::Never, IfEmpty::Now)
        }
    }
}
