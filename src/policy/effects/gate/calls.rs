//! Reports calls to other systems and the values sent to them, because their use there is unknown. A text of several
//! words is for readers, and its wording may change. The values that it shows of the person, of the case or of the
//! policy must not change.

use std::collections::BTreeSet;

use super::super::details::bare;
use super::super::pairing::bare_texts;
use super::super::{Effect, Sheet, Way};
use super::{Both, Finding, Weight};
use crate::model::EffectKind;

pub(super) fn look(both: &Both<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for effect in calls(both.new) {
        let to = both.pairing.text(&effect.to);
        let olds: Vec<&Way> =
            calls(both.old).filter(|old| bare(&old.to) == to).flat_map(|old| &old.ways).collect();
        if olds.is_empty() {
            let places = effect.ways.iter().map(Way::line);
            let begin = format!("can newly call {}", effect.to);
            found.extend(places.map(|place| Finding::new(Weight::Harm, &*begin, place)));
            continue;
        }
        let begin = format!("sends another value by call {}", effect.to);
        for way in &effect.ways {
            let values = values(both, way, &olds);
            found.extend(values.into_iter().map(|value| Finding::new(Weight::Harm, &*begin, value)));
        }
    }
    found
}

fn calls(sheet: &Sheet) -> impl Iterator<Item = &Effect> {
    sheet.effects.iter().filter(|effect| effect.does(EffectKind::Call))
}

/// Returns values that were not sent before. A call on a new path may send other fixed values.
fn values(both: &Both<'_>, way: &Way, olds: &[&Way]) -> Vec<String> {
    let marks = both.pairing.marks(&way.trail.marks);
    let same: Vec<&Way> = olds.iter().copied().filter(|old| old.trail.marks == marks).collect();
    let known: Vec<String> =
        if same.is_empty() { olds } else { &same }.iter().flat_map(|old| bare_texts(&old.body)).collect();
    let shown: BTreeSet<&str> = known.iter().flat_map(|line| expressions(line)).collect();
    let other = |line: &&String| {
        let bare = both.pairing.text(line);
        let fixed = same.is_empty() || is_prose(line);
        !known.contains(&bare) && (!fixed || expressions(&bare).iter().any(|one| !shown.contains(one)))
    };
    way.body.iter().filter(other).cloned().collect()
}

/// Returns the expressions in a text.
fn expressions(text: &str) -> Vec<&str> {
    text.split("${").skip(1).filter_map(|part| part.split('}').next()).collect()
}

/// Reports whether a value, as written, has several words outside of its expressions.
fn is_prose(line: &str) -> bool {
    let value = line.split_once(" = ").map_or(line, |(_, value)| value);
    let mut parts = value.split("${");
    let words: Vec<&str> = parts
        .next()
        .into_iter()
        .chain(parts.map(|part| part.split_once('}').map_or("", |(_, rest)| rest)))
        .flat_map(str::split_whitespace)
        .collect();
    words.len() > 1
}
