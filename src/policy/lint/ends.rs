//! Adverse ends: what nobody can contest, and what nothing lifts again.

use std::collections::BTreeSet;

use super::{Seen, node_at};
use crate::model::Span;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::tree::{Effect, Recipient, Step, StepIndex, Verb};

pub fn look(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let reviewed = reviewed(seen);
    for step in &seen.policy.steps {
        match &step.verb {
            Verb::Reject { .. } if !stated(seen, step) && !reviewed.contains(&step.index) => {
                let message = "nobody can contest this: there is no grace, and no review on every way to it";
                let help =
                    "write grace: 7d, put a review before it, or grace: 0 with because: and the reason";
                diagnostics.push(seen.warning(step.place.clone(), "no-appeal", message).help(help));
            }
            Verb::Effect(Effect::Suspend { .. }) if !lifted(seen, step) => {
                let message = "nothing after this suspension lifts it, and nobody is asked or told";
                let help = "prove or review the person afterwards and end in `reinstate: user`, or notify a team that lifts it";
                diagnostics.push(seen.warning(step.place.clone(), "lasting-suspension", message).help(help));
            }
            Verb::Delete { grace } if grace.length != Span::ZERO && !told(seen) => {
                let message = "the person is never told: no mail of this policy goes to the subject";
                let help = "notify the subject before it; the mail carries the link to contest it";
                diagnostics.push(seen.warning(step.place.clone(), "silent-end", message).help(help));
            }
            _ => {}
        }
        after_the_end(seen, step, diagnostics);
    }
}

/// Whether the policy says itself what grace there is.
fn stated(seen: &Seen<'_>, step: &Step) -> bool {
    // A step of a shared block is in another file; what it says there is told there.
    node_at(&seen.node, &step.place).is_none_or(|node| node.get("grace").is_some())
}

fn lifted(seen: &Seen<'_>, step: &Step) -> bool {
    seen.later(step).iter().any(|later| match &later.verb {
        Verb::Effect(Effect::Reinstate) | Verb::Verify(_) | Verb::Review(_) | Verb::Wait(_) => true,
        // Somebody hears of it and can lift it by hand.
        Verb::Notify(notify) => notify.to.iter().any(|to| matches!(to, Recipient::Team(_))),
        // What a function returns is not known here.
        Verb::Act { .. } => true,
        _ => false,
    })
}

fn told(seen: &Seen<'_>) -> bool {
    seen.policy.steps.iter().any(|step| match &step.verb {
        Verb::Notify(notify) => notify.to.contains(&Recipient::Subject),
        Verb::Verify(_) | Verb::Act { .. } => true,
        _ => false,
    })
}

/// Steps that every way passes a review to reach.
fn reviewed(seen: &Seen<'_>) -> BTreeSet<StepIndex> {
    let (mut without, mut todo) = (BTreeSet::new(), vec![seen.policy.first]);
    while let Some(at) = todo.pop() {
        let Some(step) = seen.step(at) else { continue };
        if without.insert(at) && !matches!(step.verb, Verb::Review(_)) {
            todo.extend(seen.after(step));
        }
    }
    seen.policy.steps.iter().map(|step| step.index).filter(|at| !without.contains(at)).collect()
}

/// What is done to somebody who is gone, or was let in, by the step before.
fn after_the_end(seen: &Seen<'_>, step: &Step, diagnostics: &mut Vec<Diagnostic>) {
    let gone = match step.verb {
        Verb::Delete { .. } => "deleted",
        Verb::Reject { .. } => "rejected",
        _ => return,
    };
    let mut at = step.next;
    while let Some(next) = at.and_then(|at| seen.step(at)) {
        let word = match &next.verb {
            Verb::Approve => "approve",
            Verb::Effect(effect @ (Effect::AssignRole(_) | Effect::Invite | Effect::Reinstate)) => {
                effect.action().word()
            }
            Verb::Notify(_) | Verb::Effect(_) => {
                at = next.next;
                continue;
            }
            _ => return,
        };
        let message = format!("`{word}` comes after the subject was {gone} in the same list");
        let help = "one of the two is not meant, or belongs into another branch";
        return diagnostics.push(seen.warning(next.place.clone(), "after-the-end", message).help(help));
    }
}
