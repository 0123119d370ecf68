//! Determines which mails the person has received before an adverse end, and whether they can object. Mails before the
//! last request for proof, or before a review, were about another matter and do not count.

use std::collections::BTreeSet;

use crate::model::{EffectKind, Nature};
use crate::policy::grammar::Rule;
use crate::policy::tree::{Effect, Policy, Recipient, Step, StepIndex, Verb};

/// The mail that the person has received since the last request for proof; more is greater.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) enum Notified {
    #[default]
    Nothing,
    /// A mail.
    Mail,
    /// A mail with the objection link, in every language.
    Link,
}

/// Returns every deletion and rejection with the mail before it; the path with the least mail comes first.
pub(in crate::policy) fn of_ends(policy: &Policy) -> Vec<(&Step, Notified)> {
    let graph = &policy.graph;
    let spots = graph.walk(graph.first, Notified::default(), |at, before, _| {
        Some(policy.step(at).map_or(*before, |step| after(policy, step, *before)))
    });
    let found: BTreeSet<(StepIndex, Notified)> = spots.into_iter().collect();
    let end = |(at, before): (StepIndex, Notified)| {
        let step = policy.step(at).filter(|step| is_end(step))?;
        Some((step, around(policy, step, before)))
    };
    found.into_iter().filter_map(end).collect()
}

/// Reports whether a step deletes or rejects a person.
pub(in crate::policy) fn is_end(step: &Step) -> bool {
    step.verb.rule().nature() == Some(Nature::Ends)
}

/// Returns the mail received after a step.
pub(super) fn after(policy: &Policy, step: &Step, before: Notified) -> Notified {
    match &step.verb {
        Verb::Verify(_) | Verb::Review(_) => Notified::Nothing,
        // A mail under a condition is not always sent.
        Verb::Effect(Effect::Notify(notify))
            if notify.to.contains(&Recipient::Subject) && step.condition.is_none() =>
        {
            let link = policy.templates.always_shows(&notify.template, "contest_link");
            before.max(if link { Notified::Link } else { Notified::Mail })
        }
        // The mails of a function are unknown here.
        Verb::Act { may, .. } if may.contains(&EffectKind::Notify) => Notified::Link,
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

/// Returns the same for a step that ends something, including mails that directly follow it.
pub(super) fn around(policy: &Policy, step: &Step, before: Notified) -> Notified {
    let steps = step.next.into_iter().flat_map(|next| policy.graph.straight(next));
    let steps = steps.filter_map(|at| policy.step(at));
    let directly = steps.take_while(|next| !next.verb.waits() && next.verb.rule() != Rule::Close);
    directly.fold(before, |notified, next| after(policy, next, notified))
}
