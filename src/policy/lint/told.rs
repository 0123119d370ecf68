//! Whether the person hears of their end on the way to it, by a mail with which they can contest it. What they were
//! told before they were last asked, or before people looked at them, was about something else.

use std::collections::BTreeSet;

use super::Seen;
use crate::model::Span;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::tree::{Recipient, Step, StepIndex, Verb};

/// What the person has heard since they were last asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Heard {
    mail: bool,
    /// One with the link to contest it, in every language.
    link: bool,
}

pub fn look(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut told = BTreeSet::new();
    for (at, before) in spots(seen) {
        let Some(step) = seen.step(at) else { continue };
        let (Verb::Delete { grace } | Verb::Reject { grace }) = &step.verb else { continue };
        let heard = after(seen, step, before);
        if grace.length == Span::ZERO || heard.link || !told.insert(at) {
            continue;
        }
        let what = step.verb.word();
        diagnostics.push(if heard.mail {
            let message = format!("no mail about this `{what}` has the link to contest it, so the grace is of no use");
            let help = "write {{ contest_link }} in the template of the mail that tells the person, in every language";
            seen.warning(step.place.clone(), "no-appeal", message).help(help)
        } else {
            let message =
                format!("the person is never told of this `{what}`: there is a way to it without a mail to them about it");
            let help = "notify the subject before it; the mail carries the link to contest it ({{ contest_link }})";
            seen.warning(step.place.clone(), "silent-end", message).help(help)
        });
    }
}

/// Every step with what the person can have heard before it; who heard least comes first.
fn spots(seen: &Seen<'_>) -> BTreeSet<(StepIndex, Heard)> {
    let mut found = BTreeSet::new();
    let mut todo = vec![(seen.policy.first, Heard::default())];
    while let Some((at, before)) = todo.pop() {
        let Some(step) = seen.step(at) else { continue };
        if found.insert((at, before)) {
            let heard = hears(seen, step, before);
            let back = match &step.verb {
                Verb::RetryFrom { step, .. } => Some(*step),
                _ => None,
            };
            todo.extend(seen.after(step).into_iter().chain(back).map(|next| (next, heard)));
        }
    }
    found
}

fn hears(seen: &Seen<'_>, step: &Step, before: Heard) -> Heard {
    match &step.verb {
        Verb::Verify(_) | Verb::Review(_) => Heard::default(),
        Verb::Notify(notify) if notify.to.contains(&Recipient::Subject) => {
            let templates = &seen.policy.templates;
            let mut languages = templates.languages(&notify.template).iter();
            let link = languages.all(|tag| templates.says(&notify.template, tag, "contest_link"));
            Heard { mail: true, link: before.link || link }
        }
        // What a function sends is not known here.
        Verb::Act { may, .. } if may.iter().any(|verb| verb == "notify") => Heard { mail: true, link: true },
        _ => before,
    }
}

/// A mail that goes out directly after it is about it too.
fn after(seen: &Seen<'_>, step: &Step, before: Heard) -> Heard {
    let (mut heard, mut at) = (before, step.next);
    let mut left = seen.policy.steps.len();
    while let Some(next) = at.and_then(|at| seen.step(at)).filter(|_| left > 0) {
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
                heard = hears(seen, next, heard);
                next.next
            }
        };
    }
    heard
}
