//! What people are asked for, and how long they have to answer; what another revision makes of it. A pass that
//! takes less, and a decision that more people may make, let in whom they did not let in before.

use serde::Serialize;

use std::collections::BTreeSet;

use super::Sheet;
use super::details::{Check, Desk, Panel, Stop, StopKind};
use super::diff::{Change, changed, shorter};
use super::gate::{much_longer, weaker_kinds};
use super::pairing::Pairing;
use super::same::Known;
use super::site::harms;
use crate::model::Span;
use crate::policy::tree::{Policy, Step, Verb, Wait};

/// A step that waits for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asks {
    pub step: String,
    pub answer_within: Span,
    /// The outcome when nobody answers.
    pub otherwise: &'static str,
    /// By which verification, and what must have passed in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<String>,
    /// Fields that must agree with the document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compare: Vec<String>,
    /// How old a pass may be that counts again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse_within: Option<Span>,
    /// Who may not decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub never: Vec<String>,
    #[serde(skip)]
    key: String,
}

pub(super) fn of(policy: &Policy, known: &Known) -> Vec<Asks> {
    policy.steps.iter().filter_map(|step| one(step, known)).collect()
}

fn one(step: &Step, known: &Known) -> Option<Asks> {
    let asks = |answer_within: Span, otherwise| Asks {
        step: step.id.as_ref().unwrap_or(&step.path).clone(),
        answer_within,
        otherwise,
        by: None,
        require: Vec::new(),
        compare: Vec::new(),
        reuse_within: None,
        never: Vec::new(),
        key: known.word(step.index).to_owned(),
    };
    Some(match &step.verb {
        Verb::Verify(verify) => Asks {
            by: Some(verify.verification.name.clone()),
            require: verify.verification.require.clone(),
            compare: verify.compare.clone(),
            reuse_within: verify.reuse_within,
            ..asks(verify.answer_within, "no_response")
        },
        Verb::Review(review) => Asks { never: review.never.clone(), ..asks(review.answer_within, "overdue") },
        Verb::Wait(Wait::For { answer_within, .. }) => asks(*answer_within, "timed_out"),
        _ => return None,
    })
}

pub(super) fn compare(old: &Sheet, new: &Sheet, changes: &mut Vec<Change>) {
    let pairing = Pairing::of(&old.details, &new.details);
    for (before, after) in &pairing.pairs {
        let mut hows = Vec::new();
        match (&before.kind, &after.kind) {
            (StopKind::Check(old), StopKind::Check(new)) => proof(old, new, &mut hows),
            (StopKind::Panel(old), StopKind::Panel(new)) => decision(old, new, &pairing, &mut hows),
            (StopKind::Pause(_), StopKind::Pause(_)) => {}
            _ => continue,
        }
        let spans = (before.kind.answer_within(), after.kind.answer_within());
        if spans.0 != spans.1
            && let (Some(from), Some(to)) = spans
        {
            let verb = taken_by_silence(new, after);
            let how = format!("{from} -> {to}");
            let graver = verb.is_some() && shorter(Some(from), Some(to));
            changes.push(Change { verb, graver, ..changed("answer_within", after.name(), how) });
        }
        changes.extend(
            hows.into_iter().map(|(how, graver)| Change { graver, ..changed("asks", after.name(), how) }),
        );
    }
}

/// What is taken from somebody who does not answer.
pub(super) fn taken_by_silence(sheet: &Sheet, stop: &Stop) -> Option<String> {
    let silent = |mark: &super::trail::Mark| {
        mark.step == stop.index && matches!(mark.outcome.as_str(), "no_response" | "overdue" | "timed_out")
    };
    let takes = sheet.effects.iter().filter(|effect| harms(&effect.verb));
    let mut takes = takes.filter(|effect| effect.ways.iter().any(|way| way.trail.marks.iter().any(silent)));
    takes.next().map(|effect| effect.verb.clone())
}

type Hows = Vec<(String, bool)>;

