//! Finds conflicts between two policies for the same event, and subjects that no policy covers.

use std::collections::{BTreeMap, BTreeSet};

use super::Seen;
use super::possible::possible;
use crate::model::{EffectKind, Nature, SubjectKind};
use crate::policy::diagnostic::{Diagnostic, Place};
use crate::policy::schema;
use crate::policy::script::{By, Claim};
use crate::policy::tree::{Effect, Mode, Policy, Step, StepIndex, Trigger, Verb};

pub fn look(seen: &[Seen<'_>], diagnostics: &mut Vec<Diagnostic>) {
    let active: Vec<_> = seen.iter().filter(|seen| seen.policy.mode == Mode::Enforce).collect();
    let timed_effects: Vec<_> = active.iter().map(|seen| (*seen, timed_effects(seen))).collect();
    // Only policies with an event in common can conflict.
    let mut by_event: BTreeMap<(SubjectKind, &str), Vec<usize>> = BTreeMap::new();
    for (at, (one, _)) in timed_effects.iter().enumerate() {
        for event in events(one) {
            by_event.entry((one.policy.subject, event)).or_default().push(at);
        }
    }
    let mut reported = BTreeSet::new();
    for ((_, event), policies) in &by_event {
        for (place, at) in policies.iter().enumerate() {
            for with in policies.iter().skip(place + 1) {
                let (Some((one, first)), Some((other, second))) =
                    (timed_effects.get(*at), timed_effects.get(*with))
                else {
                    continue;
                };
                let found = against((one, first), (other, second), event);
                // The costly question comes last.
                if let Some(found) = found.or_else(|| can(one, other, event))
                    && overlap(&[*one, *other])
                    && reported.insert((*at, *with))
                {
                    diagnostics.push(found);
                }
            }
        }
    }
}

/// An effect of a policy at a time that can coincide with an effect of another policy.
struct TimedEffect {
    /// Such as `at once`, or `on passed`.
    when: String,
    what: What,
    word: &'static str,
    place: Place,
}

#[derive(PartialEq, Eq)]
enum What {
    LetIn,
    TurnAway,
    Close,
    Open,
    Give(String),
    Take(String),
}

impl What {
    fn opposes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::LetIn, Self::TurnAway) | (Self::TurnAway, Self::LetIn) => true,
            (Self::Close, Self::Open) | (Self::Open, Self::Close) => true,
            (Self::Give(one), Self::Take(other)) | (Self::Take(one), Self::Give(other)) => one == other,
            (Self::LetIn | Self::TurnAway | Self::Close | Self::Open | Self::Give(_) | Self::Take(_), _) => {
                false
            }
        }
    }
}

/// Returns the effects that happen at once, and those that directly follow each outcome of a verification.
fn timed_effects(seen: &Seen<'_>) -> Vec<TimedEffect> {
    let mut found = Vec::new();
    straight(seen, seen.policy.graph.first, "at once", &mut found);
    for (step, _) in seen.policy.verifies() {
        for (outcome, at) in &step.outcomes {
            straight(seen, *at, &format!("on `{}`", outcome.word()), &mut found);
        }
    }
    found
}

/// Collects the unconditional effects up to the first wait or decision.
fn straight(seen: &Seen<'_>, from: StepIndex, when: &str, found: &mut Vec<TimedEffect>) {
    for step in seen.straight(from).filter(|step| step.condition.is_none()) {
        if let Some(what) = what(seen, step) {
            let (when, place) = (when.to_owned(), step.place.clone());
            found.push(TimedEffect { when, what, word: step.verb.word(), place });
        }
    }
}

fn what(seen: &Seen<'_>, step: &Step) -> Option<What> {
    if let Verb::Effect(Effect::Role { change, role }) = &step.verb {
        let role = role.known(&seen.policy.settings)?;
        return Some(if change.gives() { What::Give(role) } else { What::Take(role) });
    }
    let kind = step.verb.effect()?;
    match kind.nature() {
        Nature::Ends => Some(What::TurnAway),
        Nature::Withholds if kind == EffectKind::Suspend => Some(What::Close),
        Nature::Lifts if kind == EffectKind::Reinstate => Some(What::Open),
        Nature::Gives if kind == EffectKind::Approve => Some(What::LetIn),
        Nature::Withholds | Nature::Lifts | Nature::Gives | Nature::Asks | Nature::Notifies => None,
    }
}

/// Returns the events that open a case of a policy.
fn events<'a>(seen: &Seen<'a>) -> BTreeSet<&'a str> {
    let kind = |trigger: &'a Trigger| match trigger {
        Trigger::Event(kind) => Some(kind.as_str()),
        Trigger::Manual | Trigger::Sweep(_) => None,
    };
    seen.policy.when.iter().filter_map(kind).collect()
}

