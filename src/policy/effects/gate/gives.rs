//! Reports access that is given for the first time, with less proof, with fewer decisions, or after a decision that had
//! another meaning. A path is weaker if every old path to the same target required more.

use std::collections::BTreeMap;

use super::super::details::{Check, Kind, Panel, StopKind, bare};
use super::super::pairing::{Pairing, bare_texts};
use super::super::trail::{Mark, Trail};
use super::super::{Details, Effect, Sheet, Way};
use super::{Both, Finding, Weight};
use crate::model::{EffectKind, Nature};
use crate::policy::grammar::Rule;
use crate::policy::tree::StepIndex;

/// The factor from which more tries count as a weaker proof.
const MORE: u32 = 2;

/// Reports everything that a new policy gives. Its proofs have nothing to be compared with.
pub(super) fn first(sheet: &Sheet) -> Vec<Finding> {
    let plain = |effect: &&Effect| !reported_as_unproven(effect) && !gives_back(sheet, effect);
    let mut found: Vec<Finding> =
        sheet.giving().filter(plain).map(|effect| first_time(effect.verb.word())).collect();
    // What other systems do with the data is unknown here.
    let sends = |effect: &&Effect| effect.does(EffectKind::Call) || effect.does(EffectKind::Emit);
    for effect in sheet.effects.iter().filter(sends) {
        let unproven = |way: &Way| way.trail.granted_by.is_none();
        if effect.does(EffectKind::Call) || effect.ways.iter().any(unproven) {
            found.push(first_time(&format!("{} {}", effect.verb, effect.to)));
        }
    }
    found
}

fn first_time(verb: &str) -> Finding {
    Finding::alone(Weight::Harm, format!("can {verb} for the first time"))
}

/// Reports whether an effect only gives back what the policy takes, after a pass or a decision.
fn gives_back(sheet: &Sheet, effect: &Effect) -> bool {
    effect.verb.nature() == Some(Nature::Lifts)
        && sheet.takes_for(effect.verb).is_some()
        && effect.ways.iter().all(|way| way.trail.granted_by.is_some())
}

/// Reports whether the effect is reported as unproven instead.
fn reported_as_unproven(effect: &Effect) -> bool {
    effect.ways.iter().any(|way| way.unproven)
}

pub(super) fn look(both: &Both<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for effect in both.new.giving() {
        let to = both.pairing.text(effect.target());
        let same = |old: &&Effect| old.verb == effect.verb && bare(old.target()) == to;
        let before: Vec<&Effect> = both.old.giving().filter(same).collect();
        if before.is_empty() {
            found.extend(newly(both, effect));
            continue;
        }
        let olds: Vec<&Way> = before.iter().flat_map(|old| &old.ways).collect();
        for way in &effect.ways {
            found.extend(weaker(both, effect, way, &olds));
        }
    }
    found.extend(sent_without_proof(both));
    found.extend(tries(both));
    found
}

/// Reports many more tries at a proof that gives something. Every path ends, and the ends therefore include all tries.
pub(super) fn tries(both: &Both<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    if both.new.giving().next().is_none() {
        return found;
    }
    let olds: BTreeMap<&[Mark], &Way> =
        both.old.ends().map(|way| (way.trail.marks.as_slice(), way)).collect();
    for way in both.new.ends() {
        let old = olds.get(both.pairing.marks(&way.trail.marks).as_slice());
        for (before, after) in old.iter().flat_map(|old| old.tries.iter().zip(&way.tries)) {
            if after.at_most > before.at_most * MORE {
                let begin = format!("allows many more attempts at {}", after.of);
                let how = format!("{} -> {}", before.at_most, after.at_most);
                found.push(Finding::new(Weight::Proof, begin, how));
            }
        }
    }
    found
}

