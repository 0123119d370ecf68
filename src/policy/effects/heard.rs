//! What the person has read of an end before it comes, and whether they can object to it. Mails from before they
//! were last asked, or before people looked at them, were about something else.

use crate::model::EffectKind;
use std::collections::BTreeSet;

use crate::policy::tree::{Effect, Policy, Recipient, Step, StepIndex, Verb};

/// What the person has heard since they were last asked; more is greater.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) enum Heard {
    #[default]
    Nothing,
    /// A mail.
    Mail,
    /// A mail with the link to object, in every language.
    Link,
}

/// Every deletion and rejection with what can have been heard of it; the way on which least was heard comes first.
pub(in crate::policy) fn of_ends(policy: &Policy) -> Vec<(&Step, Heard)> {
    let mut found = BTreeSet::new();
    let mut todo = vec![(policy.first, Heard::default())];
    while let Some((at, before)) = todo.pop() {
        let Some(step) = policy.step(at).filter(|_| found.insert((at, before))) else { continue };
        let heard = after(policy, step, before);
        todo.extend(following(step).into_iter().map(|next| (next, heard)));
    }
    let end = |(at, before): (StepIndex, Heard)| {
        let step = policy.step(at).filter(|step| is_end(step))?;
        Some((step, around(policy, step, before)))
    };
    found.into_iter().filter_map(end).collect()
}

/// Whether a step deletes or rejects somebody.
pub(in crate::policy) fn is_end(step: &Step) -> bool {
    matches!(step.verb, Verb::Delete { .. } | Verb::Reject { .. })
}

/// The steps that can come directly after one, also by going back.
fn following(step: &Step) -> Vec<StepIndex> {
    let aside = match &step.verb {
        Verb::Do { target, .. } => vec![*target],
        Verb::RetryFrom { step, or_else, .. } => vec![*step, *or_else],
        Verb::Verify(_)
        | Verb::Review(_)
        | Verb::Run { .. }
        | Verb::Wait(_)
        | Verb::Act { .. }
        | Verb::Approve
        | Verb::Reject { .. }
        | Verb::Delete { .. }
        | Verb::Close { .. }
        | Verb::Effect(_) => Vec::new(),
    };
    step.next.iter().chain(step.outcomes.values()).copied().chain(aside).collect()
}

/// What was heard after a step.
pub(super) fn after(policy: &Policy, step: &Step, before: Heard) -> Heard {
    match &step.verb {
        Verb::Verify(_) | Verb::Review(_) => Heard::Nothing,
        // A mail that is sent under a condition may not be sent.
        Verb::Effect(Effect::Notify(notify))
            if notify.to.contains(&Recipient::Subject) && step.condition.is_none() =>
        {
            let link = policy.templates.always_shows(&notify.template, "contest_link");
            before.max(if link { Heard::Link } else { Heard::Mail })
        }
        // What a function sends is not known here.
        Verb::Act { may, .. } if may.contains(&EffectKind::Notify) => Heard::Link,
        Verb::Act { .. }
        | Verb::Run { .. }
        | Verb::Wait(_)
        | Verb::Approve
        | Verb::Reject { .. }
        | Verb::Delete { .. }
        | Verb::Do { .. }
        | Verb::RetryFrom { .. }
        | Verb::Close { .. }
        | Verb::Effect(_) => before,
    }
}

/// The same of a step that ends something: a mail that goes out directly after it is about it too.
pub(super) fn around(policy: &Policy, step: &Step, before: Heard) -> Heard {
    let (mut heard, mut at) = (before, step.next);
    let mut left = policy.steps.len();
    while let Some(next) = at.and_then(|at| policy.step(at)).filter(|_| left > 0) {
        left -= 1;
        at = match &next.verb {
            Verb::Do { target, .. } => Some(*target),
            Verb::Verify(_)
            | Verb::Review(_)
            | Verb::Wait(_)
            | Verb::Close { .. }
            | Verb::RetryFrom { .. } => None,
            _ if !next.outcomes.is_empty() => None,
            _ => {
                heard = after(policy, next, heard);
                next.next
            }
        };
    }
    heard
}
