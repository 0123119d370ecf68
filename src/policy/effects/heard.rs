//! What the person has read of an end before it comes, and whether they can object to it. Mails from before they
//! were last asked, or before people looked at them, were about something else.

use crate::policy::tree::{Policy, Recipient, Step, Verb};

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

/// What was heard after a step.
pub(in crate::policy) fn after(policy: &Policy, step: &Step, before: Heard) -> Heard {
    match &step.verb {
        Verb::Verify(_) | Verb::Review(_) => Heard::Nothing,
        // A mail that is sent under a condition may not be sent.
        Verb::Notify(notify) if notify.to.contains(&Recipient::Subject) && step.condition.is_none() => {
            let link = policy.templates.always_shows(&notify.template, "contest_link");
            before.max(if link { Heard::Link } else { Heard::Mail })
        }
        // What a function sends is not known here.
        Verb::Act { may, .. } if may.iter().any(|verb| verb == "notify") => Heard::Link,
        Verb::Notify(_)
        | Verb::Act { .. }
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
pub(in crate::policy) fn around(policy: &Policy, step: &Step, before: Heard) -> Heard {
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
