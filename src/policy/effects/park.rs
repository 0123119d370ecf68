//! Which revisions wait for a person's release: those that can newly do, or do more of, what cannot be taken
//! back lightly; that give back less of what they take; and that let people in whom nobody knows, or for less. Decided from
//! the files alone; what the past says about a revision can add reasons later. Each reads on after
//! "because it".

use std::collections::BTreeSet;

use super::site::taken_by;
use super::{Change, Sheet, Sign, diff};
use crate::policy::tree::LimitedAction;

/// Where nothing is configured: what takes something from somebody.
pub const BY_DEFAULT: [LimitedAction; 6] = [
    LimitedAction::Delete,
    LimitedAction::Reject,
    LimitedAction::Suspend,
    LimitedAction::RemoveRole,
    LimitedAction::HoldRole,
    LimitedAction::EndSessions,
];

/// Longer lists of sentences are not read.
const NAMED: usize = 10;

/// Nor are longer lists of paths.
const PATHS: usize = 3;

/// Why a revision must be released before it runs; empty: it need not be. `before` is what runs now, and
/// `verbs` are the effects that matter; where none does, nothing is asked.
pub fn reasons(before: Option<&Sheet>, after: &Sheet, verbs: &[LimitedAction]) -> Vec<String> {
    if !after.acts() || verbs.is_empty() {
        return Vec::new();
    }
    let words: BTreeSet<&str> = verbs.iter().map(|verb| verb.word()).collect();
    let does = |sheet: &Sheet| -> BTreeSet<String> {
        let verbs = sheet.effects.iter().map(|effect| effect.verb.clone());
        verbs.filter(|verb| words.contains(verb.as_str())).collect()
    };
    // What a policy in shadow would do, it never did.
    let before = before.filter(|sheet| sheet.acts());
    let known = Known { could: before.map(does).unwrap_or_default(), can: does(after), after };
    let mut said: Vec<Said> = Vec::new();
    for verb in known.can.difference(&known.could) {
        said.push(Said { begin: format!("can {verb} for the first time"), many: None, where_: Vec::new() });
    }
    let changes = diff(before, Some(after)).changes;
    let graver = changes.iter().filter(|change| change.graver);
    for one in graver.filter_map(|change| known.reason(change, before.is_none())) {
        match said.iter_mut().find(|other| other.begin == one.begin) {
            Some(other) => other.where_.extend(one.where_),
            None => said.push(one),
        }
    }
    let more = said.len().saturating_sub(NAMED);
    let mut reasons: Vec<String> = said.iter().take(NAMED).map(Said::sentence).collect();
    if more > 0 {
        reasons.push(format!("does {more} more that the effects diff tells"));
    }
    reasons
}

/// A reason, and the places for which it is one.
struct Said {
    begin: String,
    /// The beginning where there are several places, with their number in the place of `#`.
    many: Option<String>,
    where_: Vec<String>,
}

impl Said {
    fn sentence(&self) -> String {
        let count = self.where_.len();
        let begin = match &self.many {
            Some(many) if count > 1 => many.replacen('#', &count.to_string(), 1),
            _ => self.begin.clone(),
        };
        let named: Vec<&str> = self.where_.iter().take(PATHS).map(String::as_str).collect();
        let more = if count > PATHS { format!("; and {} more", count - PATHS) } else { String::new() };
        if named.is_empty() { begin } else { format!("{begin}: {}{more}", named.join("; ")) }
    }
}

/// What matters of what a policy could do and can do.
struct Known<'a> {
    could: BTreeSet<String>,
    can: BTreeSet<String>,
    after: &'a Sheet,
}

