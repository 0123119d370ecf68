//! Suspensions that nothing lifts: on any way at all, or on the very way on which the person passed.

use crate::model::EffectKind;
use std::collections::{BTreeMap, BTreeSet};

use super::Seen;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::tree::{Effect, Recipient, Step, StepIndex, Verb};

/// Where a case is after a suspension, and whether the person's last answer was a pass.
type Spot = (StepIndex, bool);

pub fn look(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let suspends = |step: &&Step| matches!(step.verb, Verb::Effect(Effect::Suspend { .. }));
    for step in seen.policy.steps.iter().filter(suspends) {
        let held = held(seen, step);
        let steps = || held.iter().filter_map(|(at, _)| seen.step(*at));
        let passed = held.iter().filter(|(_, passed)| *passed).filter_map(|(at, _)| seen.step(*at));
        let ended = passed.filter_map(|step| match &step.verb {
            Verb::Close { result } => Some((step, result)),
            _ => None,
        });
        let ends: BTreeMap<_, _> = ended.map(|(step, result)| (&step.place, result)).collect();
        let found = if !steps().any(|step| lifts(step) || tells(step)) {
            let message = "nothing after this suspension lifts it, and no team is told of it";
            let help = "prove or review the person afterwards and end in `reinstate: user`, or notify a team that \
                        lifts it";
            Some((message.to_owned(), help.to_owned()))
        } else {
            ends.first_key_value().map(|(place, result)| {
                let message = format!("whoever passes after this suspension stays suspended: at `close: {result}` it is still on");
                let help = format!("put `reinstate: user` before the end at {place}");
                (message, help)
            })
        };
        if let Some((message, help)) = found {
            diagnostics.push(seen.warning(step.place.clone(), "lasting-suspension", message).help(help));
        }
    }
}

/// Every step that is reached with the suspension still on.
fn held(seen: &Seen<'_>, from: &Step) -> BTreeSet<Spot> {
    let mut found = BTreeSet::new();
    let mut todo: Vec<Spot> = from.next.map(|next| (next, false)).into_iter().collect();
    while let Some(spot) = todo.pop() {
        let Some(step) = seen.step(spot.0) else { continue };
        // What another suspension leads to is told there.
        let again = matches!(step.verb, Verb::Effect(Effect::Suspend { .. }));
        if found.insert(spot) && !lifts(step) && !again {
            todo.extend(onward(step, spot.1));
        }
    }
    found
}

fn lifts(step: &Step) -> bool {
    match &step.verb {
        Verb::Effect(Effect::Reinstate) => true,
        Verb::Act { may, .. } => may.contains(&EffectKind::Reinstate),
        _ => false,
    }
}

/// Whether somebody hears of it who can lift it by hand.
fn tells(step: &Step) -> bool {
    match &step.verb {
        Verb::Effect(Effect::Notify(notify)) => notify.to.iter().any(|to| matches!(to, Recipient::Team(_))),
        Verb::Act { may, .. } => may.contains(&EffectKind::Notify),
        _ => false,
    }
}

fn onward(step: &Step, passed: bool) -> Vec<Spot> {
    let outcomes = step.outcomes.iter();
    let next = step.next.map(|next| (next, passed));
    match &step.verb {
        Verb::Verify(_) => outcomes.map(|(name, at)| (*at, name == "passed")).chain(next).collect(),
        // From here on it is what people decided.
        Verb::Review(_) => outcomes.map(|(_, at)| (*at, false)).chain(next).collect(),
        Verb::Do { target, .. } => [(*target, passed)].into_iter().chain(next).collect(),
        Verb::RetryFrom { step, or_else, .. } => {
            [(*step, false), (*or_else, false)].into_iter().chain(next).collect()
        }
        _ => outcomes.map(|(_, at)| (*at, passed)).chain(next).collect(),
    }
}
