//! Reports ways back that get shorter or disappear. They are the time to answer, reminders, links, the mail before an
//! end, other mails, and what a pass or a decision used to give.

use std::collections::{BTreeMap, BTreeSet};

use super::super::asks::taken_by_silence;
use super::super::details::{Check, Panel, Stop, StopKind};
use super::super::diff::{length, shorter};
use super::super::pairing::bare_texts;
use super::super::trail::Mark;
use super::super::{Effect, Sheet, Way};
use super::protects::halved;
use super::{Beside, Both, Finding, Weight};
use crate::model::{EffectKind, Nature, Span};
use crate::policy::grammar::Rule;
use crate::policy::graph::Via;
use crate::policy::people::Calendar;
use crate::policy::tree::WhenExceeded;

pub(super) fn look(both: &Both<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (old, new) in &both.pairing.pairs {
        found.extend(less_time(both, old, new));
        match (&old.kind, &new.kind) {
            (StopKind::Check(before), StopKind::Check(after)) => found.extend(mails(new, before, after)),
            (StopKind::Panel(before), StopKind::Panel(after)) => found.extend(hours(new, before, after)),
            (StopKind::Check(_) | StopKind::Panel(_) | StopKind::Pause(_) | StopKind::Other, _) => {}
        }
    }
    found.extend(objections(both));
    found.extend(no_longer_sent(both));
    found.extend(granted(both));
    found.extend(again(both));
    found.extend(sizes(both));
    found
}

/// Reports changes that count only if they are large.
pub(super) fn sizes(both: &Both<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> =
        both.pairing.pairs.iter().filter_map(|(old, new)| long_wait(both, old, new)).collect();
    found.extend(limits(both));
    found
}

/// Reports a decision that comes so late that it has no use, for a person who has lost something or will.
fn long_wait(both: &Both<'_>, old: &Stop, new: &Stop) -> Option<Finding> {
    let (StopKind::Panel(before), StopKind::Panel(after)) = (&old.kind, &new.kind) else { return None };
    let (then, now) = (workdays(before.calendar.as_ref()), workdays(after.calendar.as_ref()));
    let counted = matches!(after.answer_within, Span::BusinessDays(_));
    let how = if much_longer(before.answer_within, after.answer_within) {
        format!("{} -> {}", before.answer_within, after.answer_within)
    } else if counted && then > now * LONGER {
        format!("{then} working days a week -> {now}")
    } else {
        return None;
    };
    let begin = format!("makes people wait much longer for a decision at {}", new.name());
    both.new.takes().then(|| Finding::new(Weight::Back, begin, how))
}

fn workdays(calendar: Option<&Calendar>) -> i64 {
    calendar.map_or(5, |calendar| calendar.workdays.iter().filter(|works| **works).count() as i64)
}

/// Reports less time to answer, for a person who has lost something or will.
fn less_time(both: &Both<'_>, old: &Stop, new: &Stop) -> Option<Finding> {
    let (before, after) = (old.kind.answer_within()?, new.kind.answer_within()?);
    let asks = matches!(new.kind, StopKind::Check(_));
    if !shorter(Some(before), Some(after)) || before == after || !(asks || both.new.takes()) {
        return None;
    }
    let verb =
        taken_by_silence(both.new, new).map(|verb| format!(" before it can {verb}")).unwrap_or_default();
    let begin = format!("gives less time to answer {}{verb}", new.name());
    Some(Finding::new(Weight::Back, begin, format!("{before} -> {after}")))
}

fn mails(new: &Stop, before: &Check, after: &Check) -> Vec<Finding> {
    let mut found = Vec::new();
    if before.link && !after.link {
        let begin = format!("sends an invitation without the link at {}", new.name());
        found.push(Finding::new(Weight::Back, begin, format!("template {}", after.invite)));
    }
    // Reminders that only come too late now are lost with the time to answer.
    let time = if length(after.answer_within) < length(before.answer_within) { before } else { after };
    let (then, now) =
        (before.reminders_within(before.answer_within), after.reminders_within(time.answer_within));
    if now < then {
        let begin = format!("sends fewer reminders with the link at {}", new.name());
        found.push(Finding::new(Weight::Back, begin, format!("{then} -> {now}")));
    }
    found
}

