//! Which edits wait for a person's release: those that can take more, give back less, let people in on less proof or
//! by fewer decisions, give more, or protect less. Decided from the files alone, by what a policy does to whom, on
//! which path, on what proof and decided by whom; what the recorded past shows can add reasons later. Each reason
//! reads on after "because it".
//!
//! | file | what |
//! |---|---|
//! | `takes` | what is newly taken, and who is let in without a pass or a decision |
//! | `gives` | what is given for less proof, after fewer decisions, or for the first time |
//! | `calls` | which other systems are called, and with which values |
//! | `back` | ways back that get shorter or disappear, and mails that are not sent any more |
//! | `protects` | who is not asked or not withheld any more |
//! | `decides` | clauses, settings and scripts that decide, and what ends a case |
//! | `teams` | addresses of those who decide and of those who are told |

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

/// Longer lists of sentences are not read.
const NAMED: usize = 10;

/// Nor are longer lists of paths.
const PATHS: usize = 3;

/// Why a revision must be released before it runs, the worst first; empty: it need not be. `before` is what runs
/// now; where nothing is watched, nothing waits.
pub fn reasons(before: Option<&Sheet>, after: &Sheet, watched: &[Watched]) -> Vec<String> {
    if watched.is_empty() {
        return Vec::new();
    }
    // What a policy in shadow would do, it never did.
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

/// What an edit changes little and, with the edits before it, changes much. `base` is the revision that a person released
/// last, or the one with which the edits began.
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

/// Why a policy that is not in the tree any more runs until a person releases that; empty: it simply stops.
pub fn reasons_to_stay(sheet: &Sheet, watched: &[Watched]) -> Vec<String> {
    let protects = sheet.acts() && sheet.protects() && watched.contains(&Watched::ProtectLess);
    let verbs = || sheet.verbs(Rule::protects).join(", ");
    protects
        .then(|| format!("stops protecting: no policy of its name would {}", verbs()))
        .into_iter()
        .collect()
}

/// What ran and the edit of it.
struct Both<'a> {
    old: &'a Sheet,
    new: &'a Sheet,
    pairing: Pairing<'a>,
}

impl Sheet {
    /// Whether it asks for proof or withholds access.
    fn protects(&self) -> bool {
        self.effects.iter().any(|effect| effect.verb.protects())
    }

    /// Its verbs of a kind, each once.
    fn verbs(&self, is: fn(Rule) -> bool) -> Vec<&'static str> {
        let verbs: BTreeSet<Rule> = self.effects.iter().map(|effect| effect.verb).collect();
        verbs.into_iter().filter(|verb| is(*verb)).map(Rule::word).collect()
    }

    /// Whether the policy has an effect.
    fn does(&self, kind: EffectKind) -> bool {
        self.effects.iter().any(|effect| effect.does(kind))
    }

    /// The effect that takes what this one gives back, if the policy has it.
    fn takes_for(&self, verb: Rule) -> Option<EffectKind> {
        verb.effect().and_then(EffectKind::taken_by).filter(|takes| self.does(*takes))
    }

    fn takes(&self) -> bool {
        self.effects.iter().any(|effect| effect.verb.takes())
    }

    /// Whether an edit of whom it is about, or of which way a case takes, matters to anybody.
    fn matters(&self) -> bool {
        self.takes() || self.protects() || self.giving().next().is_some()
    }

    /// Every path to its end.
    fn ends(&self) -> impl Iterator<Item = &Way> {
        self.effects.iter().filter(|effect| effect.verb == Rule::Close).flat_map(|effect| &effect.ways)
    }

    fn giving(&self) -> impl Iterator<Item = &Effect> {
        self.effects.iter().filter(|effect| effect.verb.gives())
    }
}

/// How bad it is; the worst comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Harm,
    Proof,
    Decision,
    Back,
    Protection,
    Unknown,
}

/// Where a finding is not said, because another one says as much.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// On a path on which, or on whose beginning, something else is found.
    Path,
    /// Where something else names this.
    Text(String),
}

/// A reason, and the places for which it is one.
#[derive(Debug, Clone)]
struct Finding {
    weight: Weight,
    beside: Beside,
    begin: String,
    /// The beginning where there are several places, with their number in the place of `#`.
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

/// Without what only follows from something else that is found.
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
    let says = |text: &str| own.iter().any(|one| one.places.iter().any(|place| place.contains(text)));
    let follows = |one: &Finding| match &one.beside {
        Beside::Nothing => false,
        Beside::Path => one.places.iter().all(on_path),
        Beside::Text(text) => says(text),
    };
    let left: Vec<Finding> = beside.into_iter().filter(|one| !follows(one)).collect();
    [own, left].concat()
}

/// One sentence for each reason.
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
