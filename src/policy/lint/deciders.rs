//! Finds reviews that no configured token may decide.

use std::collections::BTreeSet;

use super::Seen;
use crate::model::Actor;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::tree::{Review, Step};

pub fn look(seen: &Seen<'_>, deciders: &[Actor], diagnostics: &mut Vec<Diagnostic>) {
    let mut reported = BTreeSet::new();
    for (step, review) in seen.policy.reviews() {
        let above = review.escalate.as_ref().map(|escalate| &escalate.queue);
        for queue in [&review.queue].into_iter().chain(above) {
            let Some(team) = seen.policy.people.queues.get(queue).map(|queue| &queue.team) else { continue };
            let members: Vec<&Actor> = deciders.iter().filter(|actor| actor.teams.contains(team)).collect();
            let found = of_queue(seen, step, review, (queue, team), &members);
            diagnostics.extend(found.filter(|found| reported.insert((queue, found.code))));
        }
    }
}

fn of_queue(
    seen: &Seen<'_>,
    step: &Step,
    review: &Review,
    (queue, team): (&str, &str),
    members: &[&Actor],
) -> Option<Diagnostic> {
    if members.is_empty() {
        let message = format!(
            "nobody can decide reviews of the queue `{queue}`: no token of proofd.yaml has the role desk \
                and the team `{team}`"
        );
        let help = format!("add `teams: [{team}]` to a token with the role desk");
        return Some(seen.warning(step.place.clone(), "nobody-decides", message).help(help));
    }
    let persons = persons(members);
    let needed = usize::try_from(review.people.max(1)).unwrap_or(usize::MAX);
    if !review.compares_persons() || persons >= needed {
        return None;
    }
    let message = format!(
        "this review compares persons and needs {needed}; the tokens of the team `{team}` name {persons}"
    );
    let help = "set `person` at the tokens of the reviewers; two tokens of one person count once";
    Some(seen.warning(step.place.clone(), "too-few-persons", message).help(help))
}

/// Counts the different persons; a token without a person does not count.
fn persons(members: &[&Actor]) -> usize {
    let mut known: Vec<&Actor> = Vec::new();
    for member in members.iter().filter(|member| member.person.is_some()) {
        if !known.iter().any(|other| other.same(member)) {
            known.push(member);
        }
    }
    known.len()
}