/// Reports business days that end sooner, because more hours of the week count.
fn hours(new: &Stop, before: &Panel, after: &Panel) -> Option<Finding> {
    let counted = matches!(after.answer_within, Span::BusinessDays(_));
    let week = |calendar: &Option<Calendar>| {
        calendar
            .as_ref()
            .map_or(0, |calendar| (calendar.closes - calendar.opens).num_minutes() * workdays(Some(calendar)))
    };
    (counted && week(&before.calendar) < week(&after.calendar)).then(|| {
        let begin = format!("gives less time to decide {}", new.name());
        Finding::new(Weight::Back, begin, "its calendar has more hours per week")
    })
}

/// Reports a lost mail with the objection link, before an end that waits for its grace.
fn objections(both: &Both<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let ends = |effect: &&Effect| effect.verb.nature() == Some(Nature::Ends);
    for effect in both.new.effects.iter().filter(ends) {
        let old = both.old.effects.iter().filter(|old| old.verb == effect.verb);
        let olds: Vec<&Way> = old.flat_map(|old| &old.ways).collect();
        for way in &effect.ways {
            let marks = both.pairing.marks(&way.trail.marks);
            let before = olds.iter().find(|old| old.trail.marks == marks);
            if before.is_some_and(|old| way.notified < old.notified) {
                let begin = format!(
                    "sends no mail with the objection link before it can {} {}",
                    effect.verb, effect.to
                );
                found.push(Finding::new(Weight::Back, begin, way.line()));
            }
        }
    }
    found
}

/// The factor from which a time counts as much longer.
const LONGER: i64 = 4;

type Segments = BTreeMap<Vec<Mark>, BTreeMap<String, Vec<Vec<String>>>>;

/// Returns the recipients and messages between two outcomes, with their conditions.
fn segments(
    sheet: &Sheet,
    marks: &dyn Fn(&[Mark]) -> Vec<Mark>,
    lines: &dyn Fn(&[String]) -> Vec<String>,
) -> Segments {
    let notifies = |effect: &&Effect| effect.verb.nature() == Some(Nature::Notifies);
    let mut segments = Segments::new();
    for effect in sheet.effects.iter().filter(notifies) {
        for way in effect.ways.iter().filter(|way| !is_invitation(sheet, way)) {
            let recipients = segments.entry(marks(&way.trail.marks)).or_default();
            recipients.entry(recipient(effect)).or_default().push(lines(&way.trail.conditions));
        }
    }
    segments
}

/// Reports whether the mail belongs to a verification, which compares its mails itself.
fn is_invitation(sheet: &Sheet, way: &Way) -> bool {
    sheet.details.stops.iter().any(|stop| stop.path == way.step && matches!(stop.kind, StopKind::Check(_)))
}

/// Returns the recipient; a mail with another template is still a mail.
fn recipient(effect: &Effect) -> String {
    if effect.does(EffectKind::Notify) {
        return effect.to.split(':').next().unwrap_or(&effect.to).to_owned();
    }
    format!("{} {}", effect.verb, effect.to)
}

/// Reports mails, calls and events that are no longer sent, on paths that still exist.
fn no_longer_sent(both: &Both<'_>) -> Vec<Finding> {
    let before = segments(both.old, &<[Mark]>::to_vec, &bare_texts);
    let after = segments(both.new, &|marks| both.pairing.marks(marks), &|lines| both.pairing.texts(lines));
    let there: BTreeSet<Vec<Mark>> = ends(both);
    let mut found = Vec::new();
    for (marks, recipients) in &before {
        if !there.iter().any(|path| path.starts_with(marks)) {
            continue;
        }
        for (recipient, conditions) in recipients {
            let notified = |now: &BTreeMap<String, Vec<Vec<String>>>| {
                let now = now.get(recipient).into_iter().flatten();
                now.into_iter()
                    .any(|now| conditions.iter().any(|then| now.iter().all(|line| then.contains(line))))
            };
            // Sent at once, or later on every path that follows.
            let later = |end: &Vec<Mark>| {
                let passed = after.range(marks.clone()..).take_while(|(on, _)| on.starts_with(marks));
                passed.filter(|(on, _)| end.starts_with(on)).any(|(_, now)| notified(now))
            };
            if !there.iter().filter(|end| end.starts_with(marks)).all(later) {
                let begin = format!("no longer notifies {}", reader(recipient));
                let finding = Finding::new(Weight::Back, begin, path(both, marks));
                found.push(Finding { beside: Beside::Path, ..finding });
            }
        }
    }
    found
}

