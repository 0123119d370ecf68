//! Finds suspensions that no step lifts: on no path at all, or not on the path on which the person passed.

use crate::model::EffectKind;
use std::collections::BTreeMap;

use super::Seen;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::graph::{Edge, Via};
use crate::policy::outcome::Meaning;
use crate::policy::tree::{Step, StepIndex, Verb};

pub fn look(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let suspends = |step: &&Step| step.verb.effect() == Some(EffectKind::Suspend);
    for step in seen.policy.steps.iter().filter(suspends) {
        let held = held(seen, step);
        let steps = || held.iter().filter_map(|(at, _)| seen.step(*at));
        let passed = held.iter().filter(|(_, passed)| *passed).filter_map(|(at, _)| seen.step(*at));
        let ended = passed.filter_map(|step| {
            if let Verb::Close { result } = &step.verb { Some((step, result)) } else { None }
        });
        let ends: BTreeMap<_, _> = ended.map(|(step, result)| (&step.place, result)).collect();
        let found = if !steps().any(|step| lifts(step) || notifies_a_team(step)) {
            let message = "no step lifts this suspension, and no team is notified of it";
            let help = "add a `verify` or a review that leads to `reinstate: user`, or notify a team that \
                lifts it";
            Some((message.to_owned(), help.to_owned()))
        } else {
            ends.first_key_value().map(|(place, result)| {
                let message = format!(
                    "a person who passes stays suspended: nothing lifts the suspension \
                    before `close: {result}`"
                );
                let help = format!("add `reinstate: user` before the end at {place}");
                (message, help)
            })
        };
        if let Some((message, help)) = found {
            diagnostics.push(seen.warning(step.place.clone(), "lasting-suspension", message).help(help));
        }
    }
}

/// Returns every step that is reached while suspended, and whether the person's last answer was a pass.
fn held(seen: &Seen<'_>, from: &Step) -> Vec<(StepIndex, bool)> {
    let Some(next) = from.next else { return Vec::new() };
    seen.policy.graph.walk(next, false, |at, passed, edge| {
        let step = seen.step(at)?;
        // The steps after another suspension are reported for that suspension.
        let over = lifts(step) || step.verb.effect() == Some(EffectKind::Suspend);
        (!over).then(|| after(step, *passed, edge))
    })
}

fn lifts(step: &Step) -> bool {
    step.verb.may_do(&[EffectKind::Reinstate])
}

/// Reports whether the step notifies a team, which can lift the suspension by hand.
fn notifies_a_team(step: &Step) -> bool {
    step.verb.may().contains(&EffectKind::Notify)
        || (step.verb.effect() == Some(EffectKind::Notify)
            && step.verb.recipients().iter().any(|to| to.team().is_some()))
}

fn after(step: &Step, passed: bool, edge: &Edge) -> bool {
    match &edge.via {
        Via::Outcome(ending) => match step.meaning(ending) {
            Meaning::Passed => true,
            // From here on the reviewers' decision counts.
            Meaning::Unsure | Meaning::NotPassed(_) | Meaning::Decided | Meaning::Undecided => false,
            Meaning::PassedElsewhere | Meaning::Nothing => passed,
        },
        Via::Again | Via::UsedUp => false,
        Via::Next | Via::LeftOut | Via::Block => passed,
    }
}
