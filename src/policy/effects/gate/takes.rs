//! Reports what is newly taken, in more cases or sooner; what is given back less; and admissions without a pass or a
//! decision. Derived from the differences between two sheets.

use std::collections::BTreeSet;

use super::super::details::StopKind;
use super::super::diff::Kind;
use super::super::site::GRACE_OF;
use super::super::{Change, Effect, Sheet, Sign, diff};
use super::{Finding, Watched, Weight};
use crate::model::EffectKind;
use crate::policy::grammar::Rule;

pub(super) fn look(before: Option<&Sheet>, after: &Sheet, watched: &[Watched]) -> Vec<Finding> {
    let watched: BTreeSet<EffectKind> = watched.iter().filter_map(|watched| watched.effect()).collect();
    let does = |sheet: &Sheet| -> BTreeSet<EffectKind> {
        let kinds = sheet.effects.iter().filter_map(|effect| effect.verb.effect());
        kinds.filter(|kind| watched.contains(kind)).collect()
    };
    let known = Known { could: before.map(does).unwrap_or_default(), can: does(after), after };
    let first = known.can.difference(&known.could);
    let first: BTreeSet<&str> = first.map(|kind| kind.word()).collect();
    let first_time = |word: &str| Finding::alone(Weight::Harm, format!("can {word} for the first time"));
    let mut found: Vec<Finding> = first.into_iter().map(first_time).collect();
    let changes = diff(before, Some(after)).changes;
    let graver = changes.iter().filter(|change| change.graver);
    found.extend(graver.filter_map(|change| known.reason(change, before.is_none())));
    found
}

/// The effects that a policy could have and can have now.
struct Known<'a> {
    could: BTreeSet<EffectKind>,
    can: BTreeSet<EffectKind>,
    after: &'a Sheet,
}

impl Known<'_> {
    fn reason(&self, change: &Change, is_new: bool) -> Option<Finding> {
        let how = if change.how.is_empty() { String::new() } else { format!(" ({})", change.how) };
        if change.kind == Kind::Asks {
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
        let Some(verb) = change.verb else { return self.of_more(change, &how) };
        if change.along.is_some() {
            return self.of_path(change, verb, &how, is_new);
        }
        self.of_limit(change, verb, is_new)
    }

    /// Reports whether it has the effect both before and after.
    fn still(&self, verb: Rule) -> bool {
        verb.effect().is_some_and(|kind| self.could.contains(&kind) && self.can.contains(&kind))
    }

    /// Returns the effect of the policy that takes what a verb gives back.
    fn takes_for(&self, verb: Rule) -> Option<EffectKind> {
        verb.effect().and_then(EffectKind::taken_by).filter(|takes| self.can.contains(takes))
    }

    fn of_limit(&self, change: &Change, verb: Rule, is_new: bool) -> Option<Finding> {
        let finding = |begin: String| Some(Finding::new(Weight::Harm, begin, &*change.how));
        let known = self.still(verb) || (verb.gives() && !is_new);
        let takes = self.takes_for(verb);
        match (change.kind, change.sign) {
            // A new policy may limit what it gives back; an edit that adds a limit gives back less.
            (Kind::Limit, _) if is_new => None,
            (Kind::Limit, Sign::Added) => {
                let begin = format!("limits {verb}, which undoes its own effects");
                takes.and(Some(Finding::new(Weight::Back, begin, &*change.what)))
            }
            (Kind::Limit, _) if takes.is_some() => {
                finding(format!("tightens the limit on {verb}, which undoes its own effects"))
            }
            (Kind::Limit, Sign::Removed) if known => {
                let begin = format!("no longer limits {verb}");
                Some(Finding::new(Weight::Harm, begin, format!("it was {}", change.what)))
            }
            (Kind::Limit, _) if known => finding(format!("loosens the limit on {verb}")),
            (Kind::Again, _) if known => {
                finding(format!("gives fewer attempts at {} before it can {verb}", change.what))
            }
            (_, Sign::Added | Sign::Removed | Sign::Changed) => None,
        }
    }

    /// Reports whether it is taken only during the grace of a deletion or rejection, which is reported already.
    fn for_a_grace(&self, to: &str) -> bool {
        to.rsplit_once(GRACE_OF).is_some_and(|(_, verb)| self.can.iter().any(|kind| kind.word() == verb))
    }

    /// Reports a path for more people, or a removed path.
    fn of_path(&self, change: &Change, verb: Rule, how: &str, is_new: bool) -> Option<Finding> {
        let (to, line) = change.along.as_ref()?;
        if self.for_a_grace(to) {
            return None;
        }
        if change.unproven && change.sign != Sign::Removed {
            // The missing decision is reported already.
            let place = match (change.sign, change.how.split_once(", if ")) {
                (Sign::Added, Some((_, clauses))) => format!("{line}, if {clauses}"),
                (Sign::Added, None) => line.clone(),
                (Sign::Removed | Sign::Changed, _) => format!("{line}{how}"),
            };
            let begin = format!("can {verb} {to} without a pass or a person's decision");
            return Some(Finding::new(Weight::Harm, begin, place));
        }
        let place = format!("{line}{how}");
        if is_new {
            return None;
        }
        match change.sign {
            Sign::Removed => {
                let takes = self.takes_for(verb)?.word();
                let by = format!("no longer undoes {takes} by {verb} {to}, on");
                let many = Some(format!("{by} # paths"));
                Some(Finding { many, ..Finding::new(Weight::Back, format!("{by} a path"), place) })
            }
            // Gives back under more conditions.
            Sign::Changed if change.gives_less => {
                self.takes_for(verb)?;
                Some(Finding::new(Weight::Back, format!("makes it harder to {verb} {to}"), place))
            }
            // A first effect of its kind is reported already.
            Sign::Added | Sign::Changed if !self.still(verb) => None,
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

    /// Reports changes that let more people in, if the policy takes or gives something.
    fn of_more(&self, change: &Change, how: &str) -> Option<Finding> {
        let mut can: Vec<String> = self.can.iter().map(|kind| kind.word().to_owned()).collect();
        can.sort();
        let unproven = |effect: &Effect| effect.ways.iter().any(|way| way.unproven);
        for kind in EffectKind::ALL.iter().filter(|kind| kind.nature().gives()) {
            let mut same = self.after.effects.iter().filter(|effect| effect.does(*kind));
            if same.any(unproven) && !self.can.contains(kind) {
                can.push(format!("{} without a pass or a person's decision", kind.word()));
            }
        }
        if can.is_empty() {
            can = self.after.verbs(Rule::gives).into_iter().map(str::to_owned).collect();
        }
        if can.is_empty() || matches!(change.kind, Kind::Mode | Kind::CancelledBy) {
            return None;
        }
        let more = if change.kind == Kind::Opens { "on more triggers" } else { "with fewer clauses" };
        let begin = format!("can {} {more}", can.join(", "));
        Some(Finding::new(Weight::Harm, begin, format!("{}{how}", change.what)))
    }
}
