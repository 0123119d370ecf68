//! Reports people who are no longer asked for proof, or whose access is no longer withheld.

use super::super::details::{Stop, StopKind};
use super::super::diff::length;
use super::super::opens as occasions;
use super::super::pairing::{bare_texts, leads_to};
use super::super::{Bound, Effect, Opens, Sheet, Way};
use super::back::much_longer;
use super::decides::clauses;
use super::{Both, Finding, Weight};
use crate::model::{EffectKind, EffectShape, Nature};
use crate::policy::grammar::Rule;
use crate::policy::outcome::Ending;
use crate::policy::tree::{Amount, IfEmpty, IfMissed, StepIndex, WhenExceeded};

/// Reports an edit that switches a policy off.
pub(super) fn stops(old: &Sheet, new: &Sheet) -> Vec<Finding> {
    if !old.protects() {
        return Vec::new();
    }
    let word = super::super::show::mode;
    let begin = format!("stops protecting: can no longer {}", old.verbs(Rule::protects).join(", "));
    vec![Finding::new(Weight::Protection, begin, format!("mode {} -> {}", word(old.mode), word(new.mode)))]
}

pub(super) fn look(both: &Both<'_>) -> Vec<Finding> {
    if !both.old.protects() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for effect in both.old.effects.iter().filter(|effect| effect.verb.protects()) {
        for way in &effect.ways {
            if !still(both, effect, way) && !with_suspension(both, effect, way) {
                // The fallback of a verification is not another proof.
                let to = match step_of(both.old, way).filter(|_| effect.does(EffectKind::Verify)) {
                    Some(stop) => format!("the person at {}", stop.name()),
                    None => effect.to.clone(),
                };
                let begin = format!("protects less: can no longer {} {to}", effect.verb);
                found.push(Finding::new(Weight::Protection, begin, way.line()));
            }
        }
    }
    let more = clauses(both, &both.old.only_if, &both.new.only_if);
    if more.lost.is_empty() {
        found.extend(more.added.iter().map(|clause| fewer(clause.clone())));
    }
    found.extend(opens(both));
    found.extend(sizes(both));
    found
}

/// Reports changes that count only if they are large.
pub(super) fn sizes(both: &Both<'_>) -> Vec<Finding> {
    let mut found = bounds(&both.old.limits, &both.new.limits);
    found.extend(both.pairing.pairs.iter().filter_map(|(old, new)| silence(both, old, new)));
    found.extend(pairs(both).into_iter().filter_map(|(old, new)| rate(old, new?)));
    found
}

/// Reports whether the effect ends sessions in the same step as a removed suspension.
fn with_suspension(both: &Both<'_>, effect: &Effect, old: &Way) -> bool {
    let mut suspends = both.old.effects.iter().filter(|other| other.does(EffectKind::Suspend));
    effect.does(EffectKind::EndSessions)
        && suspends.any(|suspends| {
            let mut same = suspends.ways.iter().filter(|way| way.step == old.step && way.path == old.path);
            same.any(|way| !still(both, suspends, way))
        })
}

impl Effect {
    /// Reports whether its target is a role.
    fn is_of_role(&self) -> bool {
        self.verb.effect().is_some_and(|kind| matches!(kind.row().shape, EffectShape::Role(_)))
    }
}

fn step_of(sheet: &Sheet, way: &Way) -> Option<Stop> {
    sheet.details.stops.iter().find(|stop| stop.path == way.step).cloned()
}

fn fewer(how: String) -> Finding {
    Finding::new(Weight::Protection, "protects less: covers fewer people", how)
}

/// Reports whether all people on a path are still reached, as early and under no more conditions.
fn still(both: &Both<'_>, effect: &Effect, old: &Way) -> bool {
    let lines = bare_texts(&old.trail.conditions);
    let reaches = |new: &Way| {
        leads_to(&both.pairing.marks(&new.trail.marks), &old.trail.marks)
            && both.pairing.texts(&new.trail.conditions).iter().all(|line| lines.contains(line))
    };
    let same = |new: &&Effect| {
        new.verb == effect.verb
            && (!effect.is_of_role() || both.pairing.text(&new.to) == super::super::details::bare(&effect.to))
    };
    let ways = both.new.effects.iter().filter(same).flat_map(|new| &new.ways);
    let asked = step_of(both.old, old).map(|stop| stop.index);
    let mut ways = ways.filter(|new| {
        // A second verification does not replace the first one.
        !effect.does(EffectKind::Verify)
            || replaces(both, step_of(both.new, new).map(|stop| stop.index), asked)
    });
    ways.any(reaches)
}

fn replaces(both: &Both<'_>, new: Option<StepIndex>, old: Option<StepIndex>) -> bool {
    let (Some(new), Some(old)) = (new, old) else { return false };
    both.pairing.old(new) == Some(old)
        || super::gives::stronger(&both.new.details, new, &both.old.details, old)
}

/// Reports fewer triggers, and sweeps that ask later or fewer people.
fn opens(both: &Both<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (old, new) in pairs(both) {
        match new {
            Some(new) => {
                if occasions::beyond(&old.sources, &new.sources) {
                    let (before, after) =
                        (occasions::sources(&old.sources), occasions::sources(&new.sources));
                    found.push(fewer(format!("for people of {before} -> {after}")));
                }
                found.extend(sweeps(both, old, new));
            }
            None => {
                let begin = "protects less: opens cases on fewer triggers";
                found.push(Finding::new(Weight::Protection, begin, format!("no longer on {}", old.by)));
            }
        }
    }
    let skips =
        |sheet: &Sheet| sheet.details.if_missed.iter().filter(|missed| **missed == IfMissed::Skip).count();
    if skips(both.new) > skips(both.old) {
        found.push(fewer("a sweep skips missed runs".to_owned()));
    }
    found
}

