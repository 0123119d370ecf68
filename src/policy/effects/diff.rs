//! Compares the effects of two revisions: more, fewer or different ones. None stands for a missing policy. Paths are
//! compared by the content of their steps: a step that was only renamed makes no new path.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

use super::{Effect, Sheet, Way, asks, bounds, opens};
use crate::model::{EffectKind, Span};
use crate::policy::grammar::Rule;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    pub policy: String,
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub sign: Sign,
    pub kind: Kind,
    /// The verb of the change, if there is one.
    pub verb: Option<Rule>,
    /// The subject of the change.
    pub what: String,
    /// The difference.
    pub how: String,
    /// More can happen, or sooner, or with fewer decisions; or what was taken is no longer given back.
    pub graver: bool,
    /// For a path: the target, and the path.
    #[serde(skip)]
    pub(super) along: Option<(String, String)>,
    /// It admits a person without proof of identity.
    #[serde(skip)]
    pub(super) unproven: bool,
    /// It gives back what was taken, but under more conditions.
    #[serde(skip)]
    pub(super) gives_less: bool,
}

/// The kind of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A path to an effect, or to an end.
    Path(Rule),
    Limit,
    Opens,
    Setting,
    OnlyIf,
    AsLongAs,
    CancelledBy,
    Mode,
    Step,
    Again,
    AnswerWithin,
    Asks,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Path(verb) => verb.word(),
            Self::Limit => "limit",
            Self::Opens => "opens",
            Self::Setting => "setting",
            Self::OnlyIf => "only_if",
            Self::AsLongAs => "as_long_as",
            Self::CancelledBy => "cancelled_by",
            Self::Mode => "mode",
            Self::Step => "step",
            Self::Again => "again",
            Self::AnswerWithin => "answer_within",
            Self::Asks => "asks",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    Added,
    Removed,
    Changed,
}

/// The numbers of tries before a step, old and new, and the verbs that follow.
type Tries<'a> = BTreeMap<(&'a str, u32, u32), BTreeSet<Rule>>;