impl Known<'_> {
    fn reason(&self, change: &Change, is_new: bool) -> Option<Said> {
        let how = if change.how.is_empty() { String::new() } else { format!(" ({})", change.how) };
        if change.kind == "asks" {
            let begin = format!("lets people in for less at {}", change.what);
            return Some(Said { begin, many: None, where_: vec![change.how.clone()] });
        }
        let Some(verb) = &change.verb else { return self.of_more(change, &how) };
        if change.along.is_some() {
            return self.of_path(change, verb, &how, is_new);
        }
        let said = |begin: String| Some(Said { begin, many: None, where_: vec![change.how.clone()] });
        let known = self.could.contains(verb) && self.can.contains(verb);
        let takes = taken_by(verb).filter(|takes| self.can.contains(*takes));
        match (change.kind.as_str(), change.sign) {
            // A new policy may limit what it gives back; an edit that does gives back less.
            ("limit", _) if is_new => None,
            ("limit", Sign::Added) => takes.and(Some(Said {
                begin: format!("limits {verb}, which gives back what it takes"),
                many: None,
                where_: vec![change.what.clone()],
            })),
            ("limit", _) if takes.is_some() => {
                said(format!("tightens the limit on {verb}, which gives back what it takes"))
            }
            ("limit", Sign::Removed) if known => Some(Said {
                begin: format!("has no limit on {verb} any more"),
                many: None,
                where_: vec![format!("it was {}", change.what)],
            }),
            ("limit", _) if known => said(format!("loosens the limit on {verb}")),
            ("again", _) if known => {
                said(format!("gives fewer tries at {} before it can {verb}", change.what))
            }
            ("answer_within", _) if known => {
                said(format!("gives less time to answer {} before it can {verb}", change.what))
            }
            _ => None,
        }
    }

    /// More people, or a path that is not there any more.
    fn of_path(&self, change: &Change, verb: &str, how: &str, is_new: bool) -> Option<Said> {
        let (to, line) = change.along.as_ref()?;
        if change.unproven && change.sign != Sign::Removed {
            // That nobody decides is said already.
            let where_ = match (change.sign, change.how.split_once(", if ")) {
                (Sign::Added, Some((_, clauses))) => format!("{line}, if {clauses}"),
                (Sign::Added, None) => line.clone(),
                _ => format!("{line}{how}"),
            };
            let begin = format!("can {verb} {to} without a pass or a person's decision");
            return Some(Said { begin, many: None, where_: vec![where_] });
        }
        let place = format!("{line}{how}");
        match change.sign {
            _ if is_new => None,
            Sign::Removed => {
                let takes = taken_by(verb).filter(|takes| self.can.contains(*takes))?;
                let by = format!("no longer gives back by {verb} {to} what it takes by {takes}, on");
                let (begin, many) = (format!("{by} a path"), format!("{by} # paths"));
                Some(Said { begin, many: Some(many), where_: vec![place] })
            }
            // What gives back with more conditions.
            Sign::Changed if change.gives_less => {
                taken_by(verb).filter(|takes| self.can.contains(*takes))?;
                let begin = format!("makes it harder to {verb} {to}");
                Some(Said { begin, many: None, where_: vec![place] })
            }
            // What it does for the first time is said already.
            _ if !(self.could.contains(verb) && self.can.contains(verb)) => None,
            Sign::Added => {
                let begin = format!("has a new path to {verb} {to}");
                let many = format!("has # new paths to {verb} {to}");
                Some(Said { begin, many: Some(many), where_: vec![place] })
            }
            Sign::Changed => {
                let begin = format!("makes it easier to {verb} {to}");
                Some(Said { begin, many: None, where_: vec![place] })
            }
        }
    }

    /// What lets more people in matters where something is done to them.
    fn of_more(&self, change: &Change, how: &str) -> Option<Said> {
        let mut can: Vec<String> = self.can.iter().cloned().collect();
        let unproven = |verb: &str| {
            let of_verb = |effect: &&super::Effect| effect.verb == verb;
            self.after.effects.iter().filter(of_verb).any(|effect| effect.ways.iter().any(|way| way.unproven))
        };
        for verb in ["approve", "reinstate", "release_role"] {
            if unproven(verb) && !self.can.contains(verb) {
                can.push(format!("{verb} without a pass or a person's decision"));
            }
        }
        if can.is_empty() || change.kind == "mode" || change.kind == "cancelled_by" {
            return None;
        }
        let begin = match change.kind.as_str() {
            "opens" => format!("can {} on more occasions", can.join(", ")),
            _ => format!("can {} with a clause less", can.join(", ")),
        };
        Some(Said { begin, many: None, where_: vec![format!("{}{how}", change.what)] })
    }
}
