//! The back-test of a shadow policy: compares what it would have done with what the active policies did, by person.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::walk::{Walked, as_it_was, walk};
use super::{End, Past, PersonPast, Projected};
use crate::case::Note;
use crate::case::intake::Modes;
use crate::model::{EffectKind, SubjectRef};
use crate::policy::{Policy, PolicySet};
use crate::trial::Terms;
use crate::trial::story::{Happened, Line, What, lines};

/// The comparison for one person.
#[derive(Debug)]
pub struct Beside {
    pub subject: SubjectRef,
    /// Cases that the policy would have opened, newest first.
    pub would: Vec<Would>,
    /// Cases of other policies.
    pub happened: Vec<Live>,
    /// Whether the effects were the same; `None` if the outcome is not fully known.
    pub same: Option<bool>,
}

/// A case that the policy would have opened.
#[derive(Debug)]
pub struct Would {
    pub case: Projected,
    pub lines: Vec<Line>,
    /// Further events that would have joined it.
    pub joined: usize,
}

/// A recorded case.
#[derive(Debug)]
pub struct Live {
    pub case: Projected,
    /// An event that opened it would have reached a case of the policy.
    pub same_event: bool,
}

/// Compares at most this many people, newest first. The policy acts as enforced, independent of its mode.
pub fn beside(
    past: &Past,
    policy: &Arc<Policy>,
    terms: &Terms,
    people: usize,
    wanted: &dyn Fn() -> bool,
) -> Vec<Beside> {
    let set = Arc::new(PolicySet::new([Arc::clone(policy)]));
    let terms = Terms { modes: Modes::AllEnforced, ..terms.clone() };
    let mut all: Vec<&PersonPast> = past.people.iter().collect();
    all.sort_by_key(|person| std::cmp::Reverse(person.moments.last().map(|moment| moment.at)));
    let walked = all.into_iter().take_while(|_| wanted()).filter_map(|person| {
        let walked = walk(person, &set, &past.pauses, past.to, &terms);
        of_person(person, policy, walked)
    });
    let mut found: Vec<Beside> = walked.take(people).collect();
    let newest = |one: &Beside| one.would.first().map(|would| would.case.opened_at);
    found.sort_by_key(|one| std::cmp::Reverse(newest(one)));
    found
}

fn of_person(person: &PersonPast, policy: &Policy, walked: Walked) -> Option<Beside> {
    let Walked { results, story, .. } = walked;
    let subject = results.first()?.subject.clone();
    let joined = |case: &Projected| joined(&story, case);
    let reached: BTreeSet<String> =
        results.iter().flat_map(|case| case.event.iter().cloned().chain(joined(case))).collect();
    let others = as_it_was(person, |name| name != policy.name);
    let happened: Vec<Live> = others
        .into_iter()
        .map(|case| {
            let same_event = case.event.as_ref().is_some_and(|event| reached.contains(event));
            Live { case, same_event }
        })
        .collect();
    let did = |cases: &mut dyn Iterator<Item = &Projected>| -> BTreeSet<EffectKind> {
        cases.flat_map(|case| case.did.iter().map(|deed| deed.what)).collect()
    };
    let ended = |case: &Projected| matches!(case.end, End::Closed { .. });
    let real = || happened.iter().filter(|live| live.same_event).map(|live| &live.case);
    let known = results.iter().all(ended) && real().all(ended);
    let same = known.then(|| did(&mut results.iter()) == did(&mut real()));
    let mut would: Vec<Would> = results
        .into_iter()
        .map(|case| {
            let own: Vec<Happened> = of_case(&story, &case).cloned().collect();
            let joined = joined(&case).len();
            Would { lines: lines(&own, case.opened_at), joined, case }
        })
        .collect();
    would.sort_by_key(|would| std::cmp::Reverse(would.case.opened_at));
    Some(Beside { subject, would, happened, same })
}

fn of_case<'a>(story: &'a [Happened], case: &'a Projected) -> impl Iterator<Item = &'a Happened> {
    story.iter().filter(|happened| happened.case.as_ref() == Some(&case.case))
}

/// Returns the keys of events that joined a case.
fn joined(story: &[Happened], case: &Projected) -> Vec<String> {
    let key = |happened: &Happened| match &happened.what {
        What::Entry(entry) => match &entry.note {
            Note::Joined { key, .. } => Some(key.clone()),
            _ => None,
        },
        What::Did { .. } | What::Sent { .. } | What::Destroyed(_) | What::Text(_) => None,
    };
    of_case(story, case).filter_map(key).collect()
}