/// Reports mails, calls and events that were sent only after a pass or a decision, and now also without one.
fn sent_without_proof(both: &Both<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let notifies = |effect: &&Effect| effect.verb.nature() == Some(Nature::Notifies);
    for effect in both.new.effects.iter().filter(notifies) {
        let same = |old: &&Effect| old.verb == effect.verb && bare(&old.to) == both.pairing.text(&effect.to);
        let olds: Vec<&Way> = both.old.effects.iter().filter(same).flat_map(|old| &old.ways).collect();
        let (verb, to) = (effect.verb, &effect.to);
        if !olds.is_empty() && olds.iter().all(|old| old.trail.granted_by.is_some()) {
            let unproven = |way: &&Way| way.trail.granted_by.is_none() && !announces(both, way);
            for way in effect.ways.iter().filter(unproven) {
                let begin = format!("can {verb} {to} without a pass or a person's decision");
                found.push(Finding::new(Weight::Proof, begin, way.line()));
            }
        }
        if effect.does(EffectKind::Emit) {
            found.extend(effect.ways.iter().flat_map(|way| values(both, effect, way, &olds)));
        }
    }
    found
}

/// Reports whether the edit newly takes or gives something on the same path, which is reported already.
fn announces(both: &Both<'_>, way: &Way) -> bool {
    let counts = |effect: &&Effect| effect.verb.gives() || effect.verb.takes();
    let there = |sheet: &Sheet, verb: Rule, marks: &dyn Fn(&Way) -> bool| {
        sheet.effects.iter().any(|effect| effect.verb == verb && effect.ways.iter().any(marks))
    };
    let marks = both.pairing.marks(&way.trail.marks);
    both.new.effects.iter().filter(counts).any(|effect| {
        effect.ways.iter().any(|other| other.trail.marks == way.trail.marks)
            && !there(both.old, effect.verb, &|old| old.trail.marks == marks)
    })
}

/// Reports values that an effect did not write before.
fn values(both: &Both<'_>, effect: &Effect, way: &Way, olds: &[&Way]) -> Vec<Finding> {
    let known: Vec<String> = olds.iter().flat_map(|old| bare_texts(&old.body)).collect();
    let bare = both.pairing.texts(&way.body);
    let others = way.body.iter().zip(&bare).filter(|(_, bare)| !olds.is_empty() && !known.contains(bare));
    let begin = format!("writes another value by {} {}", effect.verb, effect.target());
    others.map(|(shown, _)| Finding::new(Weight::Harm, &*begin, shown.clone())).collect()
}

fn newly(both: &Both<'_>, effect: &Effect) -> Option<Finding> {
    let known = both.old.giving().any(|old| old.verb == effect.verb);
    if reported_as_unproven(effect) || (!known && gives_back(both.new, effect)) {
        return None;
    }
    Some(if known {
        Finding::alone(Weight::Harm, format!("can newly {} {}", effect.verb, effect.target()))
    } else {
        first_time(effect.verb.word())
    })
}

fn weaker(both: &Both<'_>, effect: &Effect, way: &Way, olds: &[&Way]) -> Vec<Finding> {
    let (pairing, line) = (&both.pairing, way.line());
    let trail = pairing.trail(&way.trail);
    let (verb, to) = (effect.verb, effect.target());
    let mut found = Vec::new();
    let paired = olds.iter().find(|old| old.trail.marks == trail.marks);
    let lacking = |old: &&&Way| lacks(both, &old.trail, &trail);
    let missing = match paired {
        Some(old) => lacking(&old),
        None if way.unproven => Vec::new(),
        None => olds.iter().map(|old| lacking(&old)).min_by_key(Vec::len).unwrap_or_default(),
    };
    if !missing.is_empty() {
        let begin = format!("requires less before it can {verb} {to}");
        found.push(Finding::new(Weight::Proof, begin, format!("{line} ({})", missing.join(", "))));
    }
    if let Some(last) = trail.decided.last()
        && missing.is_empty()
        && both.pairing.pairs.iter().any(|(old, _)| old.index == last.step)
        && !olds.iter().any(|old| old.trail.decided.last() == Some(last))
    {
        let begin = format!("can newly {verb} {to} after the decision {}", last.word());
        found.push(Finding::new(Weight::Decision, begin, line));
    }
    found.extend(values(both, effect, way, olds));
    found
}

