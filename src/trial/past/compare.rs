//! Compares two revisions: cases with different ends, and differences in effects. Unknown results widen a range.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use chrono::TimeDelta;

use super::sweep_dependencies::other_sweeps;
use super::walk::{Undecided, Walked, as_it_was, walk};
use super::{End, Happening, Moment, Name, Past, Projected};
use crate::model::{EffectKind, Event, SubjectRef, Timestamp, Watched};
use crate::policy::effects::gives_access;
use crate::policy::tree::Trigger;
use crate::policy::{Policy, PolicySet};
use crate::trial::Terms;

/// Lengths of forecasts, in days.
const AHEAD: [u32; 3] = [1, 7, 30];
/// Maximum of listed items.
const MOST_LISTED: usize = 10_000;
/// People per thread and step.
const AT_ONCE: usize = 64;

/// The back-test of one policy.
#[derive(Debug, Clone, Default)]
pub struct PolicyPast {
    pub policy: String,
    /// Cases that the active revision opens, and the other one.
    pub cases: Both<usize>,
    /// The record contains nothing that either revision evaluates: the effect of the edit is unknown.
    pub silent: bool,
    /// Effects that differ between the two or harm a person.
    pub effects: Vec<Effects>,
    /// Sessions at providers, which cost money.
    pub verifications: Both<Range>,
    /// Forecast for 1, 7 and 30 days, as far as the record is that long: the counts of the quietest and the busiest
    /// such period.
    pub coming: Vec<Coming>,
    /// Cases that end differently or had other effects.
    pub different: usize,
    /// Cases whose course under the other revision is unknown.
    pub unknown: usize,
    /// Openings that the other revision could not decide.
    pub undecided: usize,
    pub undecided_because: Option<String>,
    /// People whose cases never end.
    pub endless: usize,
    /// Sweeps that may select other people than recorded; these people are not in the record.
    pub sweeps: Vec<String>,
    /// Unedited policies that receive its verification events and would also behave differently.
    pub heard_by: Vec<PolicyPast>,
    /// The differing cases, newest first; a very long list is cut to the newest.
    pub items: Vec<Differs>,
}

/// Values for the active revision, and for the other one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Both<T> {
    pub before: T,
    pub after: T,
}

/// The known count, and the possible count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    pub least: usize,
    pub most: usize,
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.least == self.most {
            return write!(f, "{}", self.least);
        }
        write!(f, "{} to {}", self.least, self.most)
    }
}

/// The comparison of one kind of effect.
#[derive(Debug, Clone)]
pub struct Effects {
    pub what: EffectKind,
    pub times: Both<Range>,
    /// People to whom the other revision does it and the active one does not.
    pub newly: Range,
}

impl Effects {
    /// Returns how many people count. For watched effects: everyone possibly newly affected. For effects that give
    /// access: only those certainly affected, because an unknown answer gives no access.
    pub fn counts(&self, watched: &[Watched]) -> usize {
        if watched.contains(&Watched::Effect(self.what)) {
            self.newly.most
        } else if gives_access(self.what) && !watched.is_empty() {
            self.newly.least
        } else {
            0
        }
    }
}

#[derive(Debug, Clone)]
pub struct Coming {
    pub days: u32,
    /// The effect's word, or `paid_verification`.
    pub what: String,
    pub times: Both<Range>,
}

/// One case that differs.
#[derive(Debug, Clone)]
pub struct Differs {
    pub subject: SubjectRef,
    pub name: Name,
    pub opened_at: Timestamp,
    /// `None`: no case opens.
    pub before: Option<Projected>,
    pub after: Option<Projected>,
}

/// The threshold above which an edit needs a release.
#[derive(Debug, Clone, Copy)]
pub struct Bar<'a> {
    pub watched: &'a [Watched],
    /// Number of people.
    pub above: usize,
    /// By effect, the people newly affected by the preceding edits; they are added.
    pub earlier: &'a BTreeMap<String, usize>,
}

