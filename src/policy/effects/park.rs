//! Which revisions wait for a person's release: those that can newly do, or do more of, what cannot be taken
//! back lightly. Decided from the files alone; what the past says about a revision can add reasons later,
//! which are sentences too.

use std::collections::BTreeSet;

use super::{Change, Sheet, Sign, diff};
use crate::policy::tree::LimitedAction;

/// Where nothing is configured.
pub const BY_DEFAULT: [LimitedAction; 2] = [LimitedAction::Delete, LimitedAction::Suspend];

/// Longer lists of sentences are not read.
const NAMED: usize = 10;

/// Why a revision must be released before it runs; empty: it need not be. `before` is what runs now, and
/// `verbs` are the effects that matter.
pub fn reasons(before: Option<&Sheet>, after: &Sheet, verbs: &[LimitedAction]) -> Vec<String> {
    if !after.acts() {
        return Vec::new();
    }
    let words: BTreeSet<&str> = verbs.iter().map(|verb| verb.word()).collect();
    let does = |sheet: &Sheet| -> BTreeSet<String> {
        let verbs = sheet.effects.iter().map(|effect| effect.verb.clone());
        verbs.filter(|verb| words.contains(verb.as_str())).collect()
    };
    // What a policy in shadow would do, it never did.
    let before = before.filter(|sheet| sheet.acts());
    let (could, can) = (before.map(does).unwrap_or_default(), does(after));
    let mut reasons: Vec<String> =
        can.difference(&could).map(|verb| format!("can {verb} for the first time")).collect();
    if let Some(before) = before {
        let changes = diff(Some(before), Some(after)).changes;
        let graver = changes.iter().filter(|change| change.graver);
        reasons.extend(graver.filter_map(|change| reason(change, &could, &can)));
    }
    let more = reasons.len().saturating_sub(NAMED);
    reasons.truncate(NAMED);
    if more > 0 {
        reasons.push(format!("and {more} more; see the effects diff"));
    }
    reasons
}

fn reason(change: &Change, could: &BTreeSet<String>, can: &BTreeSet<String>) -> Option<String> {
    let how = if change.how.is_empty() { String::new() } else { format!(" ({})", change.how) };
    let Some(verb) = &change.verb else {
        // What lets more people in matters where something is done to them.
        let matters = !can.is_empty() && change.kind != "mode" && change.kind != "cancelled_by";
        let listed = can.iter().cloned().collect::<Vec<_>>().join(", ");
        return matters.then(|| match (change.kind.as_str(), change.sign) {
            ("opens", _) => format!("can {listed} on more occasions: {}{how}", change.what),
            _ => format!("can {listed} with a clause less: {}{how}", change.what),
        });
    };
    // What it does for the first time is said already.
    let known = could.contains(verb) && can.contains(verb);
    known.then(|| match (change.kind.as_str(), change.sign) {
        ("limit", _) => format!("a limit on {verb} is loosened: {}", change.how),
        (_, Sign::Added) => format!("a new path to {verb} {}{how}", change.what),
        _ => format!("{verb} {} is easier: {}", change.what, change.how),
    })
}
