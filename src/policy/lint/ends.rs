//! Checks adverse ends: ends without an objection, ends that can hardly be undone, and the steps after them.

use crate::model::EffectKind;
use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{Seen, node_at};
use crate::policy::diagnostic::Diagnostic;
use crate::policy::tree::{Step, StepIndex, Verb};

pub fn look(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let reviewed = reviewed(seen);
    for step in &seen.policy.steps {
        let rejects = step.verb.effect() == Some(EffectKind::Reject);
        if rejects && !stated(seen, step) && !reviewed.contains(&step.index) {
            let message = "the person cannot object: there is no grace, and not every path here has a \
                review";
            let help = "add grace: 7d, a review before it, or grace: 0 with because: and the reason";
            diagnostics.push(seen.warning(step.place.clone(), "no-appeal", message).help(help));
        }
        short(seen, step, diagnostics);
        after_the_end(seen, step, diagnostics);
    }
}

/// Reports whether the policy states the grace itself.
fn stated(seen: &Seen<'_>, step: &Step) -> bool {
    // A step of a shared block is in another file, where its grace is checked.
    node_at(seen.node(), &step.place).is_none_or(|node| node.get("grace").is_some())
}

/// The shortest useful grace; a shorter one ends before the person has read the mail.
const SHORTEST_GRACE: TimeDelta = TimeDelta::hours(1);

fn short(seen: &Seen<'_>, step: &Step, diagnostics: &mut Vec<Diagnostic>) {
    let (Verb::Delete { grace } | Verb::Reject { grace }) = &step.verb else { return };
    let Some(length) = grace.length.elapsed() else { return };
    if length <= TimeDelta::zero() || length >= SHORTEST_GRACE {
        return;
    }
    let node = node_at(seen.node(), &step.place).and_then(|node| node.get("grace"));
    let place = node.map_or(&step.place, |node| &node.place).clone();
    let minutes = length.num_minutes();
    let message = match minutes {
        0 => "the grace lasts seconds only".to_owned(),
        1 => "the grace lasts one minute only".to_owned(),
        _ => format!("the grace lasts {minutes} minutes only"),
    };
    let help = match minutes {
        0 => "write a time in which a person can read a mail and object, such as 7d".to_owned(),
        1 => "m means minutes; there is no unit for months: write 30d for a month, or a time such as 7d"
            .to_owned(),
        _ => format!(
            "m means minutes; there is no unit for months: write {}d for {minutes} months, or a time such \
                as 7d",
            minutes * 30
        ),
    };
    diagnostics.push(seen.warning(place, "short-grace", message).help(help));
}

/// Returns the steps that every path reaches only after a review.
fn reviewed(seen: &Seen<'_>) -> BTreeSet<StepIndex> {
    let review = |at| seen.step(at).is_some_and(|step| matches!(step.verb, Verb::Review(_)));
    let graph = &seen.policy.graph;
    let without =
        graph.walk(graph.first, (), |at, (), edge| (edge.is_forward() && !review(at)).then_some(()));
    let without: BTreeSet<StepIndex> = without.into_iter().map(|(at, ())| at).collect();
    seen.policy.steps.iter().map(|step| step.index).filter(|at| !without.contains(at)).collect()
}

/// Effects that make no sense for a person who was just deleted or rejected.
const AFTER_THE_END: [EffectKind; 4] =
    [EffectKind::Approve, EffectKind::AssignRole, EffectKind::Invite, EffectKind::Reinstate];

/// Reports effects on a person who was deleted or rejected by the step before.
fn after_the_end(seen: &Seen<'_>, step: &Step, diagnostics: &mut Vec<Diagnostic>) {
    let gone = match step.verb {
        Verb::Delete { .. } => "deleted",
        Verb::Reject { .. } => "rejected",
        Verb::Verify(_)
        | Verb::Review(_)
        | Verb::Run { .. }
        | Verb::Wait(_)
        | Verb::Act { .. }
        | Verb::Approve
        | Verb::Do { .. }
        | Verb::RetryFrom { .. }
        | Verb::Close { .. }
        | Verb::Effect(_) => return,
    };
    let Some(next) = step.next else { return };
    let effects = seen.straight(next).map_while(|step| Some((step, step.verb.effect()?)));
    for (next, kind) in effects.take_while(|(step, _)| matches!(step.verb, Verb::Effect(_) | Verb::Approve)) {
        if AFTER_THE_END.contains(&kind) {
            let word = kind.word();
            let message = format!("`{word}` follows in the same list after the subject was {gone}");
            let help = "remove one of the two, or move it to another branch";
            return diagnostics.push(seen.warning(next.place.clone(), "after-the-end", message).help(help));
        }
    }
}