/// Pairs the old triggers with the new ones.
fn pairs<'a>(both: &'a Both<'_>) -> Vec<(&'a Opens, Option<&'a Opens>)> {
    let mut left: Vec<&Opens> = both.new.opens_on.iter().collect();
    let mut pair = |old: &Opens| {
        let same = left.iter().position(|new| new.by == old.by);
        let sweep = || left.iter().position(|new| new.pace.is_some() && old.pace.is_some());
        same.or_else(sweep).map(|place| left.remove(place))
    };
    both.old.opens_on.iter().map(|old| (old, pair(old))).collect()
}

/// Reports a sweep that asks less than half as many people in the same time.
fn rate(old: &Opens, new: &Opens) -> Option<Finding> {
    let (before, after) = (old.pace.as_ref()?, new.pace.as_ref()?);
    let all = |at_most: Option<u32>| {
        at_most.map_or_else(|| "everybody".to_owned(), |most| format!("{most} per run"))
    };
    let rate =
        |runs: u64, most: Option<u32>| runs.saturating_mul(most.map_or(u64::from(u32::MAX), u64::from));
    let (then, now) = (rate(before.in_a_year, old.at_most), rate(after.in_a_year, new.at_most));
    let runs = |opens: &Opens| opens.runs.clone().unwrap_or_default();
    let how = || format!("{}, {} -> {}, {}", runs(old), all(old.at_most), runs(new), all(new.at_most));
    (now < then / 2).then(|| fewer(how()))
}

/// Reports a sweep that asks later, or under another clause.
fn sweeps(both: &Both<'_>, old: &Opens, new: &Opens) -> Vec<Finding> {
    let (Some(before), Some(after)) = (&old.pace, &new.pace) else { return Vec::new() };
    let mut found = Vec::new();
    let later = match (&before.due, &after.due) {
        (None, Some(_)) => true,
        (Some(old), Some(new)) => {
            old.field != new.field
                || new.plus > old.plus
                || new.plus + new.spread > old.plus + old.spread
                || (old.if_empty, new.if_empty) == (IfEmpty::Now, IfEmpty::Never)
        }
        (_, None) => false,
    };
    if later {
        let due = |opens: &Opens| opens.due.clone().unwrap_or_else(|| "in every run".to_owned());
        found.push(fewer(format!("due {} -> {}", due(old), due(new))));
    }
    let lines = clauses(both, &old.only_if, &new.only_if);
    if lines.lost.is_empty() {
        found.extend(lines.added.into_iter().map(fewer));
    }
    found
}

/// Reports a limit that stops protecting effects after less than half as many as before.
fn bounds(old: &[Bound], new: &[Bound]) -> Vec<Finding> {
    let mut found = Vec::new();
    for after in new.iter().filter(|bound| bound.action.nature().protects()) {
        let before = old.iter().find(|bound| bound.action == after.action);
        let tighter = match before {
            Some(before) => halved(before, after),
            None => after.stated,
        };
        if tighter {
            let before = before.map_or_else(|| "no limit".to_owned(), Bound::line);
            let begin = format!("protects less: limits {}", after.action.word());
            found.push(Finding::new(Weight::Protection, begin, format!("{before} -> {}", after.line())));
        }
    }
    found
}

pub(super) fn halved(old: &Bound, new: &Bound) -> bool {
    let (before, after) = (length(old.limit.per).max(1), length(new.limit.per).max(1));
    // Compares amounts in the same time, cross-multiplied: less than half of the old amount.
    let less = |old: f64, new: f64| new * 2.0 * (before as f64) < old * (after as f64);
    let amounts = match (old.limit.at_most, new.limit.at_most) {
        (Amount::Count(old), Amount::Count(new)) => less(f64::from(old), f64::from(new)),
        (Amount::Percent(old), Amount::Percent(new)) => less(old, new),
        (Amount::Larger(old, share), Amount::Larger(new, other)) => {
            less(f64::from(old), f64::from(new)) || less(share, other)
        }
        // The larger of two is at least the count.
        (Amount::Larger(old, _), Amount::Count(new)) => less(f64::from(old), f64::from(new)),
        // A first stated limit is a deliberate choice; other kinds of amounts cannot be compared.
        (_, _) => old.stated,
    };
    let skips = (old.when_exceeded, new.when_exceeded) == (WhenExceeded::Ask, WhenExceeded::Skip);
    amounts || skips
}

/// Reports a much longer time to answer, after which access is withheld without an answer.
fn silence(both: &Both<'_>, old: &Stop, new: &Stop) -> Option<Finding> {
    let StopKind::Check(_) = new.kind else { return None };
    let (before, after) = (old.kind.answer_within()?, new.kind.answer_within()?);
    let protected = |way: &Way| {
        way.trail
            .marks
            .iter()
            .any(|mark| mark.step == new.index && mark.ending().is_some_and(Ending::is_silence))
    };
    let mut effects =
        both.new.effects.iter().filter(|effect| effect.verb.nature() == Some(Nature::Withholds));
    let follows = effects.any(|effect| effect.ways.iter().any(protected));
    (follows && much_longer(before, after)).then(|| {
        let begin = format!("protects less: waits longer for an answer to {}", new.name());
        Finding::new(Weight::Protection, begin, format!("{before} -> {after}"))
    })
}