/// Returns every path of the edit to its end, mapped to the old steps.
fn ends(both: &Both<'_>) -> BTreeSet<Vec<Mark>> {
    both.new.ends().map(|way| both.pairing.marks(&way.trail.marks)).collect()
}

/// Reports retries that are no longer offered, on a path that still exists.
fn again(both: &Both<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let there = ends(both);
    let is_try = |mark: &Mark| mark.via == Via::Again;
    let paths: BTreeSet<&[Mark]> = both
        .old
        .ends()
        .flat_map(|way| {
            let marks = way.trail.marks.as_slice();
            marks.iter().enumerate().filter(|(_, mark)| is_try(mark)).map(|(at, _)| &marks[..=at])
        })
        .collect();
    for path_to in paths {
        let Some((last, before)) = path_to.split_last() else { continue };
        let mut after = there.range(before.to_vec()..).take_while(|path| path.starts_with(before)).peekable();
        if after.peek().is_some() && !after.any(|path| path[before.len()..].iter().any(is_try)) {
            let begin = format!("gives no other attempt at {}", both.old.details.name(last.step));
            found.push(Finding::new(Weight::Back, begin, format!("after {}", path(both, before))));
        }
    }
    found
}

fn reader(recipient: &str) -> &str {
    match recipient {
        "subject" => "the person",
        "manager" => "the manager",
        other => other,
    }
}

/// Returns outcomes of the running revision in one line.
fn path(both: &Both<'_>, marks: &[Mark]) -> String {
    if marks.is_empty() {
        return "at once".to_owned();
    }
    let one = |mark: &Mark| format!("{} {}", both.old.details.name(mark.step), mark.word());
    marks.iter().map(one).collect::<Vec<_>>().join(" > ")
}

/// Reports whether a time is so much longer that it loses its effect.
pub(in crate::policy::effects) fn much_longer(before: Span, after: Span) -> bool {
    shorter(Some(after), Some(before)) && length(after) > length(before) * LONGER
}

/// Reports limits that delay mails, or skip what is given.
fn limits(both: &Both<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for after in both.new.limits.iter().filter(|bound| both.new.does(bound.action)) {
        let before = both.old.limits.iter().find(|bound| bound.action == after.action);
        let word = after.action.word();
        let skips = after.when_exceeded == WhenExceeded::Skip;
        let tighter = match after.action.nature() {
            Nature::Notifies => before.map_or(after.stated, |before| halved(before, after)),
            // A limit on giving back is reported with the effect that takes.
            Nature::Gives | Nature::Lifts => {
                let back = both.new.takes_for(Rule::Effect(after.action)).is_some();
                skips && !back && before.is_none_or(|before| before.when_exceeded != WhenExceeded::Skip)
            }
            Nature::Ends | Nature::Withholds | Nature::Asks => false,
        };
        if tighter {
            let begin = format!("limits {word}");
            found.push(Finding::new(Weight::Back, begin, after.line()));
        }
    }
    found
}

/// Reports what a pass or a decision gave and no longer gives. Effects that give back what the policy itself takes are
/// compared path by path.
fn granted(both: &Both<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    // The field that is set, without its value.
    let what = |effect: &Effect| effect.target().split(" = ").next().unwrap_or(&effect.to).to_owned();
    for effect in both.old.giving() {
        let back = both.new.takes_for(effect.verb).is_some();
        let grants: BTreeSet<&Mark> =
            effect.ways.iter().filter_map(|way| way.trail.granted_by.as_ref()).collect();
        for mark in grants.into_iter().filter(|_| !back) {
            let after = |way: &Way| both.pairing.marks(&way.trail.marks).contains(mark);
            let same = both.new.giving().filter(|new| {
                new.verb == effect.verb && (!new.does(EffectKind::Set) || what(new) == what(effect))
            });
            let there = both.pairing.pairs.iter().any(|(old, _)| old.index == mark.step);
            if there && !same.flat_map(|new| &new.ways).any(after) {
                let begin = format!("can no longer {} {}", effect.verb, what(effect));
                found.push(Finding::new(
                    Weight::Back,
                    begin,
                    format!("after {}", path(both, std::slice::from_ref(mark))),
                ));
            }
        }
    }
    found
}
