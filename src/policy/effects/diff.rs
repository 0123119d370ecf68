//! What another revision can do more, less or otherwise. Nothing at all stands for a policy that is not there.

use serde::Serialize;

use super::{Bound, Effect, Opens, Sheet, Way};
use crate::model::Span;
use crate::policy::tree::{Amount, Limit, WhenExceeded};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    pub policy: String,
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub sign: Sign,
    /// The effect's verb, or `limit`, `opens`, `setting`, `only_if`, `as_long_as`, `cancelled_by`, `mode`.
    pub kind: String,
    /// The verb that it is about, where there is one.
    pub verb: Option<String>,
    /// What it is about.
    pub what: String,
    /// What is different.
    pub how: String,
    /// More can happen, or sooner, or with fewer people's words.
    pub graver: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    Added,
    Removed,
    Changed,
}

/// What `after` can do that `before` could not, and the other way round.
pub fn diff(before: Option<&Sheet>, after: Option<&Sheet>) -> Diff {
    let policy = after.or(before).map(|sheet| sheet.policy.clone()).unwrap_or_default();
    let mut changes = Vec::new();
    if let (Some(old), Some(new)) = (before, after) {
        around(old, new, &mut changes);
    }
    let none = Vec::new();
    let (old, new) = (before.map_or(&none, |s| &s.effects), after.map_or(&none, |s| &s.effects));
    for effect in new {
        let other = old.iter().find(|other| (&other.verb, &other.to) == (&effect.verb, &effect.to));
        compare(other, effect, &mut changes);
    }
    for effect in old {
        if !new.iter().any(|other| (&other.verb, &other.to) == (&effect.verb, &effect.to)) {
            changes.extend(effect.ways.iter().map(|way| of_way(Sign::Removed, effect, way)));
        }
    }
    let none = Vec::new();
    let does = |verb: &str| new.iter().any(|effect| effect.verb == verb);
    let (old, bounds) = (before.map_or(&none, |s| &s.limits), after.map_or(&none, |s| &s.limits));
    limits(old, bounds, &does, &mut changes);
    Diff { policy, changes }
}

/// When cases open, go on and end.
fn around(old: &Sheet, new: &Sheet, changes: &mut Vec<Change>) {
    if old.mode != new.mode {
        let how = format!("{} -> {}", word(&old.mode), word(&new.mode));
        changes.push(Change { graver: new.acts(), ..changed("mode", "mode", how) });
    }
    for opens in &new.opens_on {
        match old.opens_on.iter().find(|other| other.by == opens.by) {
            None => changes.push(Change {
                sign: Sign::Added,
                graver: true,
                ..changed("opens", &opens.by, "opens cases now".to_owned())
            }),
            Some(other) => sweeps(other, opens, changes),
        }
    }
    for opens in &old.opens_on {
        if !new.opens_on.iter().any(|other| other.by == opens.by) {
            let how = "opens no cases any more".to_owned();
            changes.push(Change { sign: Sign::Removed, ..changed("opens", &opens.by, how) });
        }
    }
    clauses("only_if", &old.only_if, &new.only_if, changes);
    clauses("as_long_as", &old.as_long_as, &new.as_long_as, changes);
    clauses("cancelled_by", &old.cancelled_by, &new.cancelled_by, changes);
    // More or less of a setting means what the clauses make of it; nobody can say which is graver.
    for (name, value) in &new.settings {
        match old.settings.get(name) {
            Some(before) if before == value => {}
            Some(before) => changes.push(changed("setting", name, format!("{before} -> {value}"))),
            None => changes.push(Change { sign: Sign::Added, ..changed("setting", name, value.to_string()) }),
        }
    }
    for (name, value) in old.settings.iter().filter(|(name, _)| !new.settings.contains_key(*name)) {
        changes.push(Change { sign: Sign::Removed, ..changed("setting", name, value.to_string()) });
    }
}

fn sweeps(old: &Opens, new: &Opens, changes: &mut Vec<Change>) {
    if old.at_most != new.at_most {
        let more = new.at_most.is_none_or(|new| old.at_most.is_some_and(|old| new > old));
        let all = |at_most: Option<u32>| {
            at_most.map_or_else(|| "everybody".to_owned(), |most| format!("{most} a run"))
        };
        let how = format!("at most {} -> {}", all(old.at_most), all(new.at_most));
        changes.push(Change { graver: more, ..changed("opens", &new.by, how) });
    }
    clauses(&new.by, &old.only_if, &new.only_if, changes);
}

/// Lines of which all must hold. Fewer of them, with nothing in exchange, let more through; whether a line
/// that was rewritten does, only people and a back-test can say.
fn clauses(kind: &str, old: &[String], new: &[String], changes: &mut Vec<Change>) {
    let kind_word = if kind.starts_with("sweep ") { "only_if" } else { kind };
    let line = |sign, clause: &String, graver| Change {
        sign,
        graver,
        ..changed(kind_word, clause, if kind == kind_word { String::new() } else { kind.to_owned() })
    };
    let added: Vec<_> = new.iter().filter(|clause| !old.contains(clause)).collect();
    let removed: Vec<_> = old.iter().filter(|clause| !new.contains(clause)).collect();
    let graver = added.is_empty();
    changes.extend(added.into_iter().map(|clause| line(Sign::Added, clause, false)));
    changes.extend(removed.into_iter().map(|clause| line(Sign::Removed, clause, graver)));
}