impl PolicyPast {
    /// Returns why a revision must be released before it runs: what it would or might have done, and to how many.
    pub fn reasons(&self, bar: &Bar<'_>, from: Timestamp, to: Timestamp) -> Vec<String> {
        let earlier = |what: EffectKind| bar.earlier.get(what.word()).copied().unwrap_or(0);
        let many = |what: EffectKind, newly: usize| {
            newly > 0 && (newly + earlier(what) > bar.above || newly * 2 > self.cases.after)
        };
        let over = self.effects.iter().filter(|effect| many(effect.what, effect.counts(bar.watched)));
        let since = length(to - from);
        let one = |effect: &Effects| {
            let (what, newly) = (effect.what.word(), effect.newly);
            let might = if many(effect.what, newly.least) { "would" } else { "might" };
            let unknown = if newly.least == newly.most { "" } else { "; unknown cases are counted" };
            let before = match earlier(effect.what) {
                0 => String::new(),
                earlier => format!(", and to {earlier} by the edits just before"),
            };
            let people = if (newly.least, newly.most) == (1, 1) { "person" } else { "people" };
            let whom = match effect.what.given_back_by() {
                Some(_) => "to whom the active revision did not, or for whom it was undone",
                None => "to whom the active revision did not",
            };
            format!(
                "{might} have done {what} to {newly} {people} {whom}, in the last {since} ({} instead of \
                 {}{unknown}){before}",
                effect.times.after, effect.times.before,
            )
        };
        let mut reasons: Vec<String> = over.map(one).collect();
        if self.endless > 0 {
            reasons.push(format!("has cases of {} people that would never have ended", self.endless));
        }
        reasons.extend(self.sweeps.iter().filter(|_| !bar.watched.is_empty()).cloned());
        for other in &self.heard_by {
            let theirs = other.reasons(bar, from, to);
            let name = &other.policy;
            reasons.extend(theirs.iter().map(|why| format!("triggers {name}, which then {why}")));
        }
        reasons
    }
}

/// Counts newly affected people instead of cases. A repeated effect does not count as new; an effect that is left in
/// force does.
fn newly(before: &[Projected], after: &[Projected], what: EffectKind) -> Range {
    let does = |result: &&Projected| result.did.iter().any(|deed| deed.what == what);
    let may = |result: &&Projected| does(result) || result.may.contains(&what);
    let left = |result: &&Projected| result.left(what);
    let people = |results: &mut dyn Iterator<Item = &Projected>| -> BTreeSet<SubjectRef> {
        results.map(|result| result.subject.clone()).collect()
    };
    let (had, was_left) = (people(&mut before.iter().filter(does)), people(&mut before.iter().filter(left)));
    let left = people(&mut after.iter().filter(left));
    let newly_left: BTreeSet<_> = left.difference(&was_left).cloned().collect();
    let count =
        |now: BTreeSet<SubjectRef>| now.difference(&had).chain(&newly_left).collect::<BTreeSet<_>>().len();
    Range {
        least: count(people(&mut after.iter().filter(does))),
        most: count(people(&mut after.iter().filter(may))),
    }
}

/// Returns a length of the record, in a suitable unit.
fn length(length: TimeDelta) -> String {
    let of = |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match (length.num_days(), length.num_hours()) {
        (days, _) if days > 1 => of(days, "day"),
        (_, hours) if hours > 0 => of(hours, "hour"),
        _ => of(length.num_minutes().max(1), "minute"),
    }
}

/// Results by policy.
type Sides = BTreeMap<String, (Vec<Projected>, Vec<Projected>)>;

#[derive(Debug, Default)]
struct Found {
    sides: Sides,
    undecided: BTreeMap<String, Vec<Undecided>>,
    endless: usize,
}

/// Replays all people's records with the active policies and the next ones. `on_progress` receives the number of finished
/// people.
pub fn back_test(
    past: &Past,
    running: &Arc<PolicySet>,
    next: &Arc<PolicySet>,
    terms: &Terms,
    on_progress: &(dyn Fn(usize) + Sync),
    wanted: &(dyn Fn() -> bool + Sync),
) -> Vec<PolicyPast> {
    let (place, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let found = Mutex::new(Found::default());
    let threads = thread::available_parallelism().map_or(2, usize::from).min(8);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let from = place.fetch_add(AT_ONCE, Ordering::Relaxed);
                    let some = past.people.get(from..(from + AT_ONCE).min(past.people.len()));
                    let Some(some) = some.filter(|some| !some.is_empty() && wanted()) else { return };
                    for person in some {
                        let before = if person.otherwise {
                            walk(person, running, &past.pauses, past.to, terms).results
                        } else {
                            as_it_was(person, |name| running.policies.contains_key(name))
                        };
                        let after = walk(person, next, &past.pauses, past.to, terms);
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        found.add(before, after);
                    }
                    on_progress(done.fetch_add(some.len(), Ordering::Relaxed) + some.len());
                }
            });
        }
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let names: BTreeSet<&String> = running.policies.keys().chain(next.policies.keys()).collect();
    let of = |name: &String| {
        let (before, after) = (running.policies.get(name), next.policies.get(name));
        let projected = found.of(name, past);
        let asked = projected.cases.before + projected.cases.after > 0
            || before.into_iter().chain(after).any(|policy| was_asked(past, policy));
        let coming = if asked { projected.coming } else { Vec::new() };
        PolicyPast { sweeps: other_sweeps(before, after), silent: !asked, coming, ..projected }
    };
    names.into_iter().map(of).collect()
}

