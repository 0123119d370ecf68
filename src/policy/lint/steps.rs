//! Finds steps that do less than they state.

use std::collections::BTreeSet;

use super::{Seen, node_at};
use crate::policy::diagnostic::{Diagnostic, Place};
use crate::policy::graph::{Edge, Via};
use crate::policy::tree::{Effect, Review, Step, Verb, Verify};

pub fn look(seen: &Seen<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (step, verify) in seen.policy.verifies() {
        reminders(seen, step, verify, diagnostics);
    }
    for (step, review) in seen.policy.reviews() {
        reviews(seen, step, review, diagnostics);
    }
    for step in &seen.policy.steps {
        if let Verb::Effect(Effect::Notify(notify)) = &step.verb {
            let mut reported = Vec::new();
            for to in &notify.to {
                if reported.contains(&to) {
                    let place = under(seen, step, &["notify", "to"]);
                    let message = "duplicate recipient";
                    diagnostics.push(seen.warning(place, "twice", message).help("remove one of them"));
                }
                reported.push(to);
            }
        }
        if step.retry.is_some_and(|retry| retry.attempts == 1) {
            let place = under(seen, step, &["retry"]);
            let message = "`attempts: 1` counts the first attempt; nothing is retried";
            let help = "write attempts: 2 or more, or remove `retry:` for the default";
            diagnostics.push(seen.warning(place, "one-attempt", message).help(help));
        }
        same_branches(seen, step, diagnostics);
    }
}

/// Returns the place of a key under a step, or of the step if the step is in another file.
fn under(seen: &Seen<'_>, step: &Step, keys: &[&str]) -> Place {
    let Some(mut node) = node_at(seen.node(), &step.place) else { return step.place.clone() };
    for key in keys {
        match node.get(key) {
            Some(value) => node = value,
            None => return step.place.clone(),
        }
    }
    node.place.clone()
}

fn reminders(seen: &Seen<'_>, step: &Step, verify: &Verify, diagnostics: &mut Vec<Diagnostic>) {
    let mut times = BTreeSet::new();
    if verify.remind.iter().any(|reminder| !times.insert(reminder.after)) {
        let place = under(seen, step, &["verify", "remind"]);
        let message = "two reminders at the same time";
        let help = "write different times; `after` counts from the start of the step, not from the \
            reminder before";
        diagnostics.push(seen.warning(place, "same-moment", message).help(help));
    }
    let templates = &seen.policy.templates;
    for language in templates.languages(&verify.invite) {
        if !templates.uses_variable(&verify.invite, language, "link") {
            let path = format!("shared/templates/{}/{language}.md", verify.invite);
            let text = seen.policy.files.get(&path).map(|bytes| String::from_utf8_lossy(bytes));
            let one_brace = text.is_some_and(|text| text.contains("{link}") || text.contains("{ link }"));
            let place = under(seen, step, &["verify", "invite"]);
            let message = format!(
                "the mail that asks for the proof has no link: {path} does not contain \
                `link`"
            );
            let help = match one_brace {
                true => "write {{ link }} with two braces; with one it is plain text",
                false => "add {{ link }} to the mail",
            };
            diagnostics.push(seen.warning(place, "no-link", message).help(help));
        }
    }
}

fn reviews(seen: &Seen<'_>, step: &Step, review: &Review, diagnostics: &mut Vec<Diagnostic>) {
    if review.decisions.len() == 1 {
        let place = under(seen, step, &["review", "decisions"]);
        let message = "a review with one decision decides nothing";
        let help = "add another decision";
        diagnostics.push(seen.warning(place, "one-decision", message).help(help));
    }
    if review.escalate.as_ref().is_some_and(|escalate| escalate.queue == review.queue) {
        let place = under(seen, step, &["review", "escalate"]);
        let message = format!("this escalates to the same queue `{}`", review.queue);
        diagnostics.push(seen.warning(place, "own-queue", message).help("name another queue"));
    }
    if review.show.is_empty() {
        let place = under(seen, step, &["review"]);
        let message = "the review shows nothing to the reviewer";
        let help = "add show: with paths, such as show: [steps.proof.reasons]";
        diagnostics.push(seen.warning(place, "blind-review", message).help(help));
    }
}

/// Reports a branch whose outcomes all continue in the same way, and which therefore decides nothing.
fn same_branches(seen: &Seen<'_>, step: &Step, diagnostics: &mut Vec<Diagnostic>) {
    let Verb::Run { .. } = step.verb else { return };
    let goes = |at| {
        let only = seen.policy.graph.on(at);
        if let [Edge { to, via: Via::Block }] = only { Some(*to) } else { None }
    };
    let mut ways: Vec<_> = step.outcomes.values().map(|at| goes(*at)).collect();
    let count = ways.len();
    ways.dedup();
    if let ([Some(_)], true) = (ways.as_slice(), count > 1) {
        let message = "every outcome continues with the same block, so the step decides nothing";
        let place = under(seen, step, &["run"]);
        let help = "remove the step, or let one outcome continue with another block";
        diagnostics.push(seen.warning(place, "same-branches", message).help(help));
    }
}
