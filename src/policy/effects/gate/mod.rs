//! The edit gate: decides which edits wait for a person's release. These edits can take more, give back less, admit
//! people with less proof or fewer decisions, give more, or protect less. The decision uses the files alone: effects,
//! targets, paths, proofs and decisions. A back-test can add reasons later. Each reason is worded to follow
//! "because it".
//!
//! | file | what |
//! |---|---|
//! | `takes` | what is newly taken, and admissions without a pass or a decision |
//! | `gives` | what is given with less proof, with fewer decisions, or for the first time |
//! | `calls` | which other systems are called, and with which values |
//! | `back` | ways back that get shorter or disappear, and mails that are no longer sent |
//! | `protects` | people who are no longer asked for proof, or whose access is no longer withheld |
//! | `decides` | clauses, settings and scripts that decide, and what ends a case |
//! | `teams` | addresses of reviewers and of notified teams |

mod back;
mod calls;
mod decides;
mod gives;
mod protects;
mod takes;
mod teams;

use std::collections::BTreeSet;

pub(super) use back::much_longer;
pub(super) use gives::weaker_kinds;

use super::pairing::Pairing;
use super::{Effect, Sheet, Way};
use crate::model::{EffectKind, Watched};
use crate::policy::grammar::Rule;

/// The maximum number of sentences; readers skip longer lists.
const NAMED: usize = 10;

/// The maximum number of paths in a sentence.
const PATHS: usize = 3;

/// Returns why a revision must be released before it runs, the worst reason first; empty if it need not be. `before` is
/// the running revision. If `watched` is empty, no edit waits.
pub fn reasons(before: Option<&Sheet>, after: &Sheet, watched: &[Watched]) -> Vec<String> {
    if watched.is_empty() {
        return Vec::new();
    }
    // A policy in shadow has had no effects.
    let before = before.filter(|sheet| sheet.acts());
    let less = watched.contains(&Watched::ProtectLess);
    let found = match (before, after.acts()) {
        (None, false) => Vec::new(),
        (Some(old), false) => {
            if less {
                protects::stops(old, after)
            } else {
                Vec::new()
            }
        }
        (None, true) => [takes::look(None, after, watched), gives::first(after)].concat(),
        (Some(old), true) => {
            let both = Both { old, new: after, pairing: Pairing::of(&old.details, &after.details) };
            let mut found = takes::look(Some(old), after, watched);
            found.extend(gives::look(&both));
            found.extend(calls::look(&both));
            found.extend(back::look(&both));
            found.extend(decides::look(&both, less));
            found.extend(teams::look(&both));
            if less {
                found.extend(protects::look(&both));
            }
            found
        }
    };
    sentences(found)
}

/// Returns what an edit changes little by itself but much together with earlier edits. `base` is the revision that a
/// person released last, or the first one of the series.
pub fn added_up(base: &Sheet, after: &Sheet, watched: &[Watched]) -> Vec<String> {
    if watched.is_empty() || !base.acts() || !after.acts() {
        return Vec::new();
    }
    let both = Both { old: base, new: after, pairing: Pairing::of(&base.details, &after.details) };
    let mut found = gives::tries(&both);
    found.extend(back::sizes(&both));
    if watched.contains(&Watched::ProtectLess) {
        found.extend(protects::sizes(&both));
    }
    sentences(found)
}

/// Returns why a removed policy keeps running until a person releases the removal; empty if it simply stops.
pub fn reasons_to_stay(sheet: &Sheet, watched: &[Watched]) -> Vec<String> {
    let protects = sheet.acts() && sheet.protects() && watched.contains(&Watched::ProtectLess);
    let verbs = || sheet.verbs(Rule::protects).join(", ");
    protects
        .then(|| format!("stops protecting: no policy of its name would {}", verbs()))
        .into_iter()
        .collect()
}

/// The running revision and its edit.
struct Both<'a> {
    old: &'a Sheet,
    new: &'a Sheet,
    pairing: Pairing<'a>,
}

impl Sheet {
    /// Reports whether it requests proof or withholds access.
    fn protects(&self) -> bool {
        self.effects.iter().any(|effect| effect.verb.protects())
    }