fn compare(old: Option<&Effect>, new: &Effect, changes: &mut Vec<Change>) {
    let none = Vec::new();
    let before = old.map_or(&none, |effect| &effect.ways);
    for way in &new.ways {
        match before.iter().find(|other| other.path == way.path) {
            Some(other) => ways(new, other, way, changes),
            None => changes.push(of_way(Sign::Added, new, way)),
        }
    }
    for way in before.iter().filter(|way| !new.ways.iter().any(|other| other.path == way.path)) {
        changes.push(of_way(Sign::Removed, new, way));
    }
}

/// The same path before and after.
fn ways(effect: &Effect, old: &Way, new: &Way, changes: &mut Vec<Change>) {
    let mut push = |how: String, graver| {
        let what = format!("{}: {}", effect.to, new.line());
        let change = changed(&effect.verb, &what, how);
        changes.push(Change { verb: Some(effect.verb.clone()), graver, ..change });
    };
    if old.grace != new.grace {
        let grace = |way: &Way| way.grace.map_or_else(|| "none".to_owned(), |grace| grace.to_string());
        let shorter = new.grace.map_or(0, length) < old.grace.map_or(0, length);
        push(format!("grace {} -> {}", grace(old), grace(new)), shorter);
    }
    if old.people() != new.people() {
        let how = format!("people who must agree {} -> {}", old.people(), new.people());
        push(how, new.people() < old.people());
    }
    if old.people() == new.people() && old.decided_by != new.decided_by {
        let queues =
            |way: &Way| way.decided_by.iter().map(|by| by.queue.as_str()).collect::<Vec<_>>().join(", ");
        push(format!("decided in {} -> {}", queues(old), queues(new)), false);
    }
    if old.only_if != new.only_if {
        let lines =
            |way: &Way| if way.only_if.is_empty() { "always".to_owned() } else { way.only_if.join("; ") };
        push(
            format!("if {} -> {}", lines(old), lines(new)),
            new.only_if.iter().all(|line| old.only_if.contains(line)),
        );
    }
}

fn of_way(sign: Sign, effect: &Effect, way: &Way) -> Change {
    let mut how = match way.grace {
        Some(grace) => format!("grace {grace}"),
        None => String::new(),
    };
    if super::site::harms(&effect.verb) && way.decided_by.is_empty() {
        how = if how.is_empty() { "nobody decides".to_owned() } else { format!("{how}, nobody decides") };
    }
    Change {
        sign,
        kind: effect.verb.clone(),
        verb: Some(effect.verb.clone()),
        what: format!("{}: {}", effect.to, way.line()),
        how,
        graver: sign == Sign::Added,
    }
}

fn limits(old: &[Bound], new: &[Bound], does: &dyn Fn(&str) -> bool, changes: &mut Vec<Change>) {
    let of = |bound: &Bound| (bound.action, bound.when_exceeded, bound.per);
    let mut mine: Vec<&Bound> = new.iter().collect();
    for before in old {
        let same = mine.iter().position(|bound| of(bound) == of(before));
        let near = same.or_else(|| mine.iter().position(|bound| bound.action == before.action));
        let verb = Some(before.action.word().to_owned());
        let Some(place) = near else {
            // A policy that does it no more needs no limit on it either.
            let graver = does(before.action.word());
            let change = changed("limit", &before.line(), "no limit any more".to_owned());
            changes.push(Change { sign: Sign::Removed, verb, graver, ..change });
            continue;
        };
        let after = mine.remove(place);
        if before.limit == after.limit {
            continue;
        }
        let how = format!("{} -> {}", before.line(), after.line());
        let graver = looser(&before.limit, &after.limit);
        changes.push(Change { verb, graver, ..changed("limit", before.action.word(), how) });
    }
    for bound in mine {
        let verb = Some(bound.action.word().to_owned());
        changes.push(Change { sign: Sign::Added, verb, ..changed("limit", &bound.line(), String::new()) });
    }
}

/// Whether more can happen in the same time. Amounts that cannot be compared count as looser: nobody can say
/// that they are not.
fn looser(old: &Limit, new: &Limit) -> bool {
    let (before, after) = (length(old.per).max(1), length(new.per).max(1));
    let more = match (old.at_most, new.at_most) {
        (Amount::Count(old), Amount::Count(new)) => new > old,
        (Amount::Percent(old), Amount::Percent(new)) => new > old,
        (Amount::Larger(old, share), Amount::Larger(new, other)) => new > old || other > share,
        // A number alone is never more than the same number or a share, whichever is larger.
        (Amount::Larger(old, _), Amount::Count(new)) => new > old,
        (Amount::Larger(_, old), Amount::Percent(new)) => new > old,
        (_, _) => true,
    };
    more || after < before
        || (old.when_exceeded, new.when_exceeded) == (WhenExceeded::Skip, WhenExceeded::Hold)
}

/// For comparison: a business day is at least a day.
pub(super) fn length(span: Span) -> i64 {
    match span {
        Span::Elapsed(delta) => delta.num_seconds(),
        Span::BusinessDays(days) => i64::from(days) * 86_400,
    }
}

fn changed(kind: &str, what: &str, how: String) -> Change {
    Change {
        sign: Sign::Changed,
        kind: kind.to_owned(),
        verb: None,
        what: what.to_owned(),
        how,
        graver: false,
    }
}

fn word(mode: &crate::policy::Mode) -> &'static str {
    super::show::mode(*mode)
}
