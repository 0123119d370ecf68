//! What is newly taken, in more cases or sooner; what is given back less; and who is let in without a pass or a
//! decision. From the differences between two sheets.

use std::collections::BTreeSet;

use super::super::details::StopKind;
use super::super::site::{GRACE_OF, gives, taken_by};
use super::super::{Change, Effect, Sheet, Sign, diff};
use super::{Finding, Watched, Weight};

pub(super) fn look(before: Option<&Sheet>, after: &Sheet, watched: &[Watched]) -> Vec<Finding> {
    let words: BTreeSet<&str> =
        watched.iter().filter_map(|watched| watched.effect()).map(crate::model::EffectKind::word).collect();
    let does = |sheet: &Sheet| -> BTreeSet<String> {
        let verbs = sheet.effects.iter().map(|effect| effect.verb.clone());
        verbs.filter(|verb| words.contains(verb.as_str())).collect()
    };
    let known = Known { could: before.map(does).unwrap_or_default(), can: does(after), after };
    let first = known.can.difference(&known.could);
    let mut found: Vec<Finding> =
        first.map(|verb| Finding::alone(Weight::Harm, format!("can {verb} for the first time"))).collect();
    let changes = diff(before, Some(after)).changes;
    let graver = changes.iter().filter(|change| change.graver);
    found.extend(graver.filter_map(|change| known.reason(change, before.is_none())));
    found
}

/// What matters of what a policy could do and can do.
struct Known<'a> {
    could: BTreeSet<String>,
    can: BTreeSet<String>,
    after: &'a Sheet,
}

impl Known<'_> {
    fn reason(&self, change: &Change, is_new: bool) -> Option<Finding> {
        let how = if change.how.is_empty() { String::new() } else { format!(" ({})", change.how) };
        if change.kind == "asks" {
            let stop = self.after.details.stops.iter().find(|stop| stop.name() == change.what)?;
            let (weight, what) = match stop.kind {
                StopKind::Panel(_) => (Weight::Decision, "decision"),
                StopKind::Check(_) | StopKind::Pause(_) | StopKind::Other => (Weight::Proof, "proof"),
            };
            return Some(Finding::new(
                weight,
                format!("weakens the {what} at {}", change.what),
                &*change.how,
            ));
        }
        let Some(verb) = &change.verb else { return self.of_more(change, &how) };
        if change.along.is_some() {
            return self.of_path(change, verb, &how, is_new);
        }
        self.of_limit(change, verb, is_new)
    }

    fn of_limit(&self, change: &Change, verb: &str, is_new: bool) -> Option<Finding> {
        let said = |begin: String| Some(Finding::new(Weight::Harm, begin, &*change.how));
        let known = (self.could.contains(verb) && self.can.contains(verb)) || (gives(verb) && !is_new);
        let takes = taken_by(verb).filter(|takes| self.can.contains(*takes));
        match (change.kind.as_str(), change.sign) {
            // A new policy may limit what it gives back; an edit that does gives back less.
            ("limit", _) if is_new => None,
            ("limit", Sign::Added) => {
                let begin = format!("limits {verb}, which gives back what it takes");
                takes.and(Some(Finding::new(Weight::Back, begin, &*change.what)))
            }
            ("limit", _) if takes.is_some() => {
                said(format!("tightens the limit on {verb}, which gives back what it takes"))
            }
            ("limit", Sign::Removed) if known => {
                let begin = format!("has no limit on {verb} any more");
                Some(Finding::new(Weight::Harm, begin, format!("it was {}", change.what)))
            }
            ("limit", _) if known => said(format!("loosens the limit on {verb}")),
            ("again", _) if known => {
                said(format!("gives fewer tries at {} before it can {verb}", change.what))
            }
            _ => None,
        }
    }

    /// Whether it is taken only while the grace of a deletion or rejection lasts, which is said already.
    fn for_a_grace(&self, to: &str) -> bool {
        to.rsplit_once(GRACE_OF).is_some_and(|(_, verb)| self.can.contains(verb))
    }

    /// More people, or a path that is not there any more.
    fn of_path(&self, change: &Change, verb: &str, how: &str, is_new: bool) -> Option<Finding> {
        let (to, line) = change.along.as_ref()?;
        if self.for_a_grace(to) {
            return None;
        }
        if change.unproven && change.sign != Sign::Removed {
            // That nobody decides is said already.
            let place = match (change.sign, change.how.split_once(", if ")) {
                (Sign::Added, Some((_, clauses))) => format!("{line}, if {clauses}"),
                (Sign::Added, None) => line.clone(),
                _ => format!("{line}{how}"),
            };
            let begin = format!("can {verb} {to} without a pass or a person's decision");
            return Some(Finding::new(Weight::Harm, begin, place));
        }
        let place = format!("{line}{how}");
        match change.sign {
            _ if is_new => None,
            Sign::Removed => {
                let takes = taken_by(verb).filter(|takes| self.can.contains(*takes))?;
                let by = format!("no longer gives back by {verb} {to} what it takes by {takes}, on");
                let many = Some(format!("{by} # paths"));
                Some(Finding { many, ..Finding::new(Weight::Back, format!("{by} a path"), place) })
            }
            // What gives back with more conditions.
            Sign::Changed if change.gives_less => {
                taken_by(verb).filter(|takes| self.can.contains(*takes))?;
                Some(Finding::new(Weight::Back, format!("makes it harder to {verb} {to}"), place))
            }
            // What it does for the first time is said already.
            _ if !(self.could.contains(verb) && self.can.contains(verb)) => None,
            Sign::Added => {
                let many = Some(format!("has # new paths to {verb} {to}"));
                let begin = format!("has a new path to {verb} {to}");
                Some(Finding { many, ..Finding::new(Weight::Harm, begin, place) })
            }
            Sign::Changed => {
                Some(Finding::new(Weight::Harm, format!("makes it easier to {verb} {to}"), place))
            }
        }
    }

    /// What lets more people in matters where something is done to them, or given.
    fn of_more(&self, change: &Change, how: &str) -> Option<Finding> {
        let mut can: Vec<String> = self.can.iter().cloned().collect();
        let unproven = |effect: &Effect| effect.ways.iter().any(|way| way.unproven);
        for verb in self.after.verbs(gives) {
            let mut same = self.after.effects.iter().filter(|effect| effect.verb == verb);
            if same.any(unproven) && !self.can.contains(&verb) {
                can.push(format!("{verb} without a pass or a person's decision"));
            }
        }
        if can.is_empty() {
            can = self.after.verbs(gives);
        }
        if can.is_empty() || change.kind == "mode" || change.kind == "cancelled_by" {
            return None;
        }
        let begin = match change.kind.as_str() {
            "opens" => format!("can {} on more occasions", can.join(", ")),
            _ => format!("can {} with a clause less", can.join(", ")),
        };
        Some(Finding::new(Weight::Harm, begin, format!("{}{how}", change.what)))
    }
}