/// Returns whether the record contains anything that a policy evaluates.
fn was_asked(past: &Past, policy: &Policy) -> bool {
    let opens = |event: &Event| {
        let mut kinds = std::iter::once(&event.kind).chain(&event.also);
        kinds.any(|kind| {
            policy.when.iter().any(|trigger| matches!(trigger, Trigger::Event(opens) if opens == kind))
        })
    };
    let asks = |moment: &Moment| matches!(&moment.what, Happening::Event { event, .. } if opens(event));
    past.people.iter().any(|person| person.moments.iter().any(asks))
}

impl Found {
    fn add(&mut self, before: Vec<Projected>, after: Walked) {
        self.endless += usize::from(after.endless);
        for undecided in after.undecided {
            self.undecided.entry(undecided.policy.clone()).or_default().push(undecided);
        }
        for result in before {
            self.sides.entry(result.policy.clone()).or_default().0.push(result);
        }
        for result in after.results {
            self.sides.entry(result.policy.clone()).or_default().1.push(result);
        }
    }

    fn of(&self, name: &str, past: &Past) -> PolicyPast {
        let (none, no_people) = ((Vec::new(), Vec::new()), Vec::new());
        let (before, after) = self.sides.get(name).unwrap_or(&none);
        let undecided = self.undecided.get(name).unwrap_or(&no_people);
        let mut items = differences(before, after);
        let (effects, different) = (effects(before, after), items.len());
        items.truncate(MOST_LISTED);
        let unknown = |result: &&Projected| matches!(result.end, End::Unknown { .. });
        PolicyPast {
            policy: name.to_owned(),
            cases: Both { before: cases(before), after: cases(after) },
            silent: false,
            effects,
            verifications: Both { before: range(&sessions(before)), after: range(&sessions(after)) },
            coming: coming(before, after, past),
            different,
            unknown: after.iter().filter(unknown).count(),
            undecided: undecided.len(),
            heard_by: Vec::new(),
            undecided_because: undecided.first().map(|undecided| undecided.because.clone()),
            endless: self.endless,
            sweeps: Vec::new(),
            items,
        }
    }
}

/// Counts the cases that certainly open.
fn cases(results: &[Projected]) -> usize {
    results.iter().filter(|result| !result.case.0.is_empty()).count()
}

/// Pairs cases by subject, time and trigger, and returns those that differ.
fn differences(before: &[Projected], after: &[Projected]) -> Vec<Differs> {
    let key = |result: &Projected| (result.subject.clone(), result.opened_at, result.opened_by.clone());
    let mut rest: BTreeMap<_, Vec<&Projected>> = BTreeMap::new();
    for result in before {
        rest.entry(key(result)).or_default().push(result);
    }
    let mut items = Vec::new();
    for result in after {
        let old = rest.get_mut(&key(result)).and_then(Vec::pop);
        if old.is_none_or(|old| !old.same(result)) {
            items.push(differs(result, old.cloned(), Some(result.clone())));
        }
    }
    for result in rest.into_values().flatten() {
        items.push(differs(result, Some(result.clone()), None));
    }
    items.sort_by(|one, two| two.opened_at.cmp(&one.opened_at).then_with(|| one.subject.cmp(&two.subject)));
    items
}

fn differs(about: &Projected, before: Option<Projected>, after: Option<Projected>) -> Differs {
    let (subject, name, opened_at) = (about.subject.clone(), about.name.clone(), about.opened_at);
    Differs { subject, name, opened_at, before, after }
}

/// Times of an effect, with whether it is certain.
type Times = Vec<(Timestamp, bool)>;

fn times(results: &[Projected], what: EffectKind) -> Times {
    let of = |result: &Projected| {
        let mut times: Times = result
            .did
            .iter()
            .filter(|deed| deed.what == what)
            .map(|deed| (deed.at, !result.assumed))
            .collect();
        if times.is_empty() && result.may.contains(&what) {
            times.push((result.opened_at, false));
        }
        times
    };
    let mut times: Times = results.iter().flat_map(of).collect();
    times.sort_unstable();
    times
}

fn sessions(results: &[Projected]) -> Times {
    let of = |result: &Projected| {
        let mut times = vec![(result.opened_at, !result.assumed); result.sessions];
        if result.may.contains(&EffectKind::Verify) {
            times.push((result.opened_at, false));
        }
        times
    };
    let mut times: Times = results.iter().flat_map(of).collect();
    times.sort_unstable();
    times
}

fn range(times: &Times) -> Range {
    Range { least: times.iter().filter(|(_, certain)| *certain).count(), most: times.len() }
}

fn kinds(before: &[Projected], after: &[Projected]) -> BTreeSet<EffectKind> {
    let of = |result: &Projected| {
        result.did.iter().map(|deed| deed.what).chain(result.may.iter().copied()).collect::<Vec<_>>()
    };
    before.iter().chain(after).flat_map(of).collect()
}

