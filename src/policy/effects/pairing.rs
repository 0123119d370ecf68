//! Pairs the steps of two revisions: by name, by content, or by position.

use std::collections::BTreeMap;

use super::details::{Details, Stop, bare};
use super::trail::{Mark, Trail};
use crate::policy::tree::StepIndex;

/// Maps the steps of the edit to those of the running revision.
#[derive(Debug, Default)]
pub(super) struct Pairing<'a> {
    pub pairs: Vec<(&'a Stop, &'a Stop)>,
    to_old: BTreeMap<StepIndex, StepIndex>,
    /// Ids of steps: new to old.
    ids: BTreeMap<&'a str, &'a str>,
}

/// The first index for steps without a pair; no policy has that many steps.
const UNPAIRED: u32 = 1 << 30;

impl<'a> Pairing<'a> {
    /// Pairs each new step with an old one.
    pub fn of(old: &'a Details, new: &'a Details) -> Self {
        let mut left: Vec<&Stop> = old.stops.iter().collect();
        let mut pairing = Self::default();
        let rules: [fn(&Stop, &Stop) -> bool; 4] = [
            |new, old| new.id.is_some() && new.id == old.id && new.word == old.word,
            |new, old| new.id.is_some() && new.id == old.id,
            |new, old| new.word == old.word,
            |new, old| new.path == old.path,
        ];
        for rule in rules {
            for stop in &new.stops {
                if pairing.to_old.contains_key(&stop.index) {
                    continue;
                }
                let found = left.iter().position(|other| stop.verb == other.verb && rule(stop, other));
                if let Some(found) = found {
                    let before = left.remove(found);
                    pairing.to_old.insert(stop.index, before.index);
                    pairing.ids.extend(stop.id.as_deref().zip(before.id.as_deref()));
                    pairing.pairs.push((before, stop));
                }
            }
        }
        pairing
    }

    pub fn old(&self, new: StepIndex) -> Option<StepIndex> {
        self.to_old.get(&new).copied()
    }

    /// Returns the step of the edit for a mapped index, if it has no old step.
    pub fn unpaired(at: StepIndex) -> Option<StepIndex> {
        at.0.checked_sub(UNPAIRED).map(StepIndex)
    }

    /// Maps an outcome of the edit to the old steps.
    fn mark(&self, mark: &Mark) -> Mark {
        let step = self.old(mark.step).unwrap_or(StepIndex(mark.step.0.saturating_add(UNPAIRED)));
        Mark { step, via: mark.via.clone() }
    }

    pub fn marks(&self, marks: &[Mark]) -> Vec<Mark> {
        marks.iter().map(|mark| self.mark(mark)).collect()
    }

    /// Maps a text of the edit to the old step names.
    pub fn text(&self, text: &str) -> String {
        const BEFORE: &str = "steps.";
        let mut parts = text.split(BEFORE);
        let mut written = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(part.len());
            let (id, rest) = part.split_at(end);
            written.push_str(BEFORE);
            written.push_str(self.ids.get(id).copied().unwrap_or(id));
            written.push_str(rest);
        }
        bare(&written)
    }

    pub fn texts(&self, texts: &[String]) -> Vec<String> {
        texts.iter().map(|text| self.text(text)).collect()
    }

    /// Maps a trail of the edit to the old steps.
    pub fn trail(&self, trail: &Trail) -> Trail {
        Trail {
            marks: self.marks(&trail.marks),
            decided: self.marks(&trail.decided),
            conditions: self.texts(&trail.conditions),
            asked: trail.asked.clone(),
            passed: trail.passed.clone(),
            granted_by: trail.granted_by.as_ref().map(|mark| self.mark(mark)),
        }
    }
}

/// Normalizes texts of the running revision, whose names stay.
pub(super) fn bare_texts(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| bare(text)).collect()
}

/// Reports whether every case on the longer path passes the shorter one first.
pub(super) fn leads_to(short: &[Mark], long: &[Mark]) -> bool {
    let mut marks = long.iter();
    short.iter().all(|mark| marks.any(|other| other == mark))
}