    /// Returns its verbs of a kind, each once.
    fn verbs(&self, is: fn(Rule) -> bool) -> Vec<&'static str> {
        let verbs: BTreeSet<Rule> = self.effects.iter().map(|effect| effect.verb).collect();
        verbs.into_iter().filter(|verb| is(*verb)).map(Rule::word).collect()
    }

    /// Reports whether the policy has an effect.
    fn does(&self, kind: EffectKind) -> bool {
        self.effects.iter().any(|effect| effect.does(kind))
    }

    /// Returns the effect that takes what this one gives back, if the policy has it.
    fn takes_for(&self, verb: Rule) -> Option<EffectKind> {
        verb.effect().and_then(EffectKind::taken_by).filter(|takes| self.does(*takes))
    }

    fn takes(&self) -> bool {
        self.effects.iter().any(|effect| effect.verb.takes())
    }

    /// Reports whether edits of conditions or paths matter: the policy takes, protects or gives.
    fn matters(&self) -> bool {
        self.takes() || self.protects() || self.giving().next().is_some()
    }

    /// Returns every path to its end.
    fn ends(&self) -> impl Iterator<Item = &Way> {
        self.effects.iter().filter(|effect| effect.verb == Rule::Close).flat_map(|effect| &effect.ways)
    }

    fn giving(&self) -> impl Iterator<Item = &Effect> {
        self.effects.iter().filter(|effect| effect.verb.gives())
    }
}

/// The severity of a finding; the worst comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Harm,
    Proof,
    Decision,
    Back,
    Protection,
    Unknown,
}

/// When a finding is omitted, because another finding implies it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// On a path on which, or on a prefix of which, another finding exists.
    Path,
    /// If another finding names this text.
    Text(String),
}

/// A reason, with the places to which it applies.
#[derive(Debug, Clone)]
struct Finding {
    weight: Weight,
    beside: Beside,
    begin: String,
    /// The beginning for several places, with their number in place of `#`.
    many: Option<String>,
    places: Vec<String>,
}

impl Finding {
    fn new(weight: Weight, begin: impl Into<String>, place: impl Into<String>) -> Self {
        let (beside, places) = (Beside::Nothing, vec![place.into()]);
        Self { weight, beside, begin: begin.into(), many: None, places }
    }

    fn alone(weight: Weight, begin: impl Into<String>) -> Self {
        Self { weight, beside: Beside::Nothing, begin: begin.into(), many: None, places: Vec::new() }
    }

    fn sentence(&self) -> String {
        let count = self.places.len();
        let begin = match &self.many {
            Some(many) if count > 1 => many.replacen('#', &count.to_string(), 1),
            Some(_) | None => self.begin.clone(),
        };
        let named: Vec<&str> = self.places.iter().take(PATHS).map(String::as_str).collect();
        let more = if count > PATHS { format!("; and {} more", count - PATHS) } else { String::new() };
        if named.is_empty() { begin } else { format!("{begin}: {}{more}", named.join("; ")) }
    }
}

/// Removes findings that only follow from another finding.
fn each_once(found: Vec<Finding>) -> Vec<Finding> {
    let (own, beside): (Vec<Finding>, Vec<Finding>) =
        found.into_iter().partition(|one| one.beside == Beside::Nothing);
    let path = |place: &str| place.split(" (").next().unwrap_or(place).to_owned();
    let paths: Vec<String> = own.iter().flat_map(|one| &one.places).map(|place| path(place)).collect();
    let on_path = |place: &String| {
        paths.iter().any(|path| {
            place.strip_prefix(path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(" > "))
        })
    };
    let contained = |text: &str| own.iter().any(|one| one.places.iter().any(|place| place.contains(text)));
    let follows = |one: &Finding| match &one.beside {
        Beside::Nothing => false,
        Beside::Path => one.places.iter().all(on_path),
        Beside::Text(text) => contained(text),
    };
    let left: Vec<Finding> = beside.into_iter().filter(|one| !follows(one)).collect();
    [own, left].concat()
}

/// Returns one sentence for each reason.
fn sentences(found: Vec<Finding>) -> Vec<String> {
    let mut all: Vec<Finding> = Vec::new();
    for one in each_once(found) {
        match all.iter_mut().find(|other| other.begin == one.begin) {
            Some(other) => {
                let fresh = one.places.into_iter().filter(|place| !other.places.contains(place));
                let fresh: Vec<String> = fresh.collect();
                other.places.extend(fresh);
            }
            None => all.push(one),
        }
    }
    all.sort_by_key(|one| one.weight);
    let more = all.len().saturating_sub(NAMED);
    let mut reasons: Vec<String> = all.iter().take(NAMED).map(Finding::sentence).collect();
    if more > 0 {
        let reasons_left = if more == 1 { "reason" } else { "reasons" };
        reasons.push(format!("has {more} more {reasons_left}; proofd policy diff shows every change"));
    }
    reasons
}