/// What a list has no more, and what it has newly.
fn lists(label: &str, old: &BTreeSet<String>, new: &BTreeSet<String>, hows: &mut Hows) {
    let words = |of: Vec<&String>| of.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let (less, more) = (words(old.difference(new).collect()), words(new.difference(old).collect()));
    if !less.is_empty() {
        hows.push((format!("{label} no longer has {less}"), true));
    }
    if !more.is_empty() {
        hows.push((format!("{label} has {more} too"), false));
    }
}

/// A pass that takes less than it did.
fn proof(old: &Check, new: &Check, hows: &mut Hows) {
    let weaker = weaker_kinds(old, new);
    let name = |check: &Check| check.by.first().map(|by| by.name.clone()).unwrap_or_default();
    if weaker.is_empty() && name(old) != name(new) {
        hows.push((format!("{} -> {}", name(old), name(new)), false));
    }
    hows.extend(weaker.into_iter().map(|how| (how, true)));
    if let (Some(before), Some(after)) = (old.by.first(), new.by.first())
        && before.name == after.name
        && after.require.is_superset(&before.require)
    {
        lists("require", &before.require, &after.require, hows);
    }
    lists("compare", &old.compare, &new.compare, hows);
    let optional = new.optional.intersection(&old.compared()).cloned().collect::<Vec<_>>().join(", ");
    if !optional.is_empty() {
        hows.push((format!("{optional} need not be registered any more"), true));
    }
    if old.reuse_within != new.reuse_within {
        let age = |age: Option<Span>| age.map_or_else(|| "none".to_owned(), |age| age.to_string());
        let how = format!("reuse_within {} -> {}", age(old.reuse_within), age(new.reuse_within));
        hows.push((how, shorter(new.reuse_within, old.reuse_within)));
    }
}

/// A decision that fewer or other people may make, or with less to go by.
fn decision(old: &Panel, new: &Panel, pairing: &Pairing<'_>, hows: &mut Hows) {
    if new.people < old.people {
        hows.push((format!("people {} -> {}", old.people, new.people), true));
    }
    lists("never", &old.never, &new.never, hows);
    let mut grave = |how: String| hows.push((how, true));
    if old.queue != new.queue {
        grave(format!("decided by {} -> {}", desk(&old.queue, &new.queue), desk(&new.queue, &old.queue)));
    }
    match (&old.escalate, &new.escalate) {
        (Some(old), Some(new)) if old != new => {
            grave(format!("escalates to {} -> {}", desk(old, new), desk(new, old)));
        }
        (Some(old), None) => grave(format!("no longer escalates to {}", old.queue)),
        (None, Some(new)) => grave(format!("can be decided by {} too", new.queue)),
        (Some(_), Some(_)) | (None, None) => {}
    }
    if let (Some(from), Some(to)) = (old.escalate_after, new.escalate_after)
        && much_longer(to, from)
    {
        // The second queue decides where the first one did.
        grave(format!("escalates after {from} -> {to}"));
    }
    for word in old.decisions.difference(&new.decisions) {
        grave(format!("no longer offers the decision {word}"));
    }
    for word in old.reasons.difference(&new.reasons).filter(|word| new.decisions.contains(*word)) {
        grave(format!("{word} needs no reason any more"));
    }
    let shown: BTreeSet<String> = new.show.iter().map(|field| pairing.text(field)).collect();
    for field in old.show.iter().filter(|field| !shown.contains(*field) && !covered(field, &shown)) {
        grave(format!("no longer shows {field}"));
    }
}

/// A whole is shown instead of a part of it.
fn covered(field: &str, shown: &BTreeSet<String>) -> bool {
    shown.iter().any(|whole| field.strip_prefix(whole.as_str()).is_some_and(|rest| rest.starts_with('.')))
}

/// A queue, with as much of what is behind it as differs from another.
fn desk(desk: &Desk, other: &Desk) -> String {
    let mut said = desk.queue.clone();
    if desk.team != other.team {
        said.push_str(&format!(" (team {}, {})", desk.team, desk.mail));
    } else if desk.mail != other.mail {
        said.push_str(&format!(" ({})", desk.mail));
    }
    said
}
