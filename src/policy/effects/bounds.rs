//! Compares the limits on effects of two revisions.

use super::Bound;
use super::diff::{Change, Kind, Sign, changed, length};
use crate::model::EffectKind;
use crate::policy::grammar::Rule;
use crate::policy::tree::{Amount, Limit, WhenExceeded};

/// Reports changed limits. `does`: whether the policy has an effect after the edit.
pub(super) fn compare(
    old: &[Bound],
    new: &[Bound],
    does: &dyn Fn(EffectKind) -> bool,
    changes: &mut Vec<Change>,
) {
    let of = |bound: &Bound| (bound.action, bound.when_exceeded, bound.per);
    // If one verb has several limits, those with equal settings are paired.
    let (mut left, mut mine): (Vec<&Bound>, Vec<&Bound>) = (Vec::new(), new.iter().collect());
    let mut pairs = Vec::new();
    for before in old {
        match mine.iter().position(|bound| of(bound) == of(before)) {
            Some(place) => pairs.push((before, mine.remove(place))),
            None => left.push(before),
        }
    }
    for before in left {
        let Some(place) = mine.iter().position(|bound| bound.action == before.action) else {
            // If the policy no longer has the effect, it does not need the limit.
            let graver = does(before.action) && !holds_back(before.action, does);
            let change = changed(Kind::Limit, &before.line(), "no limit".to_owned());
            changes.push(Change {
                sign: Sign::Removed,
                verb: Some(Rule::Effect(before.action)),
                graver,
                ..change
            });
            continue;
        };
        pairs.push((before, mine.remove(place)));
    }
    for (before, after) in pairs.into_iter().filter(|(before, after)| before.limit != after.limit) {
        let (action, word) = (before.action, before.action.word());
        let how = format!("{} -> {}", before.line(), after.line());
        let (from, to) = (&before.limit, &after.limit);
        let graver = if holds_back(action, does) { looser(to, from) } else { looser(from, to) };
        changes.push(Change { verb: Some(Rule::Effect(action)), graver, ..changed(Kind::Limit, word, how) });
    }
    for bound in mine {
        let graver = holds_back(bound.action, does);
        let change = changed(Kind::Limit, &bound.line(), String::new());
        changes.push(Change { sign: Sign::Added, verb: Some(Rule::Effect(bound.action)), graver, ..change });
    }
}

/// Reports whether a limit on this effect would delay giving back what the policy took.
pub(super) fn holds_back(kind: EffectKind, does: &dyn Fn(EffectKind) -> bool) -> bool {
    kind.taken_by().is_some_and(does)
}

/// Reports whether more effects can happen in the same time. Amounts that cannot be compared count as looser, because
/// the opposite cannot be shown.
fn looser(old: &Limit, new: &Limit) -> bool {
    let (before, after) = (length(old.per).max(1), length(new.per).max(1));
    let more = match (old.at_most, new.at_most) {
        (Amount::Count(old), Amount::Count(new)) => new > old,
        (Amount::Percent(old), Amount::Percent(new)) => new > old,
        (Amount::Larger(old, share), Amount::Larger(new, other)) => new > old || other > share,
        // A count alone is never more than the larger of the same count and a percentage.
        (Amount::Larger(old, _), Amount::Count(new)) => new > old,
        (Amount::Larger(_, old), Amount::Percent(new)) => new > old,
        (_, _) => true,
    };
    more || after < before
        || (old.when_exceeded, new.when_exceeded) == (WhenExceeded::Skip, WhenExceeded::Ask)
}