/// Reports whether any person can match the clauses of all policies.
fn overlap(all: &[&Seen<'_>]) -> bool {
    let claims = all.iter().filter_map(|seen| seen.policy.condition.claims(&seen.policy.settings));
    let together = Claim::All(claims.map(|claims| claims.whole()).collect());
    let domains = |path: &str| {
        let words = schema::words(path)?.iter().map(|word| serde_json::json!(word));
        Some(words.chain([serde_json::Value::Null]).collect())
    };
    possible(&together, &domains)
}

/// Reports the first conflict between the effects of two policies, once.
fn against(
    one: (&Seen<'_>, &[TimedEffect]),
    other: (&Seen<'_>, &[TimedEffect]),
    event: &str,
) -> Option<Diagnostic> {
    let opposed = |second: &&TimedEffect| one.1.iter().any(|first| opposes(first, second));
    let second = other.1.iter().find(opposed)?;
    let first = one.1.iter().find(|first| opposes(first, second))?;
    let message = format!(
        "conflict: `{}` and `{}` both open on `{event}`, and {} one does `{}` and the other `{}`",
        one.0.policy.name, other.0.policy.name, second.when, first.word, second.word
    );
    let help = format!("the other one is at {}; make their `if:` clauses exclude each other", first.place);
    Some(other.0.warning(second.place.clone(), "opposite-ends", message).help(help))
}

/// Reports two policies for the same registrations, of which one can approve a person that the other can reject or
/// delete later. For example, a person who is approved at once is deleted by the other policy without an answer.
fn can(one: &Seen<'_>, other: &Seen<'_>, event: &str) -> Option<Diagnostic> {
    if one.policy.subject != SubjectKind::Registration {
        return None;
    }
    let lets_in = |seen: &Seen<'_>| first_of(seen, |verb| matches!(verb, Verb::Approve));
    let away =
        |seen: &Seen<'_>| first_of(seen, |verb| matches!(verb, Verb::Reject { .. } | Verb::Delete { .. }));
    let (giver, let_in, taker, (word, away)) = match (lets_in(one), away(other)) {
        (Some(let_in), Some(away)) => (one, let_in, other, away),
        (Some(_), None) | (None, _) => (other, lets_in(other)?, one, away(one)?),
    };
    let message = format!(
        "conflict: `{}` and `{}` both open on `{event}` for the same registrations; one can `approve` and \
            the other can `{word}`",
        giver.policy.name, taker.policy.name
    );
    let help = format!(
        "`{}` does `approve` at {}; make their `if:` clauses exclude each other",
        giver.policy.name, let_in.1
    );
    Some(taker.warning(away, "opposite-ends", message).help(help))
}

fn first_of(seen: &Seen<'_>, is: impl Fn(&Verb) -> bool) -> Option<(&'static str, Place)> {
    let found = seen.policy.steps.iter().find(|step| is(&step.verb))?;
    Some((found.verb.word(), found.place.clone()))
}

fn opposes(first: &TimedEffect, second: &TimedEffect) -> bool {
    first.when == second.when && first.what.opposes(&second.what)
}

/// Reports a tree for registrations in which no policy acts on a new one. Other gaps in coverage depend on the actual
/// people, which are not available here.
pub fn uncovered(seen: &[Seen<'_>]) -> Option<Diagnostic> {
    let about = |seen: &&Seen<'_>| seen.policy.subject == SubjectKind::Registration;
    let on_new = |seen: &Seen<'_>| seen.policy.mode == Mode::Enforce && opens_on_new(seen.policy);
    let first = seen.iter().find(about)?;
    if seen.iter().any(on_new) {
        return idle(seen);
    }
    let message = "no enforced policy opens on registration.created; new registrations open no case";
    let help = "set mode: enforce in a policy that opens on that event, unless this is a trial";
    Some(first.warning(first.at(&["mode"]), "uncovered", message).help(help))
}

/// Reports whether all policies that act on a new registration are limited to certain ones. This is not an error,
/// because other registrations may not exist.
pub fn only_particular<'a>(policies: impl Iterator<Item = &'a Policy>) -> bool {
    let acting = policies.filter(|policy| policy.mode == Mode::Enforce && opens_on_new(policy));
    let takes: Vec<_> = acting.map(covers_all_registrations).collect();
    !takes.is_empty() && !takes.contains(&true)
}

fn covers_all_registrations(policy: &Policy) -> bool {
    policy.condition.claims(&policy.settings).is_none_or(|claims| covers_all(&claims.whole(), true))
}

fn opens_on_new(policy: &Policy) -> bool {
    let new = |trigger: &Trigger| matches!(trigger, Trigger::Event(kind) if kind.as_str() == "registration.created");
    policy.when.iter().any(new)
}

/// Reports a policy that does not act and is the only one for registrations that no clause singles out. Every field of
/// such a registration differs from all named values.
fn idle(seen: &[Seen<'_>]) -> Option<Diagnostic> {
    let on_new = |seen: &&Seen<'_>| opens_on_new(seen.policy) && covers_all_registrations(seen.policy);
    let acts = |seen: &Seen<'_>| seen.policy.mode == Mode::Enforce;
    if seen.iter().filter(on_new).any(acts) {
        return None;
    }
    let idle = seen.iter().find(on_new)?;
    let message = format!(
        "most new registrations open no case: `{}` covers them, but is not enforced",
        idle.policy.name
    );
    let help = "set mode: enforce, unless this is a trial; the enforced policies have conditions";
    Some(idle.warning(idle.at(&["mode"]), "uncovered", message).help(help))
}

/// Reports whether a constraint can be true (or false) for a person that no clause singles out: every field has a value
/// that no clause names.
fn covers_all(claim: &Claim, truth: bool) -> bool {
    match claim {
        Claim::Is(is) => *is == truth,
        Claim::Unknown => true,
        Claim::Not(of) => covers_all(of, !truth),
        Claim::All(parts) if truth => parts.iter().all(|part| covers_all(part, true)),
        Claim::Any(parts) if !truth => parts.iter().all(|part| covers_all(part, false)),
        Claim::All(parts) | Claim::Any(parts) => parts.iter().any(|part| covers_all(part, truth)),
        Claim::Compare(comparison) => match comparison.by {
            By::Equal | By::Among | By::Has => !truth,
            By::Less | By::LessOrEqual | By::More | By::MoreOrEqual => true,
        },
    }
}