/// Returns what `after` can do that `before` could not, and the reverse.
pub fn diff(before: Option<&Sheet>, after: Option<&Sheet>) -> Diff {
    let policy = after.or(before).map(|sheet| sheet.policy.clone()).unwrap_or_default();
    let mut changes = Vec::new();
    if let (Some(old), Some(new)) = (before, after) {
        around(old, new, &mut changes);
        asks::compare(old, new, &mut changes);
        let renamed = old.known.renamed(&new.known);
        let renamed = renamed.iter().map(|(old, new)| changed(Kind::Step, old, format!("renamed to {new}")));
        changes.extend(renamed);
        // Only a back-test can show which of the two functions finds more.
        let functions = old.known.decided_otherwise(&new.known);
        let functions =
            functions.iter().map(|(id, old, new)| changed(Kind::Step, id, format!("{old} -> {new}")));
        changes.extend(functions);
    }
    let none = Vec::new();
    let (old, new) = (before.map_or(&none, |s| &s.effects), after.map_or(&none, |s| &s.effects));
    let mut tries = Tries::new();
    let rules: [Alike<'_, Effect>; 2] =
        [&|new, old| (&new.verb, &new.key) == (&old.verb, &old.key), &|new, old| {
            (&new.verb, &new.to) == (&old.verb, &old.to)
        }];
    let was = pairs(new, old, &rules);
    for (effect, other) in new.iter().zip(&was) {
        let before = Before { ways: other.map_or(&[], |other| &other.ways), effects: old, after: new };
        before.compare(effect, &effect.ways, &mut tries, &mut changes);
    }
    for effect in left(old, &was) {
        let before = Before { ways: &effect.ways, effects: old, after: new };
        before.compare(effect, &[], &mut tries, &mut changes);
    }
    changes.extend(tries.iter().map(|((of, old, new), verbs)| {
        let verb = verbs.iter().copied().find(|verb| verb.takes());
        let (graver, how) = (new < old && verb.is_some(), format!("{old} -> {new} times"));
        Change { verb, graver, ..changed(Kind::Again, of, how) }
    }));
    let none = Vec::new();
    let does = |kind: EffectKind| new.iter().any(|effect| effect.does(kind));
    let (old, new) = (before.map_or(&none, |s| &s.limits), after.map_or(&none, |s| &s.limits));
    bounds::compare(old, new, &does, &mut changes);
    Diff { policy, changes }
}

/// Compares when cases open, continue and end.
fn around(old: &Sheet, new: &Sheet, changes: &mut Vec<Change>) {
    if old.mode != new.mode {
        let how = format!("{} -> {}", word(&old.mode), word(&new.mode));
        changes.push(Change { graver: new.acts(), ..changed(Kind::Mode, "mode", how) });
    }
    opens::compare(&old.opens_on, &new.opens_on, changes);
    clauses(Kind::OnlyIf, "", &old.only_if, &new.only_if, changes);
    clauses(Kind::AsLongAs, "", &old.as_long_as, &new.as_long_as, changes);
    clauses(Kind::CancelledBy, "", &old.cancelled_by, &new.cancelled_by, changes);
    // The meaning of a setting depends on the clauses; whether a change is graver is unknown.
    for (name, value) in &new.settings {
        match old.settings.get(name) {
            Some(before) if before == value => {}
            Some(before) => changes.push(changed(Kind::Setting, name, format!("{before} -> {value}"))),
            None => {
                changes.push(Change { sign: Sign::Added, ..changed(Kind::Setting, name, value.to_string()) })
            }
        }
    }
    for (name, value) in old.settings.iter().filter(|(name, _)| !new.settings.contains_key(*name)) {
        changes.push(Change { sign: Sign::Removed, ..changed(Kind::Setting, name, value.to_string()) });
    }
}

/// Compares lines that must all hold. Removed lines without added ones let more through. Whether a rewritten line does,
/// only a reviewer and a back-test can decide. `of`: the owner of the lines, if it is not the policy.
pub(super) fn clauses(kind: Kind, of: &str, old: &[String], new: &[String], changes: &mut Vec<Change>) {
    let line =
        |sign, clause: &String, graver| Change { sign, graver, ..changed(kind, clause, of.to_owned()) };
    let added: Vec<_> = new.iter().filter(|clause| !old.contains(clause)).collect();
    let removed: Vec<_> = old.iter().filter(|clause| !new.contains(clause)).collect();
    let graver = added.is_empty();
    changes.extend(added.into_iter().map(|clause| line(Sign::Added, clause, false)));
    changes.extend(removed.into_iter().map(|clause| line(Sign::Removed, clause, graver)));
}

/// Reports whether two items correspond.
type Alike<'a, T> = &'a dyn Fn(&T, &T) -> bool;

/// Returns, for each item after, the corresponding item before; earlier rules take precedence.
fn pairs<'a, T>(after: &[T], before: &'a [T], rules: &[Alike<'_, T>]) -> Vec<Option<&'a T>> {
    let mut left: Vec<&T> = before.iter().collect();
    let mut pairs = vec![None; after.len()];
    for alike in rules {
        for (new, pair) in after.iter().zip(&mut pairs).filter(|(_, pair)| pair.is_none()) {
            *pair = left.iter().position(|old| alike(new, old)).map(|place| left.remove(place));
        }
    }
    pairs
}

/// Returns the items before that have no corresponding item.
fn left<'a, T>(before: &'a [T], pairs: &[Option<&'a T>]) -> Vec<&'a T> {
    let paired = |old: &T| pairs.iter().flatten().any(|pair| std::ptr::eq(*pair, old));
    before.iter().filter(|old| !paired(old)).collect()
}

/// The old paths to one effect, with all effects of both revisions.
struct Before<'a> {
    ways: &'a [Way],
    effects: &'a [Effect],
    after: &'a [Effect],
}

impl<'a> Before<'a> {
    fn compare(
        &self,
        effect: &'a Effect,
        after: &'a [Way],
        tries: &mut Tries<'a>,
        changes: &mut Vec<Change>,
    ) {
        // Pair paths with the same content first, then paths with the same name.
        let rules: [Alike<'_, Way>; 3] = [
            &|way, old| old.key == way.key && old.path == way.path,
            &|way, old| old.key == way.key,
            &|way, old| old.path == way.path,
        ];
        let was = pairs(after, self.ways, &rules);
        let back = effect.verb.effect().and_then(EffectKind::given_back_by);
        let again = |way: &Way| back.is_some_and(|back| done_before(self.after, back, None, &way.key));
        for (way, old) in after.iter().zip(&was) {
            let Some(old) = old else {
                // An old shorter path had the effect with fewer conditions, unless it was undone meanwhile.
                let less = self.ways.iter().any(|old| within(old, way));
                let proven = !way.unproven || self.ways.iter().any(|old| old.unproven && within(old, way));
                let graver = !(less && proven) || again(way);
                changes.push(Change { graver, ..of_way(Sign::Added, effect, way) });
                continue;
            };
            ways(effect, old, way, changes);
            for (was, is) in old.tries.iter().zip(&way.tries).filter(|(was, is)| was.at_most != is.at_most) {
                let verbs = tries.entry((&is.of, was.at_most, is.at_most)).or_default();
                verbs.insert(effect.verb);
            }
        }
        for old in left(self.ways, &was) {
            let graver = self.lost(effect, old, after);
            changes.push(Change { graver, ..of_way(Sign::Removed, effect, old) });
        }
    }

    /// Reports whether people lose what a removed path gave back, while the policy still takes it.
    fn lost(&self, effect: &Effect, old: &Way, after: &[Way]) -> bool {
        let Some(takes) = effect.verb.effect().and_then(EffectKind::taken_by) else { return false };
        // A wrong restoration is no loss.
        let refused = |word: &String| word.ends_with(" rejected") || word.ends_with(" no_response");
        if old.unproven && old.key.iter().any(refused) {
            return false;
        }
        let role = (takes != EffectKind::Suspend).then_some(effect.key.as_str());
        let taken = |effects: &[Effect]| done_before(effects, takes, role, &old.key);
        let still = self.after.iter().any(|effect| of_verb(effect, takes, role));
        let sooner = after.iter().any(|way| within(way, old));
        // If this path no longer takes it, nothing needs to be given back.
        still && !sooner && (taken(self.after) || !taken(self.effects))
    }
}

fn of_verb(effect: &Effect, verb: EffectKind, to: Option<&str>) -> bool {
    effect.does(verb) && to.is_none_or(|to| effect.key == to)
}

/// Reports whether a verb is done to a person on a path before its end.
fn done_before(effects: &[Effect], verb: EffectKind, to: Option<&str>, key: &[String]) -> bool {
    let before = |way: &Way| key.starts_with(&way.key);
    effects.iter().any(|effect| of_verb(effect, verb, to) && effect.ways.iter().any(before))
}

/// Reports whether every case on the longer path would be on the shorter one, with no more time or decisions.
fn within(short: &Way, long: &Way) -> bool {
    let mut words = long.key.iter();
    short.key.iter().all(|word| words.any(|other| other == word))
        && !shorter(short.grace, long.grace)
        && short.people() <= long.people()
        && short.if_key.iter().all(|line| long.if_key.contains(line))
}

/// Compares one path before and after.
fn ways(effect: &Effect, old: &Way, new: &Way, changes: &mut Vec<Change>) {
    let mut push = |how: String, graver, gives_less| {
        let what = format!("{}: {}", effect.to, new.line());
        let change = changed(Kind::Path(effect.verb), &what, how);
        let along = Some((effect.target().to_owned(), new.line()));
        let verb = Some(effect.verb);
        changes.push(Change { verb, graver, along, unproven: new.unproven, gives_less, ..change });
    };
    if new.unproven && !old.unproven {
        push("no longer needs a pass or a decision".to_owned(), true, false);
    }
    if old.grace != new.grace {
        let grace = |way: &Way| way.grace.map_or_else(|| "none".to_owned(), |grace| grace.to_string());
        push(format!("grace {} -> {}", grace(old), grace(new)), shorter(old.grace, new.grace), false);
    }
    let queues = |way: &Way| way.decided_by.iter().map(|by| by.queue.as_str()).collect::<Vec<_>>().join(", ");
    if old.people() != new.people() {
        let how = format!("people who must agree {} -> {}", old.people(), new.people());
        // The change of the review itself is reported as graver.
        push(how, false, false);
    } else if queues(old) != queues(new) {
        push(format!("decided in {} -> {}", queues(old), queues(new)), false, false);
    }
    if old.if_key != new.if_key {
        let lines = |way: &Way| match way.trail.conditions.as_slice() {
            [] => "always".to_owned(),
            lines => lines.join("; "),
        };
        let fewer = |from: &Way, to: &Way| to.if_key.iter().all(|line| from.if_key.contains(line));
        // Giving back is graver with more conditions; other effects are graver with fewer conditions.
        let back = effect.verb.effect().and_then(EffectKind::taken_by);
        let gives = back.is_some() && !new.unproven;
        let graver = if gives { !fewer(old, new) } else { !fewer(new, old) };
        push(format!("if {} -> {}", lines(old), lines(new)), graver, gives && graver);
    }
}

fn of_way(sign: Sign, effect: &Effect, way: &Way) -> Change {
    let nobody = match (way.unproven, effect.verb.takes() && way.decided_by.is_empty()) {
        (true, _) => Some("no pass, no decision".to_owned()),
        (false, true) => Some("no decision".to_owned()),
        (false, false) => None,
    };
    let grace = way.grace.map(|grace| format!("grace {grace}"));
    let clauses = nobody.as_ref().filter(|_| !way.only_if.is_empty());
    let clauses = clauses.map(|_| format!("if {}", way.only_if.join("; ")));
    let how: Vec<String> = grace.into_iter().chain(nobody).chain(clauses).collect();
    let line = way.line();
    Change {
        sign,
        kind: Kind::Path(effect.verb),
        verb: Some(effect.verb),
        what: format!("{}: {line}", effect.to),
        how: how.join(", "),
        graver: sign == Sign::Added,
        along: Some((effect.target().to_owned(), line)),
        unproven: way.unproven,
        gives_less: false,
    }
}

/// Returns seconds for comparison: a business day is at least a day.
pub(super) fn length(span: Span) -> i64 {
    match span {
        Span::Elapsed(delta) => delta.num_seconds(),
        Span::BusinessDays(days) => i64::from(days) * DAY,
    }
}

/// Reports whether the new time can be shorter than the old one.
pub(super) fn shorter(old: Option<Span>, new: Option<Span>) -> bool {
    let most = match old {
        // The maximum: it begins before a weekend, and includes one weekend per five days.
        Some(Span::BusinessDays(days)) if matches!(new, Some(Span::Elapsed(_))) => {
            i64::from(days.div_ceil(5) * 7 + 2) * DAY
        }
        Some(old) => length(old),
        None => 0,
    };
    new.map_or(0, length) < most
}

const DAY: i64 = 86_400;

pub(super) fn changed(kind: Kind, what: &str, how: String) -> Change {
    Change {
        sign: Sign::Changed,
        kind,
        verb: None,
        what: what.to_owned(),
        how,
        graver: false,
        along: None,
        unproven: false,
        gives_less: false,
    }
}

fn word(mode: &crate::policy::Mode) -> &'static str {
    super::show::mode(*mode)
}
