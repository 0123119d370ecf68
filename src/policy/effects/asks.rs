//! Compares what two revisions ask of people, and the time for an answer. A pass with fewer requirements, and a
//! decision that more people may make, admit people who were not admitted before.

use serde::Serialize;

use std::collections::BTreeSet;

use super::Sheet;
use super::details::{Check, Desk, Panel, Stop, StopKind};
use super::diff::{Change, Kind, changed, shorter};
use super::gate::{much_longer, weaker_kinds};
use super::pairing::Pairing;
use super::same::Known;
use crate::model::Span;
use crate::policy::grammar::Rule;
use crate::policy::outcome::Ending;
use crate::policy::tree::{Policy, Step, Verb};

/// A step that waits for an answer of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asks {
    pub step: String,
    pub answer_within: Span,
    /// The outcome without an answer.
    pub otherwise: String,
    /// The verification, and the capabilities that must have passed in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<String>,
    /// Fields that must match the document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compare: Vec<String>,
    /// The maximum age of a pass that is reused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse_within: Option<Span>,
    /// People who must not decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub never: Vec<String>,
    #[serde(skip)]
    key: String,
}

pub(super) fn of(policy: &Policy, known: &Known) -> Vec<Asks> {
    policy.steps.iter().filter_map(|step| one(step, known)).collect()
}

fn one(step: &Step, known: &Known) -> Option<Asks> {
    let (answer_within, otherwise) = step.verb.deadline()?;
    let mut asks = Asks {
        step: step.name().to_owned(),
        answer_within,
        otherwise: otherwise.word().to_owned(),
        by: None,
        require: Vec::new(),
        compare: Vec::new(),
        reuse_within: None,
        never: Vec::new(),
        key: known.word(step.index).to_owned(),
    };
    if let Verb::Verify(verify) = &step.verb {
        asks.by = Some(verify.verification.name.clone());
        asks.require.clone_from(&verify.verification.require);
        asks.compare.clone_from(&verify.compare);
        asks.reuse_within = verify.reuse_within;
    }
    if let Verb::Review(review) = &step.verb {
        asks.never.clone_from(&review.never);
    }
    Some(asks)
}

pub(super) fn compare(old: &Sheet, new: &Sheet, changes: &mut Vec<Change>) {
    let pairing = Pairing::of(&old.details, &new.details);
    for (before, after) in &pairing.pairs {
        let mut hows = Vec::new();
        match (&before.kind, &after.kind) {
            (StopKind::Check(old), StopKind::Check(new)) => proof(old, new, &mut hows),
            (StopKind::Panel(old), StopKind::Panel(new)) => decision(old, new, &pairing, &mut hows),
            (StopKind::Pause(_), StopKind::Pause(_)) => {}
            (StopKind::Check(_) | StopKind::Panel(_) | StopKind::Pause(_) | StopKind::Other, _) => continue,
        }
        let spans = (before.kind.answer_within(), after.kind.answer_within());
        if spans.0 != spans.1
            && let (Some(from), Some(to)) = spans
        {
            let verb = taken_by_silence(new, after);
            let how = format!("{from} -> {to}");
            let graver = verb.is_some() && shorter(Some(from), Some(to));
            changes.push(Change { verb, graver, ..changed(Kind::AnswerWithin, after.name(), how) });
        }
        changes.extend(
            hows.into_iter().map(|(how, graver)| Change { graver, ..changed(Kind::Asks, after.name(), how) }),
        );
    }
}

/// Returns the adverse effect that follows if the person does not answer.
pub(super) fn taken_by_silence(sheet: &Sheet, stop: &Stop) -> Option<Rule> {
    let silent =
        |mark: &super::trail::Mark| mark.step == stop.index && mark.ending().is_some_and(Ending::is_silence);
    let takes = sheet.effects.iter().filter(|effect| effect.verb.takes());
    let mut takes = takes.filter(|effect| effect.ways.iter().any(|way| way.trail.marks.iter().any(silent)));
    takes.next().map(|effect| effect.verb)
}

type Hows = Vec<(String, bool)>;

/// Reports the removed and the added entries of a list.
fn lists(label: &str, old: &BTreeSet<String>, new: &BTreeSet<String>, hows: &mut Hows) {
    let words = |of: Vec<&String>| of.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let (less, more) = (words(old.difference(new).collect()), words(new.difference(old).collect()));
    if !less.is_empty() {
        hows.push((format!("{label} no longer has {less}"), true));
    }
    if !more.is_empty() {
        hows.push((format!("{label} also has {more}"), false));
    }
}

/// Reports a verification with fewer requirements than before.
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
        hows.push((format!("{optional} may now be missing in the registration"), true));
    }
    if old.reuse_within != new.reuse_within {
        let age = |age: Option<Span>| age.map_or_else(|| "none".to_owned(), |age| age.to_string());
        let how = format!("reuse_within {} -> {}", age(old.reuse_within), age(new.reuse_within));
        hows.push((how, shorter(new.reuse_within, old.reuse_within)));
    }
}

/// Reports a decision that fewer or other people may make, or that shows them less.
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
        (None, Some(new)) => grave(format!("can also be decided by {}", new.queue)),
        (Some(_), Some(_)) | (None, None) => {}
    }
    if let (Some(from), Some(to)) = (old.escalate_after, new.escalate_after)
        && much_longer(to, from)
    {
        // After escalation the second queue decides instead of the first one.
        grave(format!("escalates after {from} -> {to}"));
    }
    for word in old.decisions.difference(&new.decisions) {
        grave(format!("no longer offers the decision {word}"));
    }
    for word in old.reasons.difference(&new.reasons).filter(|word| new.decisions.contains(*word)) {
        grave(format!("{word} no longer needs a reason"));
    }
    let shown: BTreeSet<String> = new.show.iter().map(|field| pairing.text(field)).collect();
    for field in old.show.iter().filter(|field| !shown.contains(*field) && !covered(field, &shown)) {
        grave(format!("no longer shows {field}"));
    }
}

/// Reports whether a whole value is shown that includes the field.
fn covered(field: &str, shown: &BTreeSet<String>) -> bool {
    shown.iter().any(|whole| field.strip_prefix(whole.as_str()).is_some_and(|rest| rest.starts_with('.')))
}

/// Describes a queue, with the details of its team that differ from another queue.
fn desk(desk: &Desk, other: &Desk) -> String {
    let mut written = desk.queue.clone();
    if desk.team != other.team {
        written.push_str(&format!(" (team {}, {})", desk.team, desk.mail));
    } else if desk.mail != other.mail {
        written.push_str(&format!(" ({})", desk.mail));
    }
    written
}