/// Returns what an old path to the same target required and the new one does not.
fn lacks(both: &Both<'_>, old: &Trail, new: &Trail) -> Vec<String> {
    let Both { old: before, new: after, pairing } = both;
    let name = |step: StepIndex| before.details.name(step);
    let covers = |asked: &[StepIndex], step: StepIndex| {
        asked.iter().any(|other| {
            pairing.old(*other) == Some(step) || stronger(&after.details, *other, &before.details, step)
        })
    };
    let mut missing: Vec<String> = Vec::new();
    for step in &old.asked {
        if !covers(&new.asked, *step) {
            missing.push(format!("does not ask for {}", name(*step)));
        }
    }
    for step in &old.passed {
        if covers(&new.asked, *step) && !covers(&new.passed, *step) {
            missing.push(format!("{} no longer has to be passed", name(*step)));
        }
    }
    for mark in &old.decided {
        let other = |decided: &&Mark| decided.via == mark.via && replaces(both, decided.step, mark.step);
        if !new.decided.contains(mark) && !new.decided.iter().any(|decided| other(&decided)) {
            missing.push(format!("{} no longer has to decide {}", name(mark.step), mark.word()));
        }
    }
    let lines = bare_texts(&old.conditions);
    let fewer = lines.iter().zip(&old.conditions).filter(|(bare, _)| !new.conditions.contains(bare));
    missing.extend(fewer.map(|(_, line)| format!("no longer only if {line}")));
    missing
}

pub(super) fn stronger(after: &Details, new: StepIndex, before: &Details, old: StepIndex) -> bool {
    matches!(
        (after.kind(new), before.kind(old)),
        (Some(StopKind::Check(new)), Some(StopKind::Check(old))) if at_least(new, old)
    )
}

/// Reports whether an unpaired review replaces a removed one. `new` is an index mapped to the old steps.
fn replaces(both: &Both<'_>, new: StepIndex, old: StepIndex) -> bool {
    let Some(new) = Pairing::unpaired(new) else { return false };
    matches!(
        (both.new.details.kind(new), both.old.details.kind(old)),
        (Some(StopKind::Panel(new)), Some(StopKind::Panel(old))) if decides_as_well(new, old)
    )
}

fn decides_as_well(new: &Panel, old: &Panel) -> bool {
    new.people >= old.people && new.never.is_superset(&old.never) && new.queue == old.queue
}

/// Reports whether a verification requires at least as much as another.
fn at_least(new: &Check, old: &Check) -> bool {
    weaker_kinds(old, new).is_empty()
        && new.compare.is_superset(&old.compare)
        && new.compared().is_superset(&old.compared())
        && new.reuse_within.is_none_or(|new| {
            old.reuse_within
                .is_some_and(|old| !super::super::diff::shorter(Some(new), Some(old)) || new == old)
        })
}

/// Returns what makes the new verification weaker than the old one, in the provider's terms. Each of its workflows must
/// require as much as one that was accepted before.
pub(in crate::policy::effects) fn weaker_kinds(old: &Check, new: &Check) -> Vec<String> {
    let mut found = Vec::new();
    for (place, kind) in new.by.iter().enumerate() {
        let same = old.by.iter().find(|other| other.name == kind.name).or_else(|| old.by.get(place));
        let Some(same) = same else {
            if !old.by.iter().any(|other| lost(other, kind).is_empty()) {
                found.push(format!("{} is also accepted if nothing is enrolled", kind.name));
            }
            continue;
        };
        let less = lost(same, kind);
        if less.is_empty()
            || old.by.iter().any(|other| other.name != same.name && lost(other, kind).is_empty())
        {
            continue;
        }
        if same.name == kind.name {
            found.extend(less);
        } else {
            found.push(format!("{} -> {}", same.name, kind.name));
        }
    }
    found
}

/// Returns what a workflow required and another does not.
fn lost(old: &Kind, new: &Kind) -> Vec<String> {
    let mut found = Vec::new();
    if old.provider != new.provider {
        found.push(format!("provider {} -> {}", old.provider, new.provider));
    }
    if old.workflow != new.workflow {
        found.push(format!("workflow {} -> {}", old.workflow, new.workflow));
    }
    if old.method != new.method {
        found.push(format!("method {} -> {}", old.method.word(), new.method.word()));
    }
    let less: Vec<&str> = old.require.difference(&new.require).map(String::as_str).collect();
    if !less.is_empty() {
        found.push(format!("require no longer has {}", less.join(", ")));
    }
    found
}