fn effects(before: &[Projected], after: &[Projected]) -> Vec<Effects> {
    let one = |what: EffectKind| Effects {
        what,
        times: Both { before: range(&times(before, what)), after: range(&times(after, what)) },
        newly: newly(before, after, what),
    };
    kinds(before, after).into_iter().map(one).collect()
}

fn coming(before: &[Projected], after: &[Projected], past: &Past) -> Vec<Coming> {
    let mut listed: Vec<(String, Times, Times)> = kinds(before, after)
        .into_iter()
        .map(|what| (what.word().to_owned(), times(before, what), times(after, what)))
        .collect();
    listed.push(("paid_verification".to_owned(), sessions(before), sessions(after)));
    let mut coming = Vec::new();
    for days in AHEAD {
        let length = TimeDelta::days(i64::from(days));
        if past.to - past.from < length {
            continue;
        }
        for (what, before, after) in &listed {
            let within = |times| in_a_time(times, length, past.from, past.to);
            let times = Both { before: within(before), after: within(after) };
            coming.push(Coming { days, what: what.clone(), times });
        }
    }
    coming
}

/// Returns the counts in the quietest and the busiest period of a length.
fn in_a_time(times: &Times, length: TimeDelta, from: Timestamp, to: Timestamp) -> Range {
    let certain: Vec<Timestamp> = times.iter().filter(|(_, certain)| *certain).map(|(at, _)| *at).collect();
    let all: Vec<Timestamp> = times.iter().map(|(at, _)| *at).collect();
    let within = |times: &[Timestamp], start: Timestamp| {
        let begin = times.partition_point(|at| *at < start);
        times.partition_point(|at| *at < start + length) - begin
    };
    // The quietest period begins at the record's start or just after an effect; the busiest with an effect.
    let starts = certain.iter().map(|at| *at + TimeDelta::nanoseconds(1)).chain([from, to - length]);
    let least = starts.filter(|start| *start + length <= to).map(|start| within(&certain, start)).min();
    let most = all.iter().copied().chain([from]).map(|start| within(&all, start)).max();
    Range { least: least.unwrap_or(0), most: most.unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::TimeDelta;

    use super::{Range, in_a_time, newly};
    use crate::model::EffectKind::{self, Reinstate, Suspend};
    use crate::model::{CaseId, SubjectKind, SubjectRef, Timestamp};
    use crate::trial::past::{End, Name, Projected, ProjectedEffect};

    #[test]
    fn the_quietest_and_busiest_windows_are_counted() {
        let day = |day: i64| Timestamp::UNIX_EPOCH + TimeDelta::days(day);
        let check = |times: &[(i64, bool)], length: i64, least: usize, most: usize| {
            let times = times.iter().map(|(at, certain)| (day(*at), *certain)).collect();
            let range = in_a_time(&times, TimeDelta::days(length), day(0), day(10));
            assert_eq!(range, Range { least, most }, "{times:?} in {length} days");
        };
        check(&[], 1, 0, 0);
        check(&[(1, true), (2, true), (9, true)], 1, 0, 1);
        check(&[(1, true), (2, true), (9, true)], 3, 0, 2);
        check(&[(1, true), (2, true), (9, false)], 10, 2, 3);
        check(&[(0, true), (3, true), (6, true), (9, true)], 4, 1, 2);
    }

    #[test]
    fn harm_counts_only_newly_harmed_people() {
        let result = |did: &[EffectKind]| Projected {
            case: CaseId("c".to_owned()),
            policy: "p".to_owned(),
            subject: SubjectRef { source: String::new(), kind: SubjectKind::User, id: "1".to_owned() },
            name: Name(String::new()),
            opened_at: Timestamp::UNIX_EPOCH,
            opened_by: String::new(),
            event: None,
            end: End::Closed { result: "done".to_owned() },
            did: did.iter().map(|what| ProjectedEffect { what: *what, at: Timestamp::UNIX_EPOCH }).collect(),
            sessions: 0,
            may: BTreeSet::new(),
            assumed: false,
        };
        let check = |before: &[EffectKind], after: &[EffectKind], people: usize| {
            let newly = newly(&[result(before)], &[result(after)], Suspend);
            assert_eq!(newly, Range { least: people, most: people }, "{before:?} {after:?}");
        };
        check(&[], &[Suspend], 1);
        check(&[], &[Suspend, Reinstate], 1);
        check(&[Suspend, Reinstate], &[Suspend, Reinstate, Suspend, Reinstate], 0);
        check(&[Suspend, Reinstate], &[Suspend], 1);
        check(&[Suspend], &[Suspend], 0);
        check(&[Suspend], &[Suspend, Reinstate], 0);
    }
}
